//! Between rows and values.
//!
//! Statements name the columns they want, never `*`, and values are read in that order: to look each column up by its
//! name would cost more than SQLite takes to find the row.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use vestal_core::client::Client;
use vestal_core::connection::{Attempt, Connection, ConnectionName, Lease};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, Sealed, StoreIdentity};
use vestal_core::store::{
    AttemptStatus, Authorization, Due, EarlierTokens, Holder, LivingTokens, Mark, StoreError,
};
use vestal_core::token::{About, Candidate, CandidateAnswer, Grant, StoredRefreshToken, TokenSet};

mod columns;

use columns::{
    Columns, count, from_json, from_word, hash, integer, name, sealed, status, text, time, url, uuid,
};

use super::current::{Current, TakenLease};
use super::due::Found;
use super::events::Chain;
use super::query::Query;
use crate::rules::{damaged, lease_valid};

// ---- values as they are stored -----------------------------------------------------------------------------

pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A count, which SQLite keeps with a sign.
pub(super) fn whole(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| damaged(format!("{count} is more than can be counted to")))
}

/// A revision to compare with the one that is stored. One that SQLite cannot count to is none that is stored.
pub(super) fn revision(expected: u64) -> Option<i64> {
    i64::try_from(expected).ok()
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| damaged(error.to_string()))
}

/// The one word that a plain enum is written as.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(damaged(format!("{other:?} is no word"))),
    }
}

/// The columns of a token set, in the order of [`bind_tokens`].
macro_rules! token_columns {
    () => {
        "generation, issued_at, expires_at, token_type, scope, access_token, refresh_token, \
         refresh_fingerprint, refresh_end, id_token, extra"
    };
}
pub(super) use token_columns;

/// The columns of the token set before the current one of a grant, in the same order.
macro_rules! previous_columns {
    () => {
        "previous_generation, previous_issued_at, previous_expires_at, previous_token_type, previous_scope, \
         previous_access_token, previous_refresh_token, previous_refresh_fingerprint, previous_refresh_end, \
         previous_id_token, previous_extra"
    };
}
pub(super) use previous_columns;

/// What is stored for the access token of a refresh token that was imported without one. A null is damage.
const NONE_YET: &[u8] = &[];

/// Binds the values of a token set, or as many nulls.
pub(super) fn bind_tokens<'q>(
    query: Query<'q>,
    tokens: Option<&'q TokenSet>,
) -> Result<Query<'q>, StoreError> {
    let refresh = tokens.and_then(|tokens| tokens.refresh_token.as_ref());
    let end = refresh.and_then(|token| token.end.as_ref()).map(json).transpose()?;
    Ok(query
        .bind(tokens.map(|tokens| whole(tokens.generation)).transpose()?)
        .bind(tokens.map(|tokens| tokens.issued_at))
        .bind(tokens.and_then(|tokens| tokens.expires_at))
        .bind(tokens.map(|tokens| tokens.token_type.as_str()))
        .bind(tokens.and_then(|tokens| tokens.scope.as_deref()))
        .bind(tokens.map(|tokens| tokens.access_token.as_ref().map_or(NONE_YET, Sealed::as_bytes)))
        .bind(refresh.map(|token| &token.sealed))
        .bind(refresh.map(|token| token.fingerprint.as_bytes().as_slice()))
        .bind(end)
        .bind(tokens.and_then(|tokens| tokens.id_token.as_ref()))
        .bind(tokens.and_then(|tokens| tokens.extra.as_ref())))
}

// ---- rows as they are read ---------------------------------------------------------------------------------

pub(super) fn identity(row: &Row<'_>) -> Result<StoreIdentity, StoreError> {
    let mut columns = Columns { key: "one", ..Columns::of(row, "store") };
    Ok(StoreIdentity {
        id: vestal_core::id::StoreId::from_uuid(columns.value("id", uuid)?),
        fingerprint_key: columns.value("fingerprint_key", sealed)?,
    })
}

pub(super) fn mark(row: &Row<'_>) -> Result<Option<Mark>, StoreError> {
    Columns { key: "one", ..Columns::of(row, "store") }.optional("mark", from_json)
}

pub(super) fn client(row: &Row<'_>) -> Result<Client, StoreError> {
    let mut columns = Columns::of(row, "clients");
    Ok(Client {
        id: ClientId::from_uuid(columns.value("id", uuid)?),
        revision: columns.value("revision", count)?,
        name: columns.value("name", text)?,
        provider: columns.value("provider", text)?,
        client_id: columns.value("client_id", text)?,
        auth: columns.value("auth", from_word)?,
        secret: columns.optional("secret", sealed)?,
        second_secret: columns.optional("second_secret", sealed)?,
        redirect_uri: columns.value("redirect_uri", url)?,
        scopes: columns.value("scopes", from_json)?,
        endpoints: columns.value("endpoints", from_json)?,
        created_at: columns.value("created_at", time)?,
        notes: columns.value("notes", from_json)?,
    })
}

pub(super) fn found(row: &Row<'_>) -> Result<Found, StoreError> {
    let mut columns = Columns::of(row, "connections");
    Ok(Found {
        due: Due {
            connection: ConnectionId::from_uuid(columns.value("id", uuid)?),
            client: ClientId::from_uuid(columns.value("client", uuid)?),
        },
        dies_at: columns.optional("dies_at", integer)?,
        look_at: columns.value("look_at", integer)?,
    })
}

/// Who is under a lease, and until when.
pub(super) fn lease(row: &Row<'_>) -> Result<(ConnectionId, i64), StoreError> {
    let mut columns = Columns { key: "connection", ..Columns::of(row, "leases") };
    Ok((ConnectionId::from_uuid(columns.value("connection", uuid)?), columns.value("until", integer)?))
}

pub(super) fn look_at(row: &Row<'_>) -> Result<Timestamp, StoreError> {
    Columns::of(row, "connections").value("look_at", time)
}

pub(super) fn kept_token_set(row: &Row<'_>) -> Result<(GrantId, u64), StoreError> {
    let mut columns = Columns::of(row, "connections");
    Ok((GrantId::from_uuid(columns.value("id", uuid)?), columns.value("generation", count)?))
}

/// Where in a row of `connections_where!` the attempt's columns begin.
const ATTEMPT_FROM: usize = 30;

/// The position of the name in a row of `connections_where!`.
const NAME: usize = 2;

/// Of a row of `connections_where!` that cannot be read as a whole, the name.
pub(super) fn connection_name(row: &Row<'_>) -> Result<ConnectionName, StoreError> {
    Columns { next: NAME, ..Columns::of(row, "connections") }.value("name", name)
}

/// Who has a grant.
pub(super) fn holder(row: &Row<'_>) -> Result<ConnectionName, StoreError> {
    let mut columns = Columns::of(row, "connections");
    columns.value("id", uuid)?;
    columns.value("name", name)
}

pub(super) fn refresh_token_holder(row: &Row<'_>) -> Result<Holder, StoreError> {
    let mut columns = Columns::of(row, "connections");
    Ok(Holder {
        connection: ConnectionId::from_uuid(columns.value("id", uuid)?),
        grant: GrantId::from_uuid(columns.value("grant_id", uuid)?),
        token: Fingerprint::from_bytes(columns.value("refresh_fingerprint", hash)?),
    })
}

pub(super) fn shared_token(row: &Row<'_>) -> Result<Fingerprint, StoreError> {
    let mut columns = Columns { key: "begun_with", ..Columns::of(row, "connections") };
    Ok(Fingerprint::from_bytes(columns.value("begun_with", hash)?))
}

pub(super) fn living_tokens(row: &Row<'_>) -> Result<LivingTokens, StoreError> {
    let mut columns = Columns { key: "tokens", ..Columns::of(row, "connections") };
    Ok(LivingTokens {
        all: columns.value("tokens", count)?,
        of_nobody_known: columns.value("of_nobody_known", count)?,
        of_one_account: columns.value("of_one_account", count)?,
    })
}

/// A row of `connections_where!`, as it is seen now.
pub(super) fn connection(row: &Row<'_>, now: Timestamp) -> Result<Connection, StoreError> {
    let mut columns = Columns::of(row, "connections");
    let mut connection = Connection {
        id: ConnectionId::from_uuid(columns.value("id", uuid)?),
        revision: columns.value("revision", count)?,
        name: columns.value("name", name)?,
        client: ClientId::from_uuid(columns.value("client", uuid)?),
        external_id: columns.optional("external_id", text)?,
        tags: columns.value("tags", from_json)?,
        policy: columns.value("policy", from_word)?,
        created_at: columns.value("created_at", time)?,
        last_read_at: columns.optional("last_read_at", time)?,
        state: columns.value("state_data", from_json)?,
        plan: Plan {
            due_at: columns.optional("due_at", time)?,
            dies_at: columns.optional("dies_at", time)?,
            warned_at: columns.optional("warned_at", time)?,
        },
        grant: None,
        lease: None,
    };
    if let Some(until) = columns.optional("lease_until", time)? {
        connection.lease = Some(Lease { attempt: attempt(row)?, until, valid: lease_valid(until, now) });
    }
    if let Some(id) = columns.optional("grant_id", uuid)? {
        connection.grant = Some(Grant {
            id: GrantId::from_uuid(id),
            consented_at: columns.value("consented_at", time)?,
            renewal: columns.value("renewal", from_word)?,
            means: columns.optional("means", sealed)?,
            tokens: tokens(&mut columns)?,
            about: columns.optional("about", from_json)?.unwrap_or_default(),
        });
    }
    Ok(connection)
}

/// The columns of `token_columns!`.
fn tokens(columns: &mut Columns<'_>) -> Result<TokenSet, StoreError> {
    Ok(TokenSet {
        generation: columns.value("generation", count)?,
        issued_at: columns.value("issued_at", time)?,
        expires_at: columns.optional("expires_at", time)?,
        token_type: columns.value("token_type", text)?,
        scope: columns.optional("scope", text)?,
        access_token: Some(columns.value("access_token", sealed)?)
            .filter(|token| token.as_bytes() != NONE_YET),
        refresh_token: refresh_token(columns)?,
        id_token: columns.optional("id_token", sealed)?,
        extra: columns.optional("extra", sealed)?,
    })
}

fn refresh_token(columns: &mut Columns<'_>) -> Result<Option<StoredRefreshToken>, StoreError> {
    let sealed = columns.optional("refresh_token", sealed)?;
    let fingerprint = columns.optional("refresh_fingerprint", hash)?;
    let end = columns.optional("refresh_end", from_json)?;
    let Some(sealed) = sealed else { return Ok(None) };
    let fingerprint = fingerprint.ok_or_else(|| columns.damaged("refresh_fingerprint", "it is missing"))?;
    Ok(Some(StoredRefreshToken { sealed, fingerprint: Fingerprint::from_bytes(fingerprint), end }))
}

fn attempt(row: &Row<'_>) -> Result<Attempt, StoreError> {
    let mut columns =
        Columns { prefix: "a_", key: "lease_attempt", next: ATTEMPT_FROM, ..Columns::of(row, "attempts") };
    Ok(Attempt {
        id: AttemptId::from_uuid(columns.value("id", uuid)?),
        node: NodeId::from_uuid(columns.value("node", uuid)?),
        grant: GrantId::from_uuid(columns.value("grant_id", uuid)?),
        generation: columns.value("generation", count)?,
        fingerprint: columns.optional("fingerprint", hash)?.map(Fingerprint::from_bytes),
        started_at: columns.value("started_at", time)?,
    })
}

pub(super) fn candidate(row: &Row<'_>) -> Result<Candidate, StoreError> {
    let mut columns = Columns { key: "attempt", ..Columns::of(row, "candidates") };
    Ok(Candidate {
        attempt: AttemptId::from_uuid(columns.value("attempt", uuid)?),
        kept_at: columns.value("kept_at", time)?,
        why: columns.value("why", from_word)?,
        sealed_for: sealed_for(&mut columns)?,
        answer: match columns.optional("raw", sealed)? {
            Some(raw) => CandidateAnswer::Raw(raw),
            None => CandidateAnswer::Tokens(Box::new(tokens(&mut columns)?)),
        },
    })
}

fn sealed_for(columns: &mut Columns<'_>) -> Result<Option<(GrantId, u64)>, StoreError> {
    let grant = columns.optional("sealed_for_grant", uuid)?.map(GrantId::from_uuid);
    Ok(grant.zip(columns.optional("sealed_for_generation", count)?))
}

/// A token set that was replaced, with its grant: the columns of `token_columns!` behind those of the grant.
pub(super) fn earlier_tokens(row: &Row<'_>) -> Result<EarlierTokens, StoreError> {
    let mut columns = Columns { next: 1, ..Columns::of(row, "earlier_token_sets") };
    Ok(EarlierTokens {
        grant: GrantId::from_uuid(columns.value("grant_id", uuid)?),
        site: columns.optional("about", from_json::<About>)?.unwrap_or_default().site,
        means: columns.optional("means", sealed)?,
        tokens: tokens(&mut columns)?,
    })
}

/// The key of a row, and what is sealed in it.
pub(super) fn raw_values(row: &Row<'_>) -> Result<(Value, Vec<Value>), StoreError> {
    let value = |at| row.get::<_, Value>(at).map_err(|error| damaged(error.to_string()));
    let sealed = (1..row.as_ref().column_count()).map(value).collect::<Result<_, _>>()?;
    Ok((value(0)?, sealed))
}

pub(super) fn attempt_status(row: &Row<'_>) -> Result<AttemptStatus, StoreError> {
    Columns::of(row, "attempts").value("status", status)
}

/// A state's name, and how many are in it.
pub(super) fn state_count(row: &Row<'_>) -> Result<(String, u64), StoreError> {
    let mut columns = Columns { key: "state", ..Columns::of(row, "connections") };
    Ok((columns.value("state", text)?, columns.value("count", count)?))
}

pub(super) fn current(row: &Row<'_>) -> Result<Current, StoreError> {
    let mut columns = Columns::of(row, "connections");
    Ok(Current {
        id: ConnectionId::from_uuid(columns.value("id", uuid)?),
        revision: columns.value("revision", count)?,
        state: columns.value("state", text)?,
        generation: columns.optional("generation", count)?,
        events: chain(&mut columns)?,
        lease: taken_lease(&mut columns)?,
    })
}

fn chain(columns: &mut Columns<'_>) -> Result<Chain, StoreError> {
    Ok(Chain { last: columns.optional("last_event", integer)?, length: columns.value("events", integer)? })
}

fn taken_lease(columns: &mut Columns<'_>) -> Result<Option<TakenLease>, StoreError> {
    let Some(attempt) = columns.optional("attempt", uuid)? else { return Ok(None) };
    let attempt = AttemptId::from_uuid(attempt);
    Ok(Some(TakenLease {
        attempt,
        until_ms: columns.value("until", integer)?,
        steps: columns.value("steps", count)?,
    }))
}

pub(super) fn connection_id(row: &Row<'_>) -> Result<ConnectionId, StoreError> {
    Ok(ConnectionId::from_uuid(Columns::of(row, "connections").value("id", uuid)?))
}

pub(super) fn event(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    let mut columns = Columns { key: "seq", ..Columns::of(row, "events") };
    Ok(StoredEvent {
        seq: columns.value("seq", count)?,
        event: Event {
            connection: ConnectionId::from_uuid(columns.value("connection", uuid)?),
            at: columns.value("at", time)?,
            what: columns.value("what", from_json)?,
        },
    })
}

pub(super) fn authorization(row: &Row<'_>) -> Result<Authorization, StoreError> {
    let mut columns = Columns { key: "state_hash", ..Columns::of(row, "authorizations") };
    Ok(Authorization {
        state_hash: columns.value("state_hash", hash)?,
        connection: ConnectionId::from_uuid(columns.value("connection", uuid)?),
        client: ClientId::from_uuid(columns.value("client", uuid)?),
        endpoints: columns.value("endpoints", from_json)?,
        site: columns.value("site", from_json)?,
        redirect_uri: columns.value("redirect_uri", url)?,
        scopes: columns.value("scopes", from_json)?,
        code_verifier: columns.value("code_verifier", sealed)?,
        created_at: columns.value("created_at", time)?,
        expires_at: columns.value("expires_at", time)?,
    })
}
