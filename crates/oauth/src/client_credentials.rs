//! An access token for the client itself (RFC 6749 §4.4).

use bytes::Bytes;
use http::Request;
use url::Url;

use crate::client_auth::Credentials;
use crate::form::{UnsendableUrl, post};

/// The request. Without scopes, the provider's default applies.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    scopes: &[String],
) -> Result<Request<Bytes>, UnsendableUrl> {
    let scope = scopes.join(" ");
    let mut fields = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    post(endpoint, credentials, &fields)
}
