//! Where connections are kept: the implementations of [`vestal_core::store::Store`].
//!
//! [`SqliteStore`] is the default; [`MemoryStore`] forgets everything when it is dropped, and is for tests and
//! simulations. What a store must do is written on the port and held by one suite, `conformance`, that all
//! of them pass. [`nodes`] tells which of the processes on this machine are gone.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;
pub mod nodes;
mod rules;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
