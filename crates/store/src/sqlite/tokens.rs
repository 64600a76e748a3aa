//! Whose refresh tokens there are, and how many.

use rusqlite::Connection as Db;
use vestal_core::connection::ConnectionName;
use vestal_core::id::{ClientId, ConnectionId};
use vestal_core::seal::Fingerprint;
use vestal_core::store::{Holder, LivingTokens};

use super::failure::Failure;
use super::query::query;
use super::rows;

pub(super) fn refresh_tokens(
    db: &Db,
    after: Option<ConnectionId>,
    limit: u32,
) -> Result<Vec<Holder>, Failure> {
    query(
        "SELECT id, grant_id, refresh_fingerprint FROM connections
         WHERE id > coalesce(?, x'') AND grant_id IS NOT NULL AND refresh_fingerprint IS NOT NULL
         ORDER BY id LIMIT ?",
    )
    .bind(after.map(|after| after.as_uuid()))
    .bind(limit)
    .all(db, rows::refresh_token_holder)
}

pub(super) const HOLDERS_OF: &str =
    "SELECT id, name FROM connections WHERE begun_with = ? ORDER BY name LIMIT ?";

pub(super) fn holders_of(db: &Db, token: &Fingerprint, limit: u32) -> Result<Vec<ConnectionName>, Failure> {
    query(HOLDERS_OF).bind(token.as_bytes().as_slice()).bind(limit).all(db, rows::holder)
}

/// In the index alone, which is small: with a million of them, it is some tenths of a second.
pub(super) const SHARED_TOKENS: &str = "SELECT begun_with FROM connections INDEXED BY connections_begun_with
     WHERE begun_with IS NOT NULL GROUP BY begun_with HAVING count(*) > 1 LIMIT ?";

pub(super) fn shared_tokens(db: &Db, limit: u32) -> Result<Vec<Fingerprint>, Failure> {
    query(SHARED_TOKENS).bind(limit).all(db, rows::shared_token)
}

pub(super) fn living_tokens(db: &Db, client: ClientId, limit: u32) -> Result<LivingTokens, Failure> {
    let living = query(
        "WITH living (account, tokens) AS (
             SELECT json_extract(about, '$.account.hash') AS account, count(*) FROM (
                 SELECT about FROM connections
                 WHERE client = ? AND refresh_token IS NOT NULL AND state NOT IN ('needs_reauth', 'disconnecting')
                 LIMIT ?
             ) GROUP BY account
         )
         SELECT coalesce(sum(tokens), 0) AS tokens,
             coalesce(sum(tokens) FILTER (WHERE account IS NULL), 0) AS of_nobody_known,
             coalesce(max(tokens) FILTER (WHERE account IS NOT NULL), 0) AS of_one_account
         FROM living",
    );
    Ok(living.bind(client.as_uuid()).bind(limit).optional(db, rows::living_tokens)?.unwrap_or_default())
}
