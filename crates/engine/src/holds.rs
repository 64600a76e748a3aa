//! Which clients' connections the schedule leaves alone for now, and why.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vestal_core::client::Client;
use vestal_core::connection::ConnectionName;
use vestal_core::id::{ClientId, ConnectionId};
use vestal_core::store::{Due, Held};
use vestal_core::token::saturating_add;

use crate::{Error, Inner};

/// What other processes write of a client is seen after at most this time.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// What is known of the clients.
#[derive(Default)]
pub(crate) struct Holds {
    known: Mutex<Known>,
    /// Until when a host asked a client for patience, in the clock's uptime.
    patience: Mutex<HashMap<(ClientId, String), Duration>>,
    /// The connection of each client that was asked for it last by a host, and until when.
    throttled: Mutex<HashMap<(ClientId, String), (ConnectionId, Duration)>>,
}

#[derive(Default)]
struct Known {
    clients: HashMap<ClientId, KnownClient>,
    /// Clients of connections that are due which were not among them: damaged, or gone. They are looked for again
    /// whenever all are read.
    missing: HashSet<ClientId>,
    /// How many could not be read.
    damaged: usize,
    /// In the clock's uptime; `None` where it has to be read anew.
    read_at: Option<Duration>,
}

#[derive(Clone)]
struct KnownClient {
    /// `None` where each connection has its own.
    host: Option<String>,
    /// The provider refuses it: this connection goes on trying, the others wait.
    canary: Option<ConnectionId>,
}

/// What the schedule leaves alone now.
#[derive(Default)]
pub(crate) struct Holding {
    /// For a time, or until somebody acts.
    pub(crate) waiting: Held,
    /// Clients whose host takes nothing more until something lands.
    pub(crate) full: HashSet<ClientId>,
}

impl Holding {
    pub(crate) fn waits(&self, due: &Due) -> bool {
        self.waiting.clients.binary_search(&due.client).is_ok() && !self.waiting.but.contains(&due.connection)
    }

    pub(crate) fn may_start(&self, due: &Due) -> bool {
        !self.full.contains(&due.client) && !self.waits(due)
    }

    /// Leaves one more client alone.
    pub(crate) fn wait_for(&mut self, client: ClientId) {
        if let Err(place) = self.waiting.clients.binary_search(&client) {
            self.waiting.clients.insert(place, client);
        }
    }

    /// All of it.
    pub(crate) fn all(&self) -> Held {
        let mut clients: Vec<_> = self.waiting.clients.iter().chain(&self.full).copied().collect();
        clients.sort_unstable();
        Held { clients, but: self.waiting.but.clone() }
    }
}

impl Holds {
    /// Makes what is known of clients be read anew.
    pub(crate) fn forget_clients(&self) {
        self.known().read_at = None;
    }

    /// Whether what is known of clients has to be read anew.
    pub(crate) fn is_outdated(&self) -> bool {
        self.known().read_at.is_none()
    }

    /// Takes note that a connection is due whose client is not known: it may have been added just now by another process.
    pub(crate) fn note_missing(&self, client: ClientId) {
        let mut known = self.known();
        if known.missing.insert(client) {
            known.read_at = None;
        }
    }

    /// Takes note that a host asked a connection for patience. Once a second one of the client is asked while the
    /// first still waits, it is the client that is meant; what one shop asks for is not meant for another.
    pub(crate) fn was_throttled(&self, client: &Client, by: ConnectionId, uptime: Duration, wait: Duration) {
        let until = uptime.saturating_add(wait);
        let at = (client.id, host_of(client));
        let mut throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner);
        throttled.retain(|_, (_, until)| *until > uptime);
        let first = throttled.insert(at.clone(), (by, until));
        if first.is_some_and(|(other, _)| other != by) {
            let mut patience = self.patience();
            let noted = patience.entry(at).or_insert(until);
            *noted = until.max(*noted);
        }
    }

    /// For how long a host asked a client for patience.
    pub(crate) fn patience_left(&self, client: ClientId, host: &str, uptime: Duration) -> Option<Duration> {
        let at = (client, host.to_owned());
        self.patience().get(&at)?.checked_sub(uptime).filter(|left| !left.is_zero())
    }

    /// How long until the first provider's patience is over.
    fn soonest(&self, uptime: Duration) -> Option<Duration> {
        self.patience()
            .values()
            .filter_map(|until| until.checked_sub(uptime))
            .filter(|left| !left.is_zero())
            .min()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self) -> MutexGuard<'_, HashMap<(ClientId, String), Duration>> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host that a client's refreshes go to.
pub(crate) fn host_of(client: &Client) -> String {
    client.endpoints.for_refreshes().host_str().unwrap_or_default().to_owned()
}

impl Inner {
    /// What the schedule leaves alone now: clients that cannot be read, that are refused, that were asked for patience, or
    /// whose host is down or takes nothing more.
    pub(crate) async fn held(&self) -> Result<Holding, Error> {
        let uptime = self.clock.uptime();
        let stale = self.holds.known().read_at.is_none_or(|at| uptime.saturating_sub(at) >= KNOWN_FOR);
        if stale && let Err(error) = self.know_clients(uptime).await {
            let mut known = self.holds.known();
            if known.clients.is_empty() {
                return Err(error);
            }
            tracing::error!(%error, "the clients cannot be read; going by what was known of them");
            known.read_at = Some(uptime);
        }
        self.holds.patience().retain(|_, until| *until > uptime);
        let mut holding = Holding::default();
        let known = self.holds.known();
        holding.waiting.clients.extend(&known.missing);
        for (id, client) in &known.clients {
            let host = client.host.as_deref();
            let waits = host.is_some_and(|host| {
                self.holds.patience_left(*id, host, uptime).is_some()
                    || self.hosts.open_for(host, uptime).is_some()
            });
            if waits {
                holding.waiting.clients.push(*id);
            } else if host.is_some_and(|host| !self.hosts.has_room(host, uptime)) {
                holding.full.insert(*id);
            } else if let Some(canary) = client.canary {
                holding.waiting.clients.push(*id);
                holding.waiting.but.push(canary);
            }
        }
        holding.waiting.clients.sort_unstable();
        Ok(holding)
    }

    /// Whether the schedule leaves alone everything there is.
    pub(crate) fn holds_all(&self, holding: &Holding) -> bool {
        let known = self.holds.known();
        let held = holding.waiting.clients.len() + holding.full.len();
        let all = known.clients.len() + known.missing.len();
        !known.clients.is_empty() && holding.waiting.but.is_empty() && held == all
    }

    /// How long what is held is held at least, as far as time alone decides that.
    pub(crate) fn held_for(&self) -> Option<Duration> {
        let uptime = self.clock.uptime();
        let waits = [self.ailing.soonest(uptime), self.hosts.soonest(uptime), self.holds.soonest(uptime)];
        waits.into_iter().flatten().min()
    }

    /// What speaks against sending a request for a client now, other than that somebody insists.
    pub(crate) fn objection(
        &self,
        client: &Client,
        id: ConnectionId,
        name: &ConnectionName,
    ) -> Option<Error> {
        let (now, uptime) = (self.clock.now(), self.clock.uptime());
        if let Some(trouble) = client.notes.trouble.as_ref().filter(|it| it.agreed && it.canary != id) {
            let (name, client, detail) = (name.clone(), client.name.clone(), trouble.detail.clone());
            return Some(Error::ClientRefused { name, client, detail, since: trouble.since });
        }
        let host = host_of(client);
        if let Some(left) = self.hosts.open_for(&host, uptime) {
            let next = saturating_add(now, left);
            return Some(Error::HostDown { name: name.clone(), host, next });
        }
        let left = self.holds.patience_left(client.id, &host, uptime)?;
        let (name, client, next) = (name.clone(), client.name.clone(), saturating_add(now, left));
        Some(Error::Throttled { name, client, next })
    }

    /// The host that a client's token requests go to, where that is one; `None` where the client is not known yet.
    pub(crate) fn known_host(&self, client: ClientId) -> Option<Option<String>> {
        self.holds.known().clients.get(&client).map(|client| client.host.clone())
    }

    async fn know_clients(&self, uptime: Duration) -> Result<(), Error> {
        let mut clients = HashMap::new();
        let all = self.store.clients().await?;
        let damaged = all.damaged.len();
        // Told once.
        if damaged > self.holds.known().damaged {
            for damage in &all.damaged {
                tracing::error!(%damage, "a client cannot be read; its connections are not refreshed");
            }
        }
        for client in all.clients {
            let canary = match client.notes.trouble.as_ref().filter(|trouble| trouble.agreed) {
                Some(trouble) => self.canary(&client, trouble).await.unwrap_or_else(|error| {
                    tracing::error!(client = %client.name, %error, "who goes on trying for it cannot be read");
                    Some(trouble.canary)
                }),
                None => None,
            };
            let host = client.endpoints.have_one_host().then(|| host_of(&client));
            clients.insert(client.id, KnownClient { host, canary });
        }
        let mut known = self.holds.known();
        let mut missing = std::mem::take(&mut known.missing);
        missing.retain(|id| !clients.contains_key(id));
        *known = Known { clients, missing, damaged, read_at: Some(uptime) };
        Ok(())
    }
}
