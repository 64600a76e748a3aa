//! A new access token for a refresh token (RFC 6749 §6).

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::client_auth::Credentials;
pub use crate::form::UnsendableUrl;
use crate::form::post;

/// The request. It names no scope: what was granted stays granted.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    refresh_token: &SecretString,
) -> Result<Request<Bytes>, UnsendableUrl> {
    post(
        endpoint,
        credentials,
        &[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())],
    )
}
