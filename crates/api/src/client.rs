use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::client::{Client, ClientAuth, Endpoints, Trouble};
use vestal_core::id::ClientId;

/// A registration with a provider. Never its secret.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientView {
    /// Never changes.
    pub id: ClientId,
    /// Chosen by the user; unique.
    pub name: String,
    /// The provider's identifier.
    pub provider: String,
    /// The `client_id` (RFC 6749 §2.2).
    pub client_id: String,
    /// How it proves itself (RFC 7591 §2).
    pub auth: ClientAuth,
    /// Whether a secret is stored.
    pub has_secret: bool,
    /// Whether another one is stored that is tried should that be refused.
    #[serde(default)]
    pub has_second_secret: bool,
    /// The public keys to register with the provider (RFC 7517 §4), where it signs with a private one: the one that is
    /// used, and the one that is tried should that be refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<serde_json::Map<String, serde_json::Value>>,
    /// The provider refuses the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// The redirect URI, exactly as it is registered.
    pub redirect_uri: Url,
    /// The scopes that are asked for, unless told otherwise.
    pub scopes: Vec<String>,
    /// Where the provider is (names of RFC 8414 §2).
    pub endpoints: Endpoints,
    /// When it was added.
    pub created_at: Timestamp,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        Self {
            id: client.id,
            name: client.name.clone(),
            provider: client.provider.clone(),
            client_id: client.client_id.clone(),
            auth: client.auth,
            has_secret: client.secret.is_some(),
            has_second_secret: client.second_secret.is_some(),
            public_keys: Vec::new(),
            trouble: client.notes.trouble.clone(),
            redirect_uri: client.redirect_uri.clone(),
            scopes: client.scopes.clone(),
            endpoints: client.endpoints.clone(),
            created_at: client.created_at,
        }
    }
}
