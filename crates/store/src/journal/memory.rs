//! A journal that lives as long as its process: for tests and for simulations.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use vestal_core::id::AttemptId;
use vestal_core::journal::{Entry, Incomplete, Journal, JournalError, Room};

/// A journal in memory, which the nodes of one simulated machine share.
#[derive(Default)]
pub struct MemoryJournal {
    entries: Mutex<BTreeMap<AttemptId, Entry>>,
    full: AtomicBool,
    unreadable: AtomicBool,
    reads: AtomicUsize,
}

impl MemoryJournal {
    /// While it is full, room is refused and nothing is written; what is there can be read and settled.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// While it is, there may be more than what can be read.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::SeqCst);
    }

    /// How often all of it was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(JournalError { detail: "memory: it was made full".to_owned() });
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn reserve(&self) -> Result<Room, JournalError> {
        self.check().map(|()| Room::ample())
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.check()?;
        self.kept().entry(entry.attempt.id).or_insert_with(|| entry.clone());
        Ok(())
    }

    async fn entries(&self) -> Result<Vec<Entry>, Incomplete> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut entries: Vec<Entry> = self.kept().values().cloned().collect();
        entries.sort_by_key(|entry| (entry.attempt.started_at, entry.attempt.id));
        match self.unreadable.load(Ordering::SeqCst) {
            true => {
                let why = JournalError { detail: "memory: it was made unreadable".to_owned() };
                Err(Incomplete { found: entries, why })
            }
            false => Ok(entries),
        }
    }

    async fn settle(&self, attempts: &[AttemptId]) -> Result<(), JournalError> {
        self.kept().retain(|attempt, _| !attempts.contains(attempt));
        Ok(())
    }

    async fn close(&self) {}
}
