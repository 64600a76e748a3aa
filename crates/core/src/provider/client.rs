//! What a provider accepts as a client.

use serde::Deserialize;

use super::{Fact, Provider, RedirectFact};
use crate::client::{ClientAuth, Endpoints};

/// What a provider accepts as a client.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Which forms of redirect URI it accepts; any, where it says nothing.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectFact>,
    /// Whether requests say a name that it gave for the redirect URI, in its place.
    pub redirect_name: Option<Fact<bool>>,
}

/// A grant by which a provider gives tokens (names after RFC 7591 §2).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AssertionAudience {
    /// The issuer. Another server cannot have an assertion made for it by naming its token endpoint as its own.
    Issuer,
    /// The token endpoint.
    TokenEndpoint,
}

impl Provider {
    /// By which grants it gives tokens, where that is known.
    pub fn flows(&self) -> Option<&[Flow]> {
        self.client.flows.as_ref().map(|fact| fact.value.as_slice())
    }
}
