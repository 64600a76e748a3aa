//! Connections: reading, listing and changing.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::Event;
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::schedule::Plan;
use vestal_core::store::{Add, Filter, StoreError, Update, Write};
use vestal_core::token::Grant;

use super::events;
use super::failure::Failure;
use super::procedures::{Called, Target, call};
use super::rows::{self, Bound, bind_tokens, json, key, ms, revision, token_columns, whole, word};

/// One statement reads a connection with its current grant and token set and the attempt that its lease was
/// taken for: one snapshot, and one round trip.
macro_rules! connections_where {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.revision, c.name, c.client, c.external_id, c.tags, c.policy, c.created_at, ",
            "c.last_read_at, c.state_data, c.due_at, c.dies_at, c.warned_at, c.grant_id, c.lease_attempt, c.lease_until, ",
            "g.consented_at AS g_consented_at, g.renewal AS g_renewal, ",
            "t.generation AS t_generation, t.issued_at AS t_issued_at, t.expires_at AS t_expires_at, ",
            "t.token_type AS t_token_type, t.scope AS t_scope, t.access_token AS t_access_token, ",
            "t.refresh_token AS t_refresh_token, t.refresh_fingerprint AS t_refresh_fingerprint, ",
            "t.refresh_end AS t_refresh_end, t.id_token AS t_id_token, t.extra AS t_extra, ",
            "a.id AS a_id, a.node AS a_node, a.grant_id AS a_grant_id, a.generation AS a_generation, ",
            "a.fingerprint AS a_fingerprint, a.started_at AS a_started_at ",
            "FROM connections c ",
            "LEFT JOIN grants g ON g.id = c.grant_id ",
            "LEFT JOIN token_sets t ON t.grant_id = c.grant_id AND t.generation = c.generation ",
            "LEFT JOIN attempts a ON a.id = c.lease_attempt ",
            "WHERE ",
            $condition
        )
    };
}

pub(super) async fn by_id(
    db: &mut SqliteConnection,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Option<Connection>, Failure> {
    let query = sqlx::query(connections_where!("c.id = ?")).bind(key(id.as_uuid()));
    Ok(query.fetch_optional(db).await?.map(|row| rows::connection(&row, now)).transpose()?)
}

pub(super) const BY_NAME: &str = connections_where!("c.name = ?");

pub(super) async fn by_name(
    db: &mut SqliteConnection,
    name: &ConnectionName,
    now: Timestamp,
) -> Result<Option<Connection>, Failure> {
    let query = sqlx::query(BY_NAME).bind(name.as_str());
    Ok(query.fetch_optional(db).await?.map(|row| rows::connection(&row, now)).transpose()?)
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    filter: &Filter,
    after: Option<&ConnectionName>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Connection>, Failure> {
    // Two statements, so that each goes along an index that is in order already.
    let query = match &filter.state {
        None => sqlx::query(connections_where!(
            "c.name > ?1 AND (?2 IS NULL OR c.client = ?2) ORDER BY c.name LIMIT ?3"
        )),
        Some(_) => sqlx::query(connections_where!(
            "c.state = ?4 AND c.name > ?1 AND (?2 IS NULL OR c.client = ?2) ORDER BY c.name LIMIT ?3"
        )),
    };
    let query = query
        .bind(after.map_or("", ConnectionName::as_str))
        .bind(filter.client.map(|client| key(client.as_uuid())))
        .bind(limit);
    let query = match &filter.state {
        None => query,
        Some(state) => query.bind(state.as_str()),
    };
    let rows = query.fetch_all(db).await?;
    Ok(rows.iter().map(|row| rows::connection(row, now)).collect::<Result<_, _>>()?)
}

pub(super) async fn count_states(db: &mut SqliteConnection) -> Result<Vec<(String, u64)>, Failure> {
    let query = "SELECT state, count(*) FROM connections GROUP BY state ORDER BY state";
    let counts: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(db).await?;
    Ok(counts.into_iter().map(|(state, count)| (state, count.unsigned_abs())).collect())
}

/// The columns of a connection that is added, in the order of [`bind_added`].
macro_rules! added_columns {
    () => {
        "id, revision, name, client, external_id, tags, policy, created_at, last_read_at, state, state_data, due_at, \
         dies_at, warned_at, grant_id, generation"
    };
}

#[cfg(any(test, feature = "bulk"))]
pub(super) use added_columns;

/// Binds the values of a connection that is added.
pub(super) fn bind_added<'q>(query: Bound<'q>, connection: &Connection) -> Result<Bound<'q>, StoreError> {
    let grant = connection.grant.as_ref();
    Ok(query
        .bind(key(connection.id.as_uuid()))
        .bind(1)
        .bind(connection.name.as_str().to_owned())
        .bind(key(connection.client.as_uuid()))
        .bind(connection.external_id.clone())
        .bind(json(&connection.tags)?)
        .bind(word(&connection.policy)?)
        .bind(ms(connection.created_at))
        .bind(connection.last_read_at.map(ms))
        .bind(connection.state.name())
        .bind(json(&connection.state)?)
        .bind(connection.plan.due_at.map(ms))
        .bind(connection.plan.dies_at.map(ms))
        .bind(connection.plan.warned_at.map(ms))
        .bind(grant.map(|grant| key(grant.id.as_uuid())))
        .bind(grant.map(|grant| whole(grant.tokens.generation)).transpose()?))
}

pub(super) async fn add(
    db: &mut SqliteConnection,
    connection: &Connection,
    events: &[Event],
) -> Result<Add, Failure> {
    let query = sqlx::query(concat!(
        "INSERT INTO connections (",
        added_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    ));
    let added = bind_added(query, connection)?.execute(&mut *db).await?;
    if added.rows_affected() == 0 {
        return Ok(Add::Taken);
    }
    if let Some(grant) = &connection.grant {
        store_grant(db, connection.id, grant).await?;
    }
    events::record(db, connection.id, events).await?;
    Ok(Add::Done)
}

pub(super) async fn update(
    db: &mut SqliteConnection,
    update: &Update,
    now: Timestamp,
) -> Result<Write, Failure> {
    let generation = update.grant.as_ref().map(|grant| grant.tokens.generation);
    let query = sqlx::query("INSERT INTO update_connection VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(key(update.id.as_uuid()))
        .bind(revision(update.expected))
        .bind(generation.map(whole).transpose()?)
        .bind(update.state.name())
        .bind(json(&update.state)?)
        .bind(word(&update.policy)?)
        .bind(update.plan.due_at.map(ms))
        .bind(update.plan.dies_at.map(ms))
        .bind(update.plan.warned_at.map(ms))
        .bind(events::listed(&update.events)?);
    let target = Target { connection: update.id, expected: update.expected, attempt: None, generation };
    let called = call(db, query, target, now).await?;
    if let (Called::Done, Some(grant)) = (&called, &update.grant) {
        store_grant(db, update.id, grant).await?;
    }
    Ok(called.into_write())
}

/// Makes this the connection's current grant. The ones before it stay.
const STORE_GRANT: &str = concat!(
    "INSERT INTO grants (id, connection, consented_at, renewal) VALUES ($1, $2, $3, $4);

     INSERT INTO token_sets (grant_id, ",
    token_columns!(),
    ") VALUES ($1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

     UPDATE connections SET grant_id = $1, generation = $5 WHERE id = $2"
);

async fn store_grant(db: &mut SqliteConnection, id: ConnectionId, grant: &Grant) -> Result<(), Failure> {
    let query = bind_grant(sqlx::query(STORE_GRANT), id, grant)?;
    bind_tokens(query, Some(&grant.tokens))?.execute(db).await?;
    Ok(())
}

/// Binds the values of a grant's own row.
pub(super) fn bind_grant<'q>(
    query: Bound<'q>,
    id: ConnectionId,
    grant: &Grant,
) -> Result<Bound<'q>, StoreError> {
    Ok(query
        .bind(key(grant.id.as_uuid()))
        .bind(key(id.as_uuid()))
        .bind(ms(grant.consented_at))
        .bind(word(&grant.renewal)?))
}

pub(super) async fn kept_token_sets(
    db: &mut SqliteConnection,
    id: ConnectionId,
) -> Result<Vec<(GrantId, u64)>, Failure> {
    let rows = sqlx::query(
        "SELECT t.grant_id, t.generation FROM token_sets t JOIN grants g ON g.id = t.grant_id
         WHERE g.connection = ? ORDER BY t.generation",
    )
    .bind(key(id.as_uuid()))
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(rows::kept_token_set).collect::<Result<_, _>>()?)
}

pub(super) async fn remove(db: &mut SqliteConnection, id: ConnectionId) -> Result<bool, Failure> {
    // Attempts that are closed go when they are old, and an open one would never be.
    let query = sqlx::query(
        "DELETE FROM attempts WHERE id = (SELECT lease_attempt FROM connections WHERE id = $1);
         DELETE FROM connections WHERE id = $1",
    );
    Ok(query.bind(key(id.as_uuid())).execute(db).await?.rows_affected() > 0)
}

pub(super) async fn mark_read(
    db: &mut SqliteConnection,
    id: ConnectionId,
    expected: u64,
    at: Timestamp,
    plan: &Plan,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE connections SET last_read_at = ?, due_at = ?, dies_at = ?, warned_at = ?
         WHERE id = ? AND revision = ?",
    )
    .bind(ms(at))
    .bind(plan.due_at.map(ms))
    .bind(plan.dies_at.map(ms))
    .bind(plan.warned_at.map(ms))
    .bind(key(id.as_uuid()))
    .bind(revision(expected))
    .execute(db)
    .await?;
    Ok(())
}
