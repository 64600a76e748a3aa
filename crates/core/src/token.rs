//! Tokens: what a provider issued, in the clear and as stored.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, GrantId};
use crate::seal::{Field, Fingerprint, Sealed};
use crate::site::Site;

/// A successful token answer (RFC 6749 §5.1), in the clear, as tolerant reading understood it.
#[derive(Clone)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: SecretString,
    /// `Bearer`, however it was spelled, or what else it said.
    pub token_type: String,
    /// How long the access token lives, from the start of the request. `None` when absent or 0: unknown.
    pub expires_in: Option<Duration>,
    /// The refresh token, when there is a new one. Missing, null and empty all mean that the old one stays.
    pub refresh_token: Option<SecretString>,
    /// How long the refresh token lives, when the answer says.
    pub refresh_expires_in: Option<SaidLife>,
    /// The scopes that were granted, when they differ from those asked for.
    pub scope: Option<String>,
    /// An OpenID Connect id token.
    pub id_token: Option<SecretString>,
    /// Every further field (`instance_url`, `realmId`, …). May hold secrets.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Debug for TokenAnswer {
    /// Shows what is there, and the value of nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("refresh_token", &self.refresh_token.is_some())
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How long a refresh token lives, in an answer's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidLife {
    /// This long, from the start of the request.
    For(Duration),
    /// It dies of disuse after the one, and whatever is done after the other (Intuit).
    Within {
        /// How long it may lie unused.
        idle: Duration,
        /// How long it lives yet.
        whole: Duration,
    },
    /// 0: it does not end.
    Endless,
}

/// When a stored refresh token ends, as far as answers have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "at")]
pub enum RefreshEnd {
    /// An answer said that it does not end.
    Endless,
    /// Said once: not known yet whether a refresh moves it.
    Said(Timestamp),
    /// It moved when the token was refreshed: the token dies of disuse.
    Idle(Timestamp),
    /// It stayed where it was when the token was refreshed: no refresh will move it.
    Absolute(Timestamp),
    /// Answers said both: it dies of disuse at the one time, and whatever is done at the other.
    IdleWithin {
        /// Unless it is refreshed before.
        idle: Timestamp,
        /// No refresh will move it.
        whole: Timestamp,
    },
}

impl RefreshEnd {
    /// What an answer adds to what was known: `known` is from the token set issued at `before`, `said` is from
    /// the answer to a request started at `at`, and `rotated` tells whether that brought another refresh token.
    ///
    /// An end that moved along with the time between the two is an idle limit; one that stayed is absolute.
    pub fn observe(
        known: Option<Self>,
        before: Timestamp,
        said: Option<SaidLife>,
        at: Timestamp,
        rotated: bool,
    ) -> Option<Self> {
        /// Answers round to seconds: between two this close together, nothing can be told.
        const TELLING_MS: i64 = 4_000;
        let end = match said {
            Some(SaidLife::For(life)) => saturating_add(at, life),
            Some(SaidLife::Within { idle, whole }) => {
                let (idle, whole) = (saturating_add(at, idle), saturating_add(at, whole));
                return Some(Self::IdleWithin { idle, whole });
            }
            Some(SaidLife::Endless) => return Some(Self::Endless),
            None => {
                let moved = |end: Timestamp| end.checked_add(at.duration_since(before)).unwrap_or(end);
                return match known? {
                    // Using the token moved its end; the answer need not say so each time.
                    Self::Idle(end) => Some(Self::Idle(moved(end))),
                    Self::IdleWithin { idle, whole } => Some(Self::IdleWithin { idle: moved(idle), whole }),
                    Self::Said(_) if rotated => None,
                    // Nothing says that using it moved the end that was said of this very token.
                    Self::Said(end) => Some(Self::Absolute(end)),
                    known => Some(known),
                };
            }
        };
        if let Some(Self::IdleWithin { whole, .. }) = known {
            return Some(Self::IdleWithin { idle: end, whole });
        }
        let Some((known, known_end)) = known.and_then(|known| Some((known, known.at()?))) else {
            return Some(Self::Said(end));
        };
        let elapsed_ms = at.as_millisecond() - before.as_millisecond();
        let moved_ms = end.as_millisecond() - known_end.as_millisecond();
        Some(if elapsed_ms < TELLING_MS {
            known.moved_to(end)
        } else if moved_ms > elapsed_ms / 2 {
            Self::Idle(end)
        } else {
            Self::Absolute(end)
        })
    }

    /// The time itself, where there is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Endless => None,
            Self::Said(at) | Self::Idle(at) | Self::Absolute(at) => Some(at),
            Self::IdleWithin { idle, whole } => Some(idle.min(whole)),
        }
    }

    fn moved_to(self, end: Timestamp) -> Self {
        match self {
            Self::Endless => Self::Endless,
            Self::Said(_) => Self::Said(end),
            Self::Idle(_) => Self::Idle(end),
            Self::Absolute(_) => Self::Absolute(end),
            Self::IdleWithin { whole, .. } => Self::IdleWithin { idle: end, whole },
        }
    }
}

/// `at + life`, held at the last time there is: a provider may say anything.
pub fn saturating_add(at: Timestamp, life: Duration) -> Timestamp {
    at.checked_add(life).unwrap_or(Timestamp::MAX)
}

/// The longest life of a token that is believed: a hundred years. Keeps absurd answers out of arithmetic.
pub const LONGEST_LIFE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How a connection gets a new access token.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// With a refresh token (RFC 6749 §6).
    RefreshToken,
    /// With the client's own credentials (RFC 6749 §4.4). Knows no rotation and nothing to lose.
    ClientCredentials,
    /// By an exchange of the access token itself, while it lives.
    Exchange,
    /// With an assertion that the client signs (RFC 7523 §2.1). Knows no rotation and nothing to lose.
    JwtBearer,
    /// With the fresh access token of another connection (RFC 8693). Knows no rotation and nothing to lose.
    TokenExchange,
    /// Not at all: when the access token ends, a person must consent again.
    None,
}

/// One consent, and what was issued last within it.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The grant.
    pub id: GrantId,
    /// When a person consented, or when the connection was imported.
    pub consented_at: Timestamp,
    /// How its access token is renewed.
    pub renewal: Renewal,
    /// What that needs besides the tokens and the client: a key of its own, or what is exchanged. Sealed.
    pub means: Option<Sealed>,
    /// The current token set.
    pub tokens: TokenSet,
    /// What else is known of it.
    pub about: About,
}

/// What is known of a grant besides its tokens. No refresh changes it, but that it may be asked for what is not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Where its provider is, where that is at many places.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub site: Site,
    /// Parameters of the redirect that every use of the API needs, such as Intuit's `realmId`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redirect: BTreeMap<String, String>,
    /// What the API said that every use of it needs, such as Xero's tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// Whose it is, as a keyed hash: it is only ever compared, and who somebody is need not lie in a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountHash>,
}

/// What an API said of the account of a grant ([`crate::provider::Lookup`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What is kept of it.
    pub values: BTreeMap<String, String>,
    /// Of how many entries it is one: the grant is good for the others as well. 0 where it was said of the grant before, and not
    /// yet of this one.
    pub among: u32,
}

impl Found {
    /// Whether it was said of this grant.
    pub fn is_confirmed(&self) -> bool {
        self.among > 0
    }
}

/// What tells one account at a provider from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountHash {
    /// By what it was told ([`crate::provider::Identity`]): only what the same source says can be compared.
    pub by: String,
    /// In hexadecimal digits.
    pub hash: String,
}

/// What a provider issued last within a grant, sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSet {
    /// Grows with each token set of the connection, also across grants; starts at 1.
    pub generation: u64,
    /// When the request that brought it was started: expiry counts from here.
    pub issued_at: Timestamp,
    /// When the access token ends; `None` when unknown.
    pub expires_at: Option<Timestamp>,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// The scopes granted, as the provider said them last.
    pub scope: Option<String>,
    /// The access token; none where a refresh token was imported without one, until it is refreshed.
    pub access_token: Option<Sealed>,
    /// The refresh token.
    pub refresh_token: Option<StoredRefreshToken>,
    /// An id token.
    pub id_token: Option<Sealed>,
    /// Further fields, as JSON.
    pub extra: Option<Sealed>,
}

impl TokenSet {
    /// The access token's whole life; `None` when unknown.
    pub fn life(&self) -> Option<Duration> {
        let life = self.expires_at?.duration_since(self.issued_at);
        Duration::try_from(life).ok()
    }

    /// All that is sealed in it.
    pub fn sealed(&self) -> impl Iterator<Item = (Field, &Sealed)> {
        let refresh_token = self.refresh_token.as_ref().map(|token| &token.sealed);
        [
            (Field::AccessToken, self.access_token.as_ref()),
            (Field::RefreshToken, refresh_token),
            (Field::IdToken, self.id_token.as_ref()),
            (Field::Extra, self.extra.as_ref()),
        ]
        .into_iter()
        .filter_map(|(field, sealed)| Some((field, sealed?)))
    }

    /// The same, to be changed.
    pub fn sealed_mut(&mut self) -> impl Iterator<Item = &mut Sealed> {
        let refresh_token = self.refresh_token.as_mut().map(|token| &mut token.sealed);
        [self.access_token.as_mut(), refresh_token, self.id_token.as_mut(), self.extra.as_mut()]
            .into_iter()
            .flatten()
    }

    /// Whether it was issued in the future: the clock was set back since, and nobody knows how old it is.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.issued_at > saturating_add(now, LARGEST_SKEW)
    }
}

/// Clocks of honest nodes are not further apart: whatever is dated further in the future, the clock was set
/// back since.
pub const LARGEST_SKEW: Duration = Duration::from_secs(3600);

/// A refresh token at rest.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRefreshToken {
    /// The token.
    pub sealed: Sealed,
    /// What tells it apart from others.
    pub fingerprint: Fingerprint,
    /// When it ends, as far as answers have said.
    pub end: Option<RefreshEnd>,
}

/// An answer that could not be applied; kept sealed. Of pages and of another account's token sets, which come again and again,
/// the oldest and the newest are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The attempt that brought it.
    pub attempt: AttemptId,
    /// When it was kept.
    pub kept_at: Timestamp,
    /// Why it was not applied.
    pub why: WhyCandidate,
    /// The grant and the generation of that attempt, which it is sealed for; `None` where nobody knows any more, since it was
    /// kept by an earlier version.
    pub sealed_for: Option<(GrantId, u64)>,
    /// What it holds.
    pub answer: CandidateAnswer,
}

/// Why an answer was kept aside.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyCandidate {
    /// The connection has a newer grant.
    NewerGrant,
    /// The refresh token it consumed is not the one that is stored.
    AnotherRefreshToken,
    /// The access token that was exchanged has been replaced since.
    NewerTokens,
    /// It is of another account than the one before.
    AnotherAccount,
    /// It came for a consent that must not take the place of the one before: nobody knows whose it is, or nothing would keep
    /// it alive.
    RefusedConsent,
    /// It came for a consent, and its id token could not be believed.
    UnbelievableIdToken,
    /// It was a success that could not be read.
    Unreadable,
    /// It was no token set, and a refresh token was seen in it.
    HoldsTokens,
}

/// What a candidate holds.
#[derive(Clone, Debug, PartialEq)]
pub enum CandidateAnswer {
    /// A token set, sealed for the grant and the generation of its attempt plus one.
    Tokens(Box<TokenSet>),
    /// The bytes of an answer that could not be read.
    Raw(Sealed),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn said(seconds: u64) -> Option<SaidLife> {
        Some(SaidLife::For(Duration::from_secs(seconds)))
    }

    #[test]
    fn an_end_that_moves_is_idle_and_one_that_stays_is_absolute() {
        let observe = RefreshEnd::observe;
        let first = observe(None, at(0), said(1000), at(0), false);
        assert_eq!(first, Some(RefreshEnd::Said(at(1000))));
        assert_eq!(observe(first, at(0), said(1000), at(100), true), Some(RefreshEnd::Idle(at(1100))));
        assert_eq!(observe(first, at(0), said(901), at(100), true), Some(RefreshEnd::Absolute(at(1001))));
        assert_eq!(observe(first, at(0), Some(SaidLife::Endless), at(100), true), Some(RefreshEnd::Endless));
    }

    #[test]
    fn silence_takes_nothing_back_and_proves_no_move() {
        let silent = |known, rotated| RefreshEnd::observe(Some(known), at(0), None, at(100), rotated);
        assert_eq!(silent(RefreshEnd::Said(at(1000)), false), Some(RefreshEnd::Absolute(at(1000))));
        assert_eq!(silent(RefreshEnd::Said(at(1000)), true), None, "another token: nothing was said of it");
        assert_eq!(silent(RefreshEnd::Idle(at(1000)), true), Some(RefreshEnd::Idle(at(1100))));
        assert_eq!(silent(RefreshEnd::Absolute(at(1000)), true), Some(RefreshEnd::Absolute(at(1000))));
        assert_eq!(silent(RefreshEnd::Endless, true), Some(RefreshEnd::Endless));
    }

    #[test]
    fn an_end_that_is_said_beside_the_idle_one_stays_when_that_moves() {
        let within = |idle: u64, whole: u64| {
            Some(SaidLife::Within { idle: Duration::from_secs(idle), whole: Duration::from_secs(whole) })
        };
        let ends = |idle, whole| Some(RefreshEnd::IdleWithin { idle: at(idle), whole: at(whole) });
        let observe = RefreshEnd::observe;
        let first = observe(None, at(0), within(1000, 5000), at(0), false);
        assert_eq!(first, ends(1000, 5000));
        assert_eq!(observe(first, at(0), within(1000, 4900), at(100), true), ends(1100, 5000));
        assert_eq!(observe(first, at(0), said(1000), at(100), true), ends(1100, 5000), "it was said once");
        assert_eq!(observe(first, at(0), None, at(100), true), ends(1100, 5000));
        assert_eq!(first.and_then(RefreshEnd::at), Some(at(1000)));
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!(serde_json::from_str::<Option<RefreshEnd>>(&json).unwrap(), first);
    }

    #[test]
    fn two_answers_in_one_moment_tell_nothing() {
        let first = Some(RefreshEnd::Said(at(1000)));
        let second = RefreshEnd::observe(first, at(0), said(1000), at(1), true);
        assert_eq!(second, Some(RefreshEnd::Said(at(1001))));
    }

    #[test]
    fn an_absurd_life_is_held() {
        let end = RefreshEnd::observe(None, at(0), Some(SaidLife::For(Duration::MAX)), at(0), false);
        assert_eq!(end, Some(RefreshEnd::Said(Timestamp::MAX)));
    }
}
