//! Warnings for those whom the schedule leaves alone since their host is down or full, or their client is refused: an end
//! does not wait for that.

use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::store::Held;

use crate::agenda::READ_AHEAD;
use crate::issue_token::is_fresh;
use crate::take::Purpose;
use crate::{Engine, Error, Inner, cannot_be_renewed, warnings};

/// Between two looks at them.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(600);

/// How many are read at once.
const READ_AT_ONCE: usize = 500;

impl Engine {
    /// The same as [`Engine::warn_held_back`], in a task of its own: what is due does not wait for that.
    pub(crate) fn warn_held_back_aside(&self) {
        let engine = self.clone();
        tokio::spawn(async move { engine.warn_held_back().await });
    }

    /// Looks at those that are held back now.
    pub(crate) async fn warn_held_back(&self) {
        if let Err(error) = self.inner.warn_held_back().await {
            tracing::error!(%error, "those that are held back cannot be looked at; their warnings may come late");
        }
    }
}

impl Inner {
    /// Warns of those that are due and held back, nearest death first.
    pub(crate) async fn warn_held_back(&self) -> Result<(), Error> {
        let holding = self.held().await?;
        // What a doubted clock shows is no reason to tell of an end.
        let none = holding.waiting.clients.is_empty() && holding.full.is_empty();
        if none || self.time.is_doubted(self.clock.uptime()) {
            return Ok(());
        }
        let due = self.store.due(self.clock.now(), READ_AHEAD, &Held::default()).await?;
        let held: Vec<_> =
            due.iter().filter(|due| !holding.may_start(due)).map(|due| due.connection).collect();
        for ids in held.chunks(READ_AT_ONCE) {
            for connection in self.store.connections_by_id(ids).await? {
                self.warn_of(&connection).await?;
            }
        }
        Ok(())
    }

    /// Warns of one, where it is time and nobody is at it.
    async fn warn_of(&self, connection: &Connection) -> Result<(), Error> {
        // Where its provider cannot be known, it is told of by whoever tries to refresh it.
        let Ok(provider) = self.provider_of(connection).await else { return Ok(()) };
        let now = self.clock.now();
        let schedule = self.schedule(connection, &provider, now);
        let has_ended =
            cannot_be_renewed(connection, &provider) && !is_fresh(connection, Some(Duration::ZERO), now);
        if connection.lease.is_none() && (has_ended || warnings::due(connection, &schedule, now).is_some()) {
            // Somebody who wrote in between has looked at it.
            self.put_off(connection, &provider, Purpose::Schedule).await?;
        }
        Ok(())
    }
}
