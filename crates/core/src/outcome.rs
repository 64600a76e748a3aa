//! What an answer means, and what follows from it.
//!
//! Two pure functions: [`classify`] sorts what came back, and [`judge`] decides what becomes of the
//! connection. Nothing is ever deleted because of what a provider answered.

use std::time::Duration;

use jiff::Timestamp;

use crate::backoff::Backoff;
use crate::connection::{Attempt, Connection};
use crate::provider::{Grace, Provider, Reuse, Rotation};
use crate::schedule::{idle_end, jitter};
use crate::state::{Cause, Reason, State, Transition};
use crate::token::{Renewal, TokenAnswer, WhyCandidate, saturating_add};

/// What came back from a token endpoint, as far as it could be read. The texts are redacted.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A token set.
    Tokens(Box<TokenAnswer>),
    /// An OAuth error (RFC 6749 §5.2), whatever the status.
    Error {
        /// The HTTP status.
        status: u16,
        /// The `error` code.
        code: String,
        /// The code and its description, for people.
        detail: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
    },
    /// An answer that is neither. If its status is 2xx, it may hold the only refresh token.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        detail: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: the provider cannot have done anything.
    NotSent {
        /// What happened.
        detail: String,
    },
    /// It was sent, and no answer came.
    NoAnswer {
        /// What happened.
        detail: String,
    },
}

/// The classes of what can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A token set.
    Success,
    /// `invalid_grant`.
    Permanent,
    /// The provider does not accept the client.
    Client,
    /// The provider refused this request, for a reason that says nothing about the grant.
    Refused,
    /// Provably not processed: trying again does no harm.
    Transient,
    /// The provider may have rotated the refresh token.
    Ambiguous,
}

/// Sorts what came back.
pub fn classify(reply: &Reply) -> Class {
    match reply {
        Reply::Tokens(_) => Class::Success,
        Reply::NotSent { .. } => Class::Transient,
        Reply::NoAnswer { .. } => Class::Ambiguous,
        Reply::Error { status, code, .. } => match (code.as_str(), status) {
            ("invalid_grant", _) => Class::Permanent,
            ("temporarily_unavailable" | "slow_down", _) | (_, 429 | 503) => Class::Transient,
            ("invalid_client", _) => Class::Client,
            ("server_error", _) | (_, 300..=399 | 500..) => Class::Ambiguous,
            _ => Class::Refused,
        },
        Reply::Unreadable { status, .. } => match status {
            // A firewall's page, or a proxy's: the token endpoint has not seen the request.
            401 | 403 | 407 | 421 | 425 | 429 | 451 | 503 => Class::Transient,
            408 => Class::Ambiguous,
            400..=499 => Class::Refused,
            _ => Class::Ambiguous,
        },
    }
}

/// What follows from an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is the connection's next token set.
    Apply,
    /// The answer fits nothing that is stored now: keep it aside.
    Keep(WhyCandidate),
    /// The connection changes its state.
    Move(Transition),
    /// It says nothing: a newer token set came meanwhile, or somebody else took over.
    Void,
}

/// The shortest and the longest wait after a failure that passes by itself.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The same after a refusal, which a person has to mend.
const FIRST_SLOW_WAIT: Duration = Duration::from_secs(60);
const LONGEST_SLOW_WAIT: Duration = Duration::from_secs(6 * 3600);

/// How long after a doubted `invalid_grant` it is tried once more.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);

/// Decides what becomes of a connection, now that this came back for this attempt.
///
/// `connection` is what is stored now, which need not be what the attempt started from. `seed` is the store's.
pub fn judge(
    connection: &Connection,
    attempt: &Attempt,
    reply: &Reply,
    provider: &Provider,
    now: Timestamp,
    seed: u64,
) -> Verdict {
    let class = classify(reply);
    let Some(grant) = connection.grant.as_ref().filter(|grant| grant.id == attempt.grant) else {
        return match class {
            Class::Success => Verdict::Keep(WhyCandidate::NewerGrant),
            _ => Verdict::Void,
        };
    };
    let stored = grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint);
    if class == Class::Success {
        return if stored == attempt.fingerprint {
            Verdict::Apply
        } else {
            Verdict::Keep(WhyCandidate::AnotherRefreshToken)
        };
    }
    let holds_lease = connection.lease.as_ref().is_some_and(|lease| lease.attempt.id == attempt.id);
    if !holds_lease || grant.tokens.generation != attempt.generation || connection.state == State::Disconnecting {
        return Verdict::Void;
    }

    let waits = Waits { connection, provider, now, seed };
    let (detail, retry_after) = reply.words();
    let not_before = retry_after.map_or(now, |wait| saturating_add(now, wait));
    let unknown = outcome_unknown(connection);
    Verdict::Move(match class {
        Class::Ambiguous if grant.renewal == Renewal::RefreshToken => {
            let mut transition = waits.after_ambiguity(attempt, detail);
            if let Transition::Fail { next, .. } = &mut transition {
                *next = (*next).max(not_before);
            }
            transition
        }
        Class::Permanent if grant.renewal == Renewal::RefreshToken => waits.after_invalid_grant(detail),
        Class::Transient | Class::Ambiguous => {
            let next = waits.soon().max(not_before);
            // An answer that was lost stays lost while the provider cannot be reached.
            let cause = match unknown {
                Some((attempt, sent_at)) => Cause::OutcomeUnknown { attempt, sent_at, hold_until: next },
                None => Cause::Transient { detail },
            };
            Transition::Fail { cause, next }
        }
        Class::Client => Transition::Fail { cause: Cause::Client { detail }, next: waits.later().max(not_before) },
        Class::Refused | Class::Permanent => {
            Transition::Fail { cause: Cause::Refused { detail }, next: waits.later().max(not_before) }
        }
        Class::Success => return Verdict::Apply,
    })
}

/// Decides what an attempt means whose outcome nobody wrote down. `None`: nothing, since a newer token set
/// came, or nothing can have been lost.
///
/// Where the returned failure's `next` is not after `now`, whoever asked may go on at once.
pub fn judge_abandoned(
    connection: &Connection,
    attempt: &Attempt,
    provider: &Provider,
    now: Timestamp,
    seed: u64,
) -> Option<Transition> {
    let grant = connection.grant.as_ref()?;
    let superseded = grant.id != attempt.grant || grant.tokens.generation != attempt.generation;
    if superseded || grant.renewal != Renewal::RefreshToken {
        return None;
    }
    match (Waits { connection, provider, now, seed }).after_ambiguity(attempt, "its process ended".into()) {
        // Nothing can have been lost: whoever found it may try at once.
        Transition::Fail { cause: Cause::Transient { .. }, .. } => None,
        transition => Some(transition),
    }
}

impl Reply {
    fn words(&self) -> (String, Option<Duration>) {
        match self {
            Self::Tokens(_) => (String::new(), None),
            Self::Error { detail, retry_after, .. } | Self::Unreadable { detail, retry_after, .. } => {
                (detail.clone(), *retry_after)
            }
            Self::NotSent { detail } | Self::NoAnswer { detail } => (detail.clone(), None),
        }
    }
}

fn outcome_unknown(connection: &Connection) -> Option<(crate::id::AttemptId, Timestamp)> {
    match connection.state.failing()?.cause {
        Cause::OutcomeUnknown { attempt, sent_at, .. } => Some((attempt, sent_at)),
        _ => None,
    }
}

/// How long to wait, for one connection at one time.
struct Waits<'a> {
    connection: &'a Connection,
    provider: &'a Provider,
    now: Timestamp,
    seed: u64,
}

impl Waits<'_> {
    fn tries(&self) -> u32 {
        self.connection.state.failing().map_or(1, |failing| failing.tries.saturating_add(1))
    }

    /// `first` and `longest`, shortened for tokens that live shortly: at least five tries fit between half of
    /// a refresh token's idle limit and its death, and a first wait is small against an access token's life.
    fn wait(&self, first: Duration, longest: Duration) -> Timestamp {
        let grant = self.connection.grant.as_ref();
        let idle = grant.and_then(|grant| idle_end(grant, self.provider, self.now)).map(|end| end.limit / 10);
        let life = grant.and_then(|grant| grant.tokens.life()).map(|life| life / 20);
        let longest = idle.map_or(longest, |idle| idle.min(longest));
        let first = life.map_or(first, |life| life.clamp(Duration::from_millis(250), first)).min(longest);
        let tries = self.tries();
        let salt = self.connection.generation().wrapping_mul(1 << 20).wrapping_add(u64::from(tries));
        let wait = Backoff { first, longest }.after(tries, jitter(self.seed, self.connection.id, salt));
        saturating_add(self.now, wait)
    }

    fn soon(&self) -> Timestamp {
        self.wait(FIRST_WAIT, LONGEST_WAIT)
    }

    fn later(&self) -> Timestamp {
        self.wait(FIRST_SLOW_WAIT, LONGEST_SLOW_WAIT)
    }

    /// `invalid_grant`, for the refresh token that is stored.
    fn after_invalid_grant(&self, detail: String) -> Transition {
        if let Some((attempt, _)) = outcome_unknown(self.connection) {
            return Transition::Die { reason: Reason::OutcomeUnknown { attempt } };
        }
        let doubted = self.connection.state.failing().is_some_and(|f| matches!(f.cause, Cause::Doubted { .. }));
        let harmless = self.provider.rotation() == Rotation::Never
            || self.provider.grace() == Grace::OldStaysValid
            || self.provider.reuse() == Reuse::Harmless;
        if harmless && !doubted {
            let next = saturating_add(self.now, CONFIRM_AFTER);
            return Transition::Fail { cause: Cause::Doubted { detail }, next };
        }
        Transition::Die { reason: Reason::InvalidGrant { detail } }
    }

    /// The provider may have rotated the refresh token that `attempt` sent.
    fn after_ambiguity(&self, attempt: &Attempt, detail: String) -> Transition {
        let (rotation, grace, reuse) =
            (self.provider.rotation(), self.provider.grace(), self.provider.reuse());
        if rotation == Rotation::Never || matches!(grace, Grace::OldStaysValid | Grace::UntilSuccessorUsed) {
            return Transition::Fail { cause: Cause::Transient { detail }, next: self.soon() };
        }
        let earlier = outcome_unknown(self.connection);
        let (first, sent_at) = earlier.unwrap_or((attempt.id, attempt.started_at));
        let in_grace = match grace {
            Grace::For(grace) => self.within(saturating_add(sent_at, grace), grace),
            _ => None,
        };
        let next = match in_grace {
            Some(retry) => retry,
            // Undocumented graces are common: once, at once.
            None if grace == Grace::Unknown && earlier.is_none() => self.now,
            None if reuse == Reuse::Punished => self.hold(),
            None => self.soon(),
        };
        Transition::Fail { cause: Cause::OutcomeUnknown { attempt: first, sent_at, hold_until: next }, next }
    }

    /// The next try inside a grace that ends at `end`, if one fits in safely.
    fn within(&self, end: Timestamp, grace: Duration) -> Option<Timestamp> {
        let safe_end = end.checked_sub(grace / 10).ok()?;
        let left = Duration::try_from(safe_end.duration_since(self.now)).ok()?;
        let retry = self.soon().min(saturating_add(self.now, left / 4));
        (left > Duration::ZERO).then_some(retry)
    }

    /// Until when an access token that still serves is not put at risk.
    fn hold(&self) -> Timestamp {
        let Some(grant) = &self.connection.grant else { return self.now };
        let margin = |length: Duration| crate::schedule::MARGIN.min(length / 10);
        let access = grant.tokens.expires_at.zip(grant.tokens.life()).map(|(end, life)| (end, margin(life)));
        let refresh = idle_end(grant, self.provider, self.now).map(|end| (end.at, margin(end.limit)));
        access
            .into_iter()
            .chain(refresh)
            .map(|(end, margin)| end.checked_sub(margin).unwrap_or(self.now))
            .min()
            .map_or(self.now, |end| end.max(self.now))
    }
}

#[cfg(test)]
mod tests;
