//! Where connections are kept: the implementations of [`vestal_core::store::Store`].
//!
//! [`SqliteStore`] is the default; [`MemoryStore`] forgets everything when it is dropped, and is for tests and
//! simulations. What a store must do is written on the port and held by one suite, `conformance`, that all
//! of them pass. [`nodes`] tells which of the processes on this machine are gone. What a store does not take is kept
//! in the [`journal`].

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod file_id;
pub mod filesystem;
pub mod journal;
mod keeper;
mod locked;
mod memory;
pub mod nodes;
pub mod rotation;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use locked::Locked;
pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, client_names, connection_names};
