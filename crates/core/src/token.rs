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

mod refresh_end;

pub use refresh_end::{RefreshEnd, SaidLife};

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
    /// It came for a consent that was not taken: nobody knows whose it is, or nothing would keep it alive, as something does
    /// the one before; or others kept writing to the connection.
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
