//! Any text as a provider's file. What is refused is refused with a line that is there and words that say why.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vestal_core::provider::Provider;

fuzz_target!(|text: &str| {
    match Provider::parse(text) {
        Ok(provider) => {
            assert!(!provider.id.is_empty(), "a provider has an id");
            let endpoints = &provider.endpoints;
            assert!(
                endpoints.token.is_some() || endpoints.issuer.is_some(),
                "a provider can be asked for tokens"
            );
            assert_eq!(Provider::parse(text), Ok(provider), "a file says the same each time");
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "who refuses says why");
            // A mistake at the end of a file lies on the line after its last.
            let lines = text.split('\n').count();
            for mistake in mistakes {
                assert!(mistake.line <= lines, "line {} of {lines}", mistake.line);
                assert!(!mistake.what.trim().is_empty(), "who refuses says why");
            }
        }
    }
});
