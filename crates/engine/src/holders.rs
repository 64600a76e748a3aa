//! Who holds which refresh token, so that none is given to two connections.

use vestal_core::connection::Connection;
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::seal::Fingerprint;

use crate::{Engine, Error, Inner};

/// As many are read at once.
const PAGE: u32 = 5_000;

/// Who held which refresh token when it was looked, but for those who hold the one that they were imported with: these are
/// found by their grants. Takes 24 bytes for each.
#[derive(Debug, Default)]
pub struct Holders(Vec<(u64, ConnectionId)>);

impl Engine {
    /// Who holds which refresh token now.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn holders(&self) -> Result<Holders, Error> {
        let mut holders = Vec::new();
        let mut after = None;
        loop {
            let page = self.inner.store.refresh_tokens(after, PAGE).await?;
            let changed = page.iter().filter(|holder| holder.grant != GrantId::of_import(&holder.token));
            holders.extend(changed.map(|holder| (beginning(&holder.token), holder.connection)));
            after = match page.last() {
                Some(last) if page.len() >= PAGE as usize => Some(last.connection),
                _ => break,
            };
        }
        holders.sort_unstable();
        Ok(Holders(holders))
    }
}

impl Holders {
    /// Those that may hold a token: their whole fingerprints say for certain.
    fn of(&self, token: &Fingerprint) -> impl Iterator<Item = ConnectionId> {
        let begins = beginning(token);
        let first = self.0.partition_point(|(other, _)| *other < begins);
        self.0[first..].iter().take_while(move |(other, _)| *other == begins).map(|(_, holder)| *holder)
    }
}

impl Inner {
    /// A connection that holds this refresh token now, and is not the one that is meant.
    pub(crate) async fn other_holder(
        &self,
        holders: &Holders,
        token: &Fingerprint,
        is_meant: impl Fn(&Connection) -> bool,
    ) -> Result<Option<Connection>, Error> {
        for id in holders.of(token) {
            let Some(holder) = self.store.connection(id).await? else { continue };
            let held = holder.grant.as_ref().and_then(|grant| grant.tokens.refresh_token.as_ref());
            if held.is_some_and(|held| held.fingerprint == *token) && !is_meant(&holder) {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }
}

/// What is kept of a fingerprint.
fn beginning(token: &Fingerprint) -> u64 {
    let (first, _) = token.as_bytes().split_at(8);
    first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
