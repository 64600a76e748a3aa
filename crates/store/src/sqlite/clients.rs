//! Clients, and who the store is.

use rusqlite::Connection as Db;
use vestal_core::client::Client;
use vestal_core::id::ClientId;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::{Add, ClientUpdate, Clients, Mark, RemoveClient, StoreError};

use super::failure::Failure;
use super::query::query;
use super::rows::{self, json, revision, word};
use crate::rules::{damaged, unclaimed};

const IDENTITY: &str = "SELECT id, fingerprint_key, one FROM store";

macro_rules! clients {
    ($which:literal) => {
        concat!(
            "SELECT id, revision, name, provider, client_id, auth, secret, second_secret, redirect_uri, scopes, ",
            "endpoints, created_at, notes FROM clients ",
            $which
        )
    };
}

pub(super) fn identity(db: &Db) -> Result<Option<StoreIdentity>, Failure> {
    query(IDENTITY).optional(db, rows::identity)
}

pub(super) fn claim_identity(db: &Db, identity: &StoreIdentity) -> Result<StoreIdentity, Failure> {
    query("INSERT INTO store (one, id, fingerprint_key) VALUES (1, ?, ?) ON CONFLICT DO NOTHING")
        .bind(identity.id.as_uuid())
        .bind(&identity.fingerprint_key)
        .execute(db)?;
    self::identity(db)?.ok_or_else(|| damaged("the store has lost its identity".to_owned()).into())
}

pub(super) fn replace_identity(db: &Db, old: &StoreIdentity, new: &StoreIdentity) -> Result<bool, Failure> {
    let replaced = query("UPDATE store SET fingerprint_key = ? WHERE id = ? AND fingerprint_key = ?")
        .bind(&new.fingerprint_key)
        .bind(old.id.as_uuid())
        .bind(&old.fingerprint_key)
        .execute(db)?;
    Ok(replaced == 1)
}

pub(super) fn mark(db: &Db) -> Result<Option<Mark>, Failure> {
    Ok(query("SELECT mark, one FROM store").optional(db, rows::mark)?.flatten())
}

pub(super) fn set_mark(db: &Db, mark: &Mark) -> Result<(), Failure> {
    let set = query("UPDATE store SET mark = ?").bind(json(mark)?).execute(db)?;
    if set == 0 {
        return Err(unclaimed().into());
    }
    Ok(())
}

pub(super) fn add(db: &Db, client: &Client) -> Result<Add, Failure> {
    let added = query(
        "INSERT INTO clients (id, revision, name, provider, client_id, auth, secret, second_secret, redirect_uri,
                              scopes, endpoints, created_at, notes)
         VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(client.id.as_uuid())
    .bind(client.name.as_str())
    .bind(client.provider.as_str())
    .bind(client.client_id.as_str())
    .bind(word(&client.auth)?)
    .bind(client.secret.as_ref())
    .bind(client.second_secret.as_ref())
    .bind(client.redirect_uri.as_str())
    .bind(json(&client.scopes)?)
    .bind(json(&client.endpoints)?)
    .bind(client.created_at)
    .bind(json(&client.notes)?)
    .execute(db)?;
    Ok(if added == 1 { Add::Done } else { Add::Taken })
}

pub(super) fn by_id(db: &Db, id: ClientId) -> Result<Option<Client>, Failure> {
    query(clients!("WHERE id = ?")).bind(id.as_uuid()).optional(db, rows::client)
}

pub(super) fn by_name(db: &Db, name: &str) -> Result<Option<Client>, Failure> {
    query(clients!("WHERE name = ?")).bind(name).optional(db, rows::client)
}

pub(super) fn all(db: &Db) -> Result<Clients, Failure> {
    let mut all = Clients::default();
    for row in query(clients!("ORDER BY name")).all(db, |row| Ok(rows::client(row)))? {
        match row {
            Ok(client) => all.clients.push(client),
            Err(damage @ StoreError::Corrupt { .. }) => all.damaged.push(damage),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

pub(super) fn update(db: &Db, update: &ClientUpdate) -> Result<bool, Failure> {
    let updated = query(
        "UPDATE clients SET revision = revision + 1, auth = ?, secret = ?, second_secret = ?, notes = ?
         WHERE id = ? AND revision = ?",
    )
    .bind(word(&update.auth)?)
    .bind(update.secret.as_ref())
    .bind(update.second_secret.as_ref())
    .bind(json(&update.notes)?)
    .bind(update.id.as_uuid())
    .bind(revision(update.expected))
    .execute(db)?;
    Ok(updated == 1)
}

pub(super) fn remove(db: &Db, id: ClientId) -> Result<RemoveClient, Failure> {
    let users = query("SELECT count(*) FROM connections WHERE client = ?").bind(id.as_uuid()).count(db)?;
    if users > 0 {
        return Ok(RemoveClient::InUse(users));
    }
    let removed = query("DELETE FROM clients WHERE id = ?").bind(id.as_uuid()).execute(db)?;
    Ok(if removed == 1 { RemoveClient::Done } else { RemoveClient::Unknown })
}
