//! Real randomness.

use vestal_core::clock::Entropy;

/// The kernel's random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Ends the process where the kernel has none: no key and no nonce may be made without.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the kernel gives no random numbers; nothing can be kept secret without");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let draw = || vestal_core::clock::random::<32>(&SystemEntropy);
        assert_ne!(draw(), draw());
    }
}
