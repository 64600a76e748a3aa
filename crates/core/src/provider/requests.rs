//! How a provider's requests differ from those of RFC 6749.

use serde::Deserialize;

use super::Fact;

/// Where it says nothing, requests are as RFC 6749 has them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RequestFacts {
    /// How the parameters of a token request are written.
    pub encoding: Option<Fact<Encoding>>,
    /// What the parameter `client_id` is called.
    pub client_id: Option<Fact<String>>,
    /// What stands between two scopes in an authorization request; a space elsewhere.
    pub scope_separator: Option<Fact<String>>,
    /// Whether it takes a code challenge (RFC 7636). A provider that does not know one is to ignore it (RFC 6749 §3.1), and
    /// some refuse.
    pub pkce: Option<Fact<bool>>,
}

/// How the parameters of a token request are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As a form (RFC 6749 appendix B).
    #[default]
    Form,
    /// As a JSON object of texts.
    Json,
}

impl RequestFacts {
    /// How the parameters of a token request are written.
    pub fn encoding(&self) -> Encoding {
        self.encoding.as_ref().map(|fact| fact.value).unwrap_or_default()
    }

    /// What a parameter of RFC 6749 is called.
    pub fn name<'a>(&'a self, parameter: &'a str) -> &'a str {
        match (&self.client_id, parameter) {
            (Some(fact), "client_id") => &fact.value,
            _ => parameter,
        }
    }

    /// What stands between two scopes in an authorization request.
    pub fn scope_separator(&self) -> &str {
        self.scope_separator.as_ref().map_or(" ", |fact| &fact.value)
    }

    /// Whether to send a code challenge.
    pub fn pkce(&self) -> bool {
        self.pkce.as_ref().is_none_or(|fact| fact.value)
    }
}
