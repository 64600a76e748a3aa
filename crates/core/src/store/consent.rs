//! What is written while a person is asked for consent.

use jiff::Timestamp;
use url::Url;

use crate::client::Endpoints;
use crate::id::{ClientId, ConnectionId};
use crate::seal::Sealed;
use crate::site::Site;

/// A person is being asked for consent: what is needed when they come back (RFC 6749 §4.1, RFC 7636).
#[derive(Clone, Debug, PartialEq)]
pub struct Authorization {
    /// SHA-256 of the `state` parameter, which itself is stored nowhere.
    pub state_hash: [u8; 32],
    /// The connection that is to get the grant.
    pub connection: ConnectionId,
    /// The client.
    pub client: ClientId,
    /// Where the authorization request was sent, with the token endpoint that goes with it.
    pub endpoints: Endpoints,
    /// What was filled into them.
    pub site: Site,
    /// The redirect URI that was sent; the exchange must repeat it.
    pub redirect_uri: Url,
    /// The scopes that were asked for.
    pub scopes: Vec<String>,
    /// The PKCE code verifier.
    pub code_verifier: Sealed,
    /// When it was begun.
    pub created_at: Timestamp,
    /// After this it is not accepted any more.
    pub expires_at: Timestamp,
}
