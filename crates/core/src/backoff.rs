//! How long to wait after a failure.

use std::time::Duration;

/// The longest wait that a provider's `Retry-After` is believed: a longer one is a mistake more often than
/// not (milliseconds, a date as a number), and the refresh token would die of disuse meanwhile.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Exponential waiting, between `first` and `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after the `tries`th failure in a row (1 is the first), times a jitter in [½, 1].
    ///
    /// `jitter` is uniform over all of `u64`.
    pub fn after(self, tries: u32, jitter: u64) -> Duration {
        let doublings = tries.saturating_sub(1).min(32);
        let wait = self.first.saturating_mul(2u32.saturating_pow(doublings)).min(self.longest);
        #[expect(clippy::cast_precision_loss, reason = "the lowest bits of a jitter do not matter")]
        let share = jitter as f64 / u64::MAX as f64;
        wait.mul_f64(0.5 + 0.5 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_bound() {
        let backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(60) };
        let waits: Vec<u64> = (1..=7).map(|tries| backoff.after(tries, u64::MAX).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(backoff.after(u32::MAX, u64::MAX).as_secs(), 60);
        assert_eq!(backoff.after(1, 0), Duration::from_millis(2_500));
    }
}
