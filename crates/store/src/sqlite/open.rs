//! Opening a database file, and making one.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection as Db, OpenFlags};
use url::Url;
use vestal_core::store::StoreError;

use super::failure::{CANNOT_OPEN, Failure, NOT_A_DATABASE, primary_code, shares_no_memory};
use super::filesystem;
use super::frozen::Frozen;
use super::place::Place;
use super::query::KEPT_STATEMENTS;

/// The schema: each file leads from one version to the next. Never changed once released.
pub(super) const MIGRATIONS: [&str; 8] = [
    include_str!("../../migrations/sqlite/0001_first.sql"),
    include_str!("../../migrations/sqlite/0002_never_lost.sql"),
    include_str!("../../migrations/sqlite/0003_fewer_pages.sql"),
    include_str!("../../migrations/sqlite/0004_sites.sql"),
    include_str!("../../migrations/sqlite/0005_grant_means.sql"),
    include_str!("../../migrations/sqlite/0006_grants_are_found.sql"),
    include_str!("../../migrations/sqlite/0007_sealed_for.sql"),
    include_str!("../../migrations/sqlite/0008_shared_tokens.sql"),
];

/// What tells a store from the databases of other programs: "Vest".
const APPLICATION_ID: i64 = 0x5665_7374;

/// The first version without the bug that could corrupt a database in WAL mode under concurrent checkpoints.
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// How much the writer remembers of the database: the upper pages of the indexes, which it would read each time. SQLite
/// takes a negative number for KiB.
const WRITERS_CACHE: &str = "-8192";

/// After how many pages of 4 KiB the log is moved into the database. Pages that are written again and again, as those of
/// the indexes by time, are moved once; and a log of this size is read within a fraction of a second after a crash. A larger
/// one would be written over less often: that costs less than to let it grow.
const CHECKPOINT_PAGES: u64 = 4096;

/// Where there is little room, the log is moved sooner, and takes a sixteenth of what is free; but no fewer pages.
const FEWEST_CHECKPOINT_PAGES: u64 = 64;
const PAGE_BYTES: u64 = 4096;

/// After how many pages the log is moved into the database, with so much room on its disk.
fn checkpoint_pages(free_bytes: Option<u64>) -> u64 {
    let share = free_bytes.map_or(CHECKPOINT_PAGES, |free| free / 16 / PAGE_BYTES);
    share.clamp(FEWEST_CHECKPOINT_PAGES, CHECKPOINT_PAGES)
}

/// How long SQLite waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The path of a store, known to be a fit place for one.
#[derive(Debug)]
pub(super) struct Opener {
    path: PathBuf,
    /// The one file that this process opens, whatever comes to be at the path.
    database: Place,
    /// With its log and its shared memory: they are others only after every connection was closed.
    open: Mutex<Weak<Place>>,
}

/// A connection, and the files that it has open.
pub(super) struct Opened {
    // Dropped first: closing the last connection removes the log, and whoever opens the next one makes another.
    pub(super) place: Arc<Place>,
    pub(super) connection: Db,
    /// Where it reads as if nobody could change them.
    frozen: Option<Frozen>,
}

impl Opened {
    /// Whether what it reads is what the database holds.
    pub(super) fn is_current(&self) -> bool {
        self.frozen.as_ref().is_none_or(Frozen::is_unchanged)
    }
}

/// What a database says of itself.
struct Label {
    application: i64,
    schema: i64,
}

impl Opener {
    /// Looks at the file and its surroundings.
    pub(super) fn existing(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
        filesystem::check_local(&path)?;
        filesystem::check_private(&path)?;
        let database = Place::of_database(&path)?;
        Ok(Self { path, database, open: Mutex::default() })
    }

    /// A connection that only reads, for a database of this version's schema or an older one.
    ///
    /// It is opened for reading alone, so that it neither checkpoints nor removes the write-ahead log when it is
    /// closed: a process that only reads starts and ends quickly, and works on a read-only disk.
    pub(super) fn reader(&self) -> Result<(Opened, i64), Failure> {
        self.check_place()?;
        let failed = match labelled(&self.path, Mode::Read) {
            Ok((connection, label)) => {
                self.check(&label)?;
                return Ok((Opened { connection, place: self.place()?, frozen: None }, label.schema));
            }
            Err(failed) => failed,
        };
        // Where there can be no file of shared memory, the disk is read-only or full. With no log beside it, the database's file is all
        // there is.
        match Frozen::at(&self.path).filter(|_| shares_no_memory(&failed)) {
            Some(frozen) => {
                let Ok((connection, label)) = labelled(&self.path, Mode::ReadImmutable) else {
                    return Err(self.explain(failed));
                };
                self.check(&label)?;
                // The files beside it are none of its own.
                let place = Arc::new(self.database.clone());
                Ok((Opened { connection, place, frozen: Some(frozen) }, label.schema))
            }
            None => Err(self.explain(failed)),
        }
    }

    /// A connection that writes. There is to be one at a time in a process.
    pub(super) fn writer(&self) -> Result<Opened, Failure> {
        self.check_place()?;
        filesystem::check_writable(&self.path)?;
        let pages = checkpoint_pages(filesystem::free_bytes(&self.path));
        let connection = connect(&self.path, Mode::Write)?;
        // WAL, though every store is in that mode from its making on: it is the mode of a file that is new.
        // Without `fullfsync`, fsync does not reach the disk on macOS.
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA cache_size = {WRITERS_CACHE};
             PRAGMA wal_autocheckpoint = {pages};"
        ))?;
        // SQLite opens the log when it first reads.
        connection.execute_batch("PRAGMA user_version")?;
        if pages < CHECKPOINT_PAGES {
            // Where there is little room, the log gives back what it has: no write may fail for its sake. If somebody is
            // reading, it does so another time.
            connection.busy_timeout(Duration::ZERO)?;
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            connection.busy_timeout(BUSY_TIMEOUT)?;
        }
        Ok(Opened { connection, place: self.place()?, frozen: None })
    }

    /// Brings an older database to this version's schema.
    pub(super) fn migrate(&self) -> Result<(), Failure> {
        migrate(&self.writer()?.connection, &MIGRATIONS)
    }

    /// Fails when what is at the path is not what this process has open, before that is touched.
    fn check_place(&self) -> Result<(), StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        open.as_deref().unwrap_or(&self.database).check()
    }

    /// The files that a connection has just opened: those that the others have open, if there are others.
    fn place(&self) -> Result<Arc<Place>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = open.upgrade() {
            place.check()?;
            return Ok(place);
        }
        let place = Arc::new(self.database.with_log()?);
        place.check()?;
        *open = Arc::downgrade(&place);
        Ok(place)
    }

    /// Says which file it was that could not be opened, and what to do.
    fn explain(&self, failure: Failure) -> Failure {
        let path = self.path.display();
        match failure {
            Failure::Sqlite(error) if primary_code(&error) == Some(NOT_A_DATABASE) => StoreError::Unfit {
                detail: format!(
                    "{path} is no SQLite database, or its beginning is damaged; choose another path for the store, or \
                     put a backup of it in its place"
                ),
            }
            .into(),
            Failure::Sqlite(error) if primary_code(&error) == Some(CANNOT_OPEN) => StoreError::Unavailable {
                detail: format!("{path}: {error}; check that this user may read the file and enter its folder"),
            }
            .into(),
            failure => failure,
        }
    }

    fn check(&self, label: &Label) -> Result<(), StoreError> {
        if label.application != APPLICATION_ID {
            let detail = format!(
                "{} is not a Vestal store, though it is an SQLite database or empty; choose another path for the store",
                self.path.display()
            );
            return Err(StoreError::Unfit { detail });
        }
        check_known(label.schema)
    }
}

/// The schema version that this program knows.
pub(super) fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

fn check_known(found: i64) -> Result<(), StoreError> {
    let known = newest();
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
}

/// Fails when a later version has brought the database to its own schema.
pub(super) fn check_schema(connection: &Db) -> Result<(), Failure> {
    let found = connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))?;
    Ok(check_known(found)?)
}

/// Makes a store at this path unless something is there. It appears whole or not at all, whatever happens
/// meanwhile and however many processes try.
pub(super) fn create(path: &Path) -> Result<(), Failure> {
    let path = std::path::absolute(path).map_err(|error| unusable(path, &error))?;
    let folder = path.parent().ok_or_else(|| StoreError::Unfit {
        detail: format!("{} is a folder; a store is a file", path.display()),
    })?;
    let failed = |error: io::Error| unusable(&path, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    filesystem::check_local(&path)?;

    let workshop = tempfile::Builder::new()
        .prefix(".vestal-new-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(failed)?;
    let made = workshop.path().join("store");
    File::create_new(&made)
        .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(failed)?;
    Opener::existing(&made)?.migrate()?;
    // SQLite does not say so if it could not move the log into the database.
    if !filesystem::has_no_log(&made) {
        let detail = format!("{} cannot be made: its disk is full or broken", path.display());
        return Err(StoreError::Unavailable { detail }.into());
    }
    match fs::hard_link(&made, &path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        linked => linked.map_err(failed)?,
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(())
}

/// What a connection is opened for.
#[derive(Clone, Copy)]
enum Mode {
    Read,
    /// As if nobody could change the file.
    ReadImmutable,
    Write,
}

fn connect(path: &Path, mode: Mode) -> Result<Db, rusqlite::Error> {
    // It moves from thread to thread, and is never used by two at a time.
    let unshared = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | unshared;
    let connection = match (mode, Url::from_file_path(path)) {
        (Mode::ReadImmutable, Ok(mut url)) => {
            url.set_query(Some("immutable=1"));
            Db::open_with_flags(url.as_str(), read_only | OpenFlags::SQLITE_OPEN_URI)
        }
        (Mode::Read | Mode::ReadImmutable, _) => Db::open_with_flags(path, read_only),
        (Mode::Write, _) => Db::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | unshared),
    }?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    // Of temporary things there are some megabytes of what is due, to be sorted.
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY")?;
    // Otherwise SQLite prepares a statement anew whenever other values are bound, in case there is a better plan for them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn labelled(path: &Path, mode: Mode) -> Result<(Db, Label), Failure> {
    check_version(rusqlite::version())?;
    let connection = connect(path, mode)?;
    // As a statement, so that SQLite reads the schema, and tells whether it is damaged.
    let sql = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version)";
    let label =
        connection.query_row(sql, [], |row| Ok(Label { application: row.get(0)?, schema: row.get(1)? }))?;
    Ok((connection, label))
}

fn check_version(version: &str) -> Result<(), StoreError> {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers.as_slice() >= OLDEST_SQLITE.as_slice() {
        return Ok(());
    }
    let [major, minor, patch] = OLDEST_SQLITE;
    Err(StoreError::Unfit {
        detail: format!(
            "this program was built with SQLite {version}, which can damage a database that several processes \
             use; build it with SQLite {major}.{minor}.{patch} or later"
        ),
    })
}

pub(super) fn migrate(connection: &Db, migrations: &[&str]) -> Result<(), Failure> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Read within the transaction: another process may have done it meanwhile.
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrations.len() as i64;
    if found > known {
        return Err(StoreError::NewerSchema { found, known }.into());
    }
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        connection.execute_batch(migration)?;
    }
    // A pragma takes no parameters.
    let label = format!("PRAGMA user_version = {known}; PRAGMA application_id = {APPLICATION_ID}; COMMIT");
    connection.execute_batch(&label)?;
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let detail = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { detail },
        io::ErrorKind::NotFound => {
            StoreError::Unfit { detail: format!("there is no store at {}", path.display()) }
        }
        _ => StoreError::Unavailable { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_of_sqlite_are_refused() {
        for fit in ["3.51.3", "3.51.10", "3.52.0", "4.0"] {
            assert!(check_version(fit).is_ok(), "{fit}");
        }
        for unfit in ["3.51.2", "3.51", "3.9.9", "2.99.99", ""] {
            assert!(check_version(unfit).is_err(), "{unfit}");
        }
    }

    /// A connection to a file that is made if it is not there.
    fn blank(path: &Path) -> Db {
        File::options().create(true).append(true).open(path).unwrap();
        let connection = connect(path, Mode::Write).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        connection
    }

    fn number(connection: &Db, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn only_the_missing_migrations_run() {
        let dir = tempfile::tempdir().unwrap();
        let connection = blank(&dir.path().join("db"));
        let first = "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)";
        let second = "UPDATE a SET x = x * 10";
        for migrations in [&[first][..], &[first, second], &[first, second]] {
            assert!(migrate(&connection, migrations).is_ok());
        }
        assert_eq!(number(&connection, "SELECT x FROM a"), 10, "each ran once");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let connection = blank(&path);
        let failed = migrate(&connection, &["CREATE TABLE a (x INTEGER) STRICT; NONSENSE"]);
        assert!(failed.is_err());
        drop(connection);
        assert_eq!(number(&blank(&path), "SELECT count(*) FROM sqlite_schema"), 0);
    }

    #[test]
    fn one_of_many_migrates() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        drop(blank(&path));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                // Would fail the second time.
                let migration = "CREATE TABLE a (x INTEGER) STRICT";
                std::thread::spawn(move || migrate(&blank(&path), &[migration]).is_ok())
            })
            .collect();
        for thread in threads {
            assert!(thread.join().unwrap());
        }
    }
}
