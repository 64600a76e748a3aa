//! Signed JWTs in compact form (RFC 7519, RFC 7515 §3.1): signed with our keys, or looked into.
//!
//! The bytes of a signature may differ from one signing to the next (RSASSA-PSS and ECDSA are randomised in the
//! cryptographic library); no decision depends on them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vestal_core::clock::{Entropy, random};

mod algorithm;
mod generate;
mod public_key;
mod signing_key;

pub use algorithm::{Algorithm, Curve};
pub use generate::generate_p256;
pub use public_key::PublicKey;
pub use signing_key::{KeyError, SigningKey};

/// A JWT could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library could not sign with the key")]
pub struct SigningError;

/// Signs claims with a secret that both sides know: HS256, with the secret's bytes as the key (RFC 7518 §3.2; OpenID
/// Connect Core §10.1). `header` is what the header holds besides `alg`.
pub fn sign_with_secret(
    secret: &SecretString,
    header: &[(&str, Value)],
    claims: &Map<String, Value>,
) -> SecretString {
    let input = signing_input(Algorithm::Hs256, header, claims);
    compact(&input, &algorithm::hmac_sha256(secret.expose_secret().as_bytes(), input.as_bytes()))
}

/// Whether a signature by HS256 over `message` was made with this secret.
pub(crate) fn is_signed_with_secret(secret: &str, message: &str, signature: &[u8]) -> bool {
    algorithm::is_hmac_sha256(secret.as_bytes(), message.as_bytes(), signature)
}

/// An identifier for one JWT (RFC 7519 §4.1.7): a server may take each once only.
pub(crate) fn unique_id(entropy: &dyn Entropy) -> Value {
    BASE64_URL_SAFE_NO_PAD.encode(random::<16>(entropy)).into()
}

/// What is signed (RFC 7515 §5.1).
fn signing_input(algorithm: Algorithm, header: &[(&str, Value)], claims: &Map<String, Value>) -> String {
    let mut all = Map::from_iter([("alg".to_owned(), algorithm.name().into())]);
    all.extend(header.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let [header, claims] =
        [&all, claims].map(|object| BASE64_URL_SAFE_NO_PAD.encode(Value::Object(object.clone()).to_string()));
    format!("{header}.{claims}")
}

fn compact(input: &str, signature: &[u8]) -> SecretString {
    format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into()
}

/// The claims of a signed JWT; `None` if it is none. Nothing is verified.
pub(crate) fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (_, Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests;
