//! Connections whose grants end together.

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::provider::RevocationEnds;
use vestal_core::state::State;
use vestal_core::store::Filter;

use crate::{Engine, Error};

/// So many connections of a client are looked through, and so many at once.
const LOOKED_THROUGH: usize = 10_000;
const AT_ONCE: u32 = 500;

impl Engine {
    /// The other connections whose grants the provider ends as well when it revokes this one's: those of the same account,
    /// through the same client, where the provider's file says that one revocation ends all of them. Only those are told of
    /// which it is known that they are that account's, and of a client with very many connections only the first ones.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchConnection`]; [`Error::Store`].
    pub async fn siblings(&self, name: &ConnectionName) -> Result<Vec<ConnectionName>, Error> {
        let inner = &self.inner;
        let connection = inner.named(name).await?;
        let client = inner.client_of(&connection).await?;
        let Ok(provider) = inner.catalogue.get(&client.provider) else { return Ok(Vec::new()) };
        let account = |connection: &Connection| inner.account_of_stored(connection, &provider.id);
        let (RevocationEnds::Account, Some(whose)) =
            (provider.refresh_token.revocation_ends(), account(&connection))
        else {
            return Ok(Vec::new());
        };
        let filter = Filter { client: Some(client.id), ..Filter::default() };
        let (mut siblings, mut after, mut looked) = (Vec::new(), None, 0);
        while looked < LOOKED_THROUGH {
            let page = inner.store.connections(&filter, after.as_ref(), AT_ONCE).await?;
            looked += page.connections.len();
            let lives =
                |it: &&Connection| !matches!(it.state, State::NeedsReauth { .. } | State::Disconnecting);
            let same = page.connections.iter().filter(lives).filter(|it| it.id != connection.id);
            let same =
                same.filter(|it| account(it).is_some_and(|it| it.by == whose.by && it.hash == whose.hash));
            siblings.extend(same.map(|it| it.name.clone()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(siblings)
    }
}
