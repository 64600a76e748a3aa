//! What SQLite's errors mean to whoever asked.

use vestal_core::store::StoreError;

/// Primary result codes (<https://www.sqlite.org/rescode.html>); the low byte of the extended ones.
pub(super) const BUSY: i32 = 5;
pub(super) const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
pub(super) const FULL: i32 = 13;
pub(super) const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;

/// Why a piece of work on a connection did not end well.
pub(super) enum Failure {
    /// SQLite or its driver said no.
    Sqlx(sqlx::Error),
    /// What was found or asked for makes no sense.
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlx(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Store(error) => return error,
            Failure::Sqlx(error) => error,
        };
        let detail = error.to_string();
        match primary_code(&error) {
            Some(READ_ONLY) if !moved(&error) => Self::ReadOnly { detail },
            Some(CORRUPT) => Self::Corrupt { what: format!("the database file: {detail}") },
            Some(CONSTRAINT) => Self::Corrupt { what: detail },
            Some(NOT_A_DATABASE) => Self::Unfit {
                detail: "this file is not an SQLite database; choose another path for the store, or put a backup \
                         of it in its place"
                    .to_owned(),
            },
            _ => Self::Unavailable { detail },
        }
    }
}

/// SQLite's primary result code, if it was SQLite that failed.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xff)
}

/// The file is not where it was opened any more: nothing that a remount would mend.
fn moved(error: &sqlx::Error) -> bool {
    const READ_ONLY_DB_MOVED: i32 = READ_ONLY | (4 << 8);
    extended_code(error) == Some(READ_ONLY_DB_MOVED)
}

fn extended_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}
