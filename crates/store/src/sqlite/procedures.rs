//! The writes that are decided by a connection's revision, as procedures within SQLite.
//!
//! Each is one statement: whoever is refused has written nothing. What belongs to them and is not always there is written
//! afterwards, by statements of its own.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::connection::Connection;
use vestal_core::id::{AttemptId, ConnectionId};
use vestal_core::store::Write;

use super::connections;
use super::failure::{Failure, extended_code};
use super::query::{Query, query};
use super::rows::{self, revision};
use crate::rules::{no_grant, outgrown};

/// The procedures, which each connection that writes has for itself.
pub(super) const PROCEDURES: &str = include_str!("procedures.sql");

/// What a procedure decides by.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) connection: ConnectionId,
    /// The revision that it was decided on.
    pub(super) expected: u64,
    /// The attempt whose outcome is to be stored.
    pub(super) attempt: Option<AttemptId>,
    /// The generation of a token set that is to be stored.
    pub(super) generation: Option<u64>,
}

/// What a procedure did.
pub(super) enum Called {
    Done,
    /// The connection is not there.
    Gone,
    /// The outcome is stored already.
    Already,
    /// The connection's revision is another, or it is under a lease.
    Moved(Box<Connection>),
}

impl Called {
    /// For what stores no attempt's outcome.
    pub(super) fn into_write(self) -> Write {
        match self {
            Self::Done => Write::Done,
            Self::Moved(current) => Write::Moved(current),
            Self::Gone | Self::Already => Write::Gone,
        }
    }
}

/// Calls a procedure by this query, and finds out why if it refuses.
pub(super) fn call(db: &Db, query: Query<'_>, target: Target, now: Timestamp) -> Result<Called, Failure> {
    match query.execute(db) {
        Ok(_) => Ok(Called::Done),
        Err(error) if was_refused(&error) => refusal(db, target, now),
        Err(error) => Err(error.into()),
    }
}

/// Why a procedure refused.
pub(super) struct Refusal {
    /// The revision is another.
    pub(super) moved: bool,
    /// The generation that is stored.
    pub(super) before: Option<u64>,
    pub(super) already: bool,
}

fn was_refused(error: &rusqlite::Error) -> bool {
    const CONSTRAINT_TRIGGER: i32 = 19 | (7 << 8);
    extended_code(error) == Some(CONSTRAINT_TRIGGER)
}

fn refusal(db: &Db, target: Target, now: Timestamp) -> Result<Called, Failure> {
    let refused = query(
        "SELECT revision IS NOT ? AS moved, generation,
                EXISTS (SELECT 1 FROM attempts WHERE id = ?2 AND status = 'finished')
                    OR EXISTS (SELECT 1 FROM candidates WHERE attempt = ?2) AS already, id
         FROM revisions WHERE id = ?3",
    )
    .bind(revision(target.expected))
    .bind(target.attempt.map(|attempt| attempt.as_uuid()))
    .bind(target.connection.as_uuid())
    .optional(db, rows::refusal)?;
    let Some(Refusal { moved, before, already }) = refused else { return Ok(Called::Gone) };
    if already {
        return Ok(Called::Already);
    }
    match target.generation.filter(|after| before.is_none_or(|before| before >= *after)) {
        Some(after) if !moved => Err(match before {
            Some(before) => outgrown(target.connection, before, after).into(),
            None => Failure::from(no_grant(target.connection)),
        }),
        _ => match connections::by_id(db, target.connection, now)? {
            Some(current) => Ok(Called::Moved(Box::new(current))),
            None => Ok(Called::Gone),
        },
    }
}
