//! Connections whose refresh could not even be tried: a damaged value, a client that is gone, a store that refuses.
//!
//! They stay due. So that they neither keep a core busy nor fill the log, each waits before it is looked at again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vestal_core::backoff::Backoff;
use vestal_core::id::ConnectionId;

const WAITS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// From how many on those are looked for that have not been heard of for long.
const FEW: usize = 1_024;

#[derive(Default)]
pub(crate) struct Ailing {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    by_connection: HashMap<ConnectionId, Wait>,
    /// At how many those are looked for next that have not been heard of for long.
    prune_at: usize,
}

struct Wait {
    tries: u32,
    /// In the clock's uptime.
    until: Duration,
    /// Somebody was told why.
    told: bool,
}

impl Wait {
    /// It has not been tried again for so long that what was is over: somebody else has done it, or it is gone.
    fn is_forgotten(&self, uptime: Duration) -> bool {
        self.until.saturating_add(WAITS.longest) < uptime
    }
}

impl Waiting {
    fn note(&mut self, id: ConnectionId, uptime: Duration) -> &mut Wait {
        if self.by_connection.len() >= self.prune_at.max(FEW) {
            self.by_connection.retain(|_, wait| !wait.is_forgotten(uptime));
            self.prune_at = 2 * self.by_connection.len();
        }
        let fresh = Wait { tries: 0, until: uptime, told: false };
        let wait = self.by_connection.entry(id).or_insert(fresh);
        if wait.is_forgotten(uptime) {
            (wait.tries, wait.told) = (0, false);
        }
        wait.tries = wait.tries.saturating_add(1);
        wait.until = uptime.saturating_add(WAITS.after(wait.tries, u64::MAX));
        wait
    }
}

impl Ailing {
    /// Notes that somebody else is at it.
    pub(crate) fn note_held(&self, id: ConnectionId, uptime: Duration) {
        self.lock().note(id, uptime);
    }

    /// Notes that its host takes nothing more now, for so long where that is known.
    pub(crate) fn note_full(&self, id: ConnectionId, uptime: Duration, open_for: Option<Duration>) {
        let wait = open_for.unwrap_or(WAITS.first);
        self.lock().note(id, uptime).until = uptime.saturating_add(wait);
    }

    /// Notes that a try came to nothing. Returns whether that has not been told yet.
    pub(crate) fn note_error(&self, id: ConnectionId, uptime: Duration) -> bool {
        !std::mem::replace(&mut self.lock().note(id, uptime).told, true)
    }

    /// Notes that a connection is well.
    pub(crate) fn forget(&self, id: ConnectionId) {
        self.lock().by_connection.remove(&id);
    }

    /// Whether a connection is to be left alone for now.
    pub(crate) fn waits(&self, id: ConnectionId, uptime: Duration) -> bool {
        self.lock().by_connection.get(&id).is_some_and(|wait| wait.until > uptime)
    }

    /// How long until the next of them is to be looked at again.
    pub(crate) fn soonest(&self, uptime: Duration) -> Option<Duration> {
        self.lock()
            .by_connection
            .values()
            .filter_map(|wait| wait.until.checked_sub(uptime))
            .filter(|left| !left.is_zero())
            .min()
    }

    /// How many are to be left alone for now.
    pub(crate) fn count(&self, uptime: Duration) -> usize {
        self.lock().by_connection.values().filter(|wait| wait.until > uptime).count()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> ConnectionId {
        ConnectionId::from_uuid(uuid::Uuid::from_u128(number))
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_error_is_told_once_also_after_somebody_else_was_at_it() {
        let ailing = Ailing::default();
        ailing.note_held(id(1), s(0));
        assert!(ailing.note_error(id(1), s(1)));
        assert!(!ailing.note_error(id(1), s(10)));
        assert!(ailing.waits(id(1), s(11)));
        assert!(ailing.note_error(id(1), s(10_000)), "long ago");
        ailing.forget(id(1));
        assert!(!ailing.waits(id(1), s(10_000)));
    }

    #[test]
    fn those_that_nobody_comes_back_to_are_forgotten() {
        let ailing = Ailing::default();
        for number in 0..10_000 {
            ailing.note_held(id(number), s(number as u64));
            assert!(ailing.lock().by_connection.len() <= FEW);
        }
        assert_eq!(ailing.count(s(9_999)), 1);
    }
}
