//! Time and randomness that are the same in each run.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use vestal_core::clock::{Clock, Entropy};

pub(crate) const EPOCH_S: i64 = 1_800_000_000;

/// Tokio's paused clock, as wall time. It can be set, as an administrator or NTP would.
pub(crate) struct VirtualClock {
    started: tokio::time::Instant,
    set_by_s: AtomicI64,
}

impl VirtualClock {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
    pub(crate) fn new() -> Self {
        Self { started: tokio::time::Instant::now(), set_by_s: AtomicI64::new(0) }
    }

    pub(crate) fn set_by(&self, seconds: i64) {
        self.set_by_s.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let set_by_s = self.set_by_s.load(Ordering::Relaxed);
        Timestamp::from_second(EPOCH_S + set_by_s).unwrap() + self.uptime()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// SplitMix64, counted up.
pub(crate) struct Seeded(AtomicU64);

impl From<u64> for Seeded {
    fn from(seed: u64) -> Self {
        Self(seed.into())
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
