//! Where a provider is, for a client.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::provider::ExchangeStep;

/// Where a provider is (names of RFC 8414 §2), and the APIs that its tokens are for. There may be variables in all of its
/// URLs, which a connection's site fills.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The issuer identifier, where the provider has one; what `iss` must be (RFC 9207).
    pub issuer: Option<String>,
    /// The authorization endpoint; none where only client credentials are used.
    pub authorization: Option<Url>,
    /// The token endpoint.
    pub token: Url,
    /// The token endpoint for refreshes and renewals, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Url>,
    /// The token endpoint for making a short-lived access token a long-lived one, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengthen: Option<Url>,
    /// The revocation endpoint (RFC 7009).
    pub revocation: Option<Url>,
    /// The device authorization endpoint (RFC 8628).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization: Option<Url>,
    /// Whether tokens are to be bound to a key (RFC 9449), as the client is registered (`dpop_bound_access_tokens`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub dpop: bool,
    /// Whether the provider promised to send `iss` on every redirect (RFC 9207 §3).
    pub sends_iss: bool,
    /// Where authorization requests are pushed (RFC 9126).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_authorization: Option<Url>,
    /// Whether authorization requests are pushed: the provider takes no others, or somebody wants it so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub push: bool,
    /// The introspection endpoint (RFC 7662).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Url>,
    /// The userinfo endpoint (OpenID Connect Core §5.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<Url>,
    /// The keys that id tokens are signed with (RFC 7517 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Url>,
    /// The APIs that tokens are asked for (RFC 8707); none: whichever the provider thinks fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The name that the provider gave for the redirect URI, where requests say that in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_name: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Endpoints {
    /// A token endpoint alone.
    pub fn at(token: Url) -> Self {
        Self {
            issuer: None,
            authorization: None,
            token,
            refresh: None,
            lengthen: None,
            revocation: None,
            device_authorization: None,
            dpop: false,
            sends_iss: false,
            pushed_authorization: None,
            push: false,
            introspection: None,
            userinfo: None,
            jwks: None,
            resources: Vec::new(),
            redirect_name: None,
        }
    }

    /// What stands for a redirect URI in requests.
    pub fn sent_redirect_uri<'a>(&'a self, redirect_uri: &'a Url) -> &'a str {
        self.redirect_name.as_deref().unwrap_or(redirect_uri.as_str())
    }

    /// Where a refresh is asked for.
    pub fn for_refreshes(&self) -> &Url {
        self.refresh.as_ref().unwrap_or(&self.token)
    }

    /// Where a step with an access token is asked for.
    pub fn for_exchanges(&self, step: ExchangeStep) -> &Url {
        match step {
            ExchangeStep::Lengthen => self.lengthen.as_ref().unwrap_or(&self.token),
            ExchangeStep::Renew => self.for_refreshes(),
        }
    }

    /// All of them, to be changed.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Url> {
        let Self {
            issuer: _,
            authorization,
            token,
            refresh,
            lengthen,
            revocation,
            device_authorization,
            sends_iss: _,
            pushed_authorization,
            push: _,
            introspection,
            userinfo,
            jwks,
            dpop: _,
            resources: _,
            redirect_name: _,
        } = self;
        let others = [
            authorization,
            refresh,
            lengthen,
            revocation,
            device_authorization,
            pushed_authorization,
            introspection,
            userinfo,
            jwks,
        ];
        others.into_iter().flatten().chain([token])
    }

    /// All that a browser or a request is sent to.
    pub fn all(&self) -> impl Iterator<Item = &Url> {
        let others = [
            &self.authorization,
            &self.refresh,
            &self.lengthen,
            &self.revocation,
            &self.device_authorization,
            &self.pushed_authorization,
            &self.introspection,
            &self.userinfo,
            &self.jwks,
        ];
        others.into_iter().flatten().chain([&self.token])
    }
}
