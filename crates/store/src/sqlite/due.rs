//! What is due, and when to look again.
//!
//! What dies first is to come first. Where little is due, it is read out of the index by when a connection is to be
//! looked at, and sorted. Where much is due, as after a long downtime, sorting it for each look would cost more than
//! the few that are asked for; then it is looked for in the order in which connections die, and much of what is passed
//! there is due.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use uuid::Uuid;
use vestal_core::store::{Due, Held, StoreError};

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json};

/// How many are sorted for one look: a matter of some milliseconds.
const SORTED: u32 = 10_000;

/// Not held, or one that is not held though its client is.
macro_rules! not_held {
    ($clients:literal, $but:literal) => {
        concat!(
            "(client NOT IN (SELECT unhex(value) FROM json_each(",
            $clients,
            ")) OR id IN (SELECT unhex(value) FROM json_each(",
            $but,
            ")))"
        )
    };
}

/// Whoever is leased is to be looked at when the lease ends, so that rows need be read only for what is asked ahead.
macro_rules! due_along {
    ($index:literal, $which:literal, $order:literal) => {
        concat!(
            "SELECT id, client FROM connections INDEXED BY ",
            $index,
            " WHERE look_at <= ?1 AND (look_at <= ?2 OR lease_until IS NULL) AND ",
            $which,
            " AND ",
            not_held!("?3", "?4"),
            " ORDER BY ",
            $order,
            " LIMIT ?5"
        )
    };
}

pub(super) const HOW_MANY: &str =
    "SELECT count(*) FROM (SELECT 1 FROM connections WHERE look_at <= ? LIMIT ?)";
pub(super) const FEW: &str = due_along!("connections_look_at", "true", "dies_at NULLS LAST, look_at, id");
pub(super) const MANY_THAT_DIE: &str =
    due_along!("connections_dies_at", "dies_at IS NOT NULL", "dies_at, look_at, id");
pub(super) const MANY_OTHERS: &str =
    due_along!("connections_look_at", "dies_at IS NULL", "look_at, dies_at, id");

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

pub(super) fn due(db: &Db, look: &Look) -> Result<Vec<Due>, Failure> {
    let found = query(HOW_MANY).bind(look.by).bind(SORTED + 1).count(db)?;
    if found > u64::from(SORTED) { many(db, look) } else { few(db, look) }
}

fn few(db: &Db, look: &Look) -> Result<Vec<Due>, Failure> {
    along(FEW, db, look, look.limit)
}

fn many(db: &Db, look: &Look) -> Result<Vec<Due>, Failure> {
    let mut due = along(MANY_THAT_DIE, db, look, look.limit)?;
    let left = look.limit.saturating_sub(u32::try_from(due.len()).unwrap_or(u32::MAX));
    if left > 0 {
        due.extend(along(MANY_OTHERS, db, look, left)?);
    }
    Ok(due)
}

fn along(sql: &'static str, db: &Db, look: &Look, limit: u32) -> Result<Vec<Due>, Failure> {
    query(sql)
        .bind(look.by)
        .bind(look.now)
        .bind(listed(look.held.clients.iter().map(|id| id.as_uuid()))?)
        .bind(listed(look.held.but.iter().map(|id| id.as_uuid()))?)
        .bind(limit)
        .all(db, rows::due)
}

pub(super) const NEXT: &str = concat!(
    "SELECT look_at, id FROM connections WHERE look_at > ?1 AND look_at <= ?2 AND ",
    not_held!("?3", "?4"),
    " ORDER BY look_at LIMIT 1"
);

pub(super) fn next(
    db: &Db,
    after: Timestamp,
    by: Timestamp,
    held: &Held,
) -> Result<Option<Timestamp>, Failure> {
    query(NEXT)
        .bind(after)
        .bind(by)
        .bind(listed(held.clients.iter().map(|id| id.as_uuid()))?)
        .bind(listed(held.but.iter().map(|id| id.as_uuid()))?)
        .optional(db, rows::look_at)
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
            for due in [few(&reader.connection, &look), many(&reader.connection, &look)] {
                found.push(due.map_err(StoreError::from).unwrap());
            }
            assert_eq!(found[0], found[1], "due by {by}");
            assert_eq!(found[0].len(), expected, "due by {by}");
        }
    }
}
