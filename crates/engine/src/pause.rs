//! Pausing a connection, and resuming it.

use vestal_core::connection::Connection;
use vestal_core::event::{Event, What};
use vestal_core::schedule::turn;
use vestal_core::state::{State, Transition};

use crate::change::update_to;
use crate::{Engine, Error};

impl Engine {
    /// Has a connection not be refreshed until it is resumed; one that is under way ends. Returns whether it was not paused
    /// before.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnecting`], [`Error::NoSuchConnection`], [`Error::Provider`], [`Error::Store`].
    pub async fn pause(&self, connection: Connection) -> Result<bool, Error> {
        self.change_state(connection, Transition::Pause, 0, What::Paused).await
    }

    /// Has a connection be refreshed again. `position`: its place among those that are resumed together, from 0, with
    /// which those take turns that were imported and not tried yet. Returns whether it was paused before.
    ///
    /// # Errors
    ///
    /// As [`Engine::pause`].
    pub async fn resume(&self, connection: Connection, position: u64) -> Result<bool, Error> {
        self.change_state(connection, Transition::Resume, position, What::Resumed).await
    }

    async fn change_state(
        &self,
        connection: Connection,
        transition: Transition,
        position: u64,
        what: What,
    ) -> Result<bool, Error> {
        let inner = &self.inner;
        let provider = inner.provider_of(&connection).await?;
        let name = connection.name.clone();
        let decide = |stored: &Connection| {
            let now = inner.clock.now();
            let Ok(state) = stored.state.clone().apply(transition.clone(), now) else {
                return Err(Error::Disconnecting { name: name.clone() });
            };
            if state == stored.state {
                return Ok(None);
            }
            let state = match state {
                State::Unverified { .. } => State::Unverified { verify_at: turn(now, position) },
                state => state,
            };
            let mut after = Connection { state, ..stored.clone() };
            after.plan = inner.plan(&after, &provider, now);
            let event = Event { connection: after.id, at: now, what: what.clone() };
            Ok(Some(update_to(&after, vec![event])))
        };
        inner.change_connection(connection, decide).await?.to_one_that_exists(&name)
    }
}
