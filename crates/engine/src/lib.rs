//! What Vestal does, over the ports: one file per verb.
//!
//! - [`connect`](Engine::begin_connect): ask a person for consent; [`callback`](Engine::finish_connect): take it
//! - [`issue_token`](Engine::issue_token): a fresh access token
//! - [`refresh`](Engine::refresh): now, since somebody asked
//! - [`worker`](Engine::run_once): what the schedule says
//! - [`disconnect`](Engine::disconnect): revoke and forget
//!
//! The order of a refresh, which is the product's promise, is in `attempt.rs`.

mod ailing;
mod attempt;
mod callback;
mod catalogue;
mod connect;
mod disconnect;
mod error;
mod flight;
mod hosts;
mod issue_token;
mod manage;
mod refresh;
mod replan;
mod save;
mod secrets;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::RwLock;
use vestal_core::clock::{Clock, Entropy};
use vestal_core::connection::Connection;
use vestal_core::id::NodeId;
use vestal_core::provider::Provider;
use vestal_core::schedule::{Plan, QuotaPlan, Schedule, schedule};
use vestal_core::seal::Vault;
use vestal_core::state::State;
use vestal_core::store::Store;
use vestal_core::token::Renewal;
use vestal_oauth::http::Http;

pub use callback::Connected;
pub use catalogue::{Catalogue, CatalogueError};
pub use connect::{BeginConnect, CONSENT_WITHIN, ConsentRequest};
pub use disconnect::{Disconnected, Revocation};
pub use error::Error;
pub use issue_token::{IssuedToken, Want};
pub use manage::NewClient;
pub use refresh::Refreshed;
pub use worker::{LOOK_AT_LEAST_EVERY, Pass};

/// Everything the engine works with.
pub struct Parts {
    /// Where connections are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The way to providers.
    pub http: Arc<dyn Http>,
    /// Seals and opens.
    pub vault: Vault,
    /// What is known of providers.
    pub catalogue: Catalogue,
    /// Which process this is.
    pub node: NodeId,
    /// Which nodes are gone for certain, and what to do once their leases are free.
    pub nodes: Arc<dyn Nodes>,
    /// Bounds.
    pub limits: Limits,
}

/// Knows which nodes of this machine are gone.
pub trait Nodes: Send + Sync + 'static {
    /// Whether the process behind this node has ended for certain. `false` where that cannot be known.
    fn is_gone(&self, node: NodeId) -> bool;

    /// Shows others that this process lives. Called before each lease is taken; does nothing the second time.
    fn announce(&self) {}
}

/// No node is ever known to be gone: every lease has to run out.
pub struct UnknownNodes;

impl Nodes for UnknownNodes {
    fn is_gone(&self, _: NodeId) -> bool {
        false
    }
}

/// The bounds of what the engine does at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at once to one host.
    pub requests_per_host: usize,
    /// Of these, how many are kept for readers who wait.
    pub kept_for_readers: usize,
    /// Refreshes at once in this process.
    pub flights: usize,
    /// The longest time a provider may take to answer.
    pub answer: Duration,
    /// The longest time a reader waits for a fresh token.
    pub reader: Duration,
    /// How long an answer that the store cannot take is kept and tried again.
    pub save: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_host: 16,
            kept_for_readers: 4,
            flights: 256,
            answer: Duration::from_secs(30),
            reader: Duration::from_secs(35),
            save: Duration::from_secs(60),
        }
    }
}

/// Keeps connections alive. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    http: Arc<dyn Http>,
    vault: Vault,
    catalogue: Catalogue,
    node: NodeId,
    nodes: Arc<dyn Nodes>,
    limits: Limits,
    flights: flight::Flights,
    hosts: hosts::Hosts,
    ailing: ailing::Ailing,
    /// Held for reading by each note of a read that is being written.
    notes: Arc<RwLock<()>>,
    /// Jitter: the same for all nodes of a store, and after a restart.
    seed: u64,
}

impl Engine {
    /// An engine over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, entropy, http, vault, catalogue, node, nodes, limits } = parts;
        let seed = vault.store().as_uuid().as_u64_pair().1;
        Self {
            inner: Arc::new(Inner {
                store,
                clock,
                entropy,
                http,
                vault,
                catalogue,
                node,
                nodes,
                limits,
                flights: flight::Flights::default(),
                ailing: ailing::Ailing::default(),
                notes: Arc::default(),
                hosts: hosts::Hosts::new(limits.requests_per_host, limits.kept_for_readers),
                seed,
            }),
        }
    }

    /// Where connections are kept.
    pub fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// What is known of providers.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// When a connection is to be refreshed, and everything that was weighed.
    pub fn schedule(&self, connection: &Connection, provider: &Provider) -> Schedule {
        self.inner.schedule(connection, provider, self.inner.clock.now())
    }

    /// Waits until every refresh that this process has started is over, and everything written: before it ends.
    pub async fn drain(&self) {
        self.inner.flights.drain().await;
        drop(self.inner.notes.write().await);
    }
}

impl Inner {
    fn schedule(&self, connection: &Connection, provider: &Provider, now: Timestamp) -> Schedule {
        schedule(connection, provider, &QuotaPlan::AMPLE, now, self.seed)
    }

    /// When a connection is due: a refresh, or the end of an access token that cannot be renewed, which has to be told.
    fn plan(&self, connection: &Connection, provider: &Provider, now: Timestamp) -> Plan {
        let plan = self.schedule(connection, provider, now).plan();
        let ends_at = connection.grant.as_ref().filter(|_| cannot_be_renewed(connection));
        match ends_at.and_then(|grant| grant.tokens.expires_at) {
            Some(ends_at) => Plan { due_at: Some(ends_at), dies_at: Some(ends_at) },
            None => plan,
        }
    }

    /// Runs a future for at most this long. `None` when the time was up.
    async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.clock.sleep(limit) => None,
        }
    }
}

/// Whether a connection that works will need a person when its access token ends.
fn cannot_be_renewed(connection: &Connection) -> bool {
    let works = matches!(connection.state, State::Active | State::Unverified);
    works && connection.grant.as_ref().is_some_and(|grant| grant.renewal == Renewal::None)
}
