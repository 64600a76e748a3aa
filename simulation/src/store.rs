//! Two layers around the store in memory: one that writes down what happens in it, and one for each process, through
//! which a process sees it with all that can go wrong on the way.

use std::sync::Arc;
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
use vestal_core::token::{Candidate, saturating_add};

use crate::ledger::Ledger;
use crate::machine::Machine;
use crate::process::{Call, Process};
use crate::time::WallClock;
use crate::weather::{StoreTrouble, Weather};

/// Writes down what happens in the store.
pub(crate) struct Watched {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) clock: Arc<WallClock>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) machines: Vec<Arc<Machine>>,
}

impl Watched {
    fn seen(&self, connection: Option<&Connection>) {
        if let Some(connection) = connection {
            self.ledger.read(connection);
        }
    }
}

/// The store as one process sees it.
pub(crate) struct Remote {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) process: Arc<Process>,
    pub(crate) weather: Arc<Weather>,
}

impl Remote {
    async fn read<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.process
            .call(Call::Other, async {
                match self.weather.store_read() {
                    Some(detail) => Err(StoreError::Unavailable { detail }),
                    None => read.await,
                }
            })
            .await
    }

    async fn write<T>(
        &self,
        call: Call,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let trouble = self.weather.store_write();
        self.process
            .call(call, async {
                let detail = "planted".to_owned();
                match trouble {
                    None => write.await,
                    Some(StoreTrouble::Down) => Err(StoreError::Unavailable { detail }),
                    Some(StoreTrouble::Vanished) => Err(StoreError::OutcomeUnknown { detail }),
                    Some(StoreTrouble::Unheard) => {
                        write.await?;
                        Err(StoreError::OutcomeUnknown { detail })
                    }
                    Some(StoreTrouble::SlowBefore(delay)) => {
                        self.process.sleep(delay).await;
                        write.await
                    }
                    Some(StoreTrouble::SlowAfter(delay)) => {
                        let outcome = write.await;
                        self.process.sleep(delay).await;
                        outcome
                    }
                }
            })
            .await
    }
}

/// Hands the store's methods that are nothing special to a macro: those that read and those that write.
macro_rules! with_plain_methods {
    ($then:ident) => {
        $then! {
            reads {
                identity() -> Option<StoreIdentity>;
                sealed(after: Option<ConnectionId>, limit: u32) -> SealedPage;
                client(id: ClientId) -> Option<Client>;
                client_named(name: &str) -> Option<Client>;
                clients() -> Clients;
                connection_with_external_id(client: ClientId, external_id: &str) -> Option<Connection>;
                connection_with_grant(grant: GrantId) -> Option<Connection>;
                refresh_tokens(after: Option<ConnectionId>, limit: u32) -> Vec<Holder>;
                holders_of(token: &Fingerprint, limit: u32) -> Vec<ConnectionName>;
                shared_tokens(limit: u32) -> Vec<Fingerprint>;
                living_tokens(client: ClientId, limit: u32) -> LivingTokens;
                connections(filter: &Filter, after: Option<&ConnectionName>, limit: u32) -> Page;
                sample(client: ClientId, limit: u32) -> Vec<ConnectionId>;
                count_states(client: Option<ClientId>) -> Vec<(String, u64)>;
                next_due(after: Timestamp, by: Timestamp, held: &Held) -> Option<Timestamp>;
                mark() -> Option<Mark>;
                attempt(id: AttemptId) -> Option<AttemptStatus>;
                candidates(id: ConnectionId, limit: u32) -> Vec<Candidate>;
                events(connection: Option<ConnectionId>, after: u64, limit: u32) -> Vec<StoredEvent>;
                newest_event() -> u64;
            }
            writes {
                claim_identity(identity: &StoreIdentity) -> StoreIdentity;
                replace_identity(old: &StoreIdentity, new: &StoreIdentity) -> bool;
                reseal(reseals: Vec<Reseal>) -> u64;
                add_client(client: &Client) -> Add;
                update_client(update: &ClientUpdate) -> bool;
                set_mark(mark: &Mark) -> ();
                remove_client(id: ClientId) -> RemoveClient;
                import_connections(imports: Vec<Import>) -> Vec<AddImport>;
                remove_connection(id: ConnectionId) -> bool;
                remove_abandoned(before: Timestamp) -> Vec<ConnectionName>;
                keep_candidate(id: ConnectionId, candidate: &Candidate, events: &[Event]) -> bool;
                begin_authorization(authorization: &Authorization) -> ();
                take_authorization(state_hash: &[u8; 32], now: Timestamp) -> Option<Authorization>;
                prune(now: Timestamp) -> u64;
                check_writable() -> ();
            }
        }
    };
}
pub(crate) use with_plain_methods;

macro_rules! ports {
    (
        reads { $($read:ident($($read_arg:ident: $read_type:ty),*) -> $read_output:ty;)* }
        writes { $($write:ident($($write_arg:ident: $write_type:ty),*) -> $write_output:ty;)* }
    ) => {
        #[async_trait]
        impl Store for Watched {
            $(async fn $read(&self, $($read_arg: $read_type),*) -> Result<$read_output, StoreError> {
                self.inner.$read($($read_arg),*).await
            })*
            $(async fn $write(&self, $($write_arg: $write_type),*) -> Result<$write_output, StoreError> {
                self.inner.$write($($write_arg),*).await
            })*

            async fn add_connection(
                &self,
                connection: &Connection,
                events: &[Event],
            ) -> Result<Add, StoreError> {
                let added = self.inner.add_connection(connection, events).await?;
                if added == Add::Done {
                    self.ledger.added(connection);
                }
                Ok(added)
            }

            async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError> {
                self.inner.due(now, limit, held).await
            }

            async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
                let connections = self.inner.connections_by_id(ids).await?;
                connections.iter().for_each(|connection| self.seen(Some(connection)));
                Ok(connections)
            }

            async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
                let connection = self.inner.connection(id).await?;
                self.seen(connection.as_ref());
                Ok(connection)
            }

            async fn connection_named(
                &self,
                name: &ConnectionName,
            ) -> Result<Option<Connection>, StoreError> {
                let connection = self.inner.connection_named(name).await?;
                self.seen(connection.as_ref());
                Ok(connection)
            }

            async fn update_connection(&self, update: &Update) -> Result<Write, StoreError> {
                let write = self.inner.update_connection(update).await?;
                self.ledger.updated(update, &write);
                Ok(write)
            }

            async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
                let until = saturating_add(self.clock.now(), begin.lease_for);
                let write = self.inner.begin_attempt(begin).await?;
                self.ledger.began(begin, until, &write);
                Ok(write)
            }

            async fn mark_read(
                &self,
                id: ConnectionId,
                expected: u64,
                at: Timestamp,
                plan: &Plan,
            ) -> Result<(), StoreError> {
                let current = self.inner.connection(id).await?;
                self.inner.mark_read(id, expected, at, plan).await?;
                if current.is_some_and(|connection| connection.revision == expected) {
                    self.ledger.planned(id, plan.due_at);
                }
                Ok(())
            }

            async fn renew_lease(
                &self,
                attempt: AttemptId,
                lease_for: Duration,
            ) -> Result<Renewed, StoreError> {
                let until = saturating_add(self.clock.now(), lease_for);
                let renewed = self.inner.renew_lease(attempt, lease_for).await?;
                if renewed == Renewed::Done {
                    self.ledger.renewed(attempt, until);
                }
                Ok(renewed)
            }

            async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
                let finished = self.inner.finish_attempt(finish).await?;
                self.ledger.finished(finish, &finished);
                Ok(finished)
            }

            async fn release_node(&self, node: NodeId) -> Result<u64, StoreError> {
                let gone = self.machines.iter().find_map(|machine| machine.knows_gone(node));
                let released = self.inner.release_node(node).await?;
                self.ledger.released(node, gone.unwrap_or(false));
                Ok(released)
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }

        #[async_trait]
        impl Store for Remote {
            $(async fn $read(&self, $($read_arg: $read_type),*) -> Result<$read_output, StoreError> {
                self.read(self.inner.$read($($read_arg),*)).await
            })*
            $(async fn $write(&self, $($write_arg: $write_type),*) -> Result<$write_output, StoreError> {
                self.write(Call::Other, self.inner.$write($($write_arg),*)).await
            })*

            async fn add_connection(
                &self,
                connection: &Connection,
                events: &[Event],
            ) -> Result<Add, StoreError> {
                self.write(Call::Update, self.inner.add_connection(connection, events)).await
            }

            async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError> {
                self.process.looks().await;
                self.read(self.inner.due(now, limit, held)).await
            }

            async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
                self.read(self.inner.connections_by_id(ids)).await
            }

            async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
                self.read(self.inner.connection(id)).await
            }

            async fn connection_named(
                &self,
                name: &ConnectionName,
            ) -> Result<Option<Connection>, StoreError> {
                self.read(self.inner.connection_named(name)).await
            }

            async fn update_connection(&self, update: &Update) -> Result<Write, StoreError> {
                self.write(Call::Update, self.inner.update_connection(update)).await
            }

            async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
                self.write(Call::Begin, self.inner.begin_attempt(begin)).await
            }

            async fn mark_read(
                &self,
                id: ConnectionId,
                expected: u64,
                at: Timestamp,
                plan: &Plan,
            ) -> Result<(), StoreError> {
                self.write(Call::Other, self.inner.mark_read(id, expected, at, plan)).await
            }

            async fn renew_lease(
                &self,
                attempt: AttemptId,
                lease_for: Duration,
            ) -> Result<Renewed, StoreError> {
                self.write(Call::Other, self.inner.renew_lease(attempt, lease_for)).await
            }

            async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
                self.write(Call::Finish, self.inner.finish_attempt(finish)).await
            }

            async fn release_node(&self, node: NodeId) -> Result<u64, StoreError> {
                self.write(Call::Other, self.inner.release_node(node)).await
            }

            async fn close(&self) {}
        }
    };
}

with_plain_methods!(ports);
