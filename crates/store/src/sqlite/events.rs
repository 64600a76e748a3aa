//! The history, and what is pruned.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use vestal_core::event::{Event, StoredEvent, What};
use vestal_core::id::ConnectionId;
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::rows::{self, json, key, ms, whole};
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

pub(super) async fn record(
    db: &mut SqliteConnection,
    connection: ConnectionId,
    events: &[Event],
) -> Result<(), Failure> {
    if !events.is_empty() {
        sqlx::query("INSERT INTO record_events VALUES (?, ?)")
            .bind(key(connection.as_uuid()))
            .bind(listed(events)?)
            .execute(db)
            .await?;
    }
    Ok(())
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    connection: Option<ConnectionId>,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>, Failure> {
    let query = match connection {
        None => {
            sqlx::query("SELECT seq, connection, at, what FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2")
        }
        Some(_) => sqlx::query(
            "SELECT seq, connection, at, what FROM events WHERE connection = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
        ),
    };
    let query = query.bind(whole(after)?).bind(limit);
    let query = match connection {
        None => query,
        Some(connection) => query.bind(key(connection.as_uuid())),
    };
    let rows = query.fetch_all(db).await?;
    Ok(rows.iter().map(rows::event).collect::<Result<_, _>>()?)
}

pub(super) async fn prune(db: &mut SqliteConnection, now: Timestamp) -> Result<u64, Failure> {
    let mut pruned = 0;
    for (query, before) in [
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
        let query = sqlx::query(query).bind(ms(before)).bind(PRUNED_AT_ONCE);
        pruned += query.execute(&mut *db).await?.rows_affected();
    }
    Ok(pruned)
}

/// Writes pages for an answer of this size. The row stays until the next check: had it been removed in the same
/// transaction, SQLite would have written nothing of it.
pub(super) async fn probe(db: &mut SqliteConnection) -> Result<(), Failure> {
    sqlx::query("INSERT OR REPLACE INTO probe (one, filler) VALUES (1, zeroblob(16384))").execute(db).await?;
    Ok(())
}
