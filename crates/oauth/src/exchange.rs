//! A longer-lived or newer access token for an access token, as Meta's APIs have it.
//!
//! A GET with the access token in its query, since they take nothing else: whoever logs the URL logs the token. Not to be
//! taken for RFC 8693's token exchange.

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vestal_core::provider::{RequestFacts, TokenExchange};

use crate::client_auth::Credentials;
use crate::form::{Unsendable, introduce, uri, with_query};

/// The request.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    access_token: &SecretString,
    exchange: &TokenExchange,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let wanted = |name: &str| exchange.client.iter().any(|wanted| wanted.as_str() == name);
    let fields = [
        ("grant_type", exchange.grant_type.as_str()),
        (exchange.token.as_str(), access_token.expose_secret()),
    ];
    let proof = credentials.fields(requests.credentials()).into_iter().filter(|(name, _)| wanted(name));
    let proof = proof.map(|(name, value)| (requests.name(name), value));
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri(&with_query(endpoint, fields.into_iter().chain(proof)))?;
    introduce(&mut request, credentials, requests);
    Ok(request)
}
