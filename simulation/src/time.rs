//! True time, and the clocks of machines, which need not show it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use vestal_core::clock::Clock;

/// When every world begins, in seconds since 1970.
const EPOCH_S: i64 = 1_800_000_000;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// True time: tokio's paused clock, which jumps to the next timer when nothing is left to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    started: tokio::time::Instant,
}

impl Timeline {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
    pub(crate) fn start() -> Self {
        Self { started: tokio::time::Instant::now() }
    }

    /// Since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// As providers count it, whose clocks are right.
    pub(crate) fn unix_ms(&self) -> u64 {
        let ms = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        EPOCH_S.unsigned_abs() * 1000 + ms
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// A machine's clock: wall time that may be wrong, and elapsed time that is right.
#[derive(Debug)]
pub(crate) struct WallClock {
    timeline: Timeline,
    off_by_ms: AtomicI64,
}

impl WallClock {
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self { timeline, off_by_ms: AtomicI64::new(0) }
    }

    /// Sets it this far from the truth.
    pub(crate) fn set_off_by(&self, off_by: SignedDuration) {
        let ms = i64::try_from(off_by.as_millis()).unwrap_or(0);
        self.off_by_ms.store(ms, Ordering::Relaxed);
    }

    /// How far it is from the truth, in milliseconds.
    pub(crate) fn off_by_ms(&self) -> i64 {
        self.off_by_ms.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let off_by = SignedDuration::from_millis(self.off_by_ms());
        let start = Timestamp::from_second(EPOCH_S).unwrap_or(Timestamp::UNIX_EPOCH);
        start.checked_add(self.timeline.elapsed()).and_then(|at| at.checked_add(off_by)).unwrap_or(start)
    }

    fn uptime(&self) -> Duration {
        self.timeline.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }
}
