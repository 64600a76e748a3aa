//! What the tests of this crate build their cases from.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngSeed};
use uuid::Uuid;

use crate::connection::{Attempt, Connection, Lease, Policy};
use crate::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use crate::provider::{Fact, Provider, catalogue};
use crate::schedule::Plan;
use crate::seal::{Fingerprint, Sealed};
use crate::state::{Cause, Failing, OutcomeUnknown, State};
use crate::token::{About, Grant, RefreshEnd, Renewal, StoredRefreshToken, TokenSet, saturating_add};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A property is tried with the same cases each time.
pub(crate) fn cases(cases: u32) -> Config {
    Config { rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..Config::with_cases(cases) }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The time at which [`connection`]s get their tokens.
pub(crate) fn start() -> Timestamp {
    at("2026-11-03T08:00:00Z")
}

pub(crate) fn later(by: Duration) -> Timestamp {
    saturating_add(start(), by)
}

pub(crate) fn id(n: u128) -> ConnectionId {
    ConnectionId::from_uuid(Uuid::from_u128(n))
}

pub(crate) fn grant_id(n: u128) -> GrantId {
    GrantId::from_uuid(Uuid::from_u128(n))
}

pub(crate) fn attempt_id(n: u128) -> AttemptId {
    AttemptId::from_uuid(Uuid::from_u128(n))
}

#[expect(clippy::unnecessary_wraps, reason = "facts are optional wherever they are put")]
pub(crate) fn fact<T>(value: T) -> Option<Fact<T>> {
    Some(Fact { value, source: None, unverified: false, note: None })
}

/// A provider of whom nothing is known but what `facts` adds.
pub(crate) fn provider(facts: impl FnOnce(&mut Provider)) -> Provider {
    let mut provider = builtin("custom");
    facts(&mut provider);
    provider
}

pub(crate) fn builtin(id: &str) -> Provider {
    catalogue::builtin(id).unwrap().unwrap()
}

/// An active connection with a refresh token, whose access token was issued at [`start`] and lives this long.
pub(crate) fn connection(life: Option<Duration>) -> Connection {
    let sealed = || Sealed::from_bytes(vec![1]);
    let refresh_token = StoredRefreshToken { sealed: sealed(), fingerprint: fingerprint(1), end: None };
    let tokens = TokenSet {
        generation: 1,
        issued_at: start(),
        expires_at: life.map(later),
        token_type: "Bearer".into(),
        scope: None,
        access_token: Some(sealed()),
        refresh_token: Some(refresh_token),
        id_token: None,
        extra: None,
    };
    Connection {
        id: id(1),
        revision: 1,
        name: "shop".parse().unwrap(),
        client: ClientId::from_uuid(Uuid::from_u128(2)),
        external_id: None,
        tags: BTreeMap::new(),
        policy: Policy::Auto,
        created_at: start(),
        last_read_at: None,
        state: State::Active,
        grant: Some(Grant {
            id: grant_id(1),
            consented_at: start(),
            renewal: Renewal::RefreshToken,
            means: None,
            tokens,
            about: About::default(),
        }),
        plan: Plan::default(),
        lease: None,
    }
}

pub(crate) fn fingerprint(n: u8) -> Fingerprint {
    Fingerprint::from_bytes([n; 32])
}

/// What tests change of a connection, in a word each.
impl Connection {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn policy(self, policy: Policy) -> Self {
        self.with(|connection| connection.policy = policy)
    }

    pub(crate) fn state(self, state: State) -> Self {
        self.with(|connection| connection.state = state)
    }

    pub(crate) fn tokens(self, change: impl FnOnce(&mut TokenSet)) -> Self {
        self.with(|connection| change(&mut connection.grant.as_mut().unwrap().tokens))
    }

    pub(crate) fn ends(self, end: RefreshEnd) -> Self {
        self.tokens(|tokens| tokens.refresh_token.as_mut().unwrap().end = Some(end))
    }

    pub(crate) fn renewal(self, renewal: Renewal) -> Self {
        self.with(|connection| {
            let grant = connection.grant.as_mut().unwrap();
            grant.renewal = renewal;
            if renewal != Renewal::RefreshToken {
                grant.tokens.refresh_token = None;
            }
        })
    }

    /// The same after a success at this time that moved every end but absolute ones along. Its generation, and
    /// with it its jitter, stays.
    pub(crate) fn refreshed(self, now: Timestamp) -> Self {
        self.state(State::Active).tokens(|tokens| {
            let passed = now.duration_since(tokens.issued_at);
            let moved = |end: Timestamp| end.checked_add(passed).unwrap();
            tokens.issued_at = now;
            tokens.expires_at = tokens.expires_at.map(moved);
            if let Some(
                RefreshEnd::Idle(end) | RefreshEnd::Said(end) | RefreshEnd::IdleWithin { idle: end, .. },
            ) = tokens.refresh_token.as_mut().and_then(|token| token.end.as_mut())
            {
                *end = moved(*end);
            }
        })
    }

    /// The same under a valid lease for an attempt that starts now.
    pub(crate) fn attempting(self, n: u128, now: Timestamp) -> (Self, Attempt) {
        let grant = self.grant.as_ref().unwrap();
        let attempt = Attempt {
            id: attempt_id(n),
            node: NodeId::from_uuid(Uuid::from_u128(3)),
            grant: grant.id,
            generation: grant.tokens.generation,
            fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
            started_at: now,
        };
        let lease = Lease { attempt: attempt.clone(), until: saturating_add(now, MINUTE), valid: true };
        (self.with(|connection| connection.lease = Some(lease)), attempt)
    }
}

pub(crate) fn failing(cause: Cause, since: Timestamp, next: Timestamp) -> State {
    State::Failing(Failing { cause, since, tries: 1, next })
}

pub(crate) fn transient() -> Cause {
    Cause::Transient { detail: "no route".into() }
}

pub(crate) fn lost_answer(attempt: u128, sent_at: Timestamp, hold_until: Timestamp) -> Cause {
    Cause::OutcomeUnknown(Box::new(OutcomeUnknown {
        attempt: attempt_id(attempt),
        sent_at,
        hold_until,
        detail: "timed out".into(),
        last: None,
        untried: false,
        lost_at: None,
        rejected: false,
        client_refused: false,
    }))
}

/// A time around [`start`], or one at either end of all time.
pub(crate) fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = (-400i64 * 86_400..400 * 86_400)
        .prop_map(|seconds| Timestamp::from_second(start().as_second() + seconds).unwrap());
    prop_oneof![8 => near, 1 => Just(Timestamp::MIN), 1 => Just(Timestamp::MAX)]
}

/// A length between the two, evenly over the orders of magnitude.
pub(crate) fn length(shortest: Duration, longest: Duration) -> impl Strategy<Value = Duration> {
    (shortest.as_secs_f64().ln()..longest.as_secs_f64().ln()).prop_map(|ln| Duration::from_secs_f64(ln.exp()))
}

/// A length of time that a provider may have written down, or none, or an absurd one.
pub(crate) fn any_length() -> impl Strategy<Value = Duration> {
    prop_oneof![8 => length(SECOND, YEAR * 10), 1 => Just(Duration::ZERO), 1 => Just(Duration::MAX)]
}
