//! What one host can take: how many scheduled requests at once, and whether any. Pure.
//!
//! A host starts with a narrow window that widens with each answer, so that what is due after downtime comes as a ramp,
//! not as a wall; it narrows when the host is slow or throttles. Where it cannot be reached at all, the circuit opens:
//! nothing is sent for a while, then one request to see.

use std::time::Duration;

use vestal_core::backoff::Backoff;
use vestal_core::outcome::Reply;

/// Scheduled requests at once to a host of which nothing is known yet.
const FIRST_WINDOW: usize = 4;

/// So many failures in a row open the circuit.
const OPENS_AFTER: u32 = 3;

const WAITS: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(120) };

/// What an answer, or none, tells of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answers.
    Well,
    /// It is slow, or asks for patience: 429, or no answer in time.
    Strained,
    /// It cannot be reached, or fails: connect, TLS, 5xx.
    Down,
}

impl Health {
    /// What a reply tells.
    pub(crate) fn of(reply: &Reply) -> Option<Self> {
        Some(match reply {
            Reply::NotSent { .. } => Self::Down,
            // That is the client's affair, and others may be known there.
            Reply::ClientUnfit { .. } => return None,
            Reply::NoAnswer { .. } => Self::Strained,
            Reply::Tokens(_) => Self::Well,
            Reply::Error { status, .. } | Reply::Unreadable { status, .. } => match status {
                429 => Self::Strained,
                500.. => Self::Down,
                _ => Self::Well,
            },
        })
    }
}

/// The state of one host. Times are the clock's uptime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Scheduled requests at once.
    window: usize,
    /// The widest window.
    widest: usize,
    /// Failures since it was last well.
    failures: u32,
    /// Nothing is sent before this time.
    open_until: Option<Duration>,
}

impl Gate {
    pub(crate) fn new(widest: usize) -> Self {
        Self { window: FIRST_WINDOW.min(widest), widest, failures: 0, open_until: None }
    }

    /// How many more scheduled requests may be sent now, with so many under way.
    pub(crate) fn room(&self, under_way: usize, uptime: Duration) -> usize {
        match self.open_until {
            Some(until) if until > uptime => 0,
            // One, to see.
            Some(_) => 1_usize.saturating_sub(under_way),
            None => self.window.saturating_sub(under_way),
        }
    }

    /// For how long nothing is to be sent, if the circuit is open.
    pub(crate) fn open_for(&self, uptime: Duration) -> Option<Duration> {
        self.open_until?.checked_sub(uptime).filter(|left| !left.is_zero())
    }

    /// Takes note of a request's end. `jitter` is uniform over all of `u64`.
    pub(crate) fn note(&mut self, health: Health, sent_at: Duration, uptime: Duration, jitter: u64) {
        // It was under way when the circuit opened: that it failed tells nothing new.
        let was_under_way = self.open_until.is_some_and(|until| sent_at < until);
        match health {
            Health::Well => {
                self.window = (self.window + 1).min(self.widest);
                self.failures = 0;
                self.open_until = None;
            }
            Health::Strained => {
                self.window = (self.window / 2).max(1);
                // It answers, or at least takes connections.
                self.open_until = self.open_until.filter(|_| was_under_way);
            }
            Health::Down if was_under_way => {}
            Health::Down => {
                self.window = (self.window / 2).max(1);
                self.failures = self.failures.saturating_add(1);
                if let Some(beyond) = self.failures.checked_sub(OPENS_AFTER) {
                    self.open_until = Some(uptime.saturating_add(WAITS.after(beyond + 1, jitter)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn noted(healths: &[Health]) -> Gate {
        let mut gate = Gate::new(12);
        healths.iter().for_each(|health| gate.note(*health, NOW, NOW, u64::MAX));
        gate
    }

    #[test]
    fn a_ramp_not_a_wall() {
        assert_eq!(noted(&[]).room(0, NOW), 4);
        assert_eq!(noted(&[Health::Well; 3]).room(2, NOW), 5);
        assert_eq!(noted(&[Health::Well; 100]).room(0, NOW), 12);
        assert_eq!(noted(&[Health::Well; 100]).room(13, NOW), 0);
    }

    #[test]
    fn a_slow_host_gets_one_at_a_time_and_its_circuit_stays_closed() {
        let gate = noted(&[Health::Strained; 10]);
        assert_eq!((gate.room(0, NOW), gate.room(1, NOW), gate.open_for(NOW)), (1, 0, None));
    }

    #[test]
    fn the_circuit_opens_at_the_third_failure_and_closes_with_an_answer() {
        assert_eq!(noted(&[Health::Down; 2]).open_for(NOW), None);
        let mut gate = noted(&[Health::Down; 3]);
        assert_eq!(gate.open_for(NOW), Some(Duration::from_secs(1)));
        assert_eq!(gate.room(0, NOW), 0);
        let later = NOW + Duration::from_secs(1);
        assert_eq!((gate.room(0, later), gate.room(1, later)), (1, 0), "one, to see");
        gate.note(Health::Down, later, later, u64::MAX);
        assert_eq!(gate.open_for(later), Some(Duration::from_secs(2)));
        gate.note(Health::Well, later, later, u64::MAX);
        assert_eq!((gate.open_for(later), gate.room(0, later)), (None, 2));
    }

    #[test]
    fn the_wait_grows_with_each_try_not_with_each_request_that_was_under_way() {
        let mut gate = noted(&[Health::Down; 60]);
        assert_eq!(gate.open_for(NOW), Some(Duration::from_secs(1)), "one incident");
        let mut now = NOW;
        for seconds in [1, 2, 4, 8, 16, 32, 64, 120, 120] {
            assert_eq!(gate.open_for(now), Some(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            for late in [Health::Down, Health::Strained, Health::Down] {
                gate.note(late, NOW, now, u64::MAX);
            }
            assert_eq!(gate.open_for(now), None, "some of the first, which took their time");
            gate.note(Health::Down, now, now, u64::MAX);
        }
    }
}
