//! The history, and what is pruned.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::event::{Event, KEPT_PER_CONNECTION, StoredEvent};
use vestal_core::id::ConnectionId;

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json, whole};
use crate::rules::{PRUNED_AT_ONCE, oldest_closed_attempt, oldest_event};

/// Writes events into a connection's history, and drops what is too old in it: at once, since that costs a few steps along
/// an index, and finding it later a walk through everybody's history.
pub(super) fn record(db: &Db, connection: ConnectionId, events: &[Event]) -> Result<(), Failure> {
    for event in events {
        query("INSERT INTO events (connection, at, what) VALUES (?, ?, ?)")
            .bind(connection.as_uuid())
            .bind(event.at)
            .bind(json(&event.what)?)
            .execute(db)?;
    }
    if !events.is_empty() {
        query(
            "DELETE FROM events WHERE connection = ?1 AND seq <=
                 (SELECT seq FROM events WHERE connection = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(connection.as_uuid())
        .bind(KEPT_PER_CONNECTION)
        .execute(db)?;
    }
    Ok(())
}

pub(super) fn list(
    db: &Db,
    connection: Option<ConnectionId>,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>, Failure> {
    let query = match connection {
        None => query("SELECT seq, connection, at, what FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2"),
        Some(_) => query(
            "SELECT seq, connection, at, what FROM events WHERE connection = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
        ),
    };
    let query = query.bind(whole(after)?).bind(limit);
    let query = match connection {
        None => query,
        Some(connection) => query.bind(connection.as_uuid()),
    };
    query.all(db, rows::event)
}

pub(super) fn prune(db: &Db, now: Timestamp) -> Result<u64, Failure> {
    let mut pruned = 0;
    for (sql, before) in [
        (
            "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ? ORDER BY at LIMIT ?)",
            oldest_event(now),
        ),
        (
            "DELETE FROM authorizations WHERE state_hash IN
                 (SELECT state_hash FROM authorizations WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
            now,
        ),
    ] {
        pruned += query(sql).bind(before).bind(PRUNED_AT_ONCE).execute(db)?;
    }
    pruned += prune_attempts(db, oldest_closed_attempt(now))?;
    Ok(pruned as u64)
}

pub(super) const PRUNE_ATTEMPTS: &str = "DELETE FROM attempts WHERE id IN
    (SELECT id FROM attempts WHERE id < ? AND closed_at < ? ORDER BY id LIMIT ?)";

/// Removes the attempts that were closed before a time. Whatever was closed by then was begun before, and identifiers begin
/// with the time (RFC 9562 §5.7): those that are old are the first ones.
fn prune_attempts(db: &Db, before: Timestamp) -> Result<usize, Failure> {
    let millis = u64::try_from(before.as_millisecond()).unwrap_or(0);
    let first = uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid();
    Ok(query(PRUNE_ATTEMPTS).bind(first).bind(before).bind(PRUNED_AT_ONCE).execute(db)?)
}

/// Writes pages for an answer of this size. The row stays until the next check: had it been removed in the same
/// transaction, SQLite would have written nothing of it.
pub(super) fn probe(db: &Db) -> Result<(), Failure> {
    query("INSERT OR REPLACE INTO probe (one, filler) VALUES (1, zeroblob(16384))").execute(db)?;
    Ok(())
}
