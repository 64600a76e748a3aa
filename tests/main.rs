//! End to end: the real binary, in processes of its own, against real authorization servers.
//!
//! Everything that any `vestal` of these tests prints is recorded, and searched for every secret that went over
//! the wire meanwhile (`harness/record.rs`): whatever is tested here is tested for leaks by the way.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "these tests live in real time, fail by panicking, and tell their figures"
)]

mod harness;

mod backups;
mod cli;
mod client_auth;
mod completing;
mod containers;
mod dialects;
mod docs;
mod doctor;
mod embedding;
mod errors;
mod fleet;
mod grants;
mod importing;
mod json;
mod lookups;
mod oidc_provider;
mod opt_in_form;
mod packaging;
mod processes;
mod proofs;
mod providers;
mod recipes;
mod redirects;
mod rotating;
mod running;
mod secrets;
mod services;
mod showing;
mod sites;
mod snapshots;
mod token_files;
mod warnings;
mod watching;
