//! Clients, and who the store is.

use sqlx::sqlite::SqliteConnection;
use vestal_core::client::Client;
use vestal_core::id::ClientId;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::{Add, ClientUpdate, Mark, RemoveClient};

use super::failure::Failure;
use super::rows::{self, bytes, json, key, ms, revision, word};
use crate::rules::unclaimed;

const IDENTITY: &str = "SELECT one, id, fingerprint_key FROM store";

macro_rules! clients {
    ($which:literal) => {
        concat!(
            "SELECT id, revision, name, provider, client_id, auth, secret, second_secret, redirect_uri, scopes, ",
            "endpoints, created_at, notes FROM clients ",
            $which
        )
    };
}

pub(super) async fn identity(db: &mut SqliteConnection) -> Result<Option<StoreIdentity>, Failure> {
    let row = sqlx::query(IDENTITY).fetch_optional(db).await?;
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
    let row = sqlx::query(IDENTITY).fetch_one(db).await?;
    Ok(rows::identity(&row)?)
}

pub(super) async fn mark(db: &mut SqliteConnection) -> Result<Option<Mark>, Failure> {
    let row = sqlx::query("SELECT one, mark FROM store").fetch_optional(db).await?;
    Ok(row.as_ref().map(rows::mark).transpose()?.flatten())
}

pub(super) async fn set_mark(db: &mut SqliteConnection, mark: &Mark) -> Result<(), Failure> {
    let set = sqlx::query("UPDATE store SET mark = ?").bind(json(mark)?).execute(db).await?;
    if set.rows_affected() == 0 {
        return Err(unclaimed().into());
    }
    Ok(())
}

pub(super) async fn add(db: &mut SqliteConnection, client: &Client) -> Result<Add, Failure> {
    let added = sqlx::query(
        "INSERT INTO clients (id, revision, name, provider, client_id, auth, secret, second_secret, redirect_uri,
                              scopes, endpoints, created_at, notes)
         VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(key(client.id.as_uuid()))
    .bind(client.name.as_str())
    .bind(client.provider.as_str())
    .bind(client.client_id.as_str())
    .bind(word(&client.auth)?)
    .bind(client.secret.as_ref().map(bytes))
    .bind(client.second_secret.as_ref().map(bytes))
    .bind(client.redirect_uri.as_str())
    .bind(json(&client.scopes)?)
    .bind(json(&client.endpoints)?)
    .bind(ms(client.created_at))
    .bind(json(&client.notes)?)
    .execute(db)
    .await?;
    Ok(if added.rows_affected() == 1 { Add::Done } else { Add::Taken })
}

pub(super) async fn by_id(db: &mut SqliteConnection, id: ClientId) -> Result<Option<Client>, Failure> {
    let query = sqlx::query(clients!("WHERE id = ?")).bind(key(id.as_uuid()));
    Ok(query.fetch_optional(db).await?.as_ref().map(rows::client).transpose()?)
}

pub(super) async fn by_name(db: &mut SqliteConnection, name: &str) -> Result<Option<Client>, Failure> {
    let query = sqlx::query(clients!("WHERE name = ?")).bind(name);
    Ok(query.fetch_optional(db).await?.as_ref().map(rows::client).transpose()?)
}

pub(super) async fn all(db: &mut SqliteConnection) -> Result<Vec<Client>, Failure> {
    let rows = sqlx::query(clients!("ORDER BY name")).fetch_all(db).await?;
    Ok(rows.iter().map(rows::client).collect::<Result<_, _>>()?)
}

pub(super) async fn update(db: &mut SqliteConnection, update: &ClientUpdate) -> Result<bool, Failure> {
    let updated = sqlx::query(
        "UPDATE clients SET revision = revision + 1, auth = ?, secret = ?, second_secret = ?, notes = ?
         WHERE id = ? AND revision = ?",
    )
    .bind(word(&update.auth)?)
    .bind(update.secret.as_ref().map(bytes))
    .bind(update.second_secret.as_ref().map(bytes))
    .bind(json(&update.notes)?)
    .bind(key(update.id.as_uuid()))
    .bind(revision(update.expected))
    .execute(db)
    .await?;
    Ok(updated.rows_affected() == 1)
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
