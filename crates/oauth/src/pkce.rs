//! Proof Key for Code Exchange (RFC 7636), with S256 alone.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use vestal_core::clock::{Entropy, random};

/// A new code verifier: 32 unpredictable bytes, as 43 characters.
pub fn new_verifier(entropy: &dyn Entropy) -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(random::<32>(entropy)).into()
}

/// The code challenge for a verifier, by the method S256.
pub fn challenge(verifier: &SecretString) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, i) in bytes.iter_mut().zip(0..) {
                *byte = i;
            }
        }
    }

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let verifier = SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_is_all_the_randomness_in_unreserved_characters() {
        let verifier = new_verifier(&Counting);
        let text = verifier.expose_secret();
        assert_eq!(text.len(), 43);
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(text).unwrap(), (0..32).collect::<Vec<u8>>());
    }
}
