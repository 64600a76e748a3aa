//! Consent by a person, and the code that it brings (RFC 6749 §4.1).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;
use vestal_core::clock::{Entropy, random};

use crate::client_auth::Credentials;
use crate::form::{UnsendableUrl, post};

/// A new `state`, which ties the redirect to the request: 32 unpredictable bytes, as 43 characters.
pub fn new_state(entropy: &dyn Entropy) -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>(entropy)).into()
}

/// SHA-256 of a `state`: what is stored of it.
pub fn state_hash(state: &SecretString) -> [u8; 32] {
    Sha256::digest(state.expose_secret()).into()
}

/// What a person is asked to consent to.
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint.
    pub endpoint: &'a Url,
    /// The client's identifier.
    pub client_id: &'a str,
    /// Where the browser is sent afterwards, exactly as it is registered.
    pub redirect_uri: &'a Url,
    /// The scopes. None: the provider's default.
    pub scopes: &'a [String],
    /// From [`new_state`].
    pub state: &'a SecretString,
    /// From [`crate::pkce::challenge`].
    pub code_challenge: &'a str,
    /// Parameters that the provider needs besides. They replace none of those above.
    pub parameters: &'a BTreeMap<String, String>,
}

impl AuthorizationRequest<'_> {
    /// The URL to open in a browser. It holds `state`, so it is not for logs.
    pub fn url(&self) -> Url {
        let scope = self.scopes.join(" ");
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("state", self.state.expose_secret()),
            ("code_challenge", self.code_challenge),
            ("code_challenge_method", "S256"),
        ];
        if !scope.is_empty() {
            query.push(("scope", &scope));
        }
        // The endpoint's own query stays (RFC 6749 §3.1), and no parameter may come twice.
        let own: Vec<(Cow<'_, str>, Cow<'_, str>)> = self.endpoint.query_pairs().collect();
        let added = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in added.chain(own.iter().map(|(name, value)| (&**name, &**value))) {
            if query.iter().all(|(taken, _)| *taken != name) {
                query.push((name, value));
            }
        }
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().clear().extend_pairs(query);
        url
    }
}

/// The request that turns a code into tokens.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    code: &SecretString,
    redirect_uri: &Url,
    code_verifier: &SecretString,
) -> Result<Request<Bytes>, UnsendableUrl> {
    post(
        endpoint,
        credentials,
        &[
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri.as_str()),
            ("code_verifier", code_verifier.expose_secret()),
        ],
    )
}
