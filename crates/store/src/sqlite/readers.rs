//! The connections that read. Readers neither wait for the writer nor hold it up.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::Semaphore;
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::open::{Opened, Opener};
use crate::rules::closed;

/// How many may read at the same time; others wait for their turn.
const READERS: usize = 4;

pub(super) struct Readers {
    opener: Arc<Opener>,
    idle: Mutex<Vec<Opened>>,
    turns: Semaphore,
}

impl Readers {
    /// Readers of this store, the first of which is open already. Others are opened when they are needed.
    pub(super) fn new(opener: Arc<Opener>, first: Opened) -> Self {
        Self { opener, idle: Mutex::new(vec![first]), turns: Semaphore::new(READERS) }
    }

    /// Reads. If the caller goes away meanwhile, the connection is closed rather than used again half-read.
    pub(super) async fn read<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| closed())?;
        let idle = self.idle().pop();
        let mut opened = match idle {
            Some(opened) => opened,
            None => self.opener.reader().await?.0,
        };
        let read = match opened.place.check() {
            Ok(()) => Ok(work(&mut opened.connection).await?),
            Err(lost) => Err(lost),
        };
        if !self.turns.is_closed() {
            self.idle().push(opened);
        }
        read
    }

    pub(super) async fn close(&self) {
        self.turns.close();
        let idle = std::mem::take(&mut *self.idle());
        for opened in idle {
            // It only read: nothing can be lost.
            let _ = opened.close().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Opened>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
