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
use vestal_core::provider::RequestFacts;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post, resource_parameters};

/// A new `state`, which ties the redirect to the request: 32 unpredictable bytes, as 43 characters.
pub fn new_state(entropy: &dyn Entropy) -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>(entropy)).into()
}

/// SHA-256 of a `state`: what is stored of it.
pub fn state_hash(state: &SecretString) -> [u8; 32] {
    Sha256::digest(state.expose_secret()).into()
}

/// What ties an id token to the request that it was asked for with (OpenID Connect Core §3.1.2.1). Made from the code
/// verifier, which is stored already, and which it does not give away.
pub fn nonce(code_verifier: &SecretString) -> String {
    let digest = Sha256::new_with_prefix("nonce of ").chain_update(code_verifier.expose_secret()).finalize();
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// What a person is asked to consent to.
pub struct AuthorizationRequest<'a> {
    /// The authorization endpoint.
    pub endpoint: &'a Url,
    /// The client's identifier.
    pub client_id: &'a str,
    /// Where the browser is sent afterwards, exactly as it is registered; or the name that stands for it.
    pub redirect_uri: &'a str,
    /// The scopes. None: the provider's default.
    pub scopes: &'a [String],
    /// The APIs that tokens are to be for (RFC 8707). None: the provider's default.
    pub resources: &'a [String],
    /// From [`new_state`].
    pub state: &'a SecretString,
    /// From [`crate::pkce::challenge`]. Left out where the provider takes none.
    pub code_challenge: &'a str,
    /// From [`nonce`], where an id token is asked for.
    pub nonce: Option<&'a str>,
    /// How the provider's requests differ from RFC 6749's.
    pub requests: &'a RequestFacts,
    /// Parameters that the provider needs besides. They replace none of those above.
    pub parameters: &'a BTreeMap<String, String>,
}

impl AuthorizationRequest<'_> {
    /// Everything that is asked for, but for what the endpoint's own query says.
    pub(crate) fn parameters(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let scope = self.scopes.join(self.requests.scope_separator());
        let mut query: Vec<(Cow<'_, str>, Cow<'_, str>)> = vec![
            ("response_type".into(), "code".into()),
            (self.requests.name("client_id").into(), self.client_id.into()),
            ("redirect_uri".into(), self.redirect_uri.into()),
            ("state".into(), self.state.expose_secret().into()),
        ];
        if self.requests.pkce() {
            query.push(("code_challenge".into(), self.code_challenge.into()));
            query.push(("code_challenge_method".into(), "S256".into()));
        }
        if !scope.is_empty() {
            query.push((self.requests.name("scope").into(), scope.into()));
        }
        query.extend(self.nonce.map(|nonce| ("nonce".into(), nonce.into())));
        query.extend(resource_parameters(self.resources).map(|(name, value)| (name.into(), value.into())));
        add_missing(&mut query, self.parameters.iter().map(|(name, value)| (name.into(), value.into())));
        query
    }

    /// The URL to open in a browser. It holds `state`, so it is not for logs.
    pub fn url(&self) -> Url {
        self.at_the_endpoint(self.parameters())
    }

    /// The same for a request that was pushed (RFC 9126 §4): what stands for it is all that a browser carries.
    pub fn pushed_url(&self, request_uri: &str) -> Url {
        let client_id = (self.requests.name("client_id").into(), self.client_id.into());
        self.at_the_endpoint(vec![client_id, ("request_uri".into(), request_uri.into())])
    }

    /// The endpoint with these parameters. Its own query stays (RFC 6749 §3.1).
    fn at_the_endpoint<'a>(&'a self, mut query: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Url {
        add_missing(&mut query, self.endpoint.query_pairs());
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().clear().extend_pairs(query);
        url
    }
}

/// Adds those parameters that are not there yet: none may be given another value, or come twice (RFC 6749 §3.1).
fn add_missing<'a>(
    query: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    more: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) {
    for (name, value) in more {
        if query.iter().all(|(taken, _)| *taken != name) {
            query.push((name, value));
        }
    }
}

/// The request that turns a code into tokens. The verifier is left out as the challenge was.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    code: &SecretString,
    redirect_uri: &str,
    code_verifier: &SecretString,
    resources: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code.expose_secret()),
        ("redirect_uri", redirect_uri),
    ];
    if requests.pkce() {
        fields.push(("code_verifier", code_verifier.expose_secret()));
    }
    fields.extend(resource_parameters(resources));
    fields.extend(requests.exchange_parameters());
    post(endpoint, credentials, &fields, requests)
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;
    use crate::client_auth::Sevens;

    fn url(endpoint: &str, scopes: &[&str], parameters: &[(&str, &str)]) -> Url {
        let parameters =
            parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        AuthorizationRequest {
            endpoint: &endpoint.parse().unwrap(),
            client_id: "an id",
            redirect_uri: "http://localhost:8724/callback?a=b&c",
            scopes: &scopes.iter().map(|scope| scope.to_string()).collect::<Vec<_>>(),
            resources: &[],
            state: &"st".into(),
            code_challenge: "ch",
            nonce: None,
            requests: &RequestFacts::default(),
            parameters: &parameters,
        }
        .url()
    }

    const OURS: &str = "response_type=code&client_id=an+id&redirect_uri=http%3A%2F%2Flocalhost%3A8724%2Fcallback%3Fa%3Db%26c\
        &state=st&code_challenge=ch&code_challenge_method=S256";

    #[test]
    fn the_url_to_open() {
        let endpoint = "https://as.example/authorize";
        assert_eq!(url(endpoint, &[], &[]).as_str(), format!("{endpoint}?{OURS}"));
        assert_eq!(
            url(endpoint, &["contact_data", "offline_access"], &[("access_type", "offline")]).as_str(),
            format!("{endpoint}?{OURS}&scope=contact_data+offline_access&access_type=offline")
        );
    }

    #[test]
    fn the_endpoints_own_query_stays() {
        assert_eq!(
            url("https://as.example/authorize?tenant=7&x=%2F", &[], &[]).query().unwrap(),
            format!("{OURS}&tenant=7&x=%2F")
        );
    }

    #[test]
    fn no_parameter_is_overridden_or_comes_twice() {
        let evil = [
            ("response_type", "token"),
            ("client_id", "other"),
            ("redirect_uri", "https://evil.example"),
            ("state", "known"),
            ("code_challenge", "known"),
            ("code_challenge_method", "plain"),
            ("scope", "everything"),
            ("prompt", "consent"),
        ];
        let query: String = form_urlencoded(&evil);
        let endpoint = format!("https://as.example/authorize?{query}&prompt=none");
        assert_eq!(url(&endpoint, &["a"], &evil).query().unwrap(), format!("{OURS}&scope=a&prompt=consent"));
    }

    fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    #[test]
    fn a_nonce_belongs_to_its_verifier_and_is_not_its_challenge() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        assert_eq!(nonce(&verifier), nonce(&verifier));
        assert_eq!(nonce(&verifier).len(), 43);
        assert_ne!(nonce(&verifier), crate::pkce::challenge(&verifier));
        assert_ne!(nonce(&verifier), nonce(&"another".into()));
    }

    #[test]
    fn a_state_is_all_the_randomness_and_its_hash_is_stored() {
        let state = new_state(&Sevens);
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(state.expose_secret()).unwrap(), [7; 32]);
        // SHA-256("abc"), FIPS 180-4.
        assert_eq!(state_hash(&"abc".into())[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn the_request_for_the_tokens() {
        let credentials =
            Credentials::new("an id".into(), ClientAuth::ClientSecretPost, Some("s&t".into())).unwrap();
        let request = token_request(
            &"https://as.example/token?tenant=7".parse().unwrap(),
            &credentials,
            &"c/d".into(),
            "http://localhost:8724/callback",
            &"ver".into(),
            &["https://api.example/".to_owned(), "https://files.example/".to_owned()],
            &RequestFacts::default(),
        )
        .unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://as.example/token?tenant=7");
        assert_eq!(request.headers()["accept"], "application/json");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert!(!request.headers().contains_key("authorization"));
        assert_eq!(
            request.body(),
            "grant_type=authorization_code&code=c%2Fd&redirect_uri=http%3A%2F%2Flocalhost%3A8724%2Fcallback\
             &code_verifier=ver&resource=https%3A%2F%2Fapi.example%2F&resource=https%3A%2F%2Ffiles.example%2F&client_id=an+id&client_secret=s%26t"
        );
    }
}
