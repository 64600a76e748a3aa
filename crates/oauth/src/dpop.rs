//! Proofs that whoever sends a request has the key that a token is bound to (RFC 9449).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;
use vestal_core::clock::Entropy;
use vestal_core::outcome::Reply;
use vestal_core::secret::Redactor;

use crate::http::{Answer, Exchange};
use crate::jwt::{self, SigningError, SigningKey};
use crate::read::read_token_answer;

/// Where a proof travels (RFC 9449 §4).
pub const PROOF: HeaderName = HeaderName::from_static("dpop");

/// Where a server says which nonce it wants (RFC 9449 §8).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Longer nonces are not repeated.
const NONCE_MAX_BYTES: usize = 1024;

/// What a proof is for.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The request's method.
    pub method: &'a str,
    /// Where it goes; query and fragment are left out of the proof.
    pub url: &'a Url,
    /// What the server asked to be repeated.
    pub nonce: Option<&'a str>,
    /// The access token that goes with it, at an API.
    pub access_token: Option<&'a SecretString>,
}

impl Proof<'_> {
    /// The proof, which a server may take once only (RFC 9449 §4.2).
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn sign(
        &self,
        key: &SigningKey,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<SecretString, SigningError> {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let mut claims: Map<String, Value> = Map::new();
        let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        claim("jti", jwt::unique_id(entropy));
        claim("htm", self.method.into());
        claim("htu", url.as_str().into());
        claim("iat", now.as_second().into());
        if let Some(nonce) = self.nonce {
            claim("nonce", nonce.into());
        }
        if let Some(token) = self.access_token {
            let hash = Sha256::digest(token.expose_secret().as_bytes());
            claim("ath", BASE64_URL_SAFE_NO_PAD.encode(hash).into());
        }
        let header = [("typ", "dpop+jwt".into()), ("jwk", Value::Object(key.public().jwk()))];
        key.sign(&header, &claims)
    }
}

/// Puts a proof into a request, in the place of any other.
pub fn attach(request: &mut Request<Bytes>, proof: &SecretString) {
    // What is written in base64 and dots always fits into a header.
    if let Ok(mut proof) = HeaderValue::from_str(proof.expose_secret()) {
        proof.set_sensitive(true);
        request.headers_mut().insert(PROOF, proof);
    }
}

/// The nonce that a server wants from now on (RFC 9449 §8.2), if it says so in one word.
pub fn next_nonce(exchange: &Exchange) -> Option<String> {
    let Exchange::Answered(answer) = exchange else { return None };
    nonce(&answer.headers)
}

fn nonce(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(NONCE).iter();
    let (Some(nonce), None) = (all.next(), all.next()) else { return None };
    let nonce = nonce.to_str().ok()?;
    // RFC 9449 §8.1: NQCHAR of RFC 6749 appendix A.
    let is_fit = |c: u8| matches!(c, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let fits = !nonce.is_empty() && nonce.len() <= NONCE_MAX_BYTES && nonce.bytes().all(is_fit);
    fits.then(|| nonce.to_owned())
}

/// Whether a server has done nothing but ask for a proof with the nonce that came along (RFC 9449 §8): then, and only then,
/// the same request may be sent once more.
pub fn wants_nonce(exchange: &Exchange) -> bool {
    let Exchange::Answered(Answer { status: 400 | 401, .. }) = exchange else { return false };
    // When it was begun, and what it carried, make no difference to what is looked for.
    let reply = read_token_answer(exchange.clone(), Timestamp::UNIX_EPOCH, &Redactor::default()).reply;
    matches!(reply, Reply::Error { code, holds_tokens: false, .. } if code == "use_dpop_nonce")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_auth::Sevens;
    use crate::http::BodyEnd;
    use crate::jwt::{Algorithm, PublicKey, generate_p256};

    fn part(token: &str, index: usize) -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn a_proof_says_what_it_is_for_and_is_signed() {
        let key = SigningKey::read(&generate_p256(&Sevens)).unwrap();
        let url = "https://server.example.com/token?a=b#c".parse().unwrap();
        let now = Timestamp::from_second(1_562_262_616).unwrap();
        let bare = Proof { method: "POST", url: &url, nonce: None, access_token: None };
        let proof = bare.sign(&key, now, &Sevens).unwrap();
        let proof = proof.expose_secret();
        let header = part(proof, 0);
        assert_eq!((&header["typ"], &header["alg"]), (&"dpop+jwt".into(), &"ES256".into()));
        assert_eq!(header["jwk"]["d"], Value::Null, "the private half stays here");
        let claims = serde_json::json!({
            "jti": "BwcHBwcHBwcHBwcHBwcHBw",
            "htm": "POST",
            "htu": "https://server.example.com/token",
            "iat": 1_562_262_616,
        });
        assert_eq!(part(proof, 1), claims);
        let public = PublicKey::from_jwk(header["jwk"].as_object().unwrap()).unwrap();
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(public.verifies(Algorithm::Es256, signed.as_bytes(), &signature));

        // The access token and its hash are those of RFC 9449 §7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".into();
        let at_an_api = Proof { nonce: Some("n-1"), access_token: Some(&token), ..bare };
        let claims = part(at_an_api.sign(&key, now, &Sevens).unwrap().expose_secret(), 1);
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert_eq!(claims["nonce"], "n-1");
    }

    fn answered(status: u16, body: &str, nonces: &[&str]) -> Exchange {
        let headers = nonces.iter().map(|nonce| (NONCE, nonce.parse().unwrap())).collect();
        let body = body.to_owned().into();
        Exchange::Answered(Answer { status, headers, body, end: BodyEnd::Complete })
    }

    #[test]
    fn a_nonce_is_taken_where_it_is_one() {
        let next = |nonces: &[&str]| next_nonce(&answered(200, "{}", nonces));
        assert_eq!(next(&["eyJ7S_zG.eyJH0-Z.HX4w-7v"]).as_deref(), Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"));
        for unfit in [&[][..], &["a", "b"], &[""], &["a b"], &["a\"b"], &["a\\b"], &[&"x".repeat(1025)]] {
            assert_eq!(next(unfit), None, "{unfit:?}");
        }
        assert_eq!(next_nonce(&Exchange::NoAnswer { detail: String::new() }), None);
    }

    #[test]
    fn only_who_has_done_nothing_else_is_asked_again() {
        let wants = |exchange| wants_nonce(&exchange);
        let asks = r#"{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce"}"#;
        assert!(wants(answered(400, asks, &[])));
        assert!(wants(answered(401, asks, &[])));
        for (status, body) in [
            (200, asks),
            (500, asks),
            (400, r#"{"error":"invalid_dpop_proof"}"#),
            (400, r#"{"error":"use_dpop_nonce","refresh_token":"9dKq2mVb7Xw1PzL4"}"#),
            (400, "use_dpop_nonce"),
            (400, r#"{"error":"use_dpop_nonce""#),
        ] {
            assert!(!wants(answered(status, body, &[])), "{status} {body}");
        }
        assert!(!wants(Exchange::NoAnswer { detail: "use_dpop_nonce".into() }));
    }
}
