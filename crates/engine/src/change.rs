//! Writing to a connection that others write to as well. Whoever has more to do than that in between goes round by itself.

use vestal_core::connection::Connection;
use vestal_core::event::Event;
use vestal_core::store::{Update, Write};

use crate::{Error, Inner};

/// How often somebody else may write in between before we give up.
pub(crate) const CONTENTION_TRIES: usize = 64;

/// Writes a connection's state, plan and policy as they are here, having decided on its revision; its grant and its tags
/// stay.
pub(crate) fn update_to(after: &Connection, events: Vec<Event>) -> Update {
    Update {
        id: after.id,
        expected: after.revision,
        state: after.state.clone(),
        plan: after.plan,
        policy: after.policy,
        tags: None,
        external_id: None,
        grant: None,
        events,
    }
}

impl Inner {
    /// Decides on what is stored of a connection, and writes that, if anything; anew where somebody wrote in between.
    /// `false`: it does not exist any more.
    pub(crate) async fn change_connection(
        &self,
        mut connection: Connection,
        decide: impl Fn(&Connection) -> Option<Update>,
    ) -> Result<bool, Error> {
        for _ in 0..CONTENTION_TRIES {
            let Some(update) = decide(&connection) else { return Ok(true) };
            match self.store.update_connection(&update).await? {
                Write::Done => return Ok(true),
                Write::Gone => return Ok(false),
                Write::Moved(current) => connection = *current,
            }
        }
        Err(Error::Contended { name: connection.name })
    }
}
