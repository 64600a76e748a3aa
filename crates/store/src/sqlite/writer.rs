//! The one thread that writes, and how it groups commits.
//!
//! It is a thread, so that nothing else of a busy process comes between the statements of a transaction for which
//! everybody waits.
//!
//! A commit costs an fsync, whatever is in it. So whatever waits when the writer comes round goes into one
//! transaction; nobody is told anything before that transaction is on the disk. Nothing waits for more to come: alone,
//! a write is committed at once. Where one fails, which is rare, the transaction is undone and done again with each
//! write under a savepoint of its own.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use vestal_core::store::StoreError;

use super::failure::{BUSY, FULL, Failure, meaning, primary_code};
use super::open::{Opened, Opener};
use super::procedures::PROCEDURES;
use crate::rules::closed;

/// How many writes may wait before whoever comes next has to.
const QUEUED: usize = 512;

/// How many writes go into one transaction.
const GROUPED: usize = 256;

pub(super) struct Writer {
    opener: Arc<Opener>,
    state: Mutex<Running>,
}

enum Running {
    /// Nothing has been written yet: a process that only reads opens one connection less.
    NotYet,
    Thread {
        queue: mpsc::Sender<Box<dyn Job>>,
        /// Told when it has ended.
        ended: oneshot::Receiver<()>,
    },
    Closed,
}

impl Writer {
    pub(super) fn new(opener: Arc<Opener>) -> Self {
        Self { opener, state: Mutex::new(Running::NotYet) }
    }

    /// Does a piece of work in a transaction: all of it or nothing. Once it is queued it is done, also if the
    /// caller goes away. It may be undone and done again.
    pub(super) async fn write<I, T>(&self, input: I, work: DoWork<I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { input, work, result: None, reply });
        self.queue()?.send(job).await.map_err(|_| StoreError::Unavailable {
            detail: "the thread that writes to it has ended".to_owned(),
        })?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::OutcomeUnknown { detail: "the thread that writes to it has ended".to_owned() })
        })
    }

    pub(super) fn has_written_nothing(&self) -> bool {
        matches!(*self.state(), Running::NotYet)
    }

    pub(super) async fn close(&self) {
        let before = std::mem::replace(&mut *self.state(), Running::Closed);
        if let Running::Thread { queue, ended } = before {
            drop(queue);
            // If it panicked, those who waited for it have been told.
            let _ = ended.await;
        }
    }

    fn queue(&self) -> Result<mpsc::Sender<Box<dyn Job>>, StoreError> {
        let mut state = self.state();
        match &*state {
            Running::Closed => return Err(closed()),
            Running::Thread { queue, .. } if !queue.is_closed() => return Ok(queue.clone()),
            Running::NotYet | Running::Thread { .. } => {}
        }
        let (queue, jobs) = mpsc::channel(QUEUED);
        let ended = start(Arc::clone(&self.opener), jobs).map_err(|error| StoreError::Unavailable {
            detail: format!("the thread that writes to it cannot be started: {error}"),
        })?;
        *state = Running::Thread { queue: queue.clone(), ended };
        Ok(queue)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write whose result's type is forgotten.
trait Job: Send {
    /// Runs it. Returns whether what it changed is to be kept.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;

    /// Tells the caller.
    fn settle(self: Box<Self>, fate: &Fate);
}

/// What is done with an input on a connection.
type DoWork<I, T> = for<'c> fn(&'c mut SqliteConnection, &'c I) -> BoxFuture<'c, Result<T, Failure>>;

struct Work<I, T> {
    input: I,
    work: DoWork<I, T>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<I: Send + Sync, T: Send> Job for Work<I, T> {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            // A panic must not take the writer with it, on which everybody depends.
            let done =
                AssertUnwindSafe(async { (self.work)(connection, &self.input).await }).catch_unwind().await;
            let result = match done {
                Ok(result) => result.map_err(StoreError::from),
                Err(_) => {
                    Err(StoreError::Unavailable { detail: "a write panicked, and was undone".to_owned() })
                }
            };
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn settle(self: Box<Self>, fate: &Fate) {
        let result = match (self.result, fate) {
            (Some(Err(own)), _) => Err(own),
            (_, Fate::Failed(error)) => Err(error.clone()),
            (Some(Ok(value)), Fate::Committed) => Ok(value),
            (None, Fate::Committed) => {
                Err(StoreError::Unavailable { detail: "the write was not begun".to_owned() })
            }
        };
        // A caller that has gone does not want to know.
        let _ = self.reply.send(result);
    }
}

/// What became of a transaction.
enum Fate {
    Committed,
    /// None of it is kept, or it is not known whether it is.
    Failed(StoreError),
}

/// Starts the thread. It ends when the queue is closed and empty.
fn start(opener: Arc<Opener>, jobs: mpsc::Receiver<Box<dyn Job>>) -> io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("vestal-writer".to_owned()).spawn(move || {
        runtime.block_on(serve(opener, jobs));
        // Nobody may wait.
        let _ = end.send(());
    })?;
    Ok(ended)
}

async fn serve(opener: Arc<Opener>, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut opened: Option<Opened> = None;
    let mut group = Vec::new();
    while jobs.recv_many(&mut group, GROUPED).await > 0 {
        let fate = transact(&opener, &mut opened, &mut group).await;
        for job in group.drain(..) {
            job.settle(&fate);
        }
    }
    if let Some(opened) = opened {
        // Everything is committed; what fails here is the moving of the log into the database.
        let _ = opened.close().await;
    }
}

/// Runs a group in one transaction. A connection on which that fails is closed: that undoes what was not
/// committed, and a failed fsync is never retried on the same file handle, since the system may have dropped
/// what it could not write and would report success.
async fn transact(opener: &Opener, kept: &mut Option<Opened>, group: &mut [Box<dyn Job>]) -> Fate {
    let mut opened = match kept.take() {
        Some(opened) => opened,
        None => match open(opener).await {
            Ok(opened) => opened,
            Err(failure) => return Fate::Failed(failure.into()),
        },
    };
    let fate = match run(&mut opened, group).await {
        Ok(()) => commit(&mut opened.connection).await,
        // Nothing was written. What it has of a log that was removed is moved into the database when it is closed
        // as the last one.
        Err(Failure::Store(lost)) => {
            *kept = Some(opened);
            return Fate::Failed(lost);
        }
        Err(failure) => Fate::Failed(failure.into()),
    };
    if let Fate::Committed = fate {
        *kept = Some(opened);
    } else {
        let _ = opened.close().await;
    }
    fate
}

async fn open(opener: &Opener) -> Result<Opened, Failure> {
    let mut opened = opener.writer().await?;
    sqlx::raw_sql(PROCEDURES).execute(&mut opened.connection).await?;
    Ok(opened)
}

/// Begins a transaction, on the files that are at the store's path and on no others.
async fn begin(opened: &mut Opened) -> Result<(), Failure> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut opened.connection).await?;
    if let Err(lost) = opened.place.check() {
        sqlx::query("ROLLBACK").execute(&mut opened.connection).await?;
        return Err(lost.into());
    }
    Ok(())
}

/// Runs a group in a transaction that is left open.
async fn run(opened: &mut Opened, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    begin(opened).await?;
    let mut all_well = true;
    for job in group.iter_mut() {
        all_well = all_well && job.run(&mut opened.connection).await;
    }
    if all_well {
        return Ok(());
    }
    // Fails if the error has undone the transaction already, as a full disk does.
    sqlx::query("ROLLBACK").execute(&mut opened.connection).await?;
    begin(opened).await?;
    let connection = &mut opened.connection;
    for job in group {
        sqlx::query("SAVEPOINT job").execute(&mut *connection).await?;
        if !job.run(connection).await {
            sqlx::query("ROLLBACK TO job").execute(&mut *connection).await?;
        }
        sqlx::query("RELEASE job").execute(&mut *connection).await?;
    }
    Ok(())
}

async fn commit(connection: &mut SqliteConnection) -> Fate {
    match sqlx::query("COMMIT").execute(connection).await {
        Ok(_) => Fate::Committed,
        // The last frame, which makes it a commit, was not written.
        Err(error) if matches!(primary_code(&error), Some(BUSY | FULL)) => Fate::Failed(meaning(&error)),
        // It may have been written to the log and only the fsync failed: then whoever recovers the log next may
        // find it committed.
        Err(error) => Fate::Failed(StoreError::OutcomeUnknown { detail: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::sqlite::open::create;

    async fn writer() -> (Writer, Arc<Opener>, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        assert!(create(&path).await.is_ok());
        let opener = Arc::new(Opener::existing(&path).unwrap());
        (Writer::new(Arc::clone(&opener)), opener, dir)
    }

    /// Inserts a client of this name.
    async fn insert(db: &mut SqliteConnection, name: &'static str) -> Result<(), Failure> {
        let query = "INSERT INTO clients (id, name, provider, client_id, auth, redirect_uri, scopes, endpoints, created_at)
             VALUES (?, ?, '', '', '', '', '', '', 0)";
        sqlx::query(query).bind(name.as_bytes()).bind(name).execute(db).await.map(drop).map_err(Failure::from)
    }

    async fn names(opener: &Opener) -> String {
        let Ok((mut reader, _)) = opener.reader().await else { panic!("it cannot be read") };
        let names: Vec<(String,)> = sqlx::query_as("SELECT name FROM clients ORDER BY name")
            .fetch_all(&mut reader.connection)
            .await
            .unwrap();
        names.into_iter().map(|(name,)| name).collect::<Vec<_>>().join(" ")
    }

    /// Queues a write that says when it runs and goes on when it is told.
    fn held(
        writer: &Arc<Writer>,
        name: &'static str,
    ) -> (JoinHandle<Result<(), StoreError>>, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (runs, running) = oneshot::channel();
        let (go, gone) = oneshot::channel::<()>();
        let writer = Arc::clone(writer);
        let write = async move {
            writer
                .write((name, Mutex::new(Some((runs, gone)))), |db, (name, told)| {
                    Box::pin(async move {
                        let (runs, gone) = told.lock().unwrap().take().unwrap();
                        runs.send(()).unwrap();
                        gone.await.unwrap();
                        insert(db, name).await
                    })
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
            async move { writer.write("b", |db, name| Box::pin(insert(db, name))).await }
        });
        tokio::task::yield_now().await;
        let (third, running, go_third) = held(&writer, "c");
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(names(&opener).await, "a", "alone, since it did not wait for more to come");

        running.await.unwrap();
        assert!(!second.is_finished(), "the second has run, and is not on the disk");
        assert_eq!(names(&opener).await, "a");
        go_third.send(()).unwrap();
        second.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(names(&opener).await, "a b c");
    }

    #[tokio::test]
    async fn a_write_that_fails_or_panics_takes_nobody_with_it() {
        let (writer, opener, _dir) = writer().await;
        let failing = writer.write::<_, ()>((), |db, ()| {
            Box::pin(async move {
                insert(db, "failed").await?;
                insert(db, "failed").await
            })
        });
        let panicking = writer.write::<_, ()>((), |db, ()| {
            Box::pin(async move {
                insert(db, "panicked").await?;
                panic!("within a write")
            })
        });
        let (one, failed, panicked, other) = tokio::join!(
            writer.write("a", |db, name| Box::pin(insert(db, name))),
            failing,
            panicking,
            writer.write("b", |db, name| Box::pin(insert(db, name))),
        );
        assert!(one.is_ok() && other.is_ok());
        assert!(matches!(failed, Err(StoreError::Corrupt { .. })), "{failed:?}");
        assert!(matches!(panicked, Err(StoreError::Unavailable { .. })), "{panicked:?}");
        assert_eq!(names(&opener).await, "a b");
    }

    #[tokio::test]
    async fn a_full_disk_undoes_the_group_and_the_writer_goes_on() {
        let (writer, opener, _dir) = writer().await;
        let filling = writer.write::<_, ()>((), |db, ()| {
            Box::pin(async move {
                sqlx::query("PRAGMA max_page_count = 1").execute(&mut *db).await?;
                sqlx::query("INSERT INTO probe VALUES (1, zeroblob(1000000))").execute(db).await?;
                Ok(())
            })
        });
        let (one, full, other) = tokio::join!(
            writer.write("a", |db, name| Box::pin(insert(db, name))),
            filling,
            writer.write("b", |db, name| Box::pin(insert(db, name))),
        );
        for result in [one, full, other] {
            assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
        }
        assert_eq!(names(&opener).await, "");
        writer.write("c", |db, name| Box::pin(insert(db, name))).await.unwrap();
        assert_eq!(names(&opener).await, "c", "on a connection of its own");
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
        assert_eq!(names(&opener).await, "a");
        assert!(writer.write("b", |db, name| Box::pin(insert(db, name))).await.is_err(), "it is closed");
    }
}
