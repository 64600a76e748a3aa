//! People who are being asked for consent.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use vestal_core::store::Authorization;

use super::failure::Failure;
use super::rows::{self, bytes, json, key, ms};

pub(super) async fn begin(db: &mut SqliteConnection, authorization: &Authorization) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO authorizations (state_hash, connection, client, endpoints, redirect_uri, scopes, code_verifier,
                                     created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(authorization.state_hash.to_vec())
    .bind(key(authorization.connection.as_uuid()))
    .bind(key(authorization.client.as_uuid()))
    .bind(json(&authorization.endpoints)?)
    .bind(authorization.redirect_uri.as_str())
    .bind(json(&authorization.scopes)?)
    .bind(bytes(&authorization.code_verifier))
    .bind(ms(authorization.created_at))
    .bind(ms(authorization.expires_at))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn take(
    db: &mut SqliteConnection,
    state_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Authorization>, Failure> {
    let row = sqlx::query(
        "DELETE FROM authorizations WHERE state_hash = ?
         RETURNING state_hash, connection, client, endpoints, redirect_uri, scopes, code_verifier, created_at, expires_at",
    )
        .bind(state_hash.to_vec())
        .fetch_optional(db)
        .await?;
    let taken = row.as_ref().map(rows::authorization).transpose()?;
    Ok(taken.filter(|authorization| authorization.expires_at >= now))
}
