//! Public keys as JWKs (RFC 7517): ours, to be registered, and a provider's, to verify with.

use aws_lc_rs::signature::{ED25519, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Algorithm, Curve};

/// A public key for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// A point of a curve (RFC 7518 §6.2).
    Ec {
        /// The curve.
        curve: Curve,
        /// The point, uncompressed: 4, x, y (SEC 1 §2.3.3).
        point: Vec<u8>,
    },
    /// An RSA key (RFC 7518 §6.3), big-endian and without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// An Ed25519 key (RFC 8037 §2).
    Ed25519 {
        /// The key.
        x: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a JWK; its private part, should there be one, is left alone. `None` where it is of no kind that is known
    /// here.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        match text("kty")? {
            "EC" => {
                let curve = Curve::ALL.into_iter().find(|curve| Some(curve.name()) == text("crv"))?;
                let [x, y] = [bytes(jwk, "x")?, bytes(jwk, "y")?];
                let is_whole = |coordinate: &Vec<u8>| coordinate.len() == curve.coordinate_bytes();
                ([&x, &y].into_iter().all(is_whole))
                    .then(|| Self::Ec { curve, point: [&[4][..], &x, &y].concat() })
            }
            "RSA" => {
                let number = |name| Some(without_zeros(&bytes(jwk, name)?).to_vec());
                Some(Self::Rsa { n: number("n")?, e: number("e")? })
            }
            "OKP" if text("crv") == Some("Ed25519") => Some(Self::Ed25519 { x: bytes(jwk, "x")? }),
            _ => None,
        }
    }

    /// What makes up the key, and no more (RFC 7638 §3.2): what a DPoP proof holds.
    pub fn jwk(&self) -> Map<String, Value> {
        let encoded = |bytes: &[u8]| Value::from(BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let members = match self {
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.coordinate_bytes());
                vec![("crv", curve.name().into()), ("kty", "EC".into()), ("x", encoded(x)), ("y", encoded(y))]
            }
            Self::Rsa { n, e } => vec![("e", encoded(e)), ("kty", "RSA".into()), ("n", encoded(n))],
            Self::Ed25519 { x } => vec![("crv", "Ed25519".into()), ("kty", "OKP".into()), ("x", encoded(x))],
        };
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Its thumbprint by SHA-256 (RFC 7638), in base64url.
    pub fn thumbprint(&self) -> String {
        // Our maps are sorted by name and written without spaces, as RFC 7638 §3 wants it.
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(Value::Object(self.jwk()).to_string()))
    }

    /// Whether a signature over a message is this key's.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ec { curve, point } => {
                curve.algorithm() == algorithm
                    && UnparsedPublicKey::new(curve.verification(), point).verify(message, signature).is_ok()
            }
            Self::Rsa { n, e } => algorithm.rsa().is_some_and(|(_, parameters)| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }),
            Self::Ed25519 { x } => {
                algorithm == Algorithm::EdDsa
                    && UnparsedPublicKey::new(&ED25519, x).verify(message, signature).is_ok()
            }
        }
    }
}

/// A member of a JWK that holds bytes.
pub(super) fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?.trim_end_matches('=')).ok()
}

pub(super) fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}
