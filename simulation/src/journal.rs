//! The journals of a machine's processes: durable, with troubles of their own.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use vestal_core::id::{AttemptId, NodeId};
use vestal_core::journal::{Entry, Incomplete, Journal, JournalError, Room};

use crate::lock;
use crate::process::{Call, Process};

/// What is wrong with a machine's disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Nothing.
    #[default]
    Fine,
    /// It is full: what room was made before can still be written.
    Full,
    /// Nothing written to it gets durable.
    Failing,
}

/// The journals on one machine: what its processes wrote, oldest first.
#[derive(Default)]
pub(crate) struct Shelf {
    disk: Mutex<Disk>,
    written: Mutex<Vec<(NodeId, Entry)>>,
}

impl Shelf {
    pub(crate) fn set_disk(&self, disk: Disk) {
        *lock(&self.disk) = disk;
    }

    /// The attempts whose answers lie here.
    pub(crate) fn attempts(&self) -> Vec<AttemptId> {
        lock(&self.written).iter().map(|(_, entry)| entry.attempt.id).collect()
    }

    fn disk(&self) -> Disk {
        *lock(&self.disk)
    }
}

/// The journal of one process.
pub(crate) struct OwnJournal(pub(crate) Arc<Process>);

impl OwnJournal {
    fn shelf(&self) -> &Shelf {
        &self.0.machine.shelf
    }

    fn append_now(&self, entry: &Entry) -> Result<(), JournalError> {
        if self.shelf().disk() == Disk::Failing {
            self.0.ledger.count("journal refused an answer");
            return Err(JournalError { detail: "planted: fsync failed".into() });
        }
        let mut written = lock(&self.shelf().written);
        if !written.iter().any(|(_, kept)| kept.attempt.id == entry.attempt.id) {
            written.push((self.0.node, entry.clone()));
            self.0.ledger.journalled(self.0.node, entry);
        }
        Ok(())
    }
}

#[async_trait]
impl Journal for OwnJournal {
    async fn reserve(&self) -> Result<Room, JournalError> {
        self.0
            .call(Call::Other, async {
                match self.shelf().disk() {
                    Disk::Fine => Ok(Room::ample()),
                    Disk::Full | Disk::Failing => Err(JournalError { detail: "planted: no room".into() }),
                }
            })
            .await
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.0.call(Call::Append, async { self.append_now(entry) }).await
    }

    async fn entries(&self) -> Result<Vec<Entry>, Incomplete> {
        self.0
            .call(Call::Other, async {
                let written = lock(&self.shelf().written);
                Ok(written.iter().map(|(_, entry)| entry.clone()).collect())
            })
            .await
    }

    async fn settle(&self, attempts: &[AttemptId]) -> Result<(), JournalError> {
        self.0
            .call(Call::Other, async {
                if self.shelf().disk() == Disk::Failing {
                    return Err(JournalError { detail: "planted: fsync failed".into() });
                }
                lock(&self.shelf().written).retain(|(node, entry)| {
                    let ours = *node == self.0.node || self.0.machine.is_gone(*node);
                    let settled = ours && attempts.contains(&entry.attempt.id);
                    if settled {
                        self.0.ledger.settled(entry.attempt.id);
                    }
                    !settled
                });
                Ok(())
            })
            .await
    }

    async fn close(&self) {}
}
