//! Mistakes of a store, or of how it is used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, StoreIdentity};
use vestal_core::store::*;
use vestal_core::token::Candidate;

use super::Mutation;
use crate::ledger::Ledger;
use crate::lock;
use crate::process::Process;
use crate::store::with_plain_methods;
use crate::time::SECOND;

/// What every refresh token looks like to whoever does not compare them.
fn alike() -> Fingerprint {
    Fingerprint::from_bytes([7; 32])
}

/// A mistaken store.
pub(crate) struct Mutated {
    inner: Arc<dyn Store>,
    mutation: Mutation,
    ledger: Arc<Ledger>,
    /// Whose store it is, for what a process does wrong with it.
    process: Option<Arc<Process>>,
    /// An outcome that was acknowledged and is not stored yet, and how many processes had been killed then.
    held_back: Mutex<Option<(Finish, u64)>>,
}

impl Mutated {
    pub(crate) fn new(
        inner: Arc<dyn Store>,
        mutation: Mutation,
        ledger: Arc<Ledger>,
        process: Option<Arc<Process>>,
    ) -> Arc<Self> {
        Arc::new(Self { inner, mutation, ledger, process, held_back: Mutex::default() })
    }

    /// What is held back, unless it was lost with somebody who was killed.
    fn held_back(&self) -> Option<Finish> {
        let mut held_back = lock(&self.held_back);
        if held_back.as_ref().is_some_and(|(_, kills)| *kills != self.ledger.kills()) {
            *held_back = None;
        }
        held_back.as_ref().map(|(finish, _)| finish.clone())
    }

    /// Before another write, what was held back is written.
    async fn flush(&self) -> Result<(), StoreError> {
        if self.mutation != Mutation::SkipTheFsync {
            return Ok(());
        }
        let finish = self.held_back();
        *lock(&self.held_back) = None;
        match finish {
            Some(finish) => self.inner.finish_attempt(&finish).await.map(drop),
            None => Ok(()),
        }
    }

    /// A connection as this store shows it.
    fn shown(&self, mut connection: Connection) -> Connection {
        if let Some(finish) = self.held_back().filter(|finish| finish.id == connection.id) {
            connection = after(connection, &finish);
        }
        if self.mutation == Mutation::ApplyWithoutFingerprint {
            if let Some(token) =
                connection.grant.as_mut().and_then(|grant| grant.tokens.refresh_token.as_mut())
            {
                token.fingerprint = alike();
            }
            if let Some(lease) = &mut connection.lease {
                lease.attempt.fingerprint = lease.attempt.fingerprint.map(|_| alike());
            }
        }
        connection
    }

    fn shown_write(&self, write: Write) -> Write {
        match write {
            Write::Moved(current) => Write::Moved(Box::new(self.shown(*current))),
            write => write,
        }
    }

    async fn finish(&self, finish: &Finish) -> Result<Finished, StoreError> {
        match (self.mutation, &self.process) {
            (Mutation::ReleaseWithoutProof, _) => {
                let connection = self.inner.connection(finish.id).await?;
                let lease = connection.and_then(|connection| connection.lease);
                if let Some(lease) = lease.filter(|lease| lease.valid && lease.attempt.id != finish.attempt) {
                    self.inner.release_node(lease.attempt.node).await?;
                }
                self.inner.finish_attempt(finish).await
            }
            (Mutation::SkipTheFsync, _) => {
                // Refused at once what would be refused later.
                let connection = self.inner.connection(finish.id).await?;
                if connection.is_none_or(|connection| connection.revision != finish.expected) {
                    return self.inner.finish_attempt(finish).await;
                }
                *lock(&self.held_back) = Some((finish.clone(), self.ledger.kills()));
                Ok(Finished::Done)
            }
            (Mutation::PublishBeforeSaving, Some(process)) => {
                *lock(&self.held_back) = Some((finish.clone(), self.ledger.kills()));
                let (process, inner, finish) = (Arc::clone(process), Arc::clone(&self.inner), finish.clone());
                tokio::spawn(async move {
                    process.sleep(5 * SECOND).await;
                    let _ = inner.finish_attempt(&finish).await;
                });
                Ok(Finished::Done)
            }
            _ => self.inner.finish_attempt(finish).await,
        }
    }
}

/// A connection as it is after an outcome was stored.
fn after(mut connection: Connection, finish: &Finish) -> Connection {
    if connection.revision != finish.expected {
        return connection;
    }
    connection.revision += 1;
    connection.state = finish.state.clone();
    connection.plan = finish.plan;
    if connection.lease.as_ref().is_some_and(|lease| lease.attempt.id == finish.attempt) {
        connection.lease = None;
    }
    if let (Some(grant), Brought::Tokens(tokens)) = (&mut connection.grant, &finish.brought) {
        grant.tokens = (**tokens).clone();
    }
    connection
}

macro_rules! pass_on {
    (
        reads { $($read:ident($($read_arg:ident: $read_type:ty),*) -> $read_output:ty;)* }
        writes { $($write:ident($($write_arg:ident: $write_type:ty),*) -> $write_output:ty;)* }
    ) => {
        #[async_trait]
        impl Store for Mutated {
            $(async fn $read(&self, $($read_arg: $read_type),*) -> Result<$read_output, StoreError> {
                self.inner.$read($($read_arg),*).await
            })*
            $(async fn $write(&self, $($write_arg: $write_type),*) -> Result<$write_output, StoreError> {
                self.flush().await?;
                self.inner.$write($($write_arg),*).await
            })*

            async fn add_connection(
                &self,
                connection: &Connection,
                events: &[Event],
            ) -> Result<Add, StoreError> {
                self.inner.add_connection(connection, events).await
            }

            async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError> {
                self.inner.due(now, limit, held).await
            }

            async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
                let connections = self.inner.connections_by_id(ids).await?;
                Ok(connections.into_iter().map(|connection| self.shown(connection)).collect())
            }

            async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
                Ok(self.inner.connection(id).await?.map(|connection| self.shown(connection)))
            }

            async fn connection_named(
                &self,
                name: &ConnectionName,
            ) -> Result<Option<Connection>, StoreError> {
                Ok(self.inner.connection_named(name).await?.map(|connection| self.shown(connection)))
            }

            async fn update_connection(&self, update: &Update) -> Result<Write, StoreError> {
                self.flush().await?;
                Ok(self.shown_write(self.inner.update_connection(update).await?))
            }

            async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
                self.flush().await?;
                let mut begin = begin.clone();
                if self.mutation == Mutation::ApplyWithoutFingerprint {
                    let stored = self.inner.connection(begin.id).await?.and_then(|connection| connection.grant);
                    begin.attempt.fingerprint =
                        stored.and_then(|grant| Some(grant.tokens.refresh_token?.fingerprint));
                }
                Ok(self.shown_write(self.inner.begin_attempt(&begin).await?))
            }

            async fn mark_read(
                &self,
                id: ConnectionId,
                expected: u64,
                at: Timestamp,
                plan: &Plan,
            ) -> Result<(), StoreError> {
                self.flush().await?;
                self.inner.mark_read(id, expected, at, plan).await
            }

            async fn renew_lease(
                &self,
                attempt: AttemptId,
                lease_for: Duration,
            ) -> Result<Renewed, StoreError> {
                self.flush().await?;
                self.inner.renew_lease(attempt, lease_for).await
            }

            async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
                self.flush().await?;
                match self.finish(finish).await? {
                    Finished::Moved(current) => Ok(Finished::Moved(Box::new(self.shown(*current)))),
                    finished => Ok(finished),
                }
            }

            async fn release_node(&self, node: NodeId) -> Result<u64, StoreError> {
                self.flush().await?;
                self.inner.release_node(node).await
            }

            async fn close(&self) {
                self.inner.close().await;
            }
        }
    };
}

with_plain_methods!(pass_on);
