//! What Vestal does, over the ports: one file per verb.
//!
//! - [`connect`](Engine::begin_connect): ask a person for consent; [`callback`](Engine::finish_connect): take it;
//!   [`device`](Engine::begin_device): the same on another device;
//!   [`connect_alone`](Engine::connect_client_credentials): nobody has to consent
//! - [`issue_token`](Engine::issue_token): a fresh access token
//! - [`refresh`](Engine::refresh): now, since somebody asked
//! - [`look`](Engine::run_once): what the schedule says, now; [`serve`](Engine::serve): for as long as a service runs
//! - [`disconnect`](Engine::disconnect): revoke and forget
//! - [`import`](Engine::import): take over what another keeper had; [`export`](Engine::export): give it away
//! - [`pause`](Engine::pause), and resume; [`set`](Engine::set): the policy and the tags
//! - [`reseal`](Engine::walk_connections): with another master key, while all of this goes on
//!
//! The order of a refresh, which is the product's promise, is in `attempt.rs`; how its answer is saved, in `save.rs`.

mod abandoned;
mod agenda;
mod ailing;
mod aside;
mod attempt;
mod callback;
mod catalogue;
mod change;
mod client_trouble;
mod connect;
mod connect_alone;
mod consent;
mod decision;
mod device;
mod disconnect;
mod dpop;
mod error;
mod export;
mod flight;
mod gate;
mod health;
mod held_back;
mod holders;
mod holds;
mod hosts;
mod id_token;
mod identity;
mod import;
mod inquiries;
mod introspect;
mod issue_token;
mod journal;
mod learn;
mod left_in_journals;
mod look;
mod lookup;
mod manage;
mod means;
mod open_clients;
mod pause;
mod quotas;
mod refresh;
mod reject;
mod replan;
mod reseal;
mod revoke;
mod save;
mod secrets;
mod serve;
mod set;
mod settle;
mod siblings;
mod sites;
mod take;
mod time;
mod warnings;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{RwLock, Semaphore};
use vestal_core::clock::{Clock, Entropy};
use vestal_core::connection::Connection;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::journal::Journal;
use vestal_core::provider::Provider;
use vestal_core::schedule::{Plan, Schedule, schedule};
use vestal_core::seal::Vault;
use vestal_core::state::State;
use vestal_core::store::Store;
use vestal_oauth::http::Http;

pub use catalogue::{Catalogue, CatalogueError, OwnFile, OwnMistake};
pub use connect::{BeginConnect, CONSENT_WITHIN, ConsentRequest};
pub use connect_alone::{Bearer, ExchangeFrom};
pub use consent::Connected;
pub use device::{BeginDevice, DeviceRequest};
pub use disconnect::Disconnected;
pub use dpop::BoundKey;
pub use error::Error;
pub use export::Secrets;
pub use holders::Holders;
pub use identity::Account;
pub use import::{Imported, NewConnection};
pub use issue_token::{IssuedToken, Want};
pub use look::Pass;
pub use manage::NewClient;
pub use refresh::Refreshed;
pub use reject::Rejection;
pub use reseal::{Left, Walk, Walked};
pub use revoke::Revocation;
pub use set::Changes;
pub use siblings::Siblings;

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
    /// Which nodes live.
    pub nodes: Arc<dyn Nodes>,
    /// Where answers are kept that the store does not take.
    pub journal: Arc<dyn Journal>,
    /// Bounds.
    pub limits: Limits,
}

/// What is known of the process behind a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It lives, on this machine.
    Alive,
    /// It has ended for certain.
    Gone,
    /// That cannot be known: it may be on another machine.
    Unknown,
}

/// Knows which nodes of this machine live.
pub trait Nodes: Send + Sync + 'static {
    /// What has become of the process behind this node.
    fn fate(&self, node: NodeId) -> Fate;

    /// Shows others that this process lives. Called before each lease is taken; does nothing the second time.
    fn announce(&self) {}
}

/// Of no node anything is known: every lease has to run out.
pub struct UnknownNodes;

impl Nodes for UnknownNodes {
    fn fate(&self, _: NodeId) -> Fate {
        Fate::Unknown
    }
}

/// The bounds of what the engine does at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at once to one host.
    pub requests_per_host: usize,
    /// Of these, how many are kept for readers who wait.
    pub kept_for_readers: usize,
    /// Refreshes at once in this process that the schedule starts.
    pub flights: usize,
    /// The longest time a provider may take to answer.
    pub answer: Duration,
    /// The longest time a reader waits for a fresh token.
    pub reader: Duration,
    /// How long an answer that neither the store nor the journal takes is kept and tried again.
    pub save: Duration,
    /// The schedule is looked at at least this often: no timer is trusted across a suspend, and an answer that another
    /// process lost has to be asked for again within its grace, which may be half a minute.
    pub look: Duration,
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
            look: Duration::from_secs(10),
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
    /// What the schedule may start.
    scheduled: Arc<Semaphore>,
    hosts: hosts::Hosts,
    holds: holds::Holds,
    open_clients: open_clients::OpenClients,
    journal: Arc<dyn Journal>,
    left_in_journals: left_in_journals::LeftInJournals,
    /// Answers in journals of which it was told that they have to wait.
    told_to_wait: Mutex<HashSet<AttemptId>>,
    /// Connections as they are by answers that are in the journal and not yet in the store.
    journalled: Mutex<BTreeMap<ConnectionId, Connection>>,
    /// Attempts whose lease has ended while their process lives, and until when they are given time, in the clock's uptime.
    overdue: Mutex<BTreeMap<AttemptId, Duration>>,
    doings: health::Doings,
    quotas: quotas::Quotas,
    nonces: dpop::Nonces,
    inquiries: inquiries::Inquiries,
    /// Held while a token is given to a connection that is there already.
    time: time::Time,
    agenda: Mutex<agenda::Agenda>,
    ailing: ailing::Ailing,
    /// Held for reading by each consent that is being completed.
    consents: Arc<RwLock<()>>,
    /// Held for reading by each note of a read that is being written.
    notes: Arc<RwLock<()>>,
    /// Jitter: the same for all nodes of a store, and after a restart.
    seed: u64,
}

/// How long a process that ends waits for its notes of reads, and of what an API said.
const NOTES_WITHIN: Duration = Duration::from_millis(500);

impl Engine {
    /// An engine over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, entropy, http, vault, catalogue, node, nodes, journal, limits } = parts;
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
                scheduled: Arc::new(Semaphore::new(limits.flights)),
                agenda: Mutex::default(),
                ailing: ailing::Ailing::default(),
                holds: holds::Holds::default(),
                open_clients: open_clients::OpenClients::default(),
                journal,
                left_in_journals: left_in_journals::LeftInJournals::default(),
                told_to_wait: Mutex::default(),
                journalled: Mutex::default(),
                overdue: Mutex::default(),
                doings: health::Doings::default(),
                quotas: quotas::Quotas::default(),
                nonces: dpop::Nonces::default(),
                inquiries: inquiries::Inquiries::default(),
                time: time::Time::default(),
                consents: Arc::default(),
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

    /// What seals and opens.
    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// What is known of providers.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Whether this clock has jumped and no provider has confirmed it yet: nothing that cannot be taken back is to be done
    /// because of what it shows.
    pub fn doubts_the_clock(&self) -> bool {
        self.inner.time.is_doubted(self.inner.clock.uptime())
    }

    /// When a connection is to be refreshed, and everything that was weighed.
    pub fn schedule(&self, connection: &Connection, provider: &Provider) -> Schedule {
        self.inner.schedule(connection, provider, self.inner.clock.now())
    }

    /// Whether a refresh or a consent is under way in this process: its answer may be nowhere else.
    pub fn awaits_answers(&self) -> bool {
        !self.inner.flights.running().is_empty() || self.inner.consents.try_write().is_err()
    }

    /// Waits until every refresh and every consent that this process has started is over, and everything written: before
    /// it ends.
    pub async fn drain(&self) {
        self.inner.flights.drain().await;
        drop(self.inner.consents.write().await);
        // Each of them takes so long at most, and a moment to be noted.
        let _ = self.inner.within(identity::ASK_WITHIN + NOTES_WITHIN, self.inner.inquiries.drain()).await;
        // A note of a read is not worth waiting for, where somebody has locked the store.
        let noted = self.inner.notes.write();
        let _ = self.inner.within(NOTES_WITHIN, noted).await;
        self.inner.note_skew().await;
    }
}

impl Inner {
    fn agenda(&self) -> MutexGuard<'_, agenda::Agenda> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn schedule(&self, connection: &Connection, provider: &Provider, now: Timestamp) -> Schedule {
        schedule(connection, provider, &self.quotas.of(connection.client), now, self.seed)
    }

    /// When a connection is due: a refresh, a warning, or the end of an access token that cannot be renewed, which has
    /// to be told.
    fn plan(&self, connection: &Connection, provider: &Provider, now: Timestamp) -> Plan {
        let schedule = self.schedule(connection, provider, now);
        let warned_at = connection.plan.warned_at;
        let warning = warnings::next(connection, &schedule, warned_at, now);
        let ends_at = connection.grant.as_ref().filter(|_| cannot_be_renewed(connection, provider));
        if let Some(ends_at) = ends_at.and_then(|grant| grant.tokens.expires_at) {
            let due_at = warning.map_or(ends_at, |warning| warning.give_at.min(ends_at));
            return Plan { due_at: Some(due_at), dies_at: Some(ends_at), warned_at };
        }
        let plan = schedule.plan();
        let due_at = plan.due_at.into_iter().chain(warning.map(|warning| warning.give_at)).min();
        Plan { due_at, warned_at, ..plan }
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
fn cannot_be_renewed(connection: &Connection, provider: &Provider) -> bool {
    let works = matches!(connection.state, State::Active | State::Unverified { .. });
    works && connection.grant.as_ref().is_some_and(|grant| provider.cannot_renew(grant))
}
