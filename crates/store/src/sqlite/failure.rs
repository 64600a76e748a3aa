//! What SQLite's errors mean to whoever asked.

use vestal_core::store::StoreError;

/// Primary result codes (<https://www.sqlite.org/rescode.html>); the low byte of the extended ones.
pub(super) const BUSY: i32 = 5;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
pub(super) const FULL: i32 = 13;
pub(super) const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
pub(super) const NOT_A_DATABASE: i32 = 26;

/// The file beside the database cannot be made as long as it has to be.
const IO_SHARED_MEMORY_SIZE: i32 = 10 | (19 << 8);

/// Why a piece of work on a connection did not end well.
pub(super) enum Failure {
    /// SQLite or its driver said no.
    Sqlite(rusqlite::Error),
    /// What was found or asked for makes no sense.
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => meaning(&error),
            Failure::Store(error) => error,
        }
    }
}

/// What an error means that left nothing behind.
pub(super) fn meaning(error: &rusqlite::Error) -> StoreError {
    let detail = told(error);
    match primary_code(error) {
        _ if extended_code(error) == Some(IO_SHARED_MEMORY_SIZE) => StoreError::Unavailable {
            detail: format!(
                "{detail}: there is no room for the memory that its processes share; is the disk full?"
            ),
        },
        Some(READ_ONLY) if !moved(error) => StoreError::ReadOnly { detail },
        Some(CORRUPT) => StoreError::Corrupt { what: format!("the database file: {detail}") },
        Some(CONSTRAINT) => StoreError::Corrupt { what: detail },
        _ => StoreError::Unavailable { detail },
    }
}

/// SQLite's primary result code, if it was SQLite that failed.
pub(super) fn primary_code(error: &rusqlite::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xff)
}

/// Whether a database cannot be opened because there is no file of shared memory, and none can be made.
pub(super) fn shares_no_memory(failed: &Failure) -> bool {
    let Failure::Sqlite(error) = failed else { return false };
    matches!(primary_code(error), Some(CANNOT_OPEN | READ_ONLY))
        || extended_code(error) == Some(IO_SHARED_MEMORY_SIZE)
}

/// The file is not where it was opened any more: nothing that a remount would mend.
fn moved(error: &rusqlite::Error) -> bool {
    const READ_ONLY_DB_MOVED: i32 = READ_ONLY | (4 << 8);
    extended_code(error) == Some(READ_ONLY_DB_MOVED)
}

pub(super) fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code),
        error => error.sqlite_extended_error_code(),
    }
}

/// What SQLite says, and the code under which its documentation says more.
pub(super) fn told(error: &rusqlite::Error) -> String {
    match extended_code(error) {
        Some(code) => format!("{error} (SQLite's code {code})"),
        None => error.to_string(),
    }
}
