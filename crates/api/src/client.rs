use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::client::{Client, ClientAuth, Endpoints};
use vestal_core::id::ClientId;

/// A registration with a provider. Never its secret.
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
            redirect_uri: client.redirect_uri.clone(),
            scopes: client.scopes.clone(),
            endpoints: client.endpoints.clone(),
            created_at: client.created_at,
        }
    }
}
