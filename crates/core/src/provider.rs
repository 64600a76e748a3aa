//! A provider: an authorization server and the API behind it, as data.
//!
//! One TOML file each, under `providers/`; every fact names its source, or is marked as unverified. What a
//! live answer says always beats the file.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use serde::Deserialize;
use url::Url;

use crate::client::{ClientAuth, Endpoints};

mod answers;
mod api;
mod caps;
pub mod catalogue;
mod errors;
mod exchange;
mod fact;
mod identity;
pub mod parse;
mod requests;
mod site;

pub use answers::{AnswerFacts, Shape, Success};
pub use api::ApiFacts;
pub use caps::{Cap, Counts, Per, Quota, Rate};
pub use errors::{ErrorFact, Means, Wait};
pub use exchange::{ClientParameter, ExchangeFacts, ExchangeStep, TokenExchange};
pub use fact::{Fact, Life, Limit};
pub use identity::Identity;
pub use parse::Stated;
pub use requests::{Encoding, HeaderCredentials, RequestFacts};
pub use site::{Pattern, SiteVariable};

/// What a provider's file says. See `providers/constant-contact.toml` for one in full.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The provider's identifier: lower-case letters, digits and hyphens.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where its documentation of OAuth is.
    pub docs: Option<Url>,
    /// How to register a client, in a few sentences.
    pub register: String,
    /// Where the facts come from, by the short names that they use.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Where the provider is.
    #[serde(default)]
    pub endpoints: ProviderEndpoints,
    /// Where it says whose a grant is.
    pub identity: Option<Fact<Identity>>,
    /// What may stand for the variables in its endpoints, where each customer or data centre has hosts of its own.
    #[serde(default)]
    pub site: BTreeMap<String, SiteVariable>,
    /// What it accepts as a client.
    #[serde(default)]
    pub client: ClientFacts,
    /// How its requests differ from RFC 6749's.
    #[serde(default)]
    pub requests: RequestFacts,
    /// How its answers differ from RFC 6749's.
    #[serde(default)]
    pub answers: AnswerFacts,
    /// What an authorization request needs.
    #[serde(default)]
    pub authorization: AuthorizationFacts,
    /// How its access tokens live.
    #[serde(default)]
    pub access_token: AccessTokenFacts,
    /// How its refresh tokens live and die.
    #[serde(default)]
    pub refresh_token: RefreshTokenFacts,
    /// How its access tokens are exchanged, where there are no refresh tokens.
    #[serde(default)]
    pub exchange: ExchangeFacts,
    /// The API that its access tokens are for.
    #[serde(default)]
    pub api: ApiFacts,
    /// How many requests it answers.
    #[serde(default)]
    pub quotas: Vec<Quota>,
    /// What its errors mean, where RFC 6749 §5.2 does not say it. The first one that fits counts.
    #[serde(default)]
    pub errors: Vec<ErrorFact>,
    /// Endpoints that do not work any more, and what to use instead.
    #[serde(default)]
    pub retired: Vec<Retired>,
    /// What is going to end, and when.
    #[serde(default)]
    pub deprecations: Vec<Deprecation>,
    /// Further things that are worth knowing.
    #[serde(default)]
    pub notes: Vec<Fact<String>>,
    /// Every fact that has a name of its own, as the file writes it, in order.
    #[serde(skip)]
    pub stated: Vec<Stated>,
    /// The names of what a user's own file says, where one is laid over this one.
    #[serde(skip)]
    pub laid_over: Vec<String>,
}

/// Where facts come from.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where to read it.
    pub url: Url,
    /// When it was read last.
    pub verified_on: Date,
}

/// Where a provider is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ProviderEndpoints {
    /// Its issuer identifier, from which the rest is discovered (RFC 8414), or [`Issuer::Ask`].
    pub issuer: Option<Issuer>,
    /// What an issuer identifier looks like, where it has to be asked for.
    pub issuer_example: Option<String>,
    /// The authorization endpoint.
    pub authorization: Option<Fact<Url>>,
    /// The token endpoint.
    pub token: Option<Fact<Url>>,
    /// The token endpoint for refreshes and renewals, where that is another one.
    pub refresh: Option<Fact<Url>>,
    /// The token endpoint for making a short-lived access token a long-lived one, where that is another one.
    pub lengthen: Option<Fact<Url>>,
    /// The revocation endpoint (RFC 7009).
    pub revocation: Option<Fact<Url>>,
    /// The device authorization endpoint (RFC 8628).
    pub device_authorization: Option<Fact<Url>>,
    /// Where authorization requests are pushed (RFC 9126).
    pub pushed_authorization: Option<Fact<Url>>,
    /// The introspection endpoint (RFC 7662): asked how long a token lives, where answers do not say.
    pub introspection: Option<Fact<Url>>,
    /// The userinfo endpoint (OpenID Connect Core §5.3): asked whose a token is, where no id token says it.
    pub userinfo: Option<Fact<Url>>,
    /// The keys that id tokens are signed with (RFC 7517 §5).
    pub jwks: Option<Fact<Url>>,
}

/// How to learn a provider's issuer.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "url")]
pub enum Issuer {
    /// Each customer has their own: it has to be asked for.
    Ask,
    /// Always this one. A text, since issuers are compared character by character (RFC 8414 §3.3).
    Is(String),
}

/// What a provider accepts as a client.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ClientFacts {
    /// By which grants it gives tokens, refreshes aside.
    pub flows: Option<Fact<Vec<Flow>>>,
    /// How a client may prove itself; the first one is the default.
    pub auth: Option<Fact<Vec<ClientAuth>>>,
    /// Whom a client's assertions are for (RFC 7523 §3); the issuer where there is one, unless this says otherwise.
    pub assertion_audience: Option<Fact<AssertionAudience>>,
    /// Whether tokens are to be bound to a key (RFC 9449).
    pub dpop: Option<Fact<bool>>,
    /// Which redirect URIs it accepts, in a sentence.
    pub redirect_uri: Option<Fact<String>>,
}

/// A grant by which a provider gives tokens (names after RFC 7591 §2).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A person consents in a browser (RFC 6749 §4.1).
    AuthorizationCode,
    /// A person consents on another device (RFC 8628).
    DeviceCode,
    /// The client's own credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// A signed assertion (RFC 7523 §2.1).
    JwtBearer,
    /// Another token (RFC 8693).
    TokenExchange,
}

impl Flow {
    /// The word that the files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::TokenExchange => "token_exchange",
        }
    }
}

impl AuthorizationFacts {
    /// Whether authorization requests have to be pushed.
    pub fn must_be_pushed(&self) -> bool {
        self.push.as_ref().is_some_and(|fact| fact.value)
    }
}

impl ClientFacts {
    /// Whom the assertions of a client are for that was registered where these endpoints are.
    pub fn assertion_audience<'a>(&self, endpoints: &'a Endpoints) -> &'a str {
        let wanted = self.assertion_audience.as_ref().map(|fact| fact.value);
        match (&endpoints.issuer, wanted) {
            (Some(issuer), None | Some(AssertionAudience::Issuer)) => issuer,
            (None, _) | (_, Some(AssertionAudience::TokenEndpoint)) => endpoints.token.as_str(),
        }
    }
}

/// Whom a client's assertions are for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AssertionAudience {
    /// The issuer. Another server cannot have an assertion made for it by naming its token endpoint as its own.
    Issuer,
    /// The token endpoint.
    TokenEndpoint,
}

/// What an authorization request needs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationFacts {
    /// Whether authorization requests have to be pushed (RFC 9126 §5).
    pub push: Option<Fact<bool>>,
    /// Parameters to add to every authorization request.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The scope without which there is no refresh token.
    pub offline_scope: Option<Fact<String>>,
    /// The parameters of the redirect that every use of the API needs: they are kept.
    pub kept_parameters: Option<Fact<Vec<String>>>,
    /// Scopes that are worth knowing, with what they allow.
    #[serde(default)]
    pub scopes: BTreeMap<String, String>,
    /// The scopes to ask for when the user names none.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// What to tell somebody whose grant came without a refresh token.
    pub without_refresh_token: Option<String>,
}

/// How access tokens live.
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
    /// Where it dies sooner, whatever is done.
    #[serde(default)]
    pub shorter: Vec<ShorterLife>,
}

/// A condition under which a refresh token dies sooner, whatever is done.
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

/// An endpoint that does not work any more.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// How its URLs begin.
    pub prefix: String,
    /// Since when.
    pub since: Date,
    /// What to use instead.
    pub instead: String,
}

/// Something that is going to end.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Deprecation {
    /// What ends, in a sentence.
    #[serde(rename = "is")]
    pub what: String,
    /// When.
    pub on: Date,
    /// How the URLs begin that will not work any more, where it is endpoints that end.
    pub prefix: Option<String>,
    /// What to do until then.
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

    /// The retired endpoint that a URL belongs to, if it does.
    pub fn retired(&self, url: &Url) -> Option<&Retired> {
        self.retired.iter().find(|retired| url.as_str().starts_with(&retired.prefix))
    }

    /// What is going to end that a URL belongs to, if anything is.
    pub fn deprecated(&self, url: &Url) -> Option<&Deprecation> {
        let fits =
            |it: &&Deprecation| it.prefix.as_ref().is_some_and(|prefix| url.as_str().starts_with(prefix));
        self.deprecations.iter().find(fits)
    }

    /// By which grants it gives tokens, where that is known.
    pub fn flows(&self) -> Option<&[Flow]> {
        self.client.flows.as_ref().map(|fact| fact.value.as_slice())
    }
}
