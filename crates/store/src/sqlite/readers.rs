//! The threads that read. Readers neither wait for the writer nor hold it up.

use std::sync::Arc;

use rusqlite::Connection as Db;
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::open::{Opened, Opener};
use super::query::query;
use super::worker::{Ended, Job, Worker};

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

/// Reads for each of a group, from the files that are at the store's path and from no others.
fn read(opener: &Opener, kept: &mut Option<Opened>, group: &mut Vec<Box<dyn Job>>) {
    let opened = match kept.take() {
        Some(opened) => Ok(opened),
        None => opener.reader().map(|(opened, _)| opened),
    };
    let begun = opened.map_err(StoreError::from).and_then(|opened| {
        let opened = kept.insert(opened);
        opened.place.check()?;
        begin(&opened.connection, group.len()).map_err(StoreError::from)
    });
    let mut all_well = begun.is_ok();
    for mut job in group.drain(..) {
        if let (Ok(()), Some(opened)) = (&begun, &*kept) {
            all_well &= job.run(&opened.connection);
        }
        job.settle(&begun);
    }
    let all_well = all_well && kept.as_ref().is_some_and(|opened| end(&opened.connection).is_ok());
    if !all_well {
        // What failed may be the connection.
        *kept = None;
    }
}

/// Several read in one transaction: what a connection remembers of the database, it forgets with the next one if
/// something was written meanwhile.
fn begin(db: &Db, many: usize) -> Result<(), Failure> {
    if many > 1 {
        query("BEGIN").execute(db)?;
    }
    Ok(())
}

fn end(db: &Db) -> Result<(), Failure> {
    if !db.is_autocommit() {
        query("COMMIT").execute(db)?;
    }
    Ok(())
}
