//! Connections whose grants end together.

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::provider::RevocationEnds;
use vestal_core::state::State;
use vestal_core::store::Filter;
use vestal_core::token::Renewal;

use crate::identity::{Likeness, likeness};
use crate::{Engine, Error};

/// So many connections of a client are looked through, and so many at once.
const LOOKED_THROUGH: usize = 10_000;
const AT_ONCE: u32 = 500;

/// Connections of one client whose grants may end with another one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Siblings {
    /// Those that are known to be the same account's.
    pub same: Vec<ConnectionName>,
    /// Those of which nobody knows whose they are, or whose the other one is.
    pub unknown: Vec<ConnectionName>,
}

impl Engine {
    /// The other connections whose grants the provider may end as well when it revokes this one's: those through the same
    /// client that are not known to be another account's, where the provider's file says that one revocation ends all of an
    /// account's. Of a client with very many connections, only the first ones are looked at.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchConnection`]; [`Error::Store`].
    pub async fn siblings(&self, name: &ConnectionName) -> Result<Siblings, Error> {
        let inner = &self.inner;
        let connection = inner.named(name).await?;
        let client = inner.client_of(&connection).await?;
        let Ok(provider) = inner.catalogue.get(&client.provider) else {
            return Ok(Siblings::default());
        };
        let account = |connection: &Connection| inner.account_of_stored(connection, &provider.id);
        if provider.refresh_token.revocation_ends() != RevocationEnds::Account {
            return Ok(Siblings::default());
        }
        let whose = account(&connection);
        let filter = Filter { client: Some(client.id), ..Filter::default() };
        let (mut siblings, mut after, mut looked) = (Siblings::default(), None, 0);
        while looked < LOOKED_THROUGH {
            let page = inner.store.connections(&filter, after.as_ref(), AT_ONCE).await?;
            looked += page.connections.len();
            for other in page.connections.iter().filter(|it| it.id != connection.id && may_end(it)) {
                match likeness(whose.as_ref(), account(other).as_ref()) {
                    Likeness::Another => {}
                    Likeness::Same => siblings.same.push(other.name.clone()),
                    Likeness::Unknown => siblings.unknown.push(other.name.clone()),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(siblings)
    }
}

/// Whether a connection has anything that can end: what the client gets for itself is no account's.
fn may_end(connection: &Connection) -> bool {
    let lives = connection.state != State::Disconnecting && !connection.state.needs_reauth();
    let is_somebodys = |renewal| renewal != Renewal::ClientCredentials;
    lives && connection.grant.as_ref().is_some_and(|grant| is_somebodys(grant.renewal))
}
