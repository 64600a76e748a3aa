//! Names alone, for a person who types one.

use std::path::Path;

use rusqlite::{Connection as Db, Row};
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::open::Opener;
use super::query::query;
use crate::rules::damaged;

/// What comes after every text that begins alike.
const LAST: char = char::MAX;

/// The names of the connections in the store at this path that begin so, in order, at most `limit`. Nothing is made, and an older store is not
/// brought to this version's schema.
///
/// # Errors
///
/// Whatever keeps the store from being read.
pub fn connection_names(path: &Path, begin: &str, limit: u32) -> Result<Vec<String>, StoreError> {
    names(path, |db| {
        query("SELECT name FROM connections WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3")
            .bind(begin)
            .bind(format!("{begin}{LAST}"))
            .bind(limit)
            .all(db, name)
    })
}

/// The same of the clients.
///
/// # Errors
///
/// Whatever keeps the store from being read.
pub fn client_names(path: &Path, begin: &str, limit: u32) -> Result<Vec<String>, StoreError> {
    names(path, |db| {
        query("SELECT name FROM clients WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3")
            .bind(begin)
            .bind(format!("{begin}{LAST}"))
            .bind(limit)
            .all(db, name)
    })
}

fn names(
    path: &Path,
    read: impl FnOnce(&Db) -> Result<Vec<String>, Failure>,
) -> Result<Vec<String>, StoreError> {
    let (opened, _) = Opener::existing(path)?.reader()?;
    Ok(read(&opened.connection)?)
}

fn name(row: &Row<'_>) -> Result<String, StoreError> {
    row.get(0).map_err(|error| damaged(error.to_string()))
}
