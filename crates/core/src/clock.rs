//! Time and randomness, as arguments.
//!
//! Nothing in Vestal reads the time or rolls dice by itself: whoever builds the program passes these in, so
//! that a test can choose both and a simulation can replay them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// A source of time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall time. It may jump either way; no token is declared dead because of it alone.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin that never steps and goes on while the machine sleeps
    /// (`CLOCK_BOOTTIME`). For measuring how long something took.
    fn uptime(&self) -> Duration;

    /// Waits. A machine that sleeps meanwhile may make this longer, so every loop that waits re-reads
    /// [`Clock::now`] afterwards.
    async fn sleep(&self, duration: Duration);
}

/// A source of unpredictable bytes, fit for keys and nonces.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// An array of unpredictable bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
