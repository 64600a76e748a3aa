//! Revoking a grant and forgetting the connection.

use std::time::Duration;

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::schedule::Plan;
use vestal_core::state::{State, Transition};

use crate::change::update_to;
use crate::settle::Standing;
use crate::{Engine, Error, Inner, Revocation, Want};

/// The wait between looks at a connection whose refresh is under way.
const LOOK: Duration = Duration::from_millis(50);

/// What disconnecting came to.
#[derive(Clone, Debug)]
pub struct Disconnected {
    /// The connection, which is gone.
    pub name: ConnectionName,
    /// What became of the grant.
    pub revocation: Revocation,
}

impl Engine {
    /// Revokes the grant, unless it is to be kept, and removes the connection.
    ///
    /// A refresh that is under way ends first: what it brings has to be revoked. Where the provider cannot be reached,
    /// nothing is removed, and the same call goes on later.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchConnection`]; [`Error::Busy`]; [`Error::Journalled`]; [`Error::Untaken`];
    /// [`Error::NotRevoked`]; [`Error::Store`].
    pub async fn disconnect(&self, name: &ConnectionName, keep_grant: bool) -> Result<Disconnected, Error> {
        let inner = &self.inner;
        if !keep_grant {
            inner.take_from_journal(name).await?;
            if inner.ends_by_access_token(name).await? {
                // What comes of it shows when it is used.
                let _ = self.issue_token(name, Want::default()).await;
            }
        }
        inner.begin_disconnecting(name).await?;
        let connection = inner.when_at_rest(name, keep_grant).await?;
        let revocation = if keep_grant { Revocation::Kept } else { inner.revoke(&connection).await? };
        inner.store.remove_connection(connection.id).await?;
        Ok(Disconnected { name: connection.name, revocation })
    }
}

impl Inner {
    /// An answer that cannot be taken from the journal stands in the way of revoking: a connection stays as it is for that.
    async fn take_from_journal(&self, name: &ConnectionName) -> Result<(), Error> {
        let connection = self.named(name).await?;
        // What is under way is waited for later.
        let under_way = self.flights.is_running(connection.id);
        if !under_way && connection.lease.as_ref().is_none_or(|lease| !lease.valid) {
            self.replay_of(&connection).await?;
        }
        Ok(())
    }

    async fn begin_disconnecting(&self, name: &ConnectionName) -> Result<(), Error> {
        let begin = |stored: &Connection| {
            if stored.state == State::Disconnecting {
                return Ok(None);
            }
            let now = self.clock.now();
            let state =
                stored.state.clone().apply(Transition::Disconnect, now).unwrap_or(State::Disconnecting);
            let after = Connection { state, plan: Plan::default(), ..stored.clone() };
            let what = What::Disconnecting;
            Ok(Some(update_to(&after, vec![Event { connection: after.id, at: now, what }])))
        };
        let changed = self.change_connection(self.named(name).await?, begin).await?;
        changed.to_one_that_exists(name).map(drop)
    }

    /// The connection once nobody is refreshing it, with what its last refresh brought.
    async fn when_at_rest(&self, name: &ConnectionName, keep_grant: bool) -> Result<Connection, Error> {
        let mut started = self.clock.uptime();
        loop {
            let stored = self.store.connection_named(name).await?;
            let connection = stored.ok_or_else(|| Error::NoSuchConnection { name: name.to_string() })?;
            match &connection.lease {
                Some(_) if self.flights.is_running(connection.id) => {}
                Some(lease) if matches!(self.standing(lease), Standing::Held) => {
                    if self.is_overdue(&connection) {
                        started = self.clock.uptime();
                    }
                }
                // Its answer may lie in a journal: the newest refresh token is the one to be revoked.
                _ => match self.replay_of(&connection).await {
                    Ok(true) => continue,
                    Err(error) if !keep_grant => return Err(error),
                    _ => return Ok(connection),
                },
            }
            if self.clock.uptime().saturating_sub(started) >= self.limits.reader {
                return Err(Error::Busy { name: name.clone() });
            }
            self.clock.sleep(LOOK).await;
        }
    }
}
