//! The one thread that writes, and how it groups commits.
//!
//! It is a thread, so that nothing else of a busy process comes between the statements of a transaction for which
//! everybody waits.
//!
//! A commit costs an fsync, whatever is in it. So whatever waits when the writer comes round goes into one
//! transaction; nobody is told anything before that transaction is on the disk. Nothing waits for more to come: alone,
//! a write is committed at once. Where one fails, which is rare, the transaction is undone and done again with each
//! write under a savepoint of its own.

use std::sync::Arc;

use rusqlite::Connection as Db;
use vestal_core::store::StoreError;

use super::failure::{BUSY, FULL, Failure, meaning, primary_code, told};
use super::open::{Opened, Opener, check_schema};
use super::query::query;
use super::worker::{Ended, Job, Worker};

pub(super) struct Writer(Worker);

impl Writer {
    pub(super) fn new(opener: Arc<Opener>) -> Self {
        Self(Worker::new("vestal-writer", opener, None, write))
    }

    /// Does a piece of work in a transaction: all of it or nothing. Once it is queued it is done, also if the
    /// caller goes away. It may be undone and done again, and so must not do anything but write.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Db) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.ask(work).await.unwrap_or_else(|ended| {
            Err(match ended {
                Ended::Before(error) => error,
                Ended::Meanwhile(error) => StoreError::OutcomeUnknown { detail: error.to_string() },
            })
        })
    }

    /// A process that only reads opens one connection less.
    pub(super) fn has_written_nothing(&self) -> bool {
        self.0.was_never_asked()
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// Writes a group and tells everybody what became of it.
fn write(opener: &Opener, kept: &mut Option<Opened>, group: &mut Vec<Box<dyn Job>>) {
    let fate = transact(opener, kept, group);
    for job in group.drain(..) {
        job.settle(&fate);
    }
}

/// Runs a group in one transaction; if that fails, none of it is kept, or it is not known whether it is. A connection on
/// which it fails is closed: that undoes what was not committed, and a failed fsync is never retried on the same file
/// handle, since the system may have dropped what it could not write and would report success.
fn transact(
    opener: &Opener,
    kept: &mut Option<Opened>,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let opened = match kept.take() {
        Some(opened) => opened,
        None => opener.writer()?,
    };
    let fate = match run(&opened, group) {
        Ok(()) => {
            commit(&opened.connection)?;
            opened.place.confirm()
        }
        Err(Failure::Store(unfit)) => Err(unfit),
        Err(failure) => return Err(failure.into()),
    };
    // Also where its files are elsewhere: what it has of a log that was removed is moved into the database when it is
    // closed as the last one.
    *kept = Some(opened);
    fate
}

/// Begins a transaction, on the files that are at the store's path and on no others, as long as this version knows their
/// schema: a later one may have brought them to its own meanwhile.
fn begin(opened: &Opened) -> Result<(), Failure> {
    let db = &opened.connection;
    query("BEGIN IMMEDIATE").execute(db)?;
    let fit = opened.place.check().map_err(Failure::from).and_then(|()| check_schema(db));
    if fit.is_err() {
        query("ROLLBACK").execute(db)?;
    }
    fit
}

/// Runs a group in a transaction that is left open.
fn run(opened: &Opened, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    begin(opened)?;
    let db = &opened.connection;
    if group.iter_mut().all(|job| job.run(db)) {
        return Ok(());
    }
    // Fails if the error has undone the transaction already, as a full disk does.
    query("ROLLBACK").execute(db)?;
    begin(opened)?;
    for job in group {
        query("SAVEPOINT job").execute(db)?;
        if !job.run(db) {
            query("ROLLBACK TO job").execute(db)?;
        }
        query("RELEASE job").execute(db)?;
    }
    Ok(())
}

fn commit(db: &Db) -> Result<(), StoreError> {
    match query("COMMIT").execute(db) {
        Ok(_) => Ok(()),
        // The last frame, which makes it a commit, was not written.
        Err(error) if matches!(primary_code(&error), Some(BUSY | FULL)) => Err(meaning(&error)),
        // It may have been written to the log and only the fsync failed: then whoever recovers the log next may
        // find it committed.
        Err(error) => Err(StoreError::OutcomeUnknown { detail: told(&error) }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::sqlite::open::create;

    async fn writer() -> (Writer, Arc<Opener>, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        assert!(create(&path).is_ok());
        let opener = Arc::new(Opener::existing(&path).unwrap());
        (Writer::new(Arc::clone(&opener)), opener, dir)
    }

    /// Inserts a client of this name.
    fn insert(db: &Db, name: &'static str) -> Result<(), Failure> {
        let sql = "INSERT INTO clients (id, name, provider, client_id, auth, redirect_uri, scopes, endpoints, created_at)
             VALUES (?, ?, '', '', '', '', '', '', 0)";
        query(sql).bind(name.as_bytes()).bind(name).execute(db).map(drop).map_err(Failure::from)
    }

    fn names(opener: &Opener) -> String {
        let Ok((reader, _)) = opener.reader() else { panic!("it cannot be read") };
        let sql = "SELECT group_concat(name, ' ' ORDER BY name) FROM clients";
        let names: Option<String> = reader.connection.query_row(sql, [], |row| row.get(0)).unwrap();
        names.unwrap_or_default()
    }

    /// Queues a write that says when it runs and goes on when it is told.
    fn held(
        writer: &Arc<Writer>,
        name: &'static str,
    ) -> (JoinHandle<Result<(), StoreError>>, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (runs, running) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let writer = Arc::clone(writer);
        let told = Mutex::new(Some((runs, gone)));
        let write = async move {
            writer
                .write(move |db| {
                    let (runs, gone) = told.lock().unwrap().take().unwrap();
                    runs.send(()).unwrap();
                    gone.blocking_recv().unwrap();
                    insert(db, name)
                })
                .await
        };
        (tokio::spawn(write), running, go)
    }

    #[tokio::test]
    async fn what_waits_is_committed_together_and_acknowledged_afterwards() {
        let (writer, opener, _dir) = writer().await;
        let writer = Arc::new(writer);
        let (first, running, go) = held(&writer, "a");
        running.await.unwrap();
        // These wait while the first runs.
        let second = tokio::spawn({
            let writer = Arc::clone(&writer);
            async move { writer.write(|db| insert(db, "b")).await }
        });
        tokio::task::yield_now().await;
        let (third, running, go_third) = held(&writer, "c");
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(names(&opener), "a", "alone, since it did not wait for more to come");

        running.await.unwrap();
        assert!(!second.is_finished(), "the second has run, and is not on the disk");
        assert_eq!(names(&opener), "a");
        go_third.send(()).unwrap();
        second.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(names(&opener), "a b c");
    }

    #[tokio::test]
    async fn a_write_that_fails_or_panics_takes_nobody_with_it() {
        let (writer, opener, _dir) = writer().await;
        let failing = writer.write(|db| {
            insert(db, "failed")?;
            insert(db, "failed")
        });
        let panicking = writer.write::<()>(|db| {
            insert(db, "panicked")?;
            panic!("within a write")
        });
        let (one, failed, panicked, other) = tokio::join!(
            writer.write(|db| insert(db, "a")),
            failing,
            panicking,
            writer.write(|db| insert(db, "b")),
        );
        assert!(one.is_ok() && other.is_ok());
        assert!(matches!(failed, Err(StoreError::Corrupt { .. })), "{failed:?}");
        assert!(matches!(panicked, Err(StoreError::Unavailable { .. })), "{panicked:?}");
        assert_eq!(names(&opener), "a b");
    }

    #[tokio::test]
    async fn a_full_disk_undoes_the_group_and_the_writer_goes_on() {
        let (writer, opener, _dir) = writer().await;
        let writer = Arc::new(writer);
        let (first, running, go) = held(&writer, "a");
        running.await.unwrap();
        let filling = writer.write(|db| {
            db.execute_batch("PRAGMA max_page_count = 1")?;
            db.execute_batch("INSERT INTO probe VALUES (1, zeroblob(1000000))")?;
            Ok(())
        });
        let (one, full, other, ()) = tokio::join!(
            writer.write(|db| insert(db, "b")),
            filling,
            writer.write(|db| insert(db, "c")),
            async { go.send(()).unwrap() },
        );
        first.await.unwrap().unwrap();
        for result in [one, full, other] {
            assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        }
        assert_eq!(names(&opener), "a");
        writer.write(|db| insert(db, "d")).await.unwrap();
        assert_eq!(names(&opener), "a d", "on a connection of its own");
    }

    #[tokio::test]
    async fn a_write_goes_on_when_its_caller_has_gone() {
        let (writer, opener, _dir) = writer().await;
        let writer = Arc::new(writer);
        let (abandoned, running, go) = held(&writer, "a");
        running.await.unwrap();
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        writer.close().await;
        assert_eq!(names(&opener), "a");
        assert!(writer.write(|db| insert(db, "b")).await.is_err(), "it is closed");
    }
}
