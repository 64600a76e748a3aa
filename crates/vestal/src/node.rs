//! This process among the others that have the store open, and which of those are gone.

use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use vestal_core::id::NodeId;
use vestal_core::seal::{KeyId, Vault};
use vestal_core::store::Store;
use vestal_engine::{Fate, Nodes};
use vestal_store::nodes::{NodeFile, Sign, Told, forget, gone_nodes, living_nodes, sign_of};

/// This process, and the folder in which each of its kind shows that it lives.
pub(crate) struct Node {
    /// This process.
    pub(crate) id: NodeId,
    folder: PathBuf,
    /// Left where it is when the process ends: that nobody holds it any more tells others that the process is gone.
    file: OnceLock<io::Result<ManuallyDrop<NodeFile>>>,
    tells: Mutex<Tells>,
}

/// What a process tells of itself.
#[derive(Default)]
struct Tells {
    /// The keys that it holds, and the one that it seals with, once it has any.
    keys: Option<(Vec<KeyId>, KeyId)>,
    /// Whether it takes leases, or is about to.
    refreshes: bool,
}

impl Node {
    pub(crate) fn new(id: NodeId, folder: PathBuf) -> Self {
        Self { id, folder, file: OnceLock::new(), tells: Mutex::default() }
    }

    /// The folder in which each process shows that it lives.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Shows others that this process lives, and which master keys it holds.
    pub(crate) fn show(&self, vault: &Vault) {
        let mut tells = self.tells();
        tells.keys = Some((vault.holds(), vault.seals_with()));
        self.tell(&tells);
    }

    /// That there is no file is told once it takes leases: a process that only reads may do that where nothing can be written.
    fn tell(&self, tells: &Tells) {
        let (Ok(file), Some((holds, seals))) = (self.file(), &tells.keys) else { return };
        let Tells { refreshes, .. } = *tells;
        let told = Told { pid: std::process::id(), holds: holds.clone(), seals: *seals, refreshes };
        if let Err(error) = file.tell(&told) {
            tracing::warn!(folder = %self.folder.display(), %error, "this process cannot tell which master keys it holds");
        }
    }

    fn tells(&self) -> MutexGuard<'_, Tells> {
        self.tells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> &io::Result<ManuallyDrop<NodeFile>> {
        self.file.get_or_init(|| NodeFile::hold(&self.folder, self.id).map(ManuallyDrop::new))
    }

    /// Ends what this process still holds, once nothing of it is under way any more, and leaves no trace of it. Where
    /// that cannot be written, others find out.
    pub(crate) async fn retire(&self, store: &dyn Store) {
        if !matches!(self.file.get(), Some(Ok(_))) {
            return;
        }
        let refreshes = self.tells().refreshes;
        if refreshes {
            self.release(self.id, store).await;
        } else {
            self.forget(self.id);
        }
    }

    /// Frees what the processes held that are gone, and forgets them. Returns how many leases are free now.
    pub(crate) async fn release_gone(&self, store: &dyn Store) -> u64 {
        let mut freed = 0;
        for node in self.gone() {
            if let Some(leases) = self.release(node, store).await {
                freed += leases;
                tracing::info!(%node, leases, "a process is gone; its leases are free");
            }
        }
        freed
    }

    /// Whether another process lives here that refreshes, or keeps to the schedule. One that tells nothing may.
    pub(crate) fn others_live(&self) -> bool {
        let living = living_nodes(&self.folder).unwrap_or_default();
        let mut others = living.iter().filter(|other| other.node != self.id);
        others.any(|other| other.told.as_ref().is_none_or(|told| told.refreshes))
    }

    /// Frees what a process held, and forgets it. `None` where that failed.
    async fn release(&self, node: NodeId, store: &dyn Store) -> Option<u64> {
        let leases = store.release_node(node).await;
        match &leases {
            Ok(_) => self.forget(node),
            Err(error) => tracing::warn!(%node, %error, "the leases of a process that is gone stay"),
        }
        leases.ok()
    }

    fn forget(&self, node: NodeId) {
        if let Err(error) = forget(&self.folder, node) {
            tracing::warn!(%node, %error, "a process that is gone cannot be forgotten");
        }
    }

    fn gone(&self) -> Vec<NodeId> {
        gone_nodes(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot tell which processes are gone");
            Vec::new()
        })
    }
}

impl Nodes for Node {
    fn fate(&self, node: NodeId) -> Fate {
        if node == self.id {
            return Fate::Alive;
        }
        match sign_of(&self.folder, node) {
            Ok(Sign::Lives) => Fate::Alive,
            Ok(Sign::Gone) => Fate::Gone,
            Ok(Sign::None) => Fate::Unknown,
            Err(error) => {
                tracing::warn!(%node, %error, "cannot tell whether a process lives");
                Fate::Unknown
            }
        }
    }

    /// From here on it matters to others whether this process lives: they take over what it holds.
    fn announce(&self) {
        let mut tells = self.tells();
        if std::mem::replace(&mut tells.refreshes, true) {
            return;
        }
        if let Err(error) = self.file() {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "this process cannot show that it lives: should it be killed, others wait until its leases end");
        }
        self.tell(&tells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use vestal_core::clock::Clock;

    #[test]
    fn a_process_leaves_a_trace_only_once_it_announces_itself() {
        let folder = tempfile::tempdir().unwrap();
        let id = || NodeId::new(SystemClock.now(), &SystemEntropy);
        let (one, two) =
            (Node::new(id(), folder.path().join("nodes")), Node::new(id(), folder.path().join("nodes")));
        assert_eq!(two.fate(one.id), Fate::Unknown);
        assert!(!folder.path().join("nodes").exists() && !two.others_live());
        one.announce();
        assert_eq!(two.fate(one.id), Fate::Alive);
        assert!(two.others_live() && !one.others_live());
        assert_eq!(std::fs::read_dir(folder.path().join("nodes")).unwrap().count(), 1);
    }
}
