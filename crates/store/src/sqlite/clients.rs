//! Clients, and who the store is.

use sqlx::sqlite::SqliteConnection;
use vestal_core::client::{Client, ClientAuth};
use vestal_core::id::ClientId;
use vestal_core::seal::{Sealed, StoreIdentity};
use vestal_core::store::{Add, RemoveClient};

use super::failure::Failure;
use super::rows::{self, bytes, json, key, ms, word};

pub(super) async fn identity(db: &mut SqliteConnection) -> Result<Option<StoreIdentity>, Failure> {
    let row = sqlx::query("SELECT one, id, fingerprint_key FROM store").fetch_optional(db).await?;
    Ok(row.as_ref().map(rows::identity).transpose()?)
}

pub(super) async fn claim_identity(
    db: &mut SqliteConnection,
    identity: &StoreIdentity,
) -> Result<StoreIdentity, Failure> {
    sqlx::query("INSERT INTO store (one, id, fingerprint_key) VALUES (1, ?, ?) ON CONFLICT DO NOTHING")
        .bind(key(identity.id.as_uuid()))
        .bind(bytes(&identity.fingerprint_key))
        .execute(&mut *db)
        .await?;
    let row = sqlx::query("SELECT one, id, fingerprint_key FROM store").fetch_one(db).await?;
    Ok(rows::identity(&row)?)
}

pub(super) async fn add(db: &mut SqliteConnection, client: &Client) -> Result<Add, Failure> {
    let added = sqlx::query(
        "INSERT INTO clients (id, name, provider, client_id, auth, secret, redirect_uri, scopes, endpoints, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(key(client.id.as_uuid()))
    .bind(client.name.as_str())
    .bind(client.provider.as_str())
    .bind(client.client_id.as_str())
    .bind(word(&client.auth)?)
    .bind(client.secret.as_ref().map(bytes))
    .bind(client.redirect_uri.as_str())
    .bind(json(&client.scopes)?)
    .bind(json(&client.endpoints)?)
    .bind(ms(client.created_at))
    .execute(db)
    .await?;
    Ok(if added.rows_affected() == 1 { Add::Done } else { Add::Taken })
}

pub(super) async fn by_id(db: &mut SqliteConnection, id: ClientId) -> Result<Option<Client>, Failure> {
    let query = sqlx::query("SELECT * FROM clients WHERE id = ?").bind(key(id.as_uuid()));
    Ok(query.fetch_optional(db).await?.as_ref().map(rows::client).transpose()?)
}

pub(super) async fn by_name(db: &mut SqliteConnection, name: &str) -> Result<Option<Client>, Failure> {
    let query = sqlx::query("SELECT * FROM clients WHERE name = ?").bind(name);
    Ok(query.fetch_optional(db).await?.as_ref().map(rows::client).transpose()?)
}

pub(super) async fn all(db: &mut SqliteConnection) -> Result<Vec<Client>, Failure> {
    let rows = sqlx::query("SELECT * FROM clients ORDER BY name").fetch_all(db).await?;
    Ok(rows.iter().map(rows::client).collect::<Result<_, _>>()?)
}

pub(super) async fn set_secret(
    db: &mut SqliteConnection,
    id: ClientId,
    auth: ClientAuth,
    secret: &Sealed,
) -> Result<bool, Failure> {
    let set = sqlx::query("UPDATE clients SET auth = ?, secret = ? WHERE id = ?")
        .bind(word(&auth)?)
        .bind(bytes(secret))
        .bind(key(id.as_uuid()))
        .execute(db)
        .await?;
    Ok(set.rows_affected() == 1)
}

pub(super) async fn remove(db: &mut SqliteConnection, id: ClientId) -> Result<RemoveClient, Failure> {
    let (users,): (i64,) = sqlx::query_as("SELECT count(*) FROM connections WHERE client = ?")
        .bind(key(id.as_uuid()))
        .fetch_one(&mut *db)
        .await?;
    if users > 0 {
        return Ok(RemoveClient::InUse(users.unsigned_abs()));
    }
    let removed = sqlx::query("DELETE FROM clients WHERE id = ?").bind(key(id.as_uuid())).execute(db).await?;
    Ok(if removed.rows_affected() == 1 { RemoveClient::Done } else { RemoveClient::Unknown })
}
