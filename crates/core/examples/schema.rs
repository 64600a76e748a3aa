//! Prints `providers/schema.json`: what may stand in a provider's file, for editors.
//!
//! `cargo xtask generate` writes it down.

#![expect(clippy::print_stdout, reason = "a file for whoever asked")]

use vestal_core::provider::schema;

fn main() {
    println!("{:#}", schema::schema());
}
