//! How many requests may be under way to one host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of every host.
pub(crate) struct Hosts {
    slots: usize,
    kept_for_readers: usize,
    by_name: Mutex<HashMap<String, Arc<Host>>>,
}

struct Host {
    all: Arc<Semaphore>,
    /// What the schedule may take: the rest is kept for readers who wait.
    scheduled: Arc<Semaphore>,
}

/// The right to send one request; given back when dropped.
pub(crate) struct Slot {
    _all: Option<OwnedSemaphorePermit>,
    _scheduled: Option<OwnedSemaphorePermit>,
}

impl Hosts {
    pub(crate) fn new(slots: usize, kept_for_readers: usize) -> Self {
        Self { slots, kept_for_readers, by_name: Mutex::default() }
    }

    /// Waits for a slot.
    pub(crate) async fn slot(&self, host: &str, somebody_waits: bool) -> Slot {
        let host = {
            let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
            let host = by_name.entry(host.to_owned()).or_insert_with(|| {
                let scheduled = self.slots.saturating_sub(self.kept_for_readers).max(1);
                Arc::new(Host {
                    all: Arc::new(Semaphore::new(self.slots)),
                    scheduled: Arc::new(Semaphore::new(scheduled)),
                })
            });
            Arc::clone(host)
        };
        // A semaphore that is never closed always gives its permit.
        let scheduled = match somebody_waits {
            true => None,
            false => Arc::clone(&host.scheduled).acquire_owned().await.ok(),
        };
        let all = Arc::clone(&host.all).acquire_owned().await.ok();
        Slot { _all: all, _scheduled: scheduled }
    }
}
