//! The history, and what is pruned.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use serde::Serialize;
use vestal_core::event::{Event, StoredEvent, What};
use vestal_core::id::ConnectionId;
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json, ms, whole};
use crate::rules::{PRUNED_AT_ONCE, oldest_closed_attempt, oldest_event};

/// An event as the procedure takes it.
#[derive(Serialize)]
struct Recorded<'a> {
    at: i64,
    what: &'a What,
}

/// Events as one parameter.
pub(super) fn listed(events: &[Event]) -> Result<String, StoreError> {
    let recorded = events.iter().map(|event| Recorded { at: ms(event.at), what: &event.what });
    json(&recorded.collect::<Vec<_>>())
}

pub(super) fn record(db: &Db, connection: ConnectionId, events: &[Event]) -> Result<(), Failure> {
    if !events.is_empty() {
        query("INSERT INTO record_events VALUES (?, ?)")
            .bind(connection.as_uuid())
            .bind(listed(events)?)
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
            "DELETE FROM attempts WHERE id IN
                 (SELECT id FROM attempts WHERE closed_at < ? ORDER BY closed_at LIMIT ?)",
            oldest_closed_attempt(now),
        ),
        (
            "DELETE FROM authorizations WHERE state_hash IN
                 (SELECT state_hash FROM authorizations WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
            now,
        ),
    ] {
        pruned += query(sql).bind(before).bind(PRUNED_AT_ONCE).execute(db)?;
    }
    Ok(pruned as u64)
}

/// Writes pages for an answer of this size. The row stays until the next check: had it been removed in the same
/// transaction, SQLite would have written nothing of it.
pub(super) fn probe(db: &Db) -> Result<(), Failure> {
    query("INSERT OR REPLACE INTO probe (one, filler) VALUES (1, zeroblob(16384))").execute(db)?;
    Ok(())
}
