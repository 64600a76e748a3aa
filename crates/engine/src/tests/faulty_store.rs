//! A store that can be made to fail, or to take its time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
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
use vestal_core::store::*;
use vestal_core::token::Candidate;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is refused; nothing is written.
    Refused,
    /// It is refused by a store that a later version of Vestal has written.
    Newer,
    /// It is refused this much later.
    RefusedLate(Duration),
    /// It is written, and nobody hears of it.
    Unheard,
    /// It is not written, and nobody knows.
    Vanished,
    /// It is written, and heard of this much later.
    Slow(Duration),
    /// It is written this much later.
    Late(Duration),
}

pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(crate) begin: Faults,
    pub(crate) finish: Faults,
    pub(crate) update: Faults,
    pub(crate) keep: Faults,
    /// Of reads of one connection.
    pub(crate) read: Faults,
    /// Of reads of several connections at once.
    pub(crate) reads: Faults,
    /// Of reads of histories.
    pub(crate) events: Faults,
    /// Clients that cannot be read with the others.
    pub(crate) unreadable: Mutex<Vec<ClientId>>,
}

/// What goes wrong with the next calls of a kind.
pub(crate) type Faults = Mutex<VecDeque<Fault>>;

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (begin, finish, update, keep) = Default::default();
        let (read, reads, events) = Default::default();
        let unreadable = Mutex::default();
        Self { inner, clock, begin, finish, update, keep, read, reads, events, unreadable }
    }

    /// The store behind it, of which nothing fails.
    pub(crate) fn sound(&self) -> &dyn Store {
        &*self.inner
    }

    async fn strike<T>(
        &self,
        fault: Option<Fault>,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let detail = "planted".to_owned();
        match fault {
            None => write.await,
            Some(Fault::Refused) => Err(StoreError::Unavailable { detail }),
            Some(Fault::Newer) => Err(StoreError::NewerSchema { found: 9, known: 1 }),
            Some(Fault::RefusedLate(delay)) => {
                self.clock.sleep(delay).await;
                Err(StoreError::Unavailable { detail })
            }
            Some(Fault::Vanished) => Err(StoreError::OutcomeUnknown { detail }),
            Some(Fault::Unheard) => {
                write.await?;
                Err(StoreError::OutcomeUnknown { detail })
            }
            Some(Fault::Late(delay)) => {
                self.clock.sleep(delay).await;
                write.await
            }
            Some(Fault::Slow(delay)) => {
                let outcome = write.await;
                self.clock.sleep(delay).await;
                outcome
            }
        }
    }
}

macro_rules! pass_on {
    (
        struck { $($faults:ident: $struck:ident($($a:ident: $t:ty),*) -> $o:ty;)* }
        sound { $($name:ident($($arg:ident: $type:ty),*) -> $output:ty;)* }
    ) => {
        #[async_trait]
        impl Store for FaultyStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$output, StoreError> {
                self.inner.$name($($arg),*).await
            })*

            $(async fn $struck(&self, $($a: $t),*) -> Result<$o, StoreError> {
                let fault = self.$faults.lock().unwrap().pop_front();
                self.strike(fault, self.inner.$struck($($a),*)).await
            })*

            async fn clients(&self) -> Result<Clients, StoreError> {
                let mut all = self.inner.clients().await?;
                all.clients.retain(|client| !self.unreadable.lock().unwrap().contains(&client.id));
                Ok(all)
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }
    };
}

pass_on! {
    struck {
        begin: begin_attempt(begin: &Begin) -> Write;
        finish: finish_attempt(finish: &Finish) -> Finished;
        update: update_connection(update: &Update) -> Write;
        keep: keep_candidate(id: ConnectionId, candidate: &Candidate, events: &[Event]) -> bool;
        read: connection(id: ConnectionId) -> Option<Connection>;
        reads: connections_by_id(ids: &[ConnectionId]) -> Vec<Connection>;
        events: events(connection: Option<ConnectionId>, after: u64, limit: u32) -> Vec<StoredEvent>;
    }
    sound {
        identity() -> Option<StoreIdentity>;
        claim_identity(identity: &StoreIdentity) -> StoreIdentity;
        replace_identity(old: &StoreIdentity, new: &StoreIdentity) -> bool;
        sealed(after: Option<ConnectionId>, limit: u32) -> SealedPage;
        reseal(reseals: Vec<Reseal>) -> u64;
        add_client(client: &Client) -> Add;
        client(id: ClientId) -> Option<Client>;
        client_named(name: &str) -> Option<Client>;
        update_client(update: &ClientUpdate) -> bool;
        remove_client(id: ClientId) -> RemoveClient;
        add_connection(connection: &Connection, events: &[Event]) -> Add;
        import_connections(imports: Vec<Import>) -> Vec<AddImport>;
        connection_named(name: &ConnectionName) -> Option<Connection>;
        connection_with_external_id(client: ClientId, external_id: &str) -> Option<Connection>;
        connection_with_grant(grant: GrantId) -> Option<Connection>;
        refresh_tokens(after: Option<ConnectionId>, limit: u32) -> Vec<Holder>;
        holders_of(token: &Fingerprint, limit: u32) -> Vec<ConnectionName>;
        shared_tokens(limit: u32) -> Vec<Fingerprint>;
        living_tokens(client: ClientId, limit: u32) -> LivingTokens;
        connections(filter: &Filter, after: Option<&ConnectionName>, limit: u32) -> Page;
        sample(client: ClientId, limit: u32) -> Vec<ConnectionId>;
        count_states(client: Option<ClientId>) -> Vec<(String, u64)>;
        remove_connection(id: ConnectionId) -> bool;
        remove_abandoned(before: Timestamp) -> Vec<ConnectionName>;
        mark_read(id: ConnectionId, expected: u64, at: Timestamp, plan: &Plan) -> ();
        begin_authorization(authorization: &Authorization) -> ();
        take_authorization(state_hash: &[u8; 32], now: Timestamp) -> Option<Authorization>;
        due(now: Timestamp, limit: u32, held: &Held) -> Vec<Due>;
        next_due(after: Timestamp, by: Timestamp, held: &Held) -> Option<Timestamp>;
        mark() -> Option<Mark>;
        set_mark(mark: &Mark) -> ();
        renew_lease(attempt: AttemptId, lease_for: Duration) -> Renewed;
        attempt(id: AttemptId) -> Option<AttemptStatus>;
        release_node(node: NodeId) -> u64;
        candidates(id: ConnectionId, limit: u32) -> Vec<Candidate>;
        newest_event() -> u64;
        prune(now: Timestamp) -> u64;
        check_writable() -> ();
    }
}
