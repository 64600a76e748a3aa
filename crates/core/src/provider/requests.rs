//! How a provider's requests differ from those of RFC 6749.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Fact;

/// Where it says nothing, requests are as RFC 6749 has them.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// How the parameters of a token request are written.
    pub encoding: Option<Fact<Encoding>>,
    /// What parameters of RFC 6749 are called, by their names there: `client_id`, `client_secret`, `code`, `scope`.
    pub names: Option<Fact<BTreeMap<String, String>>>,
    /// What the `Authorization` header of a token request holds, where the client proves itself in it or has no secret.
    pub credentials: Option<Fact<HeaderCredentials>>,
    /// The `User-Agent` of token requests, where not any will do. `{client_id}` in it stands for the client's identifier.
    pub user_agent: Option<Fact<String>>,
    /// Header fields to add to every request of a client.
    pub headers: Option<Fact<BTreeMap<String, String>>>,
    /// Parameters to add to the request for the tokens of a code.
    pub exchange_parameters: Option<Fact<BTreeMap<String, String>>>,
    /// Parameters to add to the request for a refresh.
    pub refresh_parameters: Option<Fact<BTreeMap<String, String>>>,
    /// Whether a refresh repeats the redirect URI.
    pub redirect_uri_on_refresh: Option<Fact<bool>>,
    /// What stands between two scopes in an authorization request; a space elsewhere.
    pub scope_separator: Option<Fact<String>>,
    /// What `scope` is called in the device flow (RFC 8628 §3.1), where that is another name than elsewhere. Polls repeat it.
    pub device_scope: Option<Fact<String>>,
    /// Whether it takes a code challenge (RFC 7636). A provider that does not know one is to ignore it (RFC 6749 §3.1), and
    /// some refuse.
    pub pkce: Option<Fact<bool>>,
}

/// How the parameters of a token request are written.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As a form (RFC 6749 appendix B).
    #[default]
    Form,
    /// As a JSON object of texts.
    Json,
    /// In the URL's query: for who takes nothing else, since servers log URLs.
    Query,
}

/// What the `Authorization` header of a token request holds.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderCredentials {
    /// Identifier and secret (RFC 6749 §2.3.1); nothing for a client without a secret.
    #[default]
    Basic,
    /// The same, and for a client without a secret the identifier with an empty password.
    BasicAlways,
    /// The secret as the user name, with an empty password.
    BasicSecret,
    /// The secret as a bearer token.
    BearerSecret,
}

impl RequestFacts {
    /// How the parameters of a token request are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding.as_ref().map(|fact| fact.value).unwrap_or_default()
    }

    /// What a parameter of RFC 6749 is called.
    pub fn name<'a>(&'a self, parameter: &'a str) -> &'a str {
        self.names.as_ref().and_then(|fact| fact.value.get(parameter)).map_or(parameter, String::as_str)
    }

    /// What the `Authorization` header of a token request holds.
    pub fn credentials(&self) -> HeaderCredentials {
        self.credentials.as_ref().map(|fact| fact.value).unwrap_or_default()
    }

    /// The `User-Agent` of the token requests of this client, where not any will do.
    pub fn user_agent(&self, client_id: &str) -> Option<String> {
        self.user_agent.as_ref().map(|fact| fact.value.replace("{client_id}", client_id))
    }

    /// Header fields to add to every request of a client.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.headers.as_ref())
    }

    /// Parameters to add to the request for the tokens of a code.
    pub fn exchange_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.exchange_parameters.as_ref())
    }

    /// Parameters to add to the request for a refresh.
    pub fn refresh_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(self.refresh_parameters.as_ref())
    }

    /// Whether a refresh repeats the redirect URI.
    pub fn repeats_redirect_uri(&self) -> bool {
        self.redirect_uri_on_refresh.as_ref().is_some_and(|fact| fact.value)
    }

    /// What stands between two scopes in an authorization request.
    pub fn scope_separator(&self) -> &str {
        self.scope_separator.as_ref().map_or(" ", |fact| &fact.value)
    }

    /// What `scope` is called in the device flow, where that is another name than elsewhere.
    pub fn device_scope(&self) -> Option<&str> {
        self.device_scope.as_ref().map(|fact| fact.value.as_str())
    }

    /// Whether to send a code challenge.
    pub fn pkce(&self) -> bool {
        self.pkce.as_ref().is_none_or(|fact| fact.value)
    }
}

fn pairs(fact: Option<&Fact<BTreeMap<String, String>>>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = fact.into_iter().flat_map(|fact| &fact.value);
    pairs.map(|(name, value)| (name.as_str(), value.as_str()))
}
