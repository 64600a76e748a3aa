//! What the clock is worth: jumps, what another process noted of it, and how far it is from a provider's.
//!
//! Decisions are on wall time, and wall time may be wrong: at boot, after a suspend, in a virtual machine that was
//! paused. After a jump nothing is done in masses until a provider's own clock agrees.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vestal_core::clock::Clock;
use vestal_core::store::{Mark, Skew};

use crate::{Error, Inner};

/// Wall time may drift from elapsed time by this much between two looks, or be this far from a provider's, before that
/// counts as a jump.
const JUMP_S: i64 = 3600;

/// A skew that is worth telling.
const TELLING_SKEW_S: i64 = 60;

/// Answers without a date that are enough, too, to trust a clock that has jumped.
const TRUSTED_AFTER_ANSWERS: u32 = 8;

/// After this long it is trusted all the same: a provider's clock may be the one that is wrong.
const TRUSTED_AFTER: Duration = Duration::from_secs(3600);

/// How often the time is noted.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// What is known of the time.
#[derive(Default)]
pub(crate) struct Time {
    state: Mutex<TimeState>,
}

#[derive(Default)]
struct TimeState {
    /// `None`: the clock is trusted.
    doubted: Option<Doubt>,
    skew: Option<Skew>,
    /// When the time was noted last, in the clock's uptime.
    noted_at: Option<Duration>,
    /// Every connection is being planned anew, or that went wrong: what is noted must not say that it was done.
    replanning: Replanning,
}

/// The clock has jumped.
#[derive(Clone, Copy)]
struct Doubt {
    /// When that was noticed, in the clock's uptime.
    since: Duration,
    /// Answers since that told no time.
    answers: u32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Replanning {
    #[default]
    Not,
    UnderWay,
    Failed,
}

impl Time {
    /// Whether the clock has jumped and no provider has confirmed it yet: one refresh at a time, no masses.
    pub(crate) fn is_doubted(&self, uptime: Duration) -> bool {
        let mut state = self.state();
        let doubted = state.doubted;
        state.doubted = doubted.filter(|doubt| uptime.saturating_sub(doubt.since) < TRUSTED_AFTER);
        state.doubted.is_some()
    }

    /// Whether this host's clock is far from this one, as its last answer said.
    pub(crate) fn is_far_from(&self, host: &str) -> bool {
        let state = self.state();
        state.skew.as_ref().is_some_and(|skew| skew.host == host && skew.ahead_s.abs() >= JUMP_S)
    }

    /// The earlier of this clock's time and that of whoever told it last: what has ended by both has ended.
    pub(crate) fn at_the_earliest(&self, now: Timestamp) -> Timestamp {
        let ahead_s = self.state().skew.as_ref().map_or(0, |skew| skew.ahead_s.max(0));
        now.checked_sub(SignedDuration::from_secs(ahead_s)).unwrap_or(Timestamp::MIN)
    }

    /// The clock has jumped.
    pub(crate) fn doubt(&self, uptime: Duration) {
        self.state().doubted = Some(Doubt { since: uptime, answers: 0 });
    }

    /// Plans are about to be made anew. `false`: that is being done.
    pub(crate) fn begin_replanning(&self) -> bool {
        std::mem::replace(&mut self.state().replanning, Replanning::UnderWay) != Replanning::UnderWay
    }

    /// They were, or that went wrong.
    pub(crate) fn end_replanning(&self, done: bool) {
        self.state().replanning = if done { Replanning::Not } else { Replanning::Failed };
    }

    /// How far the clock was from a provider's, as measured last by this process.
    pub(crate) fn skew(&self) -> Option<Skew> {
        self.state().skew.clone()
    }

    /// Takes note of an answer, with the provider's time if it told that.
    pub(crate) fn note_answer(&self, now: Timestamp, uptime: Duration, date: Option<Timestamp>, host: &str) {
        let mut state = self.state();
        let Some(date) = date else {
            state.doubted = state
                .doubted
                .map(|doubt| Doubt { answers: doubt.answers + 1, ..doubt })
                .filter(|doubt| doubt.answers < TRUSTED_AFTER_ANSWERS);
            return;
        };
        let ahead_s = now.as_second() - date.as_second();
        let told = state.skew.as_ref().is_some_and(|skew| skew.ahead_s.abs() >= TELLING_SKEW_S);
        if ahead_s.abs() >= TELLING_SKEW_S && !told {
            tracing::warn!(ahead_s, host, "this clock is not the provider's: set it right (vestal doctor)");
        }
        let was_far = state.skew.as_ref().is_some_and(|skew| skew.ahead_s.abs() >= JUMP_S);
        if ahead_s.abs() < JUMP_S {
            state.doubted = None;
        } else if !was_far && state.doubted.is_none() {
            state.doubted = Some(Doubt { since: uptime, answers: 0 });
        }
        state.skew = Some(Skew { ahead_s, host: host.to_owned(), at: now });
    }

    fn state(&self) -> MutexGuard<'_, TimeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares wall time with elapsed time.
pub(crate) struct ClockWatch {
    wall: Timestamp,
    uptime: Duration,
}

impl ClockWatch {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), uptime: clock.uptime() }
    }

    /// By how many seconds the clock was set since the last look, where that is more than an hour.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> Option<i64> {
        let now = Self::new(clock);
        let passed = now.uptime.saturating_sub(self.uptime);
        let jumped = now.wall.as_second() - self.wall.as_second() - passed.as_secs().cast_signed();
        *self = now;
        (jumped.abs() > JUMP_S).then_some(jumped)
    }
}

/// What is to be done at a start, by what was noted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The clock shows quite another time than when it was noted last: somebody was away for long, or it is wrong.
    pub(crate) doubted: bool,
    /// Plans were made by another clock or by other facts.
    pub(crate) replan: bool,
}

impl Start {
    pub(crate) fn after(mark: Option<&Mark>, now: Timestamp, facts: &str) -> Self {
        let Some(mark) = mark else { return Self { doubted: false, replan: true } };
        let moved_s = now.as_second() - mark.at.as_second();
        // What was planned by a clock that was ahead would be due too late; by one that was behind, it is due at once.
        Self { doubted: moved_s.abs() > JUMP_S, replan: moved_s < -JUMP_S || mark.facts != facts }
    }
}

impl Inner {
    /// Notes the time for the next process, now and then, or at once.
    pub(crate) async fn note_time(&self, at_once: bool) -> Result<(), Error> {
        let uptime = self.clock.uptime();
        let (last, replanning) = {
            let state = self.time.state();
            (state.noted_at, state.replanning)
        };
        if !at_once && last.is_some_and(|last| uptime.saturating_sub(last) < NOTED_EVERY) {
            return Ok(());
        }
        let facts = match replanning {
            Replanning::Not => self.catalogue.fingerprint(),
            Replanning::UnderWay | Replanning::Failed => String::new(),
        };
        let skew = match self.time.skew() {
            Some(skew) => Some(skew),
            // What another process measured stands, until this one has heard from a provider.
            None => self.store.mark().await?.and_then(|mark| mark.skew),
        };
        self.store.set_mark(&Mark { at: self.clock.now(), facts, skew }).await?;
        self.time.state().noted_at = Some(uptime);
        Ok(())
    }

    /// Notes how far this clock is from a provider's, where that matters, or mattered: a command has nobody to tell but the next
    /// one. What plans were made by is left as it was noted.
    pub(crate) async fn note_skew(&self) {
        let Some(skew) = self.time.skew() else { return };
        let noted = async {
            let mark = self.store.mark().await?;
            let noted = mark.as_ref().and_then(|mark| mark.skew.as_ref());
            if ![Some(&skew), noted].into_iter().flatten().any(|it| it.ahead_s.abs() >= TELLING_SKEW_S) {
                return Ok(());
            }
            let before = mark.unwrap_or(Mark { at: skew.at, facts: String::new(), skew: None });
            // What this clock planned is planned anew once it is right.
            let at = if skew.ahead_s >= JUMP_S { skew.at } else { before.at };
            self.store.set_mark(&Mark { at, skew: Some(skew), ..before }).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "the clock's skew was not noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_that_jumped_is_doubted_until_a_provider_agrees() {
        let time = Time::default();
        let (then, soon) = (Duration::from_secs(50), Duration::from_secs(60));
        time.doubt(then);
        time.note_answer(at(10_000), then, Some(at(2_000)), "a.example");
        assert!(time.is_doubted(soon));
        assert_eq!(time.skew().unwrap().ahead_s, 8_000);
        time.note_answer(at(10_000), then, Some(at(9_990)), "a.example");
        assert!(!time.is_doubted(soon));
        time.note_answer(at(10_000), then, Some(at(2_000)), "a.example");
        assert!(time.is_doubted(soon), "also where nobody saw it jump");
        let later = then + TRUSTED_AFTER;
        assert!(!time.is_doubted(later));
        time.note_answer(at(10_000), later, Some(at(2_000)), "a.example");
        assert!(!time.is_doubted(later), "the provider's may be the one that is wrong");
        assert_eq!(time.at_the_earliest(at(10_000)), at(2_000), "but nothing ends by this clock alone");
    }

    #[test]
    fn where_no_provider_tells_the_time_some_answers_are_enough_or_an_hour() {
        let time = Time::default();
        let then = Duration::from_secs(50);
        time.doubt(then);
        (1..TRUSTED_AFTER_ANSWERS).for_each(|_| time.note_answer(at(0), then, None, "a.example"));
        assert!(time.is_doubted(then));
        time.note_answer(at(0), then, None, "a.example");
        assert!(!time.is_doubted(then));
        time.doubt(then);
        assert!(time.is_doubted(then + TRUSTED_AFTER - Duration::from_secs(1)));
        assert!(!time.is_doubted(then + TRUSTED_AFTER));
    }

    #[test]
    fn what_a_start_does() {
        let mark = Mark { at: at(1_000_000), facts: "a".to_owned(), skew: None };
        let start = |now, facts| Start::after(Some(&mark), at(now), facts);
        assert_eq!(start(1_000_100, "a"), Start { doubted: false, replan: false });
        assert_eq!(start(1_000_100, "b"), Start { doubted: false, replan: true }, "the facts are others");
        assert_eq!(start(1_100_000, "a"), Start { doubted: true, replan: false });
        assert_eq!(start(900_000, "a"), Start { doubted: true, replan: true });
        assert_eq!(Start::after(None, at(0), "a"), Start { doubted: false, replan: true });
    }
}
