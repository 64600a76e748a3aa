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
    /// From [`crate::pkce::challenge`]. Left out where the provider takes none.
    pub code_challenge: &'a str,
    /// How the provider's requests differ from RFC 6749's.
    pub requests: &'a RequestFacts,
    /// Parameters that the provider needs besides. They replace none of those above.
    pub parameters: &'a BTreeMap<String, String>,
}

impl AuthorizationRequest<'_> {
    /// The URL to open in a browser. It holds `state`, so it is not for logs.
    pub fn url(&self) -> Url {
        let scope = self.scopes.join(self.requests.scope_separator());
        let mut query = vec![
            ("response_type", "code"),
            (self.requests.name("client_id"), self.client_id),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("state", self.state.expose_secret()),
        ];
        if self.requests.pkce() {
            query.extend([("code_challenge", self.code_challenge), ("code_challenge_method", "S256")]);
        }
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

/// The request that turns a code into tokens. The verifier is left out as the challenge was.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    code: &SecretString,
    redirect_uri: &Url,
    code_verifier: &SecretString,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, UnsendableUrl> {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code.expose_secret()),
        ("redirect_uri", redirect_uri.as_str()),
    ];
    if requests.pkce() {
        fields.push(("code_verifier", code_verifier.expose_secret()));
    }
    post(endpoint, credentials, &fields, requests)
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn url(endpoint: &str, scopes: &[&str], parameters: &[(&str, &str)]) -> Url {
        let parameters =
            parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        AuthorizationRequest {
            endpoint: &endpoint.parse().unwrap(),
            client_id: "an id",
            redirect_uri: &"http://localhost:8724/callback?a=b&c".parse().unwrap(),
            scopes: &scopes.iter().map(|scope| scope.to_string()).collect::<Vec<_>>(),
            state: &"st".into(),
            code_challenge: "ch",
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
            &"http://localhost:8724/callback".parse().unwrap(),
            &"ver".into(),
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
             &code_verifier=ver&client_id=an+id&client_secret=s%26t"
        );
    }
}
