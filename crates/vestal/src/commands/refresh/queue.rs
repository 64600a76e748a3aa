//! Which connections are to be refreshed, one after the other.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::Connection;
use vestal_core::id::ConnectionId;
use vestal_core::store::{Filter, Held, StoreError};
use vestal_core::token::saturating_add;

use crate::commands::list::Pages;
use crate::context::Vestal;
use crate::failure::Failure;

#[derive(Clone, Copy)]
pub(super) enum Which {
    Due(Duration),
    All,
}

/// What is to be refreshed, one after the other.
pub(super) struct Queue<'a> {
    vestal: &'a Vestal,
    source: Source<'a>,
    fetched: std::vec::IntoIter<Connection>,
    over: bool,
    /// What is wrong with the first that is damaged.
    damage: Option<StoreError>,
}

enum Source<'a> {
    Due { horizon: Timestamp, seen: HashSet<ConnectionId> },
    All(Pages<'a>),
}

impl<'a> Queue<'a> {
    pub(super) fn new(vestal: &'a Vestal, which: Which, damage: Option<StoreError>) -> Self {
        let source = match which {
            Which::All => Source::All(Pages::new(vestal, Filter::default())),
            Which::Due(within) => {
                let horizon = saturating_add(vestal.engine.now(), within);
                Source::Due { horizon, seen: HashSet::new() }
            }
        };
        Self { vestal, source, fetched: Vec::new().into_iter(), over: false, damage }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Connection>, Failure> {
        loop {
            if let Some(connection) = self.fetched.next() {
                return Ok(Some(connection));
            }
            if self.over {
                return Ok(None);
            }
            match self.fetch().await? {
                Some(fetched) => self.fetched = fetched.into_iter(),
                None => self.over = true,
            }
        }
    }

    /// Some more; `None` where nothing is listed that was not before. All that is may be damaged.
    async fn fetch(&mut self) -> Result<Option<Vec<Connection>>, Failure> {
        match &mut self.source {
            Source::All(pages) => pages.next().await,
            Source::Due { horizon, seen } => {
                // What was refreshed and falls due again within the time is on top of the list once more. Asking for
                // twice as many each time keeps the number of questions small.
                let limit = u32::try_from(seen.len().saturating_mul(2).max(1_000)).unwrap_or(u32::MAX);
                let store = self.vestal.engine.store();
                let (known, mut fetched) = (seen.len(), Vec::new());
                for due in store.due(*horizon, limit, &Held::default()).await? {
                    if !seen.insert(due.connection) {
                        continue;
                    }
                    match store.connection(due.connection).await {
                        Ok(connection) => fetched.extend(connection),
                        Err(damage @ StoreError::Corrupt { .. }) => {
                            self.damage.get_or_insert(damage);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok((seen.len() > known).then_some(fetched))
            }
        }
    }

    /// What is wrong with the first that could not be read.
    pub(super) fn damage(self) -> Result<(), Failure> {
        let listed = match self.source {
            Source::All(pages) => pages.damage(),
            Source::Due { .. } => Ok(()),
        };
        self.damage.map_or(listed, |damage| Err(damage.into()))
    }
}
