//! The proofs: the real binary, and everything that can go wrong around it, many times.
//!
//! A short version of each runs with all other tests. `cargo xtask prove` sets `VESTAL_PROOFS=full` for the full
//! numbers, and collects the line that each proof prints.

mod answers;
mod disk;
mod fleet;
mod import;
mod isolation;
mod kill;
mod newcomer;
mod race;
mod report;
mod timer;

pub(crate) use report::{Proof, is_full, not_tried_at_home, times};
