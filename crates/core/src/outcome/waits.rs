//! How long to wait after a failure, and what may be tried with a refresh token that may have been replaced.

use std::time::Duration;

use jiff::Timestamp;

use crate::backoff::Backoff;
use crate::connection::{Attempt, Connection};
use crate::outcome::outcome_unknown;
use crate::provider::{Grace, Provider, Reuse, Rotation};
use crate::schedule::{MARGIN, idle_end, jitter};
use crate::state::{Cause, OutcomeUnknown, Reason, Transition};
use crate::token::{Grant, Renewal, saturating_add};

/// The shortest and the longest wait after a failure that passes by itself.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The same after a refusal, which a person has to mend.
const FIRST_SLOW_WAIT: Duration = Duration::from_secs(60);
const LONGEST_SLOW_WAIT: Duration = Duration::from_secs(6 * 3600);

/// No wait is shorter, however shortly the tokens live.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);

/// How long after a doubted `invalid_grant` it is tried once more.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);

/// No grace that is known is shorter.
const SHORTEST_GRACE: Duration = Duration::from_secs(30);

/// An access token that serves no longer than this weighs less than a grace that nobody knows of, and that may end meanwhile:
/// no person is so quick to consent again.
const LITTLE_LEFT: Duration = Duration::from_secs(600);

/// How soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As soon as the provider allows it.
    AtOnce,
    /// What failed passes by itself.
    Soon,
    /// Somebody has to mend it.
    Slow,
}

/// How long to wait, for one connection at one time.
pub(super) struct Waits<'a> {
    pub(super) connection: &'a Connection,
    pub(super) provider: &'a Provider,
    pub(super) now: Timestamp,
    /// What the provider asked for, else `now`: nothing is tried before.
    pub(super) not_before: Timestamp,
    pub(super) seed: u64,
}

impl Waits<'_> {
    /// The next try, at this pace.
    pub(super) fn at(&self, pace: Pace) -> Timestamp {
        match pace {
            Pace::AtOnce => self.not_before,
            Pace::Soon => self.wait(FIRST_WAIT, LONGEST_WAIT),
            Pace::Slow => self.wait(FIRST_SLOW_WAIT, LONGEST_SLOW_WAIT),
        }
    }

    /// `first` and `longest`, shortened for tokens that live shortly: at least five tries fit between half of
    /// a refresh token's idle limit and its death, and a first wait is small against an access token's life.
    fn wait(&self, first: Duration, longest: Duration) -> Timestamp {
        let grant = self.connection.grant.as_ref();
        let idle = grant.and_then(|grant| idle_end(grant, self.provider, self.now)).map(|end| end.limit / 10);
        let life = grant.and_then(|grant| grant.tokens.life()).map(|life| life / 20);
        let longest = idle.map_or(longest, |idle| idle.clamp(SHORTEST_WAIT, longest));
        let first = life.map_or(first, |life| life.clamp(SHORTEST_WAIT, first)).min(longest);
        let tries = self.connection.state.failing().map_or(1, |failing| failing.tries.saturating_add(1));
        let salt = self.connection.generation().wrapping_mul(1 << 20).wrapping_add(u64::from(tries));
        let wait = Backoff { first, longest }.after(tries, jitter(self.seed, self.connection.id, salt));
        saturating_add(self.now, wait).max(self.not_before)
    }

    /// `invalid_grant`, for the refresh token that is stored.
    pub(super) fn after_invalid_grant(&self, detail: String) -> Transition {
        if let Some(unknown) = outcome_unknown(self.connection) {
            let detail = match unknown.detail.as_str() {
                "" => detail,
                lost => format!("{lost}; then: {detail}"),
            };
            return Transition::Die { reason: Reason::OutcomeUnknown { attempt: unknown.attempt, detail } };
        }
        let doubted =
            self.connection.state.failing().is_some_and(|f| matches!(f.cause, Cause::Doubted { .. }));
        let exchanged = |grant: &Grant| grant.renewal == Renewal::Exchange;
        let harmless = self.provider.rotation() == Rotation::Never
            || self.connection.grant.as_ref().is_some_and(exchanged)
            || self.provider.grace() == Grace::OldStaysValid
            || self.provider.reuse() == Reuse::Harmless;
        if harmless && !doubted {
            let next = saturating_add(self.now, CONFIRM_AFTER).max(self.not_before);
            return Transition::Fail { cause: Cause::Doubted { detail }, next };
        }
        Transition::Die { reason: Reason::InvalidGrant { detail } }
    }

    /// The provider may have rotated the refresh token that `attempt` sent.
    pub(super) fn after_ambiguity(&self, attempt: &Attempt, detail: String) -> Transition {
        let lossless = self.provider.rotation() == Rotation::Never
            || matches!(self.provider.grace(), Grace::OldStaysValid | Grace::UntilSuccessorUsed);
        if lossless {
            // It can be sent again at once, and a reader may wait for it.
            let pace = if self.connection.state.failing().is_none() { Pace::AtOnce } else { Pace::Soon };
            return Transition::Fail { cause: Cause::Transient { detail }, next: self.at(pace) };
        }
        match outcome_unknown(self.connection) {
            Some(earlier) => self.after_another(earlier, attempt, detail),
            None => {
                let unknown = OutcomeUnknown {
                    attempt: attempt.id,
                    sent_at: attempt.started_at,
                    hold_until: self.now,
                    detail,
                    last: None,
                    untried: true,
                    lost_at: Some(self.now),
                    rejected: false,
                    client_refused: false,
                };
                self.while_unknown(unknown, Pace::AtOnce)
            }
        }
    }

    /// The answer to another try was lost too. It may be this one that the provider has worked on: where the next would be
    /// long after it, as in an outage, it is asked for again at once, since a grace that there may be begins with it; but not
    /// where this one was itself sent at once.
    fn after_another(&self, earlier: &OutcomeUnknown, attempt: &Attempt, detail: String) -> Transition {
        let lost_at = Some(self.now);
        let tried = OutcomeUnknown { untried: false, lost_at, ..earlier.clone() }.heard(detail);
        let at_once = self.at(Pace::AtOnce);
        let next = self.next_try(&tried, Pace::Soon);
        let punished = self.provider.reuse() == Reuse::Punished;
        let at_risk = punished && self.hold(&tried, Pace::AtOnce) > at_once;
        let late = next > saturating_add(at_once, SHORTEST_GRACE);
        let may_begin_a_grace = match self.provider.grace() {
            Grace::For(grace) => self.now > saturating_add(earlier.sent_at, grace),
            grace => grace != Grace::None,
        };
        let lost_before = earlier.lost_at.unwrap_or(earlier.sent_at);
        let was_at_once = attempt.started_at <= saturating_add(lost_before, SHORTEST_GRACE);
        if !was_at_once && may_begin_a_grace && late && !at_risk {
            return self.while_unknown(OutcomeUnknown { untried: true, ..tried }, Pace::AtOnce);
        }
        self.while_unknown(tried, Pace::Soon)
    }

    /// An answer is lost, and stays so. `pace`: how soon to try again where nothing else speaks against it.
    pub(super) fn while_unknown(&self, unknown: OutcomeUnknown, pace: Pace) -> Transition {
        let next = self.next_try(&unknown, pace);
        Transition::Fail {
            cause: Cause::OutcomeUnknown(Box::new(OutcomeUnknown { hold_until: next, ..unknown })),
            next,
        }
    }

    /// The next try with a refresh token that the provider may have replaced.
    pub(super) fn next_try(&self, unknown: &OutcomeUnknown, pace: Pace) -> Timestamp {
        if let Some(retry) = self.in_grace(unknown) {
            return retry;
        }
        let punished = self.provider.reuse() == Reuse::Punished;
        let rotates = self.provider.rotation() == Rotation::Always;
        // Undocumented graces are common: once, at once. What may not rotate at all is tried too, but not where that
        // is known to do harm if it does.
        let grace = self.provider.grace();
        let once = grace == Grace::Unknown || (!punished && (!rotates || matches!(grace, Grace::For(_))));
        if unknown.untried && once {
            return self.at(pace);
        }
        // At once was before.
        let again = self.at(if pace == Pace::AtOnce { Pace::Soon } else { pace });
        if !punished {
            return again;
        }
        let held = self.hold(unknown, pace);
        let little = grace == Grace::Unknown && held <= saturating_add(self.now, LITTLE_LEFT);
        if little { held.min(again) } else { held }
    }

    /// The next try once the client is mended for whose sake the last one was refused. What harms nobody is tried at once.
    pub(super) fn after_mending(&self, unknown: &OutcomeUnknown) -> Timestamp {
        match self.provider.reuse() {
            Reuse::Punished => self.next_try(unknown, Pace::AtOnce),
            _ => self.at(Pace::AtOnce),
        }
    }

    /// Whether a try fits into the grace of a refresh token that the provider may have replaced.
    pub(super) fn is_in_grace(&self, unknown: &OutcomeUnknown) -> bool {
        self.in_grace(unknown).is_some()
    }

    /// The next try inside the grace, which began at the first try, if one fits in safely.
    fn in_grace(&self, unknown: &OutcomeUnknown) -> Option<Timestamp> {
        let Grace::For(grace) = self.provider.grace() else { return None };
        // In the future: the clock was set back since, and nobody knows what is left of the grace.
        let passed = Duration::try_from(self.now.duration_since(unknown.sent_at)).ok()?;
        let safe = grace - grace / 10;
        let retry = self.at(Pace::Soon).min(saturating_add(self.now, grace / 10)).max(self.not_before);
        (passed < safe && retry <= saturating_add(unknown.sent_at, safe)).then_some(retry)
    }

    /// Until when an access token that still serves is not put at risk. Where it does not serve any more, there
    /// is nothing to wait for.
    pub(super) fn hold(&self, unknown: &OutcomeUnknown, pace: Pace) -> Timestamp {
        let less_margin = |end: Timestamp, length: Duration| end.checked_sub(MARGIN.min(length / 10)).ok();
        let end = self.connection.grant.as_ref().filter(|_| !unknown.rejected).and_then(|grant| {
            // Issued in the future, by another clock: it was issued before its refresh token was sent.
            let latest = match grant.tokens.is_from_the_future(self.now) {
                true => unknown.sent_at.min(self.now),
                false => self.now,
            };
            let issued_at = grant.tokens.issued_at.min(latest);
            let access = grant
                .tokens
                .life()
                .or_else(|| self.provider.access_token_life())
                .and_then(|life| less_margin(saturating_add(issued_at, life), life));
            let refresh = idle_end(grant, self.provider, latest)
                .and_then(|idle_end| less_margin(idle_end.at, idle_end.limit));
            access.into_iter().chain(refresh).min()
        });
        match end {
            Some(end) if end > self.now => end.max(self.not_before),
            _ => self.at(pace),
        }
    }
}

impl OutcomeUnknown {
    /// The same, after a further try came to this.
    pub(super) fn heard(self, detail: String) -> Self {
        let last = Some(detail).filter(|detail| *detail != self.detail);
        Self { last, client_refused: false, ..self }
    }
}
