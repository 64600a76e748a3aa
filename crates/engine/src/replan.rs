//! Planning every connection anew: after the clock was set, and where plans were made by other facts.

use std::sync::Arc;

use tokio::task::JoinSet;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::store::{Filter, StoreError, Update};

use crate::change::update_to;
use crate::{Engine, Error, Inner};

/// How many connections are read at once.
const PAGE: u32 = 500;

/// How many are written at once: a store commits together what comes together.
const AT_ONCE: usize = 64;

impl Engine {
    /// Plans every connection anew in a task of its own, unless that is being done.
    pub(crate) fn replan_aside(&self) {
        let inner = Arc::clone(&self.inner);
        if !inner.time.begin_replanning() {
            return;
        }
        tokio::spawn(async move {
            match inner.replan().await {
                Ok(changed) => {
                    inner.time.end_replanning(true);
                    tracing::info!(changed, "every plan was made anew");
                }
                Err(error) => {
                    inner.time.end_replanning(false);
                    tracing::error!(%error, "not every plan could be made anew; that is tried again at the next start");
                }
            }
        });
    }
}

impl Inner {
    /// Plans every connection anew, as of now. Returns how many plans changed. One that cannot be planned holds up no
    /// other.
    ///
    /// Whoever writes to a connection meanwhile plans it too, so that one that moved needs nothing more.
    pub(crate) async fn replan(self: &Arc<Self>) -> Result<u64, Error> {
        let mut changed = 0;
        let mut after: Option<ConnectionName> = None;
        loop {
            let page = self.store.connections(&Filter::default(), after.as_ref(), PAGE).await?;
            for damage in &page.damaged {
                tracing::error!(%damage, "a plan stays as it is");
            }
            let mut writes: JoinSet<Result<(), StoreError>> = JoinSet::new();
            // A valid lease means an attempt, whose end brings a plan.
            for connection in page.connections.iter().filter(|connection| connection.lease.is_none()) {
                let Some(update) = self.replanned(connection).await else { continue };
                changed += 1;
                let store = Arc::clone(&self.store);
                writes.spawn(async move { store.update_connection(&update).await.map(drop) });
                if writes.len() >= AT_ONCE {
                    written(writes.join_next().await)?;
                }
            }
            while !writes.is_empty() {
                written(writes.join_next().await)?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }

    async fn replanned(&self, connection: &Connection) -> Option<Update> {
        let provider = match self.provider_of(connection).await {
            Ok(provider) => provider,
            Err(error) => {
                tracing::error!(connection = %connection.name, %error, "its plan stays as it is");
                return None;
            }
        };
        let plan = self.plan(connection, &provider, self.clock.now());
        (plan != connection.plan).then(|| Update { plan, ..update_to(connection, vec![]) })
    }
}

/// What came of a write. A task that broke off has written nothing.
fn written(joined: Option<Result<Result<(), StoreError>, tokio::task::JoinError>>) -> Result<(), StoreError> {
    match joined {
        Some(Ok(written)) => written,
        Some(Err(_)) | None => Ok(()),
    }
}
