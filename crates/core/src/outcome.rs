//! What an answer means, and what follows from it.
//!
//! Two pure functions: [`classify`] sorts what came back, and [`judge`] decides what becomes of the
//! connection. Nothing is ever deleted because of what a provider answered.

use std::time::Duration;

use jiff::Timestamp;

use crate::backoff::{Backoff, LONGEST_RETRY_AFTER};
use crate::connection::{Attempt, Connection};
use crate::id::AttemptId;
use crate::provider::{Grace, Provider, Reuse, Rotation};
use crate::schedule::{MARGIN, idle_end, jitter};
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
    /// An answer that is neither. It may hold the only refresh token all the same.
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
            ("server_error", _) | (_, 300..=399 | 408 | 500..) => Class::Ambiguous,
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
    /// It says nothing: a newer token set came meanwhile, somebody else took over, or the connection is being
    /// taken apart.
    Void,
}

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
    if !holds_lease
        || grant.tokens.generation != attempt.generation
        || connection.state == State::Disconnecting
    {
        return Verdict::Void;
    }

    let (detail, retry_after) = reply.words();
    let asked = retry_after.unwrap_or(Duration::ZERO).min(LONGEST_RETRY_AFTER);
    let not_before = saturating_add(now, asked);
    let waits = Waits { connection, provider, now, not_before, seed };
    let refresh_token = grant.renewal == Renewal::RefreshToken;
    Verdict::Move(match (class, outcome_unknown(connection)) {
        (Class::Success, _) => return Verdict::Apply,
        (Class::Ambiguous, _) if refresh_token => waits.after_ambiguity(attempt, detail),
        (Class::Permanent, _) if refresh_token => waits.after_invalid_grant(detail),
        // An answer that was lost stays lost until the provider looks at the refresh token again.
        (_, Some(first)) => waits.while_unknown(first, false),
        (Class::Transient | Class::Ambiguous, None) => {
            Transition::Fail { cause: Cause::Transient { detail }, next: waits.soon() }
        }
        (Class::Client, None) => Transition::Fail { cause: Cause::Client { detail }, next: waits.later() },
        (Class::Refused | Class::Permanent, None) => {
            Transition::Fail { cause: Cause::Refused { detail }, next: waits.later() }
        }
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
    if superseded || grant.renewal != Renewal::RefreshToken || connection.state == State::Disconnecting {
        return None;
    }
    let waits = Waits { connection, provider, now, not_before: now, seed };
    match waits.after_ambiguity(attempt, "its process ended".into()) {
        // Nothing can have been lost: whoever found it may try at once.
        Transition::Fail { cause: Cause::Transient { .. }, .. } => None,
        // Time has passed since it was sent: what is left of a grace is not spent on waiting.
        Transition::Fail { cause: Cause::OutcomeUnknown { attempt, sent_at, .. }, .. } if matches!(provider.grace(), Grace::For(grace) if waits.within(sent_at, grace).is_some()) =>
        {
            let cause = Cause::OutcomeUnknown { attempt, sent_at, hold_until: now };
            Some(Transition::Fail { cause, next: now })
        }
        transition => Some(transition),
    }
}

/// What follows from an answer for another account than the connection's: it is kept aside, and nothing of it is
/// used. If it `rotated` the refresh token, the stored one is used up, and trying it again could do harm.
pub fn quarantine(
    connection: &Connection,
    provider: &Provider,
    rotated: bool,
    now: Timestamp,
    seed: u64,
) -> Transition {
    if rotated {
        return Transition::Die { reason: Reason::AnotherAccount };
    }
    let detail = "the answer was for another account; it was kept aside".to_owned();
    let next = (Waits { connection, provider, now, not_before: now, seed }).later();
    Transition::Fail { cause: Cause::Refused { detail }, next }
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

/// The first attempt whose outcome is unknown, and when it was started.
fn outcome_unknown(connection: &Connection) -> Option<(AttemptId, Timestamp)> {
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
    /// What the provider asked for, else `now`: nothing is tried before.
    not_before: Timestamp,
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
        let longest = idle.map_or(longest, |idle| idle.clamp(SHORTEST_WAIT, longest));
        let first = life.map_or(first, |life| life.clamp(SHORTEST_WAIT, first)).min(longest);
        let tries = self.tries();
        let salt = self.connection.generation().wrapping_mul(1 << 20).wrapping_add(u64::from(tries));
        let wait = Backoff { first, longest }.after(tries, jitter(self.seed, self.connection.id, salt));
        saturating_add(self.now, wait).max(self.not_before)
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
        let doubted =
            self.connection.state.failing().is_some_and(|f| matches!(f.cause, Cause::Doubted { .. }));
        let harmless = self.provider.rotation() == Rotation::Never
            || self.provider.grace() == Grace::OldStaysValid
            || self.provider.reuse() == Reuse::Harmless;
        if harmless && !doubted {
            let next = saturating_add(self.now, CONFIRM_AFTER).max(self.not_before);
            return Transition::Fail { cause: Cause::Doubted { detail }, next };
        }
        Transition::Die { reason: Reason::InvalidGrant { detail } }
    }

    /// The provider may have rotated the refresh token that `attempt` sent.
    fn after_ambiguity(&self, attempt: &Attempt, detail: String) -> Transition {
        let lossless = self.provider.rotation() == Rotation::Never
            || matches!(self.provider.grace(), Grace::OldStaysValid | Grace::UntilSuccessorUsed);
        if lossless {
            return Transition::Fail { cause: Cause::Transient { detail }, next: self.soon() };
        }
        let earlier = outcome_unknown(self.connection);
        self.while_unknown(earlier.unwrap_or((attempt.id, attempt.started_at)), earlier.is_none())
    }

    /// The next try with a refresh token that the provider may have replaced at `sent_at`, or later. `untried`:
    /// it was not tried again since.
    fn while_unknown(&self, (attempt, sent_at): (AttemptId, Timestamp), untried: bool) -> Transition {
        let in_grace = match self.provider.grace() {
            Grace::For(grace) => self.within(sent_at, grace),
            // Undocumented graces are common: once, at once.
            Grace::Unknown if untried => Some(self.not_before),
            _ => None,
        };
        let next = match (in_grace, self.provider.reuse()) {
            (Some(retry), _) => retry,
            (None, Reuse::Punished) => self.hold(untried),
            (None, Reuse::Harmless | Reuse::Unknown) => self.soon(),
        };
        Transition::Fail { cause: Cause::OutcomeUnknown { attempt, sent_at, hold_until: next }, next }
    }

    /// The next try inside a grace that began at `sent_at`, if one fits in safely.
    fn within(&self, sent_at: Timestamp, grace: Duration) -> Option<Timestamp> {
        // In the future: the clock was set back since, and nobody knows what is left of the grace.
        let passed = Duration::try_from(self.now.duration_since(sent_at)).ok()?;
        let safe = grace - grace / 10;
        let retry = self.soon().min(saturating_add(self.now, grace / 10)).max(self.not_before);
        (passed < safe && retry <= saturating_add(sent_at, safe)).then_some(retry)
    }

    /// Until when an access token that still serves is not put at risk. Where it does not serve any more, there
    /// is nothing to wait for.
    fn hold(&self, untried: bool) -> Timestamp {
        let less_margin = |end: Timestamp, length: Duration| end.checked_sub(MARGIN.min(length / 10)).ok();
        let end = self.connection.grant.as_ref().and_then(|grant| {
            let access = grant
                .tokens
                .life()
                .or_else(|| self.provider.access_token_life())
                .and_then(|life| less_margin(saturating_add(grant.tokens.issued_at, life), life));
            let refresh = idle_end(grant, self.provider, self.now)
                .and_then(|idle_end| less_margin(idle_end.at, idle_end.limit));
            access.into_iter().chain(refresh).min()
        });
        match end {
            Some(end) if end > self.now => end.max(self.not_before),
            _ if untried => self.not_before,
            _ => self.soon(),
        }
    }
}

#[cfg(test)]
mod tests;
