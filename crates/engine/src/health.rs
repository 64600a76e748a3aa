//! Whether this process really keeps connections alive: what a supervisor and a heartbeat go by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::store::Held;
use vestal_core::token::saturating_add;

use crate::{Engine, Error};

/// Whoever has not looked at the schedule for so many times as long as that may take at most is stuck.
const STUCK_AFTER_LOOKS: u32 = 6;

/// What is due has been refreshed, or tried and put off, after so long; what has not, is held back or forgotten.
const BEHIND_AFTER: Duration = Duration::from_secs(15 * 60);

/// What this process has done of late.
#[derive(Default)]
pub(crate) struct Doings {
    /// When the schedule was looked at last, in milliseconds of the clock's uptime; 0 where it was not yet.
    looked_at_ms: AtomicU64,
    refreshed: AtomicU64,
    failed: AtomicU64,
}

impl Doings {
    pub(crate) fn note_look(&self, uptime: Duration) {
        let uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
        self.looked_at_ms.store(uptime_ms.max(1), Ordering::Relaxed);
    }

    pub(crate) fn note_refresh(&self) {
        self.refreshed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Whether [`Engine::serve`] has come to look at the schedule not long ago, whatever the store said.
    pub fn is_looking(&self) -> bool {
        let looked_at = Duration::from_millis(self.inner.doings.looked_at_ms.load(Ordering::Relaxed));
        let stuck_after = self.inner.limits.look * STUCK_AFTER_LOOKS;
        !looked_at.is_zero() && self.inner.clock.uptime().saturating_sub(looked_at) < stuck_after
    }

    /// How many refreshes have succeeded in this process.
    pub fn refreshed(&self) -> u64 {
        self.inner.doings.refreshed.load(Ordering::Relaxed)
    }

    /// How many tries to refresh have failed in this process.
    pub fn failed(&self) -> u64 {
        self.inner.doings.failed.load(Ordering::Relaxed)
    }

    /// Whether nothing has been due for long.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn keeps_up(&self) -> Result<bool, Error> {
        let first = self.inner.store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await?;
        Ok(first.is_none_or(|due_at| saturating_add(due_at, BEHIND_AFTER) > self.inner.clock.now()))
    }
}
