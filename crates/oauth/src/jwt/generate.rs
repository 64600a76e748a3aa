//! New keys.

use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use vestal_core::clock::{Entropy, random};

use super::{Curve, PublicKey};

/// An ECPrivateKey of P-256 without its public half (RFC 5915 §3): what stands before and after the 32 bytes.
const BEFORE: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const AFTER: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// One of 2^32 numbers of 32 bytes is not below the order of P-256; so many in a row come from no source of randomness.
const TRIES: usize = 8;

/// A new key for ES256, as a private JWK: what [`super::SigningKey::read`] reads.
///
/// # Panics
/// Where the randomness is none.
pub fn generate_p256(entropy: &dyn Entropy) -> SecretString {
    let curve = Curve::P256;
    let made = (0..TRIES).find_map(|_| {
        let number = Zeroizing::new(random::<32>(entropy));
        let der = Zeroizing::new([&BEFORE[..], &number[..], &AFTER[..]].concat());
        let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), &der).ok()?;
        Some((pair, number))
    });
    #[expect(clippy::expect_used, reason = "there is no key without randomness")]
    let (pair, number) = made.expect("the source of randomness gives numbers below the order of P-256");
    let mut jwk = PublicKey::Ec { curve, point: pair.public_key().as_ref().to_vec() }.jwk();
    jwk.insert("d".to_owned(), BASE64_URL_SAFE_NO_PAD.encode(*number).into());
    Value::Object(jwk).to_string().into()
}
