//! The sandbox's only source of randomness.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A deterministic generator (SplitMix64): the same seed gives the same values. No two of the 2⁶⁴ outputs of
/// a period are equal, so that no two tokens of one sandbox are. Not for secrets.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A new opaque value: `prefix` and 43 characters of base64url.
    pub(crate) fn token(&mut self, prefix: &str) -> String {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A new identifier, in the form of a random UUID (RFC 9562 §5.4).
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let version = high & 0xffff_ffff_ffff_0fff | 0x4000;
        let variant = low >> 2 | 0x8000_0000_0000_0000;
        let (first, second, third) = (version >> 32, version >> 16 & 0xffff, version & 0xffff);
        format!(
            "{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}",
            variant >> 48,
            variant & 0xffff_ffff_ffff
        )
    }

    /// A new code for people to type: eight letters in two groups, none of them a vowel (RFC 8628 §6.1).
    pub(crate) fn user_code(&mut self) -> String {
        const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
        let mut rest = self.next();
        let mut letter = || {
            let letter = LETTERS[usize::try_from(rest % 20).unwrap_or_default()];
            rest /= 20;
            char::from(letter)
        };
        let first: String = std::iter::repeat_with(&mut letter).take(4).collect();
        let second: String = std::iter::repeat_with(letter).take(4).collect();
        format!("{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The first outputs of the published algorithm for seed 1234567.
    #[test]
    fn agrees_with_the_reference() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn tokens_are_unique_url_safe_and_replayable() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| random.token("rt_")).collect::<BTreeSet<_>>()
        };
        let tokens = draw(1);
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| {
            token.len() == 46
                && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        }));
        assert_eq!(tokens, draw(1));
        assert!(tokens.is_disjoint(&draw(2)));
    }
}
