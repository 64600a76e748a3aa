//! Connections: reading, listing, changing, and what is due.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::Event;
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::schedule::Plan;
use vestal_core::store::{Add, Filter, Update, Write};
use vestal_core::token::{Grant, TokenSet};

use super::events;
use super::failure::Failure;
use super::rows::{self, bind_tokens, json, key, ms, token_columns, whole, word};
use crate::rules::{check_grows, damaged};

/// One statement reads a connection with its current grant and token set and the attempt that its lease was
/// taken for: one snapshot, and one round trip.
macro_rules! connections_where {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.revision, c.name, c.client, c.external_id, c.tags, c.policy, c.created_at, ",
            "c.last_read_at, c.state_data, c.due_at, c.dies_at, c.grant_id, c.lease_attempt, c.lease_until, ",
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

/// What a write has to know of a connection before it decides.
pub(super) struct Head {
    pub(super) revision: u64,
    pub(super) grant: Option<GrantId>,
    pub(super) generation: u64,
    pub(super) lease_until: Option<Timestamp>,
}

pub(super) async fn head(db: &mut SqliteConnection, id: ConnectionId) -> Result<Option<Head>, Failure> {
    let query = "SELECT id, revision, grant_id, generation, lease_until FROM connections WHERE id = ?";
    let row = sqlx::query(query).bind(key(id.as_uuid())).fetch_optional(db).await?;
    Ok(row.as_ref().map(rows::head).transpose()?)
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

/// What is stored now, for a caller whose revision it is not.
pub(super) async fn moved(
    db: &mut SqliteConnection,
    id: ConnectionId,
    now: Timestamp,
) -> Result<Box<Connection>, Failure> {
    let current = by_id(db, id, now).await?;
    let current = current.ok_or_else(|| damaged(format!("connection {id} went within a transaction")))?;
    Ok(Box::new(current))
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

pub(super) async fn add(
    db: &mut SqliteConnection,
    connection: &Connection,
    events: &[Event],
) -> Result<Add, Failure> {
    let added = sqlx::query(
        "INSERT INTO connections (id, revision, name, client, external_id, tags, policy, created_at, last_read_at,
                                  state, state_data, due_at, dies_at)
         VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(key(connection.id.as_uuid()))
    .bind(connection.name.as_str())
    .bind(key(connection.client.as_uuid()))
    .bind(connection.external_id.as_deref())
    .bind(json(&connection.tags)?)
    .bind(word(&connection.policy)?)
    .bind(ms(connection.created_at))
    .bind(connection.last_read_at.map(ms))
    .bind(connection.state.name())
    .bind(json(&connection.state)?)
    .bind(connection.plan.due_at.map(ms))
    .bind(connection.plan.dies_at.map(ms))
    .execute(&mut *db)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(Add::Taken);
    }
    if let Some(grant) = &connection.grant {
        store_grant(db, connection.id, grant).await?;
    }
    events::record(db, events).await?;
    Ok(Add::Done)
}

pub(super) async fn update(
    db: &mut SqliteConnection,
    update: &Update,
    now: Timestamp,
) -> Result<Write, Failure> {
    let Some(head) = head(db, update.id).await? else { return Ok(Write::Gone) };
    if head.revision != update.expected {
        return Ok(Write::Moved(moved(db, update.id, now).await?));
    }
    if let Some(grant) = &update.grant {
        check_grows(update.id, head.generation, grant.tokens.generation)?;
        store_grant(db, update.id, grant).await?;
    }
    sqlx::query(
        "UPDATE connections
         SET revision = revision + 1, state = ?, state_data = ?, policy = ?, due_at = ?, dies_at = ? WHERE id = ?",
    )
    .bind(update.state.name())
    .bind(json(&update.state)?)
    .bind(word(&update.policy)?)
    .bind(update.plan.due_at.map(ms))
    .bind(update.plan.dies_at.map(ms))
    .bind(key(update.id.as_uuid()))
    .execute(&mut *db)
    .await?;
    events::record(db, &update.events).await?;
    Ok(Write::Done)
}

/// Makes this the connection's current grant. The ones before it stay.
async fn store_grant(db: &mut SqliteConnection, id: ConnectionId, grant: &Grant) -> Result<(), Failure> {
    sqlx::query("INSERT INTO grants (id, connection, consented_at, renewal) VALUES (?, ?, ?, ?)")
        .bind(key(grant.id.as_uuid()))
        .bind(key(id.as_uuid()))
        .bind(ms(grant.consented_at))
        .bind(word(&grant.renewal)?)
        .execute(&mut *db)
        .await?;
    insert_tokens(db, grant.id, &grant.tokens).await?;
    sqlx::query("UPDATE connections SET grant_id = ?, generation = ? WHERE id = ?")
        .bind(key(grant.id.as_uuid()))
        .bind(whole(grant.tokens.generation)?)
        .bind(key(id.as_uuid()))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn insert_tokens(
    db: &mut SqliteConnection,
    grant: GrantId,
    tokens: &TokenSet,
) -> Result<(), Failure> {
    let query = sqlx::query(concat!(
        "INSERT INTO token_sets (grant_id, ",
        token_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ));
    bind_tokens(query.bind(key(grant.as_uuid())), Some(tokens))?.execute(db).await?;
    Ok(())
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
    let query = sqlx::query("DELETE FROM connections WHERE id = ?").bind(key(id.as_uuid()));
    Ok(query.execute(db).await?.rows_affected() == 1)
}

pub(super) async fn mark_read(
    db: &mut SqliteConnection,
    id: ConnectionId,
    expected: u64,
    at: Timestamp,
    plan: &Plan,
) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE connections SET last_read_at = ?, due_at = ?, dies_at = ? WHERE id = ? AND revision = ?",
    )
    .bind(ms(at))
    .bind(plan.due_at.map(ms))
    .bind(plan.dies_at.map(ms))
    .bind(key(id.as_uuid()))
    .bind(whole(expected)?)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) const DUE: &str = "SELECT id FROM connections
     WHERE look_at <= ?1 AND (lease_until IS NULL OR lease_until <= ?2)
     ORDER BY dies_at IS NULL, dies_at, look_at, id LIMIT ?3";

pub(super) async fn due(
    db: &mut SqliteConnection,
    by: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ConnectionId>, Failure> {
    let rows = sqlx::query(DUE).bind(ms(by)).bind(ms(now)).bind(limit).fetch_all(db).await?;
    Ok(rows.iter().map(rows::connection_id).collect::<Result<_, _>>()?)
}

pub(super) const NEXT_DUE: &str = "SELECT id, look_at FROM connections
     WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1";

pub(super) async fn next_due(db: &mut SqliteConnection) -> Result<Option<Timestamp>, Failure> {
    let row = sqlx::query(NEXT_DUE).fetch_optional(db).await?;
    Ok(row.as_ref().map(rows::look_at).transpose()?)
}
