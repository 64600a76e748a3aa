//! The real time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use vestal_core::clock::Clock;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

/// Goes on while the machine sleeps, and never steps.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UPTIME: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UPTIME: ClockId = ClockId::Monotonic;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that is passed in everywhere else")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        let time = clock_gettime(UPTIME);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(seconds, nanoseconds)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the Clock that is passed in everywhere else")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn uptime_grows_by_what_was_slept() {
        let before = SystemClock.uptime();
        SystemClock.sleep(Duration::from_millis(20)).await;
        let slept = SystemClock.uptime() - before;
        assert!(slept >= Duration::from_millis(20), "{slept:?}");
    }
}
