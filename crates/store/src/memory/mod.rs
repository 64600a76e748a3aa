//! A store that lives as long as its process: for tests and for simulations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, StoreIdentity};
use vestal_core::store::{
    Add, AddImport, AttemptStatus, Authorization, Begin, ClientUpdate, Clients, Due, Filter, Finish,
    Finished, Held, Holder, Import, LivingTokens, Mark, Page, RemoveClient, Renewed, Reseal, SealedPage,
    Store, StoreError, Update, Write,
};
use vestal_core::token::Candidate;

use crate::rules::{closed, kept, lease_end, unclaimed};

mod sealed;
mod tables;
mod tokens;
mod writes;
use tables::{Tables, kept_plan};

/// A store in memory. Behaves like the durable ones, but for being gone with its process.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store that judges leases by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    /// The token sets that are kept for a connection, also those of earlier grants: the grant and the
    /// generation of each, oldest first, the current one last.
    pub fn kept_token_sets(&self, id: ConnectionId) -> Vec<(GrantId, u64)> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(row) = tables.connections.get(&id) else { return Vec::new() };
        let current = row.connection.grant.iter().map(|grant| (grant.id, grant.tokens.generation));
        row.earlier.iter().map(|earlier| (earlier.grant, earlier.tokens.generation)).chain(current).collect()
    }

    fn now(&self) -> Timestamp {
        kept(self.clock.now())
    }

    /// No method panics between two changes, so what a panic leaves behind is whole.
    fn tables(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.closed { Err(closed()) } else { Ok(tables) }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn identity(&self) -> Result<Option<StoreIdentity>, StoreError> {
        Ok(self.tables()?.identity.clone())
    }

    async fn claim_identity(&self, identity: &StoreIdentity) -> Result<StoreIdentity, StoreError> {
        Ok(self.tables()?.identity.get_or_insert_with(|| identity.clone()).clone())
    }

    async fn replace_identity(&self, old: &StoreIdentity, new: &StoreIdentity) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        let is_old = tables.identity.as_ref() == Some(old);
        if is_old {
            tables.identity = Some(new.clone());
        }
        Ok(is_old)
    }

    async fn sealed(&self, after: Option<ConnectionId>, limit: u32) -> Result<SealedPage, StoreError> {
        Ok(self.tables()?.sealed(after, limit, self.now()))
    }

    async fn reseal(&self, reseals: Vec<Reseal>) -> Result<u64, StoreError> {
        Ok(self.tables()?.reseal(&reseals))
    }

    async fn add_client(&self, client: &Client) -> Result<Add, StoreError> {
        Ok(self.tables()?.add_client(client))
    }

    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.tables()?.clients.get(&id).cloned())
    }

    async fn client_named(&self, name: &str) -> Result<Option<Client>, StoreError> {
        Ok(self.tables()?.clients.values().find(|client| client.name == name).cloned())
    }

    async fn clients(&self) -> Result<Clients, StoreError> {
        let mut clients: Vec<_> = self.tables()?.clients.values().cloned().collect();
        clients.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Clients { clients, damaged: Vec::new() })
    }

    async fn update_client(&self, update: &ClientUpdate) -> Result<bool, StoreError> {
        Ok(self.tables()?.update_client(update))
    }

    async fn remove_client(&self, id: ClientId) -> Result<RemoveClient, StoreError> {
        Ok(self.tables()?.remove_client(id))
    }

    async fn add_connection(&self, connection: &Connection, events: &[Event]) -> Result<Add, StoreError> {
        self.tables()?.add_connection(connection, events)
    }

    async fn import_connections(&self, imports: Vec<Import>) -> Result<Vec<AddImport>, StoreError> {
        self.tables()?.import(&imports)
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        Ok(self.tables()?.connection(id, self.now()))
    }

    async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
        let (tables, now) = (self.tables()?, self.now());
        Ok(ids.iter().filter_map(|id| tables.connection(*id, now)).collect())
    }

    async fn connection_named(&self, name: &ConnectionName) -> Result<Option<Connection>, StoreError> {
        let tables = self.tables()?;
        Ok(tables.names.get(name).and_then(|id| tables.connection(*id, self.now())))
    }

    async fn connection_with_external_id(
        &self,
        client: ClientId,
        external_id: &str,
    ) -> Result<Option<Connection>, StoreError> {
        Ok(self.tables()?.with_external_id(client, external_id, self.now()))
    }

    async fn connection_with_grant(&self, grant: GrantId) -> Result<Option<Connection>, StoreError> {
        let (tables, now) = (self.tables()?, self.now());
        Ok(tables.with_grant(grant).map(|row| row.seen(now)))
    }

    async fn refresh_tokens(
        &self,
        after: Option<ConnectionId>,
        limit: u32,
    ) -> Result<Vec<Holder>, StoreError> {
        Ok(self.tables()?.refresh_tokens(after, limit))
    }

    async fn holders_of(&self, token: &Fingerprint, limit: u32) -> Result<Vec<ConnectionName>, StoreError> {
        Ok(self.tables()?.holders_of(token, limit))
    }

    async fn shared_tokens(&self, limit: u32) -> Result<Vec<Fingerprint>, StoreError> {
        Ok(self.tables()?.shared_tokens(limit))
    }

    async fn living_tokens(&self, client: ClientId, limit: u32) -> Result<LivingTokens, StoreError> {
        Ok(self.tables()?.living_tokens(client, limit))
    }

    async fn connections(
        &self,
        filter: &Filter,
        after: Option<&ConnectionName>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        Ok(self.tables()?.list(filter, after, limit, self.now()))
    }

    async fn sample(&self, client: ClientId, limit: u32) -> Result<Vec<ConnectionId>, StoreError> {
        let tables = self.tables()?;
        let of_client = tables.connections.iter().filter(|(_, row)| row.connection.client == client);
        Ok(of_client.map(|(id, _)| *id).take(limit as usize).collect())
    }

    async fn count_states(&self, client: Option<ClientId>) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(self.tables()?.count_states(client))
    }

    async fn update_connection(&self, update: &Update) -> Result<Write, StoreError> {
        self.tables()?.update(update, self.now())
    }

    async fn remove_connection(&self, id: ConnectionId) -> Result<bool, StoreError> {
        Ok(self.tables()?.remove_connection(id))
    }

    async fn remove_abandoned(&self, before: Timestamp) -> Result<Vec<ConnectionName>, StoreError> {
        Ok(self.tables()?.remove_abandoned(kept(before)))
    }

    async fn keep_candidate(
        &self,
        id: ConnectionId,
        candidate: &Candidate,
        events: &[Event],
    ) -> Result<bool, StoreError> {
        Ok(self.tables()?.keep_aside(id, candidate, events))
    }

    async fn mark_read(
        &self,
        id: ConnectionId,
        expected: u64,
        at: Timestamp,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        let row = tables.connections.get_mut(&id).filter(|row| row.connection.revision == expected);
        if let Some(row) = row {
            row.connection.last_read_at = Some(kept(at));
            row.connection.plan = kept_plan(*plan);
        }
        Ok(())
    }

    async fn begin_authorization(&self, authorization: &Authorization) -> Result<(), StoreError> {
        self.tables()?.begin_authorization(authorization)
    }

    async fn take_authorization(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Authorization>, StoreError> {
        let taken = self.tables()?.authorizations.remove(state_hash);
        Ok(taken.filter(|authorization| authorization.expires_at >= kept(now)))
    }

    async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError> {
        Ok(self.tables()?.due(now, self.now(), limit, held))
    }

    async fn next_due(
        &self,
        after: Timestamp,
        by: Timestamp,
        held: &Held,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.tables()?.next_due(after, by, held))
    }

    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        Ok(self.tables()?.mark.clone())
    }

    async fn set_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        if tables.identity.is_none() {
            return Err(unclaimed());
        }
        tables.mark = Some(mark.clone());
        Ok(())
    }

    async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
        let now = self.now();
        self.tables()?.begin(begin, lease_end(now, begin.lease_for), now)
    }

    async fn renew_lease(&self, attempt: AttemptId, lease_for: Duration) -> Result<Renewed, StoreError> {
        Ok(self.tables()?.renew(attempt, lease_end(self.now(), lease_for)))
    }

    async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
        self.tables()?.finish(finish, self.now())
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<AttemptStatus>, StoreError> {
        Ok(self.tables()?.attempts.get(&id).map(|row| row.status))
    }

    async fn release_node(&self, node: NodeId) -> Result<u64, StoreError> {
        Ok(self.tables()?.release(node, self.now()))
    }

    async fn candidates(&self, id: ConnectionId, limit: u32) -> Result<Vec<Candidate>, StoreError> {
        Ok(self.tables()?.candidates(id, limit))
    }

    async fn events(
        &self,
        connection: Option<ConnectionId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        Ok(self.tables()?.events(connection, after, limit))
    }

    async fn newest_event(&self) -> Result<u64, StoreError> {
        Ok(self.tables()?.newest_event())
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.tables()?.prune(kept(now)))
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        self.tables().map(drop)
    }

    async fn close(&self) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{ManualClock, Subject};

    async fn make(clock: Arc<ManualClock>) -> (Arc<dyn Subject>, ()) {
        (Arc::new(MemoryStore::new(clock)), ())
    }

    crate::conformance_tests!(make);
}
