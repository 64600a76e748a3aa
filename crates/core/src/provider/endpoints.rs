//! Where a provider is.

use serde::Deserialize;
use url::Url;

use super::Fact;

/// Where a provider is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "url")]
pub enum Issuer {
    /// Each customer has their own: it has to be asked for.
    Ask,
    /// Always this one. A text, since issuers are compared character by character (RFC 8414 §3.3).
    Is(String),
}
