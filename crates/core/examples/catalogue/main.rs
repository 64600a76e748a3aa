//! Prints `docs/providers.md`: the providers that come with Vestal, when their tokens die, and what Vestal does about it.
//!
//! `cargo xtask generate` writes it down.

#![expect(clippy::print_stdout, reason = "a page for whoever asked")]

mod conduct;
mod facts;
mod numbers;
mod page;
mod words;

use std::error::Error;

use vestal_core::provider::{Provider, catalogue};

fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", page::page(&providers()?)?);
    Ok(())
}

/// Every provider, in order.
fn providers() -> Result<Vec<Provider>, Box<dyn Error>> {
    let texts = catalogue::ids().filter_map(|id| Some((id, catalogue::builtin(id)?)));
    texts
        .map(|(id, provider)| {
            provider.map_err(|mistakes| format!("providers/{id}.toml: {mistakes:?}").into())
        })
        .collect()
}
