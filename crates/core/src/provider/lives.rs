//! How the tokens of a provider live and die.

use std::time::Duration;

use serde::Deserialize;

use super::{Cap, Fact, Life, Limit, Provider, RevokedToken};

/// How access tokens live.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AccessTokenFacts {
    /// How long one lives, where answers do not say.
    pub life: Option<Fact<Limit>>,
    /// A refresh is refused while the token is younger than this.
    pub minimum_age: Option<Fact<Life>>,
    /// The provider wants each token renewed within this time, however long it lives.
    pub renew_within: Option<Fact<Life>>,
    /// The provider wants a refresh when a token is rejected, not before.
    pub refresh_on_rejection: Option<Fact<bool>>,
    /// How many of them live at once.
    pub live_tokens: Option<Cap>,
}

/// How refresh tokens live and die.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RefreshTokenFacts {
    /// Whether there are any.
    pub issued: Option<Fact<bool>>,
    /// It dies when it is not used for this long.
    pub idle_limit: Option<Fact<Limit>>,
    /// It dies this long after the consent, whatever is done.
    pub absolute_life: Option<Fact<Limit>>,
    /// Whether a refresh replaces it.
    pub rotation: Option<Fact<Rotation>>,
    /// How long the old one is still accepted after it was replaced.
    pub grace: Option<Fact<Grace>>,
    /// What happens when a replaced one is used outside of the grace.
    pub reuse: Option<Fact<Reuse>>,
    /// How many of them live at once.
    pub live_tokens: Option<Cap>,
    /// What ends when one is revoked (RFC 7009 §2.1). Not stated, it is its grant; or, where `[revocation]` names an access
    /// token, that access token.
    pub revocation_ends: Option<Fact<RevocationEnds>>,
    /// Where it dies sooner, whatever is done.
    #[serde(default)]
    pub shorter: Vec<ShorterLife>,
}

impl RefreshTokenFacts {
    /// What ends when one is revoked.
    pub fn revocation_ends(&self) -> RevocationEnds {
        self.revocation_ends.as_ref().map(|fact| fact.value).unwrap_or_default()
    }
}

impl Provider {
    /// What ends by the request of its `[revocation]`: what the file says, or else what can be told from the token that it names.
    pub fn revocation_ends(&self) -> RevocationEnds {
        let names_access_token =
            self.revocation.as_ref().is_some_and(|asked| asked.value.token == RevokedToken::AccessToken);
        match &self.refresh_token.revocation_ends {
            Some(fact) => fact.value,
            None if names_access_token => RevocationEnds::AccessToken,
            None => RevocationEnds::default(),
        }
    }
}

/// What ends when a refresh token is revoked.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationEnds {
    /// Its own grant.
    #[default]
    Grant,
    /// The access token only: nothing is said of the refresh token beside it.
    AccessToken,
    /// All that the account has ever granted to the client: other connections of that account end with it.
    Account,
}

/// A condition under which a refresh token dies sooner, whatever is done.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ShorterLife {
    /// It dies this long after the consent.
    #[serde(rename = "is")]
    pub life: Life,
    /// When that is so, as the end of a sentence.
    pub when: String,
    /// Not where no other scopes than these were asked for.
    #[serde(default)]
    pub unless_only: Vec<String>,
    /// What to do about it.
    pub instead: String,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// Whether a refresh replaces the refresh token.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// It stays the same.
    Never,
    /// Each refresh brings another one.
    Always,
    /// A setting of the client's registration decides.
    AppSetting,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// How long a refresh token is accepted after it was replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grace {
    /// Not at all.
    None,
    /// This long, from the first use.
    For(Duration),
    /// Until its successor is used.
    UntilSuccessorUsed,
    /// Using it does not end it.
    OldStaysValid,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// What happens when a replaced refresh token is used outside of the grace.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// The whole family of tokens is revoked (RFC 9700 §4.14.2).
    Punished,
    /// It is refused, and nothing else happens.
    Harmless,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// After which time a refresh token dies of disuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleLimit {
    /// After this long.
    After {
        /// The limit.
        limit: Duration,
        /// Whether that fact was verified.
        verified: bool,
    },
    /// Never.
    Endless,
    /// Nobody knows.
    Unknown,
}

/// A life, and whether that fact was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLife {
    /// How long.
    pub life: Duration,
    /// Whether that fact was verified.
    pub verified: bool,
}

impl Provider {
    /// How long an access token lives where answers do not say.
    pub fn access_token_life(&self) -> Option<Duration> {
        match self.access_token.life.as_ref()?.value {
            Limit::After(life) => Some(life),
            Limit::Endless => None,
        }
    }

    /// Whether its access tokens have no end.
    pub fn access_tokens_are_endless(&self) -> bool {
        self.access_token.life.as_ref().is_some_and(|fact| fact.value == Limit::Endless)
    }

    /// Whether it gives refresh tokens at all.
    pub fn issues_refresh_tokens(&self) -> bool {
        self.refresh_token.issued.as_ref().is_none_or(|fact| fact.value)
    }

    /// How old an access token must be before it may be refreshed.
    pub fn minimum_age(&self) -> Option<Duration> {
        self.access_token.minimum_age.as_ref().map(|fact| fact.value.0)
    }

    /// Within which time the provider wants each access token renewed, however long it lives.
    pub fn renew_within(&self) -> Option<Duration> {
        self.access_token.renew_within.as_ref().map(|fact| fact.value.0)
    }

    /// Whether the provider wants a refresh when a token is rejected, not before.
    pub fn prefers_refresh_on_rejection(&self) -> bool {
        self.access_token.refresh_on_rejection.as_ref().is_some_and(|fact| fact.value)
    }

    /// After which time a refresh token dies of disuse.
    pub fn idle_limit(&self) -> IdleLimit {
        match &self.refresh_token.idle_limit {
            None => IdleLimit::Unknown,
            Some(fact) => match fact.value {
                Limit::Endless => IdleLimit::Endless,
                Limit::After(limit) => IdleLimit::After { limit, verified: fact.is_verified() },
            },
        }
    }

    /// How long after the consent a refresh token dies whatever is done; `None` for never, as far as is known.
    pub fn absolute_life(&self) -> Option<KnownLife> {
        let fact = self.refresh_token.absolute_life.as_ref()?;
        match fact.value {
            Limit::Endless => None,
            Limit::After(life) => Some(KnownLife { life, verified: fact.is_verified() }),
        }
    }

    /// Whether a refresh replaces the refresh token.
    pub fn rotation(&self) -> Rotation {
        self.refresh_token.rotation.as_ref().map(|fact| fact.value).unwrap_or_default()
    }

    /// How long a refresh token is accepted after it was replaced.
    pub fn grace(&self) -> Grace {
        self.refresh_token.grace.as_ref().map(|fact| fact.value).unwrap_or_default()
    }

    /// What happens when a replaced refresh token is used outside of the grace.
    pub fn reuse(&self) -> Reuse {
        self.refresh_token.reuse.as_ref().map(|fact| fact.value).unwrap_or_default()
    }
}
