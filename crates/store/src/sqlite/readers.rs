//! The threads that read. Readers neither wait for the writer nor hold it up.

use std::sync::Arc;

use rusqlite::Connection as Db;
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::open::{Opened, Opener};
use super::query::query;
use super::worker::{Ended, Job, Worker};

/// So often what was written to while it was read without a lock is read again.
const TRIES: usize = 5;

/// Two, so that what is found at once does not wait for what is looked for among very many.
pub(super) struct Readers {
    rows: Worker,
    walks: Worker,
}

impl Readers {
    /// Readers of this store, for which a connection is open already.
    pub(super) fn new(opener: &Arc<Opener>, first: Opened) -> Self {
        Self {
            rows: Worker::new("vestal-reader", Arc::clone(opener), Some(first), read),
            walks: Worker::new("vestal-walker", Arc::clone(opener), None, read),
        }
    }

    /// Reads what is found by its key.
    pub(super) async fn row<T: Send + 'static>(
        &self,
        work: impl Fn(&Db) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.rows.ask(work).await.unwrap_or_else(ended)
    }

    /// Reads what may be many rows, or takes a walk through many.
    pub(super) async fn walk<T: Send + 'static>(
        &self,
        work: impl Fn(&Db) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.walks.ask(work).await.unwrap_or_else(ended)
    }

    pub(super) async fn close(&self) {
        self.rows.close().await;
        self.walks.close().await;
    }
}

fn ended<T>(ended: Ended) -> Result<T, StoreError> {
    match ended {
        Ended::Before(error) | Ended::Meanwhile(error) => Err(error),
    }
}

/// Reads for a group and tells everybody what was found.
fn read(opener: &Opener, kept: &mut Option<Opened>, group: &mut Vec<Box<dyn Job>>) {
    let fate = run(opener, kept, group);
    for job in group.drain(..) {
        job.settle(&fate);
    }
}

/// Reads from the files that are at the store's path and from no others. A connection on which something fails is closed.
fn run(opener: &Opener, kept: &mut Option<Opened>, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let opened = match kept.take().filter(Opened::is_current) {
            Some(opened) => opened,
            None => opener.reader()?.0,
        };
        if let Err(lost) = opened.place.check() {
            *kept = Some(opened);
            return Err(lost);
        }
        let db = &opened.connection;
        begin(db)?;
        let failed = group.iter_mut().map(|job| job.run(db)).filter(|well| !well).count();
        end(db)?;
        if !opened.is_current() {
            continue;
        }
        if failed == 0 {
            *kept = Some(opened);
        }
        return Ok(());
    }
    let detail =
        format!("it was written to each of {TRIES} times that it was read without a lock; try again");
    Err(StoreError::Unavailable { detail })
}

/// All is read in one transaction: what a connection remembers of the database, it forgets with the next one if something
/// was written meanwhile.
fn begin(db: &Db) -> Result<(), Failure> {
    query("BEGIN").execute(db)?;
    Ok(())
}

fn end(db: &Db) -> Result<(), Failure> {
    if !db.is_autocommit() {
        query("COMMIT").execute(db)?;
    }
    Ok(())
}
