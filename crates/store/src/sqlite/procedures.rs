//! The writes of a refresh, as procedures within SQLite.
//!
//! Every statement is a trip to the driver's thread and back, and every one of several in a query a message from there:
//! that costs more than what SQLite does. So these are one statement each, which is done as a whole or not at all.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use vestal_core::connection::Connection;
use vestal_core::event::KEPT_PER_CONNECTION;
use vestal_core::id::{AttemptId, ConnectionId};
use vestal_core::store::Write;

use super::connections;
use super::failure::{Failure, extended_code};
use super::rows::{Bound, key, revision};
use crate::rules::{RAW_KEPT_AT_EACH_END, no_grant, outgrown};

/// The procedures, which each connection that writes has for itself.
pub(super) const PROCEDURES: &str = include_str!("procedures.sql");

// The numbers in there.
const _: () = assert!(KEPT_PER_CONNECTION == 100 && RAW_KEPT_AT_EACH_END == 4);

/// What a procedure decides by.
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
pub(super) async fn call(
    db: &mut SqliteConnection,
    query: Bound<'_>,
    target: Target,
    now: Timestamp,
) -> Result<Called, Failure> {
    match query.execute(&mut *db).await {
        Ok(_) => Ok(Called::Done),
        Err(error) if was_refused(&error) => refusal(db, target, now).await,
        Err(error) => Err(error.into()),
    }
}

fn was_refused(error: &sqlx::Error) -> bool {
    const CONSTRAINT_TRIGGER: i32 = 19 | (7 << 8);
    extended_code(error) == Some(CONSTRAINT_TRIGGER)
}

async fn refusal(db: &mut SqliteConnection, target: Target, now: Timestamp) -> Result<Called, Failure> {
    let row = sqlx::query(
        "SELECT revision IS NOT ? AS moved, generation,
                EXISTS (SELECT 1 FROM attempts WHERE id = ?2 AND status = 'finished')
                    OR EXISTS (SELECT 1 FROM candidates WHERE attempt = ?2) AS already
         FROM connections WHERE id = ?3",
    )
    .bind(revision(target.expected))
    .bind(target.attempt.map(|attempt| key(attempt.as_uuid())))
    .bind(key(target.connection.as_uuid()))
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(Called::Gone) };
    if row.try_get("already")? {
        return Ok(Called::Already);
    }
    let before: Option<i64> = row.try_get("generation")?;
    match target.generation.filter(|after| before.is_none_or(|before| before.unsigned_abs() >= *after)) {
        Some(after) if !row.try_get("moved")? => Err(match before {
            Some(before) => outgrown(target.connection, before.unsigned_abs(), after).into(),
            None => Failure::from(no_grant(target.connection)),
        }),
        _ => match connections::by_id(db, target.connection, now).await? {
            Some(current) => Ok(Called::Moved(Box::new(current))),
            None => Ok(Called::Gone),
        },
    }
}
