//! This process among the others that have the store open, and which of those are gone.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::OnceLock;

use vestal_core::id::NodeId;
use vestal_core::store::Store;
use vestal_engine::{Fate, Nodes};
use vestal_store::nodes::{NodeFile, Sign, forget, gone_nodes, sign_of};

/// This process, and the folder in which each of its kind shows that it lives.
pub(crate) struct Node {
    /// This process.
    pub(crate) id: NodeId,
    folder: PathBuf,
    /// Left where it is when the process ends: that nobody holds it any more tells others that the process is gone.
    file: OnceLock<Option<ManuallyDrop<NodeFile>>>,
}

impl Node {
    pub(crate) fn new(id: NodeId, folder: PathBuf) -> Self {
        Self { id, folder, file: OnceLock::new() }
    }

    /// Ends what this process still holds, once nothing of it is under way any more, and leaves no trace of it. Where
    /// that cannot be written, others find out.
    pub(crate) async fn retire(&self, store: &dyn Store) {
        if let Some(Some(_)) = self.file.get() {
            self.release(self.id, store).await;
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

    /// Whether another process lives here that refreshes, or keeps to the schedule.
    pub(crate) fn others_live(&self) -> bool {
        let Ok(entries) = fs::read_dir(&self.folder) else { return false };
        let nodes =
            entries.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse::<NodeId>().ok());
        nodes
            .filter(|node| *node != self.id)
            .any(|node| matches!(sign_of(&self.folder, node), Ok(Sign::Lives)))
    }

    /// Frees what a process held, and forgets it. `None` where that failed.
    async fn release(&self, node: NodeId, store: &dyn Store) -> Option<u64> {
        let leases = store.release_node(node).await;
        match &leases {
            Ok(_) => {
                if let Err(error) = forget(&self.folder, node) {
                    tracing::warn!(%node, %error, "a process that is gone cannot be forgotten");
                }
            }
            Err(error) => tracing::warn!(%node, %error, "the leases of a process that is gone stay"),
        }
        leases.ok()
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

    /// Shows that this process lives, so that others know when it does not any more and take over at once. A process
    /// that only reads never needs to.
    fn announce(&self) {
        self.file.get_or_init(|| match NodeFile::hold(&self.folder, self.id) {
            Ok(file) => Some(ManuallyDrop::new(file)),
            Err(error) => {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "this process cannot show that it lives: should it be killed, others wait until its leases end");
                None
            }
        });
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
        assert_eq!(fs::read_dir(folder.path().join("nodes")).unwrap().count(), 1);
    }
}
