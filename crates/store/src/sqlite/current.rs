//! What a write is decided by: how its connection stands, read in the transaction in which it is written.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::id::{AttemptId, ConnectionId};
use vestal_core::store::StoreError;

use super::events::Chain;
use super::failure::Failure;
use super::query::query;
use super::rows;
use crate::rules::outgrown;

/// How a connection stands.
pub(super) struct Current {
    pub(super) id: ConnectionId,
    /// As its row says: without the steps that its lease has taken.
    pub(super) revision: u64,
    /// The state's name.
    pub(super) state: String,
    /// That of the token set; none before the first consent.
    pub(super) generation: Option<u64>,
    pub(super) events: Chain,
    pub(super) lease: Option<TakenLease>,
}

/// The lease on a connection, which may have ended.
pub(super) struct TakenLease {
    pub(super) attempt: AttemptId,
    /// In milliseconds.
    pub(super) until_ms: i64,
    /// By how much the connection's revision is more than its row says.
    pub(super) steps: u64,
}

pub(super) const CURRENT: &str = "SELECT c.id, c.revision, c.state, c.generation, c.last_event, c.events, \
     l.attempt, l.until, l.steps \
     FROM connections c LEFT JOIN leases l ON l.connection = c.id WHERE c.id = ?";

pub(super) fn current(db: &Db, id: ConnectionId) -> Result<Option<Current>, Failure> {
    query(CURRENT).bind(id.as_uuid()).optional(db, rows::current)
}

impl Current {
    /// Whether this is what somebody has decided on.
    pub(super) fn is(&self, expected: u64) -> bool {
        let steps = self.lease.as_ref().map_or(0, |lease| lease.steps);
        self.revision.checked_add(steps) == Some(expected)
    }

    /// Whether somebody holds the lease now.
    pub(super) fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| now.as_millisecond() < lease.until_ms)
    }

    /// Fails unless a token set of this generation may come next.
    pub(super) fn check_follows(&self, next: u64) -> Result<(), StoreError> {
        match self.generation {
            Some(before) if before >= next => Err(outgrown(self.id, before, next)),
            _ => Ok(()),
        }
    }
}
