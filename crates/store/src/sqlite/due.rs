//! What is due, and when to look again.
//!
//! What dies first is to come first: all that is due is read out of the index by when it is due, and sorted. After a long
//! downtime that is much, so whoever looks is to ask for many at once.
//!
//! Whoever is under a lease is to be looked at when that ends, whatever its plan says, since the outcome of the attempt
//! must be found out. Leases are few, so that all are read each time.
//!
//! Times stay numbers here: one that is damaged must not keep the others from being found. Whoever reads the connection
//! says what is wrong with it.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection as Db, Row};
use uuid::Uuid;
use vestal_core::id::ConnectionId;
use vestal_core::store::{Due, Held, StoreError};

use super::failure::Failure;
use super::query::{Query, query};
use super::rows::{self, json};

/// Not held, or one that is not held though its client is.
macro_rules! not_held {
    () => {
        "(client NOT IN (SELECT unhex(value) FROM json_each(?1)) \
          OR id IN (SELECT unhex(value) FROM json_each(?2)))"
    };
}

pub(super) const LEASES: &str = "SELECT connection, until FROM leases";
pub(super) const DUE: &str = concat!(
    "SELECT id, client, dies_at, due_at AS look_at FROM connections INDEXED BY connections_due_at
     WHERE due_at <= ?3 AND ",
    not_held!(),
    " ORDER BY dies_at NULLS LAST, due_at, id LIMIT ?4"
);
/// Whose lease has ended.
pub(super) const ENDED: &str = concat!(
    "SELECT id, client, dies_at, until AS look_at FROM leases CROSS JOIN connections ON id = connection
     WHERE (until <= ?3 OR until > ?4) AND ",
    not_held!()
);

/// What is asked for.
pub(super) struct Look {
    /// Due by then.
    pub(super) by: Timestamp,
    /// Not under a lease at this time.
    pub(super) now: Timestamp,
    pub(super) limit: u32,
    pub(super) held: Held,
}

/// A connection that is to be looked at.
pub(super) struct Found {
    pub(super) due: Due,
    pub(super) dies_at: Option<i64>,
    pub(super) look_at: i64,
}

impl Found {
    /// What dies first comes first, and at last what dies at no known time.
    fn order(&self) -> (bool, Option<i64>, i64, Uuid) {
        (self.dies_at.is_none(), self.dies_at, self.look_at, self.due.connection.as_uuid())
    }
}

/// Those that are due without a lease, and those whose lease has ended.
pub(super) fn due(db: &Db, look: &Look) -> Result<Vec<Due>, Failure> {
    let leases: HashMap<ConnectionId, i64> = readable(query(LEASES), db, rows::lease)?.into_iter().collect();
    // However many of them come before what is asked for.
    let reach = look.limit.saturating_add(u32::try_from(leases.len()).unwrap_or(u32::MAX));
    let mut found = readable(held(DUE, &look.held)?.bind(look.by).bind(reach), db, rows::found)?;
    found.retain(|found| !leases.contains_key(&found.due.connection));
    let ended_by = look.now.min(look.by);
    if leases.values().any(|until| has_ended(*until, ended_by)) {
        let ended = held(ENDED, &look.held)?.bind(ended_by).bind(rows::ms(Timestamp::MAX));
        found.extend(readable(ended, db, rows::found)?);
        found.sort_unstable_by_key(Found::order);
    }
    found.truncate(look.limit as usize);
    Ok(found.into_iter().map(|found| found.due).collect())
}

/// Whether a lease has ended; one that ends at no time there is would never.
fn has_ended(until: i64, by: Timestamp) -> bool {
    until <= rows::ms(by) || until > rows::ms(Timestamp::MAX)
}

/// The rows that can be read.
fn readable<T>(
    query: Query<'_>,
    db: &Db,
    read: fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, Failure> {
    Ok(query.all(db, |row| Ok(read(row)))?.into_iter().flatten().collect())
}

pub(super) const NEXT: &str = concat!(
    "SELECT due_at AS look_at, id FROM connections
     WHERE due_at > ?3 AND due_at <= ?4 AND NOT EXISTS (SELECT 1 FROM leases WHERE connection = id) AND ",
    not_held!(),
    " ORDER BY due_at LIMIT 1"
);
pub(super) const NEXT_TO_END: &str = concat!(
    "SELECT until AS look_at, id FROM leases CROSS JOIN connections ON id = connection
     WHERE until > ?3 AND until <= ?4 AND ",
    not_held!(),
    " ORDER BY until LIMIT 1"
);

pub(super) fn next(
    db: &Db,
    after: Timestamp,
    by: Timestamp,
    but: &Held,
) -> Result<Option<Timestamp>, Failure> {
    let first = |sql| held(sql, but)?.bind(after).bind(by).optional(db, rows::look_at);
    Ok([first(NEXT)?, first(NEXT_TO_END)?].into_iter().flatten().min())
}

/// With what `not_held!` asks for.
fn held(sql: &'static str, held: &Held) -> Result<Query<'static>, Failure> {
    Ok(query(sql)
        .bind(listed(held.clients.iter().map(|id| id.as_uuid()))?)
        .bind(listed(held.but.iter().map(|id| id.as_uuid()))?))
}

/// Identifiers as one parameter: JSON, in which they are hexadecimal digits.
fn listed(ids: impl Iterator<Item = Uuid>) -> Result<String, StoreError> {
    json(&ids.map(|id| id.simple().to_string()).collect::<Vec<_>>())
}
