//! Connections whose refresh could not even be tried: a damaged value, a client that is gone, a store that refuses.
//!
//! They stay due. So that they neither keep a core busy nor fill the log, each waits before it is looked at again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vestal_core::backoff::Backoff;
use vestal_core::id::ConnectionId;

const WAITS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

#[derive(Default)]
pub(crate) struct Ailing {
    by_connection: Mutex<HashMap<ConnectionId, Wait>>,
}

struct Wait {
    tries: u32,
    /// In the clock's uptime.
    until: Duration,
}

impl Ailing {
    /// Notes that a try came to nothing; returns how many did in a row.
    pub(crate) fn note(&self, id: ConnectionId, uptime: Duration) -> u32 {
        let mut by_connection = self.lock();
        let wait = by_connection.entry(id).or_insert(Wait { tries: 0, until: uptime });
        wait.tries = wait.tries.saturating_add(1);
        wait.until = uptime.saturating_add(WAITS.after(wait.tries, u64::MAX));
        wait.tries
    }

    /// Notes that a connection is well.
    pub(crate) fn forget(&self, id: ConnectionId) {
        self.lock().remove(&id);
    }

    /// Whether a connection is to be left alone for now.
    pub(crate) fn waits(&self, id: ConnectionId, uptime: Duration) -> bool {
        self.lock().get(&id).is_some_and(|wait| wait.until > uptime)
    }

    /// How long until the next of them is to be looked at again.
    pub(crate) fn soonest(&self, uptime: Duration) -> Option<Duration> {
        self.lock()
            .values()
            .filter_map(|wait| wait.until.checked_sub(uptime))
            .filter(|left| !left.is_zero())
            .min()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, Wait>> {
        self.by_connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
