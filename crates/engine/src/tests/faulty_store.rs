//! A store whose two writes around a request, and reads of several connections, can be made to fail, or to take their
//! time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::*;
use vestal_core::token::Candidate;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is refused; nothing is written.
    Refused,
    /// It is written, and nobody hears of it.
    Unheard,
    /// It is not written, and nobody knows.
    Vanished,
    /// It is written, this much later.
    Slow(Duration),
}

pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(crate) begin: Mutex<VecDeque<Fault>>,
    pub(crate) finish: Mutex<VecDeque<Fault>>,
    /// Of reads of several connections at once.
    pub(crate) reads: Mutex<VecDeque<Fault>>,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, begin: Mutex::default(), finish: Mutex::default(), reads: Mutex::default() }
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
            Some(Fault::Vanished) => Err(StoreError::OutcomeUnknown { detail }),
            Some(Fault::Unheard) => {
                write.await?;
                Err(StoreError::OutcomeUnknown { detail })
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
    ($($name:ident($($arg:ident: $type:ty),*) -> $output:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$output, StoreError> {
                self.inner.$name($($arg),*).await
            })*

            async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
                let fault = self.begin.lock().unwrap().pop_front();
                self.strike(fault, self.inner.begin_attempt(begin)).await
            }

            async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
                let fault = self.finish.lock().unwrap().pop_front();
                self.strike(fault, self.inner.finish_attempt(finish)).await
            }

            async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
                let fault = self.reads.lock().unwrap().pop_front();
                self.strike(fault, self.inner.connections_by_id(ids)).await
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }
    };
}

pass_on! {
    identity() -> Option<StoreIdentity>;
    claim_identity(identity: &StoreIdentity) -> StoreIdentity;
    add_client(client: &Client) -> Add;
    client(id: ClientId) -> Option<Client>;
    client_named(name: &str) -> Option<Client>;
    clients() -> Clients;
    update_client(update: &ClientUpdate) -> bool;
    remove_client(id: ClientId) -> RemoveClient;
    add_connection(connection: &Connection, events: &[Event]) -> Add;
    connection(id: ConnectionId) -> Option<Connection>;
    connection_named(name: &ConnectionName) -> Option<Connection>;
    connections(filter: &Filter, after: Option<&ConnectionName>, limit: u32) -> Page;
    count_states() -> Vec<(String, u64)>;
    update_connection(update: &Update) -> Write;
    remove_connection(id: ConnectionId) -> bool;
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
    events(connection: Option<ConnectionId>, after: u64, limit: u32) -> Vec<StoredEvent>;
    prune(now: Timestamp) -> u64;
    check_writable() -> ();
}
