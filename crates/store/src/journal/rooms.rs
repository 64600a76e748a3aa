//! How many answers can still be written for sure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ROOM_BYTES;
use super::named::Named;

/// Counts the rooms that are taken against the blocks that are there.
#[derive(Default)]
pub(super) struct Rooms(Mutex<Count>);

#[derive(Default)]
struct Count {
    taken: u64,
    free_bytes: u64,
    /// The blocks lie in a folder that is not the first: they are asked for anew whenever nothing lies in them.
    fallback: bool,
    /// The blocks are this file's, and go with it.
    file: Option<Arc<Named>>,
}

/// Gives the room back when it is dropped.
pub(super) struct Taken(Arc<Rooms>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.count().taken -= 1;
    }
}

impl Rooms {
    /// Takes a room, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Taken> {
        let (taken, file) = {
            let mut count = self.count();
            let wait = count.fallback && count.taken == 0;
            if wait || !count.take() {
                return None;
            }
            (Taken(self.clone()), count.file.clone())
        };
        file.is_some_and(|file| file.check().is_ok()).then_some(taken)
    }

    /// As [`Rooms::take`], also in a fallback.
    pub(super) fn take_anywhere(self: &Arc<Self>) -> Option<Taken> {
        self.count().take().then(|| Taken(self.clone()))
    }

    /// The bytes that all rooms that are taken may need, and one more.
    pub(super) fn wanted_bytes(&self) -> u64 {
        (self.count().taken + 1) * ROOM_BYTES
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> u64 {
        self.count().taken
    }

    /// Says what there is by now.
    pub(super) fn offer(&self, free_bytes: u64, fallback: bool, file: Option<Arc<Named>>) {
        let mut count = self.count();
        count.free_bytes = free_bytes;
        count.fallback = fallback;
        count.file = file;
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn take(&mut self) -> bool {
        let fits = (self.taken + 1) * ROOM_BYTES <= self.free_bytes;
        self.taken += u64::from(fits);
        fits
    }
}
