//! Seeded worlds in virtual time.
//!
//! A world has several nodes over one store in memory, each with the real engine and the real response reader; sandbox
//! providers of every kind; and faults, all drawn from a seed. Checkers watch after every step what must always hold.
//! The same seed gives the same world, on every machine: nothing in it reads a clock, rolls other dice, or runs on a
//! second thread.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a world that cannot be built is a mistake in the simulation, and has to stop it"
)]

mod checkers;
pub mod dice;
mod faults;
mod journal;
mod ledger;
pub mod lives;
mod machine;
mod mutations;
mod network;
mod people;
mod ports;
mod process;
mod provider;
mod seat;
mod store;
pub mod story;
mod time;
mod weather;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use ledger::Violation;
pub use mutations::Mutation;
pub use world::{Outcome, Plan, run};

/// A world has one thread, so that nobody ever waits here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
