//! Writing to a connection that others write to as well. Whoever has more to do than that in between goes round by itself.

use vestal_core::connection::{Connection, ConnectionName};
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
        about: None,
        events,
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was written.
    Done,
    /// There was nothing to write.
    Nothing,
    /// The connection does not exist any more.
    Gone,
}

impl Changed {
    /// Whether something was written to the connection of this name, where that still exists.
    pub(crate) fn to_one_that_exists(self, name: &ConnectionName) -> Result<bool, Error> {
        match self {
            Self::Done => Ok(true),
            Self::Nothing => Ok(false),
            Self::Gone => Err(Error::NoSuchConnection { name: name.to_string() }),
        }
    }
}

impl Inner {
    /// Decides on what is stored of a connection, and writes that, if anything; anew where somebody wrote in between. What is
    /// refused ends it.
    pub(crate) async fn change_connection(
        &self,
        mut connection: Connection,
        decide: impl Fn(&Connection) -> Result<Option<Update>, Error>,
    ) -> Result<Changed, Error> {
        for _ in 0..CONTENTION_TRIES {
            let Some(update) = decide(&connection)? else { return Ok(Changed::Nothing) };
            match self.store.update_connection(&update).await? {
                Write::Done => return Ok(Changed::Done),
                Write::Gone => return Ok(Changed::Gone),
                Write::Moved(current) => connection = *current,
            }
        }
        Err(Error::Contended { name: connection.name })
    }
}
