//! Prints `docs/json.schema.json`: what `--json` prints, for programs and for who writes them.
//!
//! `cargo xtask generate` writes it down.

#![expect(clippy::print_stdout, reason = "a file for whoever asked")]

use vestal_api::schema;

fn main() {
    println!("{:#}", schema::schema());
}
