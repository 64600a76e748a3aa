//! An access token for an assertion that the client signs (RFC 7523 §2.1): a service account's own, or one that speaks for a
//! user who has consented elsewhere.

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestal_core::clock::Entropy;
use vestal_core::provider::RequestFacts;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post, resource_parameters};
use crate::jwt::{self, SigningError, SigningKey};

/// The grant's name (RFC 7523 §2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An assertion is of use for so long: Salesforce takes none that lives longer.
const LIFE_S: i64 = 180;

/// What an assertion says (RFC 7523 §3).
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// Who says it.
    pub issuer: &'a str,
    /// Whom the token is to speak for. Where nobody is named, Google takes the issuer.
    pub subject: Option<&'a str>,
    /// Whom it is for.
    pub audience: &'a str,
    /// What the token is to allow: here is where Google and DocuSign look for it.
    pub scopes: &'a [String],
    /// What the provider calls the key, if not by what it is.
    pub key_id: Option<&'a str>,
}

impl Assertion<'_> {
    /// The assertion, which a provider may take once only.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn sign(
        &self,
        key: &SigningKey,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<SecretString, SigningError> {
        let now = now.as_second();
        let mut claims: Map<String, Value> = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("iss", self.issuer.into());
        if let Some(subject) = self.subject {
            claim("sub", subject.into());
        }
        claim("aud", self.audience.into());
        if !self.scopes.is_empty() {
            claim("scope", self.scopes.join(" ").into());
        }
        claim("jti", jwt::unique_id(entropy));
        claim("iat", now.into());
        claim("exp", now.saturating_add(LIFE_S).into());
        let kid = self.key_id.unwrap_or_else(|| key.kid());
        key.sign(&[("typ", "JWT".into()), ("kid", kid.into())], &claims)
    }
}

/// The request. The assertion says who the client is, and nothing else does: Google, Salesforce and DocuSign want no second
/// proof.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    assertion: &SecretString,
    scopes: &[String],
    resources: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let scope = scopes.join(requests.scope_separator());
    let mut fields = vec![("grant_type", GRANT_TYPE), ("assertion", assertion.expose_secret())];
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    fields.extend(resource_parameters(resources));
    post(endpoint, &Credentials::unnamed(), &fields, requests)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;
    use crate::client_auth::Sevens;
    use crate::jwt::{Algorithm, PublicKey, generate_p256};

    #[test]
    fn the_request_names_no_client_besides() {
        let endpoint = "https://as.example/token".parse().unwrap();
        let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
        for (scopes, resources, rest) in [
            (vec![], vec![], ""),
            (
                vec!["a".to_owned(), "b".to_owned()],
                vec!["urn:api".to_owned()],
                "&scope=a+b&resource=urn%3Aapi",
            ),
        ] {
            let requests = RequestFacts::default();
            let request = token_request(&endpoint, &"a.b.c".into(), &scopes, &resources, &requests).unwrap();
            assert_eq!(request.body(), format!("{start}{rest}").as_bytes());
            assert!(!request.headers().contains_key("authorization"));
        }
    }

    #[test]
    fn an_assertion_says_what_it_is_for_and_is_signed() {
        let key = SigningKey::read(&generate_p256(&Sevens)).unwrap();
        let scopes = ["a".to_owned(), "b".to_owned()];
        let whole = Assertion {
            issuer: "bot@project.example",
            subject: Some("user@example.com"),
            audience: "https://as.example/token",
            scopes: &scopes,
            key_id: Some("k1"),
        };
        let bare = Assertion { subject: None, scopes: &[], key_id: None, ..whole };
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let part = |token: &str, index: usize| -> Value {
            let part = token.split('.').nth(index).unwrap();
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let signed = whole.sign(&key, now, &Sevens).unwrap();
        let signed = signed.expose_secret();
        assert_eq!(part(signed, 0), serde_json::json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
        let claims = serde_json::json!({
            "iss": "bot@project.example",
            "sub": "user@example.com",
            "aud": "https://as.example/token",
            "scope": "a b",
            "jti": "BwcHBwcHBwcHBwcHBwcHBw",
            "iat": 1_800_000_000,
            "exp": 1_800_000_180,
        });
        assert_eq!(part(signed, 1), claims);
        let (message, signature) = signed.rsplit_once('.').unwrap();
        let public = PublicKey::from_jwk(&key.public().jwk()).unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(public.verifies(Algorithm::Es256, message.as_bytes(), &signature));

        let signed = bare.sign(&key, now, &Sevens).unwrap();
        assert_eq!(part(signed.expose_secret(), 0)["kid"], key.kid());
        let claims = part(signed.expose_secret(), 1);
        assert!(claims.get("sub").is_none() && claims.get("scope").is_none());
    }
}
