//! What is due, and when to look again.
//!
//! What dies first is to come first. Where little is due, it is read out of the index by when it is due, and sorted.
//! Where much is due, as after a long downtime, sorting it for each look would cost more than the few that are asked for;
//! then it is looked for in the order in which connections die, and much of what is passed there is due.
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

/// How many are sorted for one look: a matter of some milliseconds.
const SORTED: u32 = 10_000;

/// Not held, or one that is not held though its client is.
macro_rules! not_held {
    () => {
        "(client NOT IN (SELECT unhex(value) FROM json_each(?1)) \
          OR id IN (SELECT unhex(value) FROM json_each(?2)))"
    };
}

macro_rules! due_along {
    ($index:literal, $which:literal, $order:literal) => {
        concat!(
            "SELECT id, client, dies_at, due_at AS look_at FROM connections INDEXED BY ",
            $index,
            " WHERE due_at <= ?3 AND ",
            $which,
            " AND ",
            not_held!(),
            " ORDER BY ",
            $order,
            " LIMIT ?4"
        )
    };
}

pub(super) const LEASES: &str = "SELECT connection, until FROM leases";
pub(super) const HOW_MANY: &str =
    "SELECT count(*) FROM (SELECT 1 FROM connections WHERE due_at <= ? LIMIT ?)";
pub(super) const FEW: &str = due_along!("connections_due_at", "true", "dies_at NULLS LAST, due_at, id");
pub(super) const MANY_THAT_DIE: &str =
    due_along!("connections_dies_at", "dies_at IS NOT NULL", "dies_at, due_at, id");
pub(super) const MANY_OTHERS: &str =
    due_along!("connections_due_at", "dies_at IS NULL", "due_at, dies_at, id");
/// Whose lease has ended.
pub(super) const ENDED: &str = concat!(
    "SELECT id, client, dies_at, until AS look_at FROM leases CROSS JOIN connections ON id = connection
     WHERE (until <= ?3 OR until > ?4) AND ",
    not_held!()
);

/// What is asked for.
#[derive(Clone)]
pub(super) struct Look {
    /// Due by then.
    pub(super) by: Timestamp,
    /// Not under a lease at this time.
    pub(super) now: Timestamp,
    pub(super) limit: u32,
    pub(super) held: Held,
}

/// A connection that is to be looked at.
#[derive(Debug, PartialEq, Eq)]
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

pub(super) fn due(db: &Db, look: &Look) -> Result<Vec<Due>, Failure> {
    let found = query(HOW_MANY).bind(look.by).bind(SORTED + 1).count(db)?;
    let unleased = if found > u64::from(SORTED) { many } else { few };
    with_ended(db, look, unleased)
}

/// Those that are due without a lease, and those whose lease has ended.
fn with_ended(
    db: &Db,
    look: &Look,
    find: fn(&Db, &Look, u32) -> Result<Vec<Found>, Failure>,
) -> Result<Vec<Due>, Failure> {
    let leases: HashMap<ConnectionId, i64> = readable(query(LEASES), db, rows::lease)?.into_iter().collect();
    // However many of them come before what is asked for.
    let reach = look.limit.saturating_add(u32::try_from(leases.len()).unwrap_or(u32::MAX));
    let mut found = find(db, look, reach)?;
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

fn few(db: &Db, look: &Look, limit: u32) -> Result<Vec<Found>, Failure> {
    along(FEW, db, look, limit)
}

fn many(db: &Db, look: &Look, limit: u32) -> Result<Vec<Found>, Failure> {
    let mut due = along(MANY_THAT_DIE, db, look, limit)?;
    let left = limit.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
    if left > 0 {
        due.extend(along(MANY_OTHERS, db, look, left)?);
    }
    Ok(due)
}

fn along(sql: &'static str, db: &Db, look: &Look, limit: u32) -> Result<Vec<Found>, Failure> {
    readable(held(sql, &look.held)?.bind(look.by).bind(limit), db, rows::found)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::SqliteStore;
    use crate::conformance::data::{at, begin, client, client_id, connection, connection_id};
    use crate::conformance::{ManualClock, Subject};
    use crate::sqlite::open::Opener;
    use vestal_core::connection::Connection;
    use vestal_core::schedule::Plan;

    #[tokio::test]
    async fn much_is_found_in_the_same_order_as_little() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store: Arc<dyn Subject> =
            Arc::new(SqliteStore::create_or_open(&path, Arc::new(ManualClock::new())).await.unwrap());
        for n in 1..=2 {
            store.add_client(&client(n)).await.unwrap();
        }
        // Every third dies at no known time, every fifth is never due, every seventh is leased.
        for n in 1..=70_u8 {
            let planned = i64::from(n) * 37 % 10;
            let plan = Plan {
                due_at: (n % 5 != 0).then_some(at(planned)),
                dies_at: (n % 3 != 0).then_some(at(i64::from(n) * 53 % 7)),
                warned_at: None,
            };
            let number = u128::from(n);
            let added = Connection { plan, client: client_id(number % 2 + 1), ..connection(number) };
            store.add_connection(&added, &[]).await.unwrap();
            if n % 7 == 0 {
                store.begin_attempt(&begin(&added, number)).await.unwrap();
            }
        }
        let opener = Opener::existing(&path).unwrap();
        let Ok((reader, _)) = opener.reader() else { panic!("it cannot be read") };
        let held = Held { clients: vec![client_id(1)], but: vec![connection_id(2), connection_id(4)] };
        for (held, by, now, limit, expected) in [
            (&Held::default(), 9, 0, 99, 48),
            (&Held::default(), 4, 0, 99, 24),
            (&Held::default(), 100, 60, 20, 20),
            (&held, 9, 0, 99, 26),
            (&held, 100, 60, 7, 7),
        ] {
            let look = Look { by: at(by), now: at(now), limit, held: held.clone() };
            let mut found = Vec::new();
            for find in [few, many] {
                found.push(with_ended(&reader.connection, &look, find).map_err(StoreError::from).unwrap());
            }
            assert_eq!(found[0], found[1], "due by {by}");
            assert_eq!(found[0].len(), expected, "due by {by}");
        }
    }
}
