//! Connections: reading, listing and changing.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::Event;
use vestal_core::id::{ClientId, ConnectionId, GrantId};
use vestal_core::schedule::Plan;
use vestal_core::state::State;
use vestal_core::store::{Add, AddImport, Filter, Import, Page, StoreError, Update, Write};
use vestal_core::token::{About, Grant};

use super::current::{Current, current};
use super::events::{self, Chain};
use super::failure::Failure;
use super::query::{Query, query};
use super::rows::{self, bind_tokens, json, previous_columns, revision, token_columns, word};
use crate::rules::PRUNED_AT_ONCE;

/// One statement reads a connection with the attempt that its lease was taken for: one snapshot.
macro_rules! connections_where {
    ($condition:expr) => {
        concat!(
            "SELECT c.id, c.revision + coalesce(l.steps, 0) AS revision, c.name, c.client, c.external_id, c.tags, c.policy, ",
            "c.created_at, c.last_read_at, c.state_data, c.due_at, c.dies_at, c.warned_at, l.until AS lease_until, ",
            "c.grant_id, c.consented_at, c.renewal, c.means, c.generation, c.issued_at, c.expires_at, c.token_type, c.scope, ",
            "c.access_token, c.refresh_token, c.refresh_fingerprint, c.refresh_end, c.id_token, c.extra, c.about, ",
            "a.id AS a_id, a.node AS a_node, a.grant_id AS a_grant_id, a.generation AS a_generation, ",
            "a.fingerprint AS a_fingerprint, a.started_at AS a_started_at, l.attempt AS lease_attempt ",
            "FROM connections c ",
            "LEFT JOIN leases l ON l.connection = c.id ",
            "LEFT JOIN attempts a ON a.id = l.attempt ",
            "WHERE ",
            $condition
        )
    };
}

pub(super) const BY_ID: &str = connections_where!("c.id = ?");

pub(super) fn by_id(db: &Db, id: ConnectionId, now: Timestamp) -> Result<Option<Connection>, Failure> {
    query(BY_ID).bind(id.as_uuid()).optional(db, |row| rows::connection(row, now))
}

/// Several, of which one that is damaged does not keep the others from being read.
pub(super) fn by_ids(db: &Db, ids: &[ConnectionId], now: Timestamp) -> Result<Vec<Connection>, Failure> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match by_id(db, *id, now) {
            Ok(one) => found.extend(one),
            Err(Failure::Store(StoreError::Corrupt { .. })) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

pub(super) const BY_NAME: &str = connections_where!("c.name = ?");

pub(super) fn by_name(db: &Db, name: &ConnectionName, now: Timestamp) -> Result<Option<Connection>, Failure> {
    query(BY_NAME).bind(name.as_str()).optional(db, |row| rows::connection(row, now))
}

pub(super) fn by_external_id(
    db: &Db,
    client: ClientId,
    external_id: &str,
    now: Timestamp,
) -> Result<Option<Connection>, Failure> {
    query(connections_where!("c.client = ? AND c.external_id = ?"))
        .bind(client.as_uuid())
        .bind(external_id)
        .optional(db, |row| rows::connection(row, now))
}

pub(super) fn by_grant(db: &Db, grant: GrantId, now: Timestamp) -> Result<Option<Connection>, Failure> {
    query(connections_where!("c.grant_id = ? LIMIT 1"))
        .bind(grant.as_uuid())
        .optional(db, |row| rows::connection(row, now))
}

pub(super) fn list(
    db: &Db,
    filter: &Filter,
    after: Option<&ConnectionName>,
    limit: u32,
    now: Timestamp,
) -> Result<Page, Failure> {
    // Two statements, so that each goes along an index that is in order already.
    macro_rules! listed {
        ($state:literal) => {
            query(connections_where!(concat!(
                $state,
                "c.name > ?1 AND (?2 IS NULL OR c.client = ?2) AND (?4 IS NULL OR EXISTS (",
                "SELECT 1 FROM json_each(c.tags) WHERE json_each.key = ?4 AND json_each.value = ?5)) ",
                "ORDER BY c.name LIMIT ?3"
            )))
        };
    }
    let query = match &filter.state {
        None => listed!(""),
        Some(_) => listed!("c.state = ?6 AND "),
    };
    let tag = filter.tag.as_ref();
    let query = query
        .bind(after.map_or("", ConnectionName::as_str))
        .bind(filter.client.map(|client| client.as_uuid()))
        .bind(limit)
        .bind(tag.map(|(name, _)| name.as_str()))
        .bind(tag.map(|(_, value)| value.as_str()));
    let query = match &filter.state {
        None => query,
        Some(state) => query.bind(state.as_str()),
    };
    let rows = query.all(db, |row| match rows::connection(row, now) {
        Ok(connection) => Ok((connection.name.clone(), Ok(connection))),
        Err(damage @ StoreError::Corrupt { .. }) => Ok((rows::connection_name(row)?, Err(damage))),
        Err(error) => Err(error),
    })?;
    let full = rows.len() >= limit as usize;
    let mut page =
        Page { next: rows.last().filter(|_| full).map(|(name, _)| name.clone()), ..Page::default() };
    for (_, row) in rows {
        match row {
            Ok(connection) => page.connections.push(connection),
            Err(damage) => page.damaged.push(damage),
        }
    }
    Ok(page)
}

/// Along the index that begins with the client, and no further.
pub(super) fn sample(db: &Db, client: ClientId, limit: u32) -> Result<Vec<ConnectionId>, Failure> {
    query("SELECT id FROM connections WHERE client = ? LIMIT ?")
        .bind(client.as_uuid())
        .bind(limit)
        .all(db, rows::connection_id)
}

pub(super) fn count_states(db: &Db, client: Option<ClientId>) -> Result<Vec<(String, u64)>, Failure> {
    let counts = match client {
        None => query("SELECT state, count(*) AS count FROM connections GROUP BY state ORDER BY state"),
        Some(client) => query(
            "SELECT state, count(*) AS count FROM connections WHERE client = ? GROUP BY state ORDER BY state",
        )
        .bind(client.as_uuid()),
    };
    counts.all(db, rows::state_count)
}

/// Binds the values of a connection that is added.
fn bind_added<'q>(query: Query<'q>, connection: &'q Connection) -> Result<Query<'q>, StoreError> {
    Ok(query
        .bind(connection.id.as_uuid())
        .bind(1_i64)
        .bind(connection.name.as_str())
        .bind(connection.client.as_uuid())
        .bind(connection.external_id.as_deref())
        .bind(json(&connection.tags)?)
        .bind(word(&connection.policy)?)
        .bind(connection.created_at)
        .bind(connection.last_read_at)
        .bind(connection.state.name())
        .bind(json(&connection.state)?)
        .bind(connection.plan.due_at)
        .bind(connection.plan.dies_at)
        .bind(connection.plan.warned_at))
}

pub(super) fn add(db: &Db, connection: &Connection, events: &[Event]) -> Result<Add, Failure> {
    let add = query(
        "INSERT INTO connections (id, revision, name, client, external_id, tags, policy, created_at, last_read_at, state,
                                  state_data, due_at, dies_at, warned_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    let added = bind_added(add, connection)?.execute(db)?;
    if added == 0 {
        return Ok(Add::Taken);
    }
    if let Some(grant) = &connection.grant {
        store_grant(db, connection.id, grant)?;
    }
    if events.is_empty() {
        return Ok(Add::Done);
    }
    let chain = events::append(db, connection.id, Chain::default(), events)?;
    query("UPDATE connections SET last_event = ?, events = ? WHERE id = ?")
        .bind(chain.last)
        .bind(chain.length)
        .bind(connection.id.as_uuid())
        .execute(db)?;
    Ok(Add::Done)
}

/// Adds one that another keeper had, unless there is its grant.
pub(super) fn import(db: &Db, import: &Import) -> Result<AddImport, Failure> {
    let Import { connection, events } = import;
    if let Some(grant) = &connection.grant {
        let holder = query("SELECT id, name FROM connections WHERE grant_id = ? LIMIT 1")
            .bind(grant.id.as_uuid())
            .optional(db, rows::holder)?;
        if let Some(name) = holder {
            return Ok(AddImport::Held(name));
        }
    }
    Ok(match add(db, connection, events)? {
        Add::Done => AddImport::Done,
        Add::Taken => AddImport::Taken,
    })
}

pub(super) fn update(db: &Db, update: &Update, now: Timestamp) -> Result<Write, Failure> {
    let Some(before) = current(db, update.id)? else { return Ok(Write::Gone) };
    if !before.is(update.expected) {
        return moved(db, update.id, now);
    }
    if let Some(grant) = &update.grant {
        before.check_follows(grant.tokens.generation)?;
        let held = query("SELECT EXISTS (SELECT 1 FROM connections WHERE grant_id = ? AND id <> ?)");
        if held.bind(grant.id.as_uuid()).bind(update.id.as_uuid()).count(db)? > 0 {
            return moved(db, update.id, now);
        }
    }
    // By itself, since SQLite would write its index anew also where it stays.
    if let Some(external_id) = &update.external_id {
        let named = query("UPDATE OR IGNORE connections SET external_id = ? WHERE id = ?")
            .bind(external_id.as_str())
            .bind(update.id.as_uuid())
            .execute(db)?;
        if named == 0 {
            return moved(db, update.id, now);
        }
    }
    let chain = events::append(db, update.id, before.events, &update.events)?;
    let tags = update.tags.as_ref().map(json).transpose()?;
    query(
        "UPDATE connections SET revision = revision + 1, state_data = ?, policy = ?, tags = coalesce(?, tags), due_at = ?, dies_at = ?,
             warned_at = ?, last_event = ?, events = ? WHERE id = ?",
    )
    .bind(json(&update.state)?)
    .bind(word(&update.policy)?)
    .bind(tags)
    .bind(update.plan.due_at)
    .bind(update.plan.dies_at)
    .bind(update.plan.warned_at)
    .bind(chain.last)
    .bind(chain.length)
    .bind(update.id.as_uuid())
    .execute(db)?;
    name_state(db, &before, &update.state)?;
    if let Some(grant) = &update.grant {
        store_grant(db, update.id, grant)?;
    }
    if let Some(about) = &update.about {
        query("UPDATE connections SET about = ? WHERE id = ? AND grant_id IS NOT NULL")
            .bind(json(about)?)
            .bind(update.id.as_uuid())
            .execute(db)?;
    }
    events::cut(db, update.id, chain)?;
    Ok(Write::Done)
}

/// What is stored instead of what somebody has decided on.
pub(super) fn moved(db: &Db, id: ConnectionId, now: Timestamp) -> Result<Write, Failure> {
    Ok(by_id(db, id, now)?.map_or(Write::Gone, |stored| Write::Moved(Box::new(stored))))
}

/// Writes down which state a connection is in, where that is another one: SQLite writes an index anew also for a column
/// that is set to what it was.
pub(super) fn name_state(db: &Db, before: &Current, state: &State) -> Result<(), Failure> {
    if before.state != state.name() {
        query("UPDATE connections SET state = ? WHERE id = ?")
            .bind(state.name())
            .bind(before.id.as_uuid())
            .execute(db)?;
    }
    Ok(())
}

/// Makes a grant the current one, and keeps the token sets of those before it.
fn store_grant(db: &Db, id: ConnectionId, grant: &Grant) -> Result<(), Failure> {
    query(concat!(
        "INSERT INTO earlier_token_sets (connection, grant_id, consented_at, renewal, means, about, ",
        token_columns!(),
        ") SELECT id, grant_id, consented_at, renewal, means, about, ",
        previous_columns!(),
        " FROM connections WHERE id = ?1 AND grant_id IS NOT NULL AND previous_generation IS NOT NULL
         UNION ALL SELECT id, grant_id, consented_at, renewal, means, about, ",
        token_columns!(),
        " FROM connections WHERE id = ?1 AND grant_id IS NOT NULL AND generation IS NOT NULL"
    ))
    .bind(id.as_uuid())
    .execute(db)?;
    let current = query(concat!(
        "UPDATE connections SET grant_id = ?, consented_at = ?, renewal = ?, means = ?, about = ?, (",
        token_columns!(),
        ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (",
        previous_columns!(),
        ") = (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), begun_with = ? WHERE id = ?"
    ))
    .bind(grant.id.as_uuid())
    .bind(grant.consented_at)
    .bind(word(&grant.renewal)?)
    .bind(grant.means.as_ref())
    .bind((grant.about != About::default()).then(|| json(&grant.about)).transpose()?);
    let begun_with = grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint.as_bytes().as_slice());
    bind_tokens(current, Some(&grant.tokens))?.bind(begun_with).bind(id.as_uuid()).execute(db)?;
    Ok(())
}

pub(super) fn kept_token_sets(db: &Db, id: ConnectionId) -> Result<Vec<(GrantId, u64)>, Failure> {
    query(
        "SELECT grant_id AS id, generation FROM earlier_token_sets WHERE connection = ?1
         UNION ALL
         SELECT grant_id, previous_generation FROM connections WHERE id = ?1 AND previous_generation IS NOT NULL
         UNION ALL
         SELECT grant_id, generation FROM connections WHERE id = ?1 AND grant_id IS NOT NULL
         ORDER BY generation",
    )
    .bind(id.as_uuid())
    .all(db, rows::kept_token_set)
}

pub(super) fn remove(db: &Db, id: ConnectionId) -> Result<bool, Failure> {
    // Attempts that are closed go when they are old, and an open one would never be.
    query("DELETE FROM attempts WHERE id = (SELECT attempt FROM leases WHERE connection = ?)")
        .bind(id.as_uuid())
        .execute(db)?;
    query("DELETE FROM leases WHERE connection = ?").bind(id.as_uuid()).execute(db)?;
    events::forget(db, id)?;
    Ok(query("DELETE FROM connections WHERE id = ?").bind(id.as_uuid()).execute(db)? > 0)
}

/// Removes those that wait for a consent and never had one, and of which nothing is known that is newer.
pub(super) fn remove_abandoned(db: &Db, before: Timestamp) -> Result<Vec<ConnectionName>, Failure> {
    let abandoned = query(
        "SELECT id, name FROM connections
         WHERE state = 'pending' AND grant_id IS NULL AND created_at < ?1
             AND NOT EXISTS (SELECT 1 FROM events WHERE seq = last_event AND at >= ?1)
             AND NOT EXISTS (SELECT 1 FROM candidates WHERE connection = connections.id)
             AND NOT EXISTS (SELECT 1 FROM earlier_token_sets WHERE connection = connections.id)
         ORDER BY name LIMIT ?2",
    );
    let abandoned = abandoned
        .bind(before)
        .bind(PRUNED_AT_ONCE)
        .all(db, |row| Ok((rows::connection_id(row)?, rows::holder(row)?)))?;
    for (id, _) in &abandoned {
        remove(db, *id)?;
    }
    Ok(abandoned.into_iter().map(|(_, name)| name).collect())
}

pub(super) fn mark_read(
    db: &Db,
    id: ConnectionId,
    expected: u64,
    at: Timestamp,
    plan: &Plan,
) -> Result<(), Failure> {
    query(
        "UPDATE connections SET last_read_at = ?, due_at = ?, dies_at = ?, warned_at = ?
         WHERE id = ? AND EXISTS (SELECT 1 FROM revisions r WHERE r.id = connections.id AND r.revision = ?)",
    )
    .bind(at)
    .bind(plan.due_at)
    .bind(plan.dies_at)
    .bind(plan.warned_at)
    .bind(id.as_uuid())
    .bind(revision(expected))
    .execute(db)?;
    Ok(())
}
