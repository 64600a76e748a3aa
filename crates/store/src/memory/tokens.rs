//! Whose refresh tokens there are, and how many.

use std::collections::{BTreeMap, HashMap};

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ClientId;
use vestal_core::seal::Fingerprint;
use vestal_core::state::State;
use vestal_core::store::LivingTokens;

use super::tables::Tables;

impl Tables {
    pub(super) fn holders_of(&self, token: &Fingerprint, limit: u32) -> Vec<ConnectionName> {
        let named = self.names.iter().filter_map(|(name, id)| Some((name, self.connections.get(id)?)));
        let holders = named.filter(|(_, row)| held(&row.connection) == Some(*token));
        holders.map(|(name, _)| name.clone()).take(limit as usize).collect()
    }

    pub(super) fn shared_tokens(&self, limit: u32) -> Vec<Fingerprint> {
        let mut holders: HashMap<Fingerprint, usize> = HashMap::new();
        for token in self.connections.values().filter_map(|row| held(&row.connection)) {
            *holders.entry(token).or_default() += 1;
        }
        let mut shared: Vec<_> =
            holders.into_iter().filter(|(_, holders)| *holders > 1).map(|(token, _)| token).collect();
        shared.sort_unstable_by_key(|token| *token.as_bytes());
        shared.truncate(limit as usize);
        shared
    }

    pub(super) fn living_tokens(&self, client: ClientId, limit: u32) -> LivingTokens {
        let mut living: BTreeMap<Option<&str>, u64> = BTreeMap::new();
        let lives = |connection: &&Connection| {
            let is_dead = matches!(connection.state, State::NeedsReauth { .. } | State::Disconnecting);
            connection.client == client && !is_dead && held(connection).is_some()
        };
        let all = self.connections.values().map(|row| &row.connection).filter(lives);
        for connection in all.take(limit as usize) {
            let account = connection.grant.as_ref().and_then(|grant| grant.about.account.as_ref());
            *living.entry(account.map(|account| account.hash.as_str())).or_default() += 1;
        }
        let of_nobody_known = living.get(&None).copied().unwrap_or_default();
        let of_accounts = living.iter().filter(|(account, _)| account.is_some()).map(|(_, tokens)| *tokens);
        LivingTokens {
            all: living.values().sum(),
            of_nobody_known,
            of_one_account: of_accounts.max().unwrap_or_default(),
        }
    }
}

/// What tells a connection's refresh token from others.
fn held(connection: &Connection) -> Option<Fingerprint> {
    Some(connection.grant.as_ref()?.tokens.refresh_token.as_ref()?.fingerprint)
}
