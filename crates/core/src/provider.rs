//! A provider: an authorization server and the API behind it, as data.
//!
//! One TOML file each, under `providers/`; every fact names its source, or is marked as unverified. What a
//! live answer says always beats the file.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use url::Url;

mod answers;
mod api;
mod authorization;
mod caps;
pub mod catalogue;
mod client;
mod endpoints;
mod ends;
mod errors;
mod exchange;
mod fact;
mod identity;
mod lives;
mod lookup;
pub mod parse;
mod redirect;
mod requests;
mod revocation;
#[cfg(feature = "schema")]
pub mod schema;
mod site;

pub use answers::{AnswerFacts, Shape, Success};
pub use api::ApiFacts;
pub use authorization::AuthorizationFacts;
pub use caps::{Cap, Counts, Per, Quota, Rate};
pub use client::{AssertionAudience, ClientFacts, Flow};
pub use endpoints::{Issuer, ProviderEndpoints};
pub use ends::{Deprecation, Retired};
pub use errors::{ErrorFact, Means, Wait};
pub use exchange::{ClientParameter, ExchangeFacts, ExchangeStep, TokenExchange};
pub use fact::{Fact, Life, Limit};
pub use identity::Identity;
pub use lives::{
    AccessTokenFacts, Grace, IdleLimit, KnownLife, RefreshTokenFacts, Reuse, RevocationEnds, Rotation,
    ShorterLife,
};
pub use lookup::{Lookup, OfConsent};
pub use parse::Stated;
pub use redirect::{Redirect, RedirectFact, RedirectForm};
pub use requests::{Encoding, HeaderCredentials, RequestFacts};
pub use revocation::{RevocationMethod, RevocationProof, RevocationRequest, RevokedToken};
pub use site::{Pattern, SiteVariable};

/// What a provider's file says. See `providers/constant-contact.toml` for one in full.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// How a grant is ended, where that is not done at a revocation endpoint as RFC 7009 has it.
    pub revocation: Option<Fact<RevocationRequest>>,
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where to read it.
    pub url: Url,
    /// When it was read last.
    pub verified_on: Date,
}
