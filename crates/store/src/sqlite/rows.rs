//! Between rows and values.
//!
//! Statements name the columns they want, never `*`: how many there are changes when a later version adds some, and
//! the driver counts them before SQLite notices.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use url::Url;
use uuid::Uuid;
use vestal_core::client::Client;
use vestal_core::connection::{Attempt, BadName, Connection, ConnectionName, Lease};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, Sealed, StoreIdentity};
use vestal_core::store::{Authorization, Due, Mark, StoreError};
use vestal_core::token::{Candidate, CandidateAnswer, Grant, StoredRefreshToken, TokenSet};

use crate::rules::{damaged, from_ms, lease_valid};

pub(super) type Bound<'q> = Query<'q, Sqlite, SqliteArguments>;

// ---- values as they are stored -----------------------------------------------------------------------------

pub(super) fn key(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

pub(super) fn bytes(sealed: &Sealed) -> Vec<u8> {
    sealed.as_bytes().to_vec()
}

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

/// Binds the values of a token set, or as many nulls.
pub(super) fn bind_tokens<'q>(query: Bound<'q>, tokens: Option<&TokenSet>) -> Result<Bound<'q>, StoreError> {
    let refresh = tokens.and_then(|tokens| tokens.refresh_token.as_ref());
    let end = refresh.and_then(|token| token.end.as_ref()).map(json).transpose()?;
    Ok(query
        .bind(tokens.map(|tokens| whole(tokens.generation)).transpose()?)
        .bind(tokens.map(|tokens| ms(tokens.issued_at)))
        .bind(tokens.and_then(|tokens| tokens.expires_at).map(ms))
        .bind(tokens.map(|tokens| tokens.token_type.clone()))
        .bind(tokens.and_then(|tokens| tokens.scope.clone()))
        .bind(tokens.map(|tokens| bytes(&tokens.access_token)))
        .bind(refresh.map(|token| bytes(&token.sealed)))
        .bind(refresh.map(|token| token.fingerprint.as_bytes().to_vec()))
        .bind(end)
        .bind(tokens.and_then(|tokens| tokens.id_token.as_ref()).map(bytes))
        .bind(tokens.and_then(|tokens| tokens.extra.as_ref()).map(bytes)))
}

// ---- rows as they are read ---------------------------------------------------------------------------------

/// The columns of one table in a row; an error names table, row and column.
struct Columns<'r> {
    row: &'r SqliteRow,
    table: &'static str,
    /// What the table's columns are called in a joined row: this and their name.
    prefix: &'static str,
    /// The column (with its prefix) that tells the row.
    key: &'static str,
}

impl<'r> Columns<'r> {
    fn of(row: &'r SqliteRow, table: &'static str) -> Self {
        Self { row, table, prefix: "", key: "id" }
    }

    fn value<Raw, T>(&self, name: &str, read: impl FnOnce(Raw) -> Result<T, String>) -> Result<T, StoreError>
    where
        Raw: sqlx::Type<Sqlite> + sqlx::Decode<'r, Sqlite>,
    {
        // Asked for outright, a null would be read as 0 or as an empty text.
        self.optional(name, read)?.ok_or_else(|| self.damaged(name, "it is missing"))
    }

    fn optional<Raw, T>(
        &self,
        name: &str,
        read: impl FnOnce(Raw) -> Result<T, String>,
    ) -> Result<Option<T>, StoreError>
    where
        Raw: sqlx::Type<Sqlite> + sqlx::Decode<'r, Sqlite>,
    {
        let column = match self.prefix {
            "" => Cow::Borrowed(name),
            prefix => Cow::Owned(format!("{prefix}{name}")),
        };
        let raw: Option<Raw> =
            self.row.try_get(&*column).map_err(|error| self.damaged(name, &error.to_string()))?;
        raw.map(read).transpose().map_err(|why| self.damaged(name, &why))
    }

    fn damaged(&self, name: &str, why: &str) -> StoreError {
        let key = match self.row.try_get::<Vec<u8>, _>(self.key) {
            Ok(key) => match Uuid::from_slice(&key) {
                Ok(id) => id.to_string(),
                Err(_) => key.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
            Err(_) => self.row.try_get::<i64, _>(self.key).map_or("?".to_owned(), |key| key.to_string()),
        };
        damaged(format!("table {}, row {key}, column {name}: {why}", self.table))
    }
}

fn text(raw: &str) -> Result<String, String> {
    Ok(raw.to_owned())
}

fn time(raw: i64) -> Result<Timestamp, String> {
    from_ms(raw).ok_or_else(|| format!("{raw} ms is no time"))
}

fn count(raw: i64) -> Result<u64, String> {
    u64::try_from(raw).map_err(|_| format!("{raw} is no count"))
}

fn sealed(raw: &[u8]) -> Result<Sealed, String> {
    Ok(Sealed::from_bytes(raw.to_vec()))
}

fn uuid(raw: &[u8]) -> Result<Uuid, String> {
    Uuid::from_slice(raw).map_err(|_| format!("{} bytes are no identifier", raw.len()))
}

fn hash(raw: &[u8]) -> Result<[u8; 32], String> {
    raw.try_into().map_err(|_| format!("a hash has 32 bytes, this {}", raw.len()))
}

fn name(raw: &str) -> Result<ConnectionName, String> {
    raw.parse().map_err(|error: BadName| error.to_string())
}

fn url(raw: &str) -> Result<Url, String> {
    raw.parse().map_err(|_| "this is no URL".to_owned())
}

fn from_json<T: DeserializeOwned>(raw: &str) -> Result<T, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

fn from_word<T: DeserializeOwned>(raw: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::from(raw)).map_err(|error| error.to_string())
}

pub(super) fn identity(row: &SqliteRow) -> Result<StoreIdentity, StoreError> {
    let columns = Columns { key: "one", ..Columns::of(row, "store") };
    Ok(StoreIdentity {
        id: vestal_core::id::StoreId::from_uuid(columns.value("id", uuid)?),
        fingerprint_key: columns.value("fingerprint_key", sealed)?,
    })
}

pub(super) fn mark(row: &SqliteRow) -> Result<Option<Mark>, StoreError> {
    Columns { key: "one", ..Columns::of(row, "store") }.optional("mark", from_json)
}

pub(super) fn client(row: &SqliteRow) -> Result<Client, StoreError> {
    let columns = Columns::of(row, "clients");
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

pub(super) fn due(row: &SqliteRow) -> Result<Due, StoreError> {
    let columns = Columns::of(row, "connections");
    Ok(Due {
        connection: ConnectionId::from_uuid(columns.value("id", uuid)?),
        client: ClientId::from_uuid(columns.value("client", uuid)?),
    })
}

pub(super) fn look_at(row: &SqliteRow) -> Result<Timestamp, StoreError> {
    Columns::of(row, "connections").value("look_at", time)
}

pub(super) fn kept_token_set(row: &SqliteRow) -> Result<(GrantId, u64), StoreError> {
    let columns = Columns { key: "grant_id", ..Columns::of(row, "token_sets") };
    Ok((GrantId::from_uuid(columns.value("grant_id", uuid)?), columns.value("generation", count)?))
}

/// A row of `connections_where!`, as it is seen now.
pub(super) fn connection(row: &SqliteRow, now: Timestamp) -> Result<Connection, StoreError> {
    let columns = Columns::of(row, "connections");
    let tags: BTreeMap<String, String> = columns.value("tags", from_json)?;
    let grant =
        columns.optional("grant_id", uuid)?.map(|id| grant(row, GrantId::from_uuid(id))).transpose()?;
    let lease = match columns.optional("lease_until", time)? {
        None => None,
        Some(until) => Some(Lease { attempt: attempt(row)?, until, valid: lease_valid(until, now) }),
    };
    Ok(Connection {
        id: ConnectionId::from_uuid(columns.value("id", uuid)?),
        revision: columns.value("revision", count)?,
        name: columns.value("name", name)?,
        client: ClientId::from_uuid(columns.value("client", uuid)?),
        external_id: columns.optional("external_id", text)?,
        tags,
        policy: columns.value("policy", from_word)?,
        created_at: columns.value("created_at", time)?,
        last_read_at: columns.optional("last_read_at", time)?,
        state: columns.value("state_data", from_json)?,
        grant,
        plan: Plan {
            due_at: columns.optional("due_at", time)?,
            dies_at: columns.optional("dies_at", time)?,
            warned_at: columns.optional("warned_at", time)?,
        },
        lease,
    })
}

fn grant(row: &SqliteRow, id: GrantId) -> Result<Grant, StoreError> {
    let columns = Columns { prefix: "g_", key: "grant_id", ..Columns::of(row, "grants") };
    Ok(Grant {
        id,
        consented_at: columns.value("consented_at", time)?,
        renewal: columns.value("renewal", from_word)?,
        tokens: tokens(&Columns { prefix: "t_", table: "token_sets", ..columns })?,
    })
}

fn tokens(columns: &Columns<'_>) -> Result<TokenSet, StoreError> {
    let refresh_token = match columns.optional("refresh_token", sealed)? {
        None => None,
        Some(sealed) => Some(StoredRefreshToken {
            sealed,
            fingerprint: Fingerprint::from_bytes(columns.value("refresh_fingerprint", hash)?),
            end: columns.optional("refresh_end", from_json)?,
        }),
    };
    Ok(TokenSet {
        generation: columns.value("generation", count)?,
        issued_at: columns.value("issued_at", time)?,
        expires_at: columns.optional("expires_at", time)?,
        token_type: columns.value("token_type", text)?,
        scope: columns.optional("scope", text)?,
        access_token: columns.value("access_token", sealed)?,
        refresh_token,
        id_token: columns.optional("id_token", sealed)?,
        extra: columns.optional("extra", sealed)?,
    })
}

fn attempt(row: &SqliteRow) -> Result<Attempt, StoreError> {
    let columns = Columns { prefix: "a_", key: "lease_attempt", ..Columns::of(row, "attempts") };
    Ok(Attempt {
        id: AttemptId::from_uuid(columns.value("id", uuid)?),
        node: NodeId::from_uuid(columns.value("node", uuid)?),
        grant: GrantId::from_uuid(columns.value("grant_id", uuid)?),
        generation: columns.value("generation", count)?,
        fingerprint: columns.optional("fingerprint", hash)?.map(Fingerprint::from_bytes),
        started_at: columns.value("started_at", time)?,
    })
}

pub(super) fn candidate(row: &SqliteRow) -> Result<Candidate, StoreError> {
    let columns = Columns { key: "attempt", ..Columns::of(row, "candidates") };
    let answer = match columns.optional("raw", sealed)? {
        Some(raw) => CandidateAnswer::Raw(raw),
        None => CandidateAnswer::Tokens(Box::new(tokens(&columns)?)),
    };
    Ok(Candidate {
        attempt: AttemptId::from_uuid(columns.value("attempt", uuid)?),
        kept_at: columns.value("kept_at", time)?,
        why: columns.value("why", from_word)?,
        answer,
    })
}

pub(super) fn event(row: &SqliteRow) -> Result<StoredEvent, StoreError> {
    let columns = Columns { key: "seq", ..Columns::of(row, "events") };
    let event = Event {
        connection: ConnectionId::from_uuid(columns.value("connection", uuid)?),
        at: columns.value("at", time)?,
        what: columns.value("what", from_json)?,
    };
    Ok(StoredEvent { seq: columns.value("seq", count)?, event })
}

pub(super) fn authorization(row: &SqliteRow) -> Result<Authorization, StoreError> {
    let columns = Columns { key: "state_hash", ..Columns::of(row, "authorizations") };
    Ok(Authorization {
        state_hash: columns.value("state_hash", hash)?,
        connection: ConnectionId::from_uuid(columns.value("connection", uuid)?),
        client: ClientId::from_uuid(columns.value("client", uuid)?),
        endpoints: columns.value("endpoints", from_json)?,
        redirect_uri: columns.value("redirect_uri", url)?,
        scopes: columns.value("scopes", from_json)?,
        code_verifier: columns.value("code_verifier", sealed)?,
        created_at: columns.value("created_at", time)?,
        expires_at: columns.value("expires_at", time)?,
    })
}
