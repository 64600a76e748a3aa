//! The history, and what is pruned.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::event::{Event, KEPT_PER_CONNECTION, StoredEvent};
use vestal_core::id::ConnectionId;

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json, whole};
use crate::rules::{PRUNED_AT_ONCE, oldest_closed_attempt, oldest_event};

/// The end of a connection's chain of events. Each names the one before it, so that writing one writes no index, of which
/// each connection's part lies on another page.
#[derive(Clone, Copy, Default)]
pub(super) struct Chain {
    /// The newest event.
    pub(super) last: Option<i64>,
    /// How many there are; fewer where old ones were pruned.
    pub(super) length: i64,
}

/// From a connection's newest event (`?1` is the connection) to older ones, `?2` of them, as far as they are kept.
macro_rules! chain {
    () => {
        "WITH RECURSIVE chain (seq, previous, number) AS (
             SELECT seq, previous, 1 FROM events
                 WHERE seq = (SELECT last_event FROM connections WHERE id = ?1) AND connection = ?1
             UNION ALL
             SELECT e.seq, e.previous, number + 1 FROM chain JOIN events e ON e.seq = chain.previous
                 WHERE e.seq < chain.seq AND e.connection = ?1 AND number < ?2
         ) "
    };
}

/// Writes events at the end of a connection's history. Returns the new end, which belongs into the connection's row;
/// [`cut`] follows.
pub(super) fn append(
    db: &Db,
    connection: ConnectionId,
    mut chain: Chain,
    events: &[Event],
) -> Result<Chain, Failure> {
    for event in events {
        query("INSERT INTO events (connection, previous, at, what) VALUES (?, ?, ?, ?)")
            .bind(connection.as_uuid())
            .bind(chain.last)
            .bind(event.at)
            .bind(json(&event.what)?)
            .execute(db)?;
        chain = Chain { last: Some(db.last_insert_rowid()), length: chain.length.saturating_add(1) };
    }
    Ok(chain)
}

/// Drops all but the newest events of a connection, once there are twice as many as are kept: for many events at once.
pub(super) fn cut(db: &Db, connection: ConnectionId, chain: Chain) -> Result<(), Failure> {
    if chain.length < 2 * i64::from(KEPT_PER_CONNECTION) {
        return Ok(());
    }
    query(concat!(chain!(), "DELETE FROM events WHERE seq IN (SELECT seq FROM chain WHERE number > ?3)"))
        .bind(connection.as_uuid())
        .bind(u32::MAX)
        .bind(KEPT_PER_CONNECTION)
        .execute(db)?;
    query("UPDATE connections SET events = ? WHERE id = ?")
        .bind(KEPT_PER_CONNECTION)
        .bind(connection.as_uuid())
        .execute(db)?;
    Ok(())
}

/// Drops the whole history of a connection, which is to be removed afterwards.
pub(super) fn forget(db: &Db, connection: ConnectionId) -> Result<(), Failure> {
    query(concat!(chain!(), "DELETE FROM events WHERE seq IN (SELECT seq FROM chain)"))
        .bind(connection.as_uuid())
        .bind(u32::MAX)
        .execute(db)?;
    Ok(())
}

pub(super) fn list(
    db: &Db,
    connection: Option<ConnectionId>,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>, Failure> {
    let query = match connection {
        None => query("SELECT seq, connection, at, what FROM events WHERE seq > ? ORDER BY seq LIMIT ?"),
        Some(connection) => query(concat!(
            chain!(),
            "SELECT seq, connection, at, what FROM chain JOIN events USING (seq)
             WHERE seq > ?3 ORDER BY seq LIMIT ?4"
        ))
        .bind(connection.as_uuid())
        .bind(KEPT_PER_CONNECTION),
    };
    query.bind(whole(after)?).bind(limit).all(db, rows::event)
}

pub(super) fn newest(db: &Db) -> Result<u64, Failure> {
    query("SELECT coalesce(max(seq), 0) FROM events").count(db)
}

pub(super) fn prune(db: &Db, now: Timestamp) -> Result<u64, Failure> {
    let authorizations = query(
        "DELETE FROM authorizations WHERE state_hash IN
             (SELECT state_hash FROM authorizations WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
    )
    .bind(now)
    .bind(PRUNED_AT_ONCE)
    .execute(db)?;
    let pruned = authorizations
        + prune_events(db, oldest_event(now), now)?
        + prune_attempts(db, oldest_closed_attempt(now))?;
    Ok(pruned as u64)
}

/// Removes the events from before a time. They are written as they happen, so those that are old are the first ones, but
/// for a few, where a clock was wrong. One that claims to be older than those before it in its chain waits for them, so that
/// nothing behind it is cut off; one from the future tells nothing, and goes with the one after it.
fn prune_events(db: &Db, before: Timestamp, now: Timestamp) -> Result<usize, Failure> {
    let sql = "WITH RECURSIVE
         told (seq, connection, previous, newest) AS (
             SELECT seq, connection, previous, max(at) OVER (PARTITION BY connection ORDER BY seq)
             FROM (SELECT seq, connection, previous, at FROM events WHERE at <= ?2 ORDER BY seq LIMIT 2 * ?3)
         ),
         old (seq, connection, previous) AS (
             SELECT * FROM (
                 SELECT seq, connection, previous FROM told WHERE newest < ?1 ORDER BY seq LIMIT ?3)
             UNION
             SELECT e.seq, e.connection, e.previous FROM old JOIN events e ON e.seq = old.previous
                 WHERE e.seq < old.seq AND e.connection = old.connection
         )
         DELETE FROM events WHERE seq IN (SELECT seq FROM old)";
    Ok(query(sql).bind(before).bind(now).bind(PRUNED_AT_ONCE).execute(db)?)
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
