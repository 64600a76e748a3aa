//! The port to where answers are kept that the store does not take.
//!
//! An answer may hold the only refresh token there is. It is written down here, sealed, when the store cannot take
//! it, and goes from here into the store as soon as that answers: also after a crash, and by another process.

use std::any::Any;

use async_trait::async_trait;

use crate::connection::Attempt;
use crate::id::{AttemptId, ConnectionId};
use crate::seal::Sealed;

/// An answer that is on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The connection.
    pub connection: ConnectionId,
    /// The attempt that brought it.
    pub attempt: Attempt,
    /// The answer, sealed for this attempt.
    pub answer: Sealed,
}

/// Room for one answer, kept until this is dropped.
pub struct Room {
    _keeper: Option<Box<dyn Any + Send + Sync>>,
}

impl Room {
    /// Room that `keeper` gives back when it is dropped.
    pub fn kept_by(keeper: impl Any + Send + Sync) -> Self {
        Self { _keeper: Some(Box::new(keeper)) }
    }

    /// Room that nobody has to keep.
    pub fn ample() -> Self {
        Self { _keeper: None }
    }
}

/// Why an answer could not be written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be used: {detail}")]
pub struct JournalError {
    /// What happened, with the path.
    pub detail: String,
}

/// Not everything that is written down could be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Incomplete {
    /// What could be read.
    pub found: Vec<Entry>,
    /// Why there may be more.
    pub why: JournalError,
}

/// A place for answers that the store does not take.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Makes sure that one more answer can be written, before its request is sent.
    async fn reserve(&self) -> Result<Room, JournalError>;

    /// Writes an answer down. When this returns, it survives a crash of the machine. Of an attempt that is written
    /// down already, nothing is written again.
    async fn append(&self, entry: &Entry) -> Result<(), JournalError>;

    /// Every answer of this store that is written down and not settled, oldest first: those of this process, of
    /// others that live, and of those that are gone. An error where there may be more.
    async fn entries(&self) -> Result<Vec<Entry>, Incomplete>;

    /// The answers of these attempts are in the store, or are not needed any more. Of another process that lives
    /// nothing is removed: it finds out for itself.
    async fn settle(&self, attempts: &[AttemptId]) -> Result<(), JournalError>;

    /// Ends: leaves no file behind where nothing is in it.
    async fn close(&self);
}
