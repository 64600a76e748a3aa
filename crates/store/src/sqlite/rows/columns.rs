//! The columns of a row, and what is in each.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use url::Url;
use uuid::Uuid;
use vestal_core::connection::{BadName, ConnectionName};
use vestal_core::seal::Sealed;
use vestal_core::store::{AttemptStatus, StoreError};

use crate::rules::{damaged, from_ms};

/// The columns of one table in a row, which are read one after the other; an error names table, row and column.
pub(super) struct Columns<'r> {
    pub(super) row: &'r Row<'r>,
    pub(super) table: &'static str,
    /// What the table's columns are called in a joined row: this and their name.
    pub(super) prefix: &'static str,
    /// The column (with its prefix) that tells the row.
    pub(super) key: &'static str,
    /// The position of the one that is read next.
    pub(super) next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r Row<'r>, table: &'static str) -> Self {
        Self { row, table, prefix: "", key: "id", next: 0 }
    }

    pub(super) fn value<T>(
        &mut self,
        name: &str,
        read: fn(ValueRef<'_>) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        self.optional(name, read)?.ok_or_else(|| self.damaged(name, "it is missing"))
    }

    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: fn(ValueRef<'_>) -> Result<T, String>,
    ) -> Result<Option<T>, StoreError> {
        let position = self.next;
        debug_assert_eq!(self.row.as_ref().column_name(position), Ok(&*format!("{}{name}", self.prefix)));
        self.next += 1;
        match self.row.get_ref(position) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(raw) => read(raw).map(Some).map_err(|why| self.damaged(name, &why)),
            Err(error) => Err(self.damaged(name, &error.to_string())),
        }
    }

    pub(super) fn damaged(&self, name: &str, why: &str) -> StoreError {
        let key = match self.row.get_ref(self.key) {
            Ok(ValueRef::Blob(key)) => match Uuid::from_slice(key) {
                Ok(id) => id.to_string(),
                Err(_) => key.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
            Ok(ValueRef::Integer(key)) => key.to_string(),
            _ => "?".to_owned(),
        };
        damaged(format!("table {}, row {key}, column {name}: {why}", self.table))
    }
}

pub(super) fn string(raw: ValueRef<'_>) -> Result<&str, String> {
    raw.as_str().map_err(|error| error.to_string())
}

pub(super) fn blob(raw: ValueRef<'_>) -> Result<&[u8], String> {
    raw.as_blob().map_err(|error| error.to_string())
}

pub(super) fn integer(raw: ValueRef<'_>) -> Result<i64, String> {
    raw.as_i64().map_err(|error| error.to_string())
}

pub(super) fn text(raw: ValueRef<'_>) -> Result<String, String> {
    string(raw).map(str::to_owned)
}

pub(super) fn time(raw: ValueRef<'_>) -> Result<Timestamp, String> {
    let raw = integer(raw)?;
    from_ms(raw).ok_or_else(|| format!("{raw} ms is no time"))
}

pub(super) fn count(raw: ValueRef<'_>) -> Result<u64, String> {
    let raw = integer(raw)?;
    u64::try_from(raw).map_err(|_| format!("{raw} is no count"))
}

pub(super) fn sealed(raw: ValueRef<'_>) -> Result<Sealed, String> {
    blob(raw).map(|raw| Sealed::from_bytes(raw.to_vec()))
}

pub(super) fn uuid(raw: ValueRef<'_>) -> Result<Uuid, String> {
    let raw = blob(raw)?;
    Uuid::from_slice(raw).map_err(|_| format!("{} bytes are no identifier", raw.len()))
}

pub(super) fn hash(raw: ValueRef<'_>) -> Result<[u8; 32], String> {
    let raw = blob(raw)?;
    raw.try_into().map_err(|_| format!("a hash has 32 bytes, this {}", raw.len()))
}

pub(super) fn name(raw: ValueRef<'_>) -> Result<ConnectionName, String> {
    string(raw)?.parse().map_err(|error: BadName| error.to_string())
}

pub(super) fn url(raw: ValueRef<'_>) -> Result<Url, String> {
    string(raw)?.parse().map_err(|_| "this is no URL".to_owned())
}

pub(super) fn status(raw: ValueRef<'_>) -> Result<AttemptStatus, String> {
    match string(raw)? {
        "open" => Ok(AttemptStatus::Open),
        "abandoned" => Ok(AttemptStatus::Abandoned),
        "finished" => Ok(AttemptStatus::Finished),
        other => Err(format!("{other:?}")),
    }
}

pub(super) fn from_json<T: DeserializeOwned>(raw: ValueRef<'_>) -> Result<T, String> {
    serde_json::from_str(string(raw)?).map_err(|error| error.to_string())
}

pub(super) fn from_word<T: DeserializeOwned>(raw: ValueRef<'_>) -> Result<T, String> {
    T::deserialize(string(raw)?.into_deserializer()).map_err(|error: ValueError| error.to_string())
}
