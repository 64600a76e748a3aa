//! What is sealed, to be sealed anew under another master key.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::Connection as Db;
use rusqlite::types::Value;
use uuid::Uuid;
use vestal_core::id::ConnectionId;
use vestal_core::seal::Sealed;
use vestal_core::store::{DamagedRow, Reseal, SealedOf, SealedOwner, SealedPage};

use super::failure::Failure;
use super::query::query;
use super::rows::{self, previous_columns, token_columns};
use super::{attempts, authorizations, connections};

pub(super) fn page(
    db: &Db,
    after: Option<ConnectionId>,
    limit: u32,
    now: Timestamp,
) -> Result<SealedPage, Failure> {
    let ids = query("SELECT id FROM connections WHERE id > coalesce(?, x'') ORDER BY id LIMIT ?")
        .bind(after.map(|after| after.as_uuid()))
        .bind(limit)
        .all(db, rows::connection_id)?;
    let full = ids.len() >= limit as usize;
    let mut page = SealedPage { next: ids.last().copied().filter(|_| full), ..SealedPage::default() };
    for id in ids {
        match of_connection(db, id, now) {
            Ok(of) => page.of.extend(of),
            Err(Failure::Store(error)) => page.damaged.push(DamagedRow::of(id, error)?),
            Err(failure) => return Err(failure),
        }
    }
    Ok(page)
}

fn of_connection(db: &Db, id: ConnectionId, now: Timestamp) -> Result<Option<SealedOf>, Failure> {
    let Some(connection) = connections::by_id(db, id, now)? else { return Ok(None) };
    Ok(Some(SealedOf {
        connection,
        earlier: query(EARLIER).bind(id.as_uuid()).all(db, rows::earlier_tokens)?,
        candidates: attempts::candidates(db, id, u32::MAX)?,
        authorizations: authorizations::of_connection(db, id)?,
    }))
}

const EARLIER: &str = concat!(
    "SELECT connection AS id, grant_id, about, means, ",
    token_columns!(),
    " FROM earlier_token_sets WHERE connection = ?1 UNION ALL SELECT id, grant_id, about, NULL, ",
    previous_columns!(),
    " FROM connections WHERE id = ?1 AND grant_id IS NOT NULL AND previous_generation IS NOT NULL ORDER BY generation"
);

/// Where values lie that belong together: how they are read, with the key of their row in front, and how they are written.
struct Place {
    read: &'static str,
    write: &'static str,
}

macro_rules! place {
    ($table:literal, $key:literal, $owner:literal, $columns:literal, $values:literal) => {
        Place {
            read: concat!("SELECT ", $key, ", ", $columns, " FROM ", $table, " WHERE ", $owner, " = ?"),
            write: concat!("UPDATE ", $table, " SET (", $columns, ") = (", $values, ") WHERE ", $key, " = ?"),
        }
    };
}

/// Of a connection.
const OF_CONNECTION: [Place; 4] = [
    place!(
        "connections",
        "id",
        "id",
        "access_token, refresh_token, id_token, extra, means, \
         previous_access_token, previous_refresh_token, previous_id_token, previous_extra",
        "?, ?, ?, ?, ?, ?, ?, ?, ?"
    ),
    place!(
        "earlier_token_sets",
        "seq",
        "connection",
        "access_token, refresh_token, id_token, extra, means",
        "?, ?, ?, ?, ?"
    ),
    place!(
        "candidates",
        "seq",
        "connection",
        "access_token, refresh_token, id_token, extra, raw",
        "?, ?, ?, ?, ?"
    ),
    // SQLite takes no row of one value.
    Place {
        read: "SELECT state_hash, code_verifier FROM authorizations WHERE connection = ?",
        write: "UPDATE authorizations SET code_verifier = ? WHERE state_hash = ?",
    },
];

/// Of a client. Whoever has read it before decides anew, and does not write its old secrets back.
const OF_CLIENT: [Place; 1] = [Place {
    read: "SELECT id, secret, second_secret FROM clients WHERE id = ?",
    write: "UPDATE clients SET revision = revision + 1, secret = ?, second_secret = ? WHERE id = ?",
}];

pub(super) fn reseal(db: &Db, reseals: &[Reseal]) -> Result<u64, Failure> {
    let mut replaced = 0;
    for Reseal { of, values } in reseals {
        let values = values.iter().map(|(old, new)| (old.as_bytes(), new)).collect();
        let (places, owner) = match of {
            SealedOwner::Client(id) => (&OF_CLIENT[..], id.as_uuid()),
            SealedOwner::Connection(id) => (&OF_CONNECTION[..], id.as_uuid()),
        };
        for place in places {
            replaced += replace(db, place, owner, &values)?;
        }
    }
    Ok(replaced)
}

/// Replaces values, each of which is unlike any other by its nonce. A row in which there is none of them is not written.
fn replace(db: &Db, place: &Place, owner: Uuid, values: &HashMap<&[u8], &Sealed>) -> Result<u64, Failure> {
    let mut replaced = 0;
    for (key, mut row) in query(place.read).bind(owner).all(db, rows::raw_values)? {
        let mut in_row = 0;
        for value in &mut row {
            if let Value::Blob(bytes) = value
                && let Some(new) = values.get(&bytes[..])
            {
                *bytes = new.as_bytes().to_vec();
                in_row += 1;
            }
        }
        if in_row > 0 {
            row.into_iter()
                .fold(query(place.write), |query, value| query.bind(value))
                .bind(key)
                .execute(db)?;
            replaced += in_row;
        }
    }
    Ok(replaced)
}
