//! People who are being asked for consent.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::id::ConnectionId;
use vestal_core::store::Authorization;

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json};

pub(super) fn begin(db: &Db, authorization: &Authorization) -> Result<(), Failure> {
    query(
        "INSERT INTO authorizations (state_hash, connection, client, endpoints, site, redirect_uri, scopes,
                                     code_verifier, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(authorization.state_hash.as_slice())
    .bind(authorization.connection.as_uuid())
    .bind(authorization.client.as_uuid())
    .bind(json(&authorization.endpoints)?)
    .bind(json(&authorization.site)?)
    .bind(authorization.redirect_uri.as_str())
    .bind(json(&authorization.scopes)?)
    .bind(&authorization.code_verifier)
    .bind(authorization.created_at)
    .bind(authorization.expires_at)
    .execute(db)?;
    Ok(())
}

/// What is read of one.
macro_rules! columns {
    () => {
        "state_hash, connection, client, endpoints, site, redirect_uri, scopes, code_verifier, created_at, expires_at"
    };
}

pub(super) fn of_connection(db: &Db, id: ConnectionId) -> Result<Vec<Authorization>, Failure> {
    query(concat!("SELECT ", columns!(), " FROM authorizations WHERE connection = ? ORDER BY state_hash"))
        .bind(id.as_uuid())
        .all(db, rows::authorization)
}

pub(super) fn take(db: &Db, state_hash: &[u8; 32], now: Timestamp) -> Result<Option<Authorization>, Failure> {
    let taken = query(concat!("DELETE FROM authorizations WHERE state_hash = ? RETURNING ", columns!()))
        .bind(state_hash.as_slice())
        .optional(db, rows::authorization)?;
    Ok(taken.filter(|authorization| authorization.expires_at >= now))
}
