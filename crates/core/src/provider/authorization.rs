//! What an authorization request needs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Fact;

/// What an authorization request needs.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationFacts {
    /// Whether authorization requests have to be pushed (RFC 9126 §5).
    pub push: Option<Fact<bool>>,
    /// Whether id tokens repeat the nonce that was sent (OpenID Connect Core §3.1.3.7, 11). Where they do not, none is sent, and
    /// all else of them is checked.
    pub nonce: Option<Fact<bool>>,
    /// Parameters to add to every authorization request.
    pub parameters: Option<Fact<BTreeMap<String, String>>>,
    /// The scope without which there is no refresh token.
    pub offline_scope: Option<Fact<String>>,
    /// The parameters of the redirect that every use of the API needs: they are kept.
    pub kept_parameters: Option<Fact<Vec<String>>>,
    /// Scopes that are worth knowing, with what they allow.
    #[serde(default)]
    pub scopes: BTreeMap<String, String>,
    /// The scopes to ask for when the user names none.
    pub default_scopes: Option<Fact<Vec<String>>>,
    /// What to tell somebody whose grant came without a refresh token.
    pub without_refresh_token: Option<String>,
}

impl AuthorizationFacts {
    /// Whether authorization requests have to be pushed.
    pub fn must_be_pushed(&self) -> bool {
        self.push.as_ref().is_some_and(|fact| fact.value)
    }

    /// Whether to send a nonce, and to expect it in id tokens.
    pub fn repeats_nonce(&self) -> bool {
        self.nonce.as_ref().is_none_or(|fact| fact.value)
    }

    /// Parameters to add to every authorization request.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        self.parameters.as_ref().map(|fact| fact.value.clone()).unwrap_or_default()
    }

    /// The scopes to ask for when the user names none.
    pub fn default_scopes(&self) -> &[String] {
        self.default_scopes.as_ref().map_or(&[], |fact| &fact.value)
    }
}
