//! The connections: what each of them lacks, and what only a look at all of them shows.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use vestal_api::{Finding, Trouble};
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ClientId;
use vestal_core::seal::Fingerprint;
use vestal_core::state::State;
use vestal_core::store::{Filter, StoreError};
use vestal_core::token::Grant;
use vestal_core::warnings::is_counted;
use vestal_engine::Error;

use super::finding::{fail, failed, of_store, ok, warn};
use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::overdue;
use crate::text::{NAMED, counted, some_of};
use crate::warnings::{self, Seen};

/// As many connections are read at once.
const PAGE: u32 = 500;

/// As many connections are looked at: what is remembered of each takes some hundred bytes.
const LOOKED_AT: usize = 1_000_000;

/// As many connections are kept for warnings to go by, and as many of a client that they do not count.
const KEPT: usize = 10_000;
const OF_A_CLIENT: usize = 500;

/// What was seen of all connections.
#[derive(Default)]
pub(super) struct Fleet {
    /// How many were looked at.
    pub(super) looked_at: usize,
    /// Whether there are more of them.
    in_part: bool,
    /// How long what dies first lives from one refresh to the next.
    pub(super) shortest_life: Option<Duration>,
    /// Who holds which refresh token, by its fingerprint: the name that was seen first.
    holders: HashMap<Fingerprint, ConnectionName>,
    /// Those that hold the same one.
    pairs: Vec<(ConnectionName, ConnectionName)>,
    /// What warnings go by, for each client.
    seen: HashMap<ClientId, Seen>,
    /// How many that are.
    kept: usize,
    needing: Few,
    failing: Few,
    /// Those that may have died of disuse, and when the first may have.
    unused: Few,
    unused_since: Option<Timestamp>,
    not_renewable: Few,
    sealed: Few,
    /// Why the first of those cannot be opened.
    sealed_why: Option<String>,
    nowhere: Few,
    /// The same of where their provider is.
    nowhere_why: Option<String>,
    /// What is wrong with the first that cannot be read.
    damaged: Option<StoreError>,
}

/// The first of some connections, and how many there are.
#[derive(Default)]
struct Few {
    first: Vec<ConnectionName>,
    count: u64,
}

impl Few {
    fn add(&mut self, name: &ConnectionName) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name.clone());
        }
    }

    /// What there is to say, where there are any: of all of them, and of the first, as it is typed.
    fn tell(&self, say: impl FnOnce(String, String) -> Finding) -> Option<Finding> {
        let first = word(self.first.first()?.as_str());
        let names: Vec<&str> = self.first.iter().map(ConnectionName::as_str).collect();
        Some(say(some_of(&names, self.count), first))
    }
}

/// Looks at all of them. What was seen is of use to others too.
pub(super) async fn look(vestal: &Vestal) -> (Fleet, Vec<Finding>) {
    let clients = match vestal.engine.store().clients().await {
        // Damaged ones are told of with the clients.
        Ok(clients) => clients.clients,
        Err(error) => return (Fleet::default(), vec![of_store(error)]),
    };
    let mut fleet = match read(vestal, &clients).await {
        Ok(fleet) => fleet,
        Err(error) => return (Fleet::default(), vec![of_store(error)]),
    };
    let mut findings = fleet.told();
    for client in &clients {
        let seen = fleet.seen.remove(&client.id).unwrap_or_default();
        match of_client(vestal, client, seen).await {
            Ok(told) => findings.extend(told),
            Err(failure) => findings.push(failed(Trouble::BadStore, failure)),
        }
    }
    (fleet, findings)
}

async fn of_client(vestal: &Vestal, client: &Client, seen: Seen) -> Result<Vec<Finding>, Failure> {
    let told = warnings::told(vestal, client, seen, u32::MAX).await?.into_iter();
    let told = told.map(|told| {
        let found = format!("{}: {}: {}", client.name, told.what, told.why);
        match told.trouble {
            Trouble::EndpointEnded => fail(told.trouble, found, &told.next),
            trouble => warn(trouble, found, &told.next),
        }
    });
    Ok(told.collect())
}

async fn read(vestal: &Vestal, clients: &[Client]) -> Result<Fleet, StoreError> {
    let store = vestal.engine.store();
    let clients: HashMap<ClientId, &Client> = clients.iter().map(|client| (client.id, client)).collect();
    let mut fleet = Fleet::default();
    let mut after: Option<ConnectionName> = None;
    while fleet.looked_at < LOOKED_AT {
        let page = store.connections(&Filter::default(), after.as_ref(), PAGE).await?;
        for connection in &page.connections {
            fleet.look_at(connection, clients.get(&connection.client).copied(), vestal);
        }
        fleet.damaged = fleet.damaged.or(page.damaged.into_iter().next());
        after = page.next;
        if after.is_none() {
            return Ok(fleet);
        }
    }
    fleet.in_part = true;
    fleet.seen.values_mut().for_each(|seen| seen.in_part = true);
    Ok(fleet)
}

impl Fleet {
    fn look_at(&mut self, connection: &Connection, client: Option<&Client>, vestal: &Vestal) {
        self.looked_at += 1;
        match connection.state {
            State::NeedsReauth { .. } => self.needing.add(&connection.name),
            State::Failing(_) => self.failing.add(&connection.name),
            _ => {}
        }
        let Some(grant) = &connection.grant else { return };
        self.hold(connection, grant);
        let works = matches!(connection.state, State::Active | State::Unverified { .. });
        if works && let Some(dies_at) = connection.plan.dies_at {
            let life = Duration::try_from(dies_at.duration_since(grant.tokens.issued_at)).ok();
            self.shortest_life = self.shortest_life.into_iter().chain(life).min();
        }
        let Some(client) = client else { return };
        let provider = vestal.engine.catalogue().get(&client.provider).ok();
        if let Some(provider) = &provider {
            self.see(connection, is_counted(connection, provider, vestal.engine.now()));
        }
        let unused = overdue::unused(vestal, connection, &client.provider);
        if let Some(end) = unused.filter(|end| end.at <= vestal.engine.now()) {
            self.unused.add(&connection.name);
            self.unused_since = self.unused_since.into_iter().chain([end.at]).min();
        }
        if works && provider.is_some_and(|provider| provider.cannot_renew(grant)) {
            self.not_renewable.add(&connection.name);
        }
        let (those, why) = match vestal.engine.check_connection(connection, client) {
            Ok(()) => return,
            // That nothing is known of the client's provider is told of the client.
            Err(Error::Provider(_)) => return,
            Err(error @ Error::Sealed { .. }) => ((&mut self.sealed, &mut self.sealed_why), error),
            Err(error) => ((&mut self.nowhere, &mut self.nowhere_why), error),
        };
        those.0.add(&connection.name);
        those.1.get_or_insert_with(|| why.to_string());
    }

    /// Keeps what warnings go by: all that is counted, and some others.
    fn see(&mut self, connection: &Connection, is_counted: bool) {
        let seen = self.seen.entry(connection.client).or_default();
        if !is_counted && seen.connections.len() >= OF_A_CLIENT {
            return;
        }
        if self.kept >= KEPT {
            seen.in_part |= is_counted;
            return;
        }
        self.kept += 1;
        seen.connections.push(connection.clone());
    }

    fn hold(&mut self, connection: &Connection, grant: &Grant) {
        let Some(token) = &grant.tokens.refresh_token else { return };
        match self.holders.get(&token.fingerprint) {
            Some(first) => self.pairs.push((first.clone(), connection.name.clone())),
            None => drop(self.holders.insert(token.fingerprint, connection.name.clone())),
        }
    }

    fn told(&self) -> Vec<Finding> {
        let needing = self.needing.tell(|all, first| {
            let found = format!("{} re-authorization: {all}", counted(self.needing.count, "needs", "need"));
            warn(Trouble::NeedReauth, found, &format!("vestal connect {first}"))
        });
        let failing = self.failing.tell(|all, first| {
            let found =
                format!("{} failing, and tried again: {all}", counted(self.failing.count, "is", "are"));
            warn(Trouble::Failing, found, &format!("vestal status {first}, which says why"))
        });
        let unused = self.unused.tell(|all, first| {
            let since = self.unused_since.unwrap_or_default().strftime("%-d %b %Y, %H:%M");
            let found = match self.unused.count {
                1 => format!("{all} may have died of disuse on {since}: nobody refreshed it before"),
                _ => format!(
                    "{all} may have died of disuse, the first on {since}: nobody refreshed them before"
                ),
            };
            warn(Trouble::Overdue, found, &format!("vestal refresh {first}, which says whether it did"))
        });
        let not_renewable = self.not_renewable.tell(|all, first| {
            let found = format!(
                "{} an access token that nothing renews when it ends: {all}",
                counted(self.not_renewable.count, "has", "have")
            );
            let next = format!("vestal explain {first}; where its client did not ask for a refresh token, have it ask, and: vestal connect {first}");
            warn(Trouble::NotRenewable, found, &next)
        });
        let sealed = self.sealed.tell(|all, first| {
            let why = self.sealed_why.as_deref().unwrap_or_default();
            let found = format!(
                "{} what cannot be opened: {all}: {why}",
                counted(self.sealed.count, "holds", "hold")
            );
            fail(
                Trouble::Sealed,
                found,
                &format!("restore the store from a backup, or: vestal connect {first}"),
            )
        });
        let nowhere = self.nowhere.tell(|all, first| {
            let why = self.nowhere_why.as_deref().unwrap_or_default();
            let found = format!(
                "{} a provider that is nowhere they could be sent to: {all}: {why}",
                counted(self.nowhere.count, "has", "have")
            );
            let next =
                format!("vestal providers check, where its file is your own; or: vestal connect {first}");
            fail(Trouble::NoPlace, found, &next)
        });
        let damaged = self.damaged.clone().map(of_store);
        let in_part = self.in_part.then(|| {
            let found = format!(
                "only the first {} by name were looked at one by one: of the others nothing is said here but how many they are",
                self.looked_at
            );
            ok("connections", found)
        });
        let told = [in_part, needing, failing, unused, not_renewable, sealed, nowhere, damaged];
        told.into_iter().flatten().chain(self.shared()).collect()
    }

    fn shared(&self) -> Vec<Finding> {
        if self.pairs.is_empty() {
            return match self.holders.len() {
                0 => Vec::new(),
                held => vec![ok("refresh tokens", format!("no two connections share one of {held}"))],
            };
        }
        let told = self.pairs.iter().take(NAMED).map(|(first, second)| {
            warn(
                Trouble::SharedRefreshToken,
                format!(
                    "{:?} and {:?} hold the same one: where a refresh replaces it, each ends the other's",
                    first.as_str(),
                    second.as_str()
                ),
                &format!("vestal disconnect --keep-grant {}", word(second.as_str())),
            )
        });
        let more = self.pairs.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| {
            let found = format!("{more} more connections share one");
            warn(Trouble::SharedRefreshToken, found, "mend these first, then: vestal doctor")
        });
        told.chain(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use vestal_core::clock::Clock as _;
    use vestal_core::id::ConnectionId;

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;

    #[test]
    fn what_is_counted_is_kept_for_that_and_of_the_others_some() {
        let now = SystemClock.now();
        let (id, client) = (ConnectionId::new(now, &SystemEntropy), ClientId::new(now, &SystemEntropy));
        let connection = Connection::pending(id, "shop".parse().unwrap(), client, now);
        let mut fleet = Fleet::default();
        let mut see = |times: usize, is_counted| {
            (0..times).for_each(|_| fleet.see(&connection, is_counted));
            let seen = &fleet.seen[&client];
            (seen.connections.len(), seen.in_part)
        };
        assert_eq!(see(OF_A_CLIENT + 7, false), (OF_A_CLIENT, false), "they are not counted");
        assert_eq!(see(3, true), (OF_A_CLIENT + 3, false));
        assert_eq!(see(KEPT - OF_A_CLIENT - 3, true), (KEPT, false), "there is room for so many");
        assert_eq!(see(1, false), (KEPT, false));
        assert_eq!(see(1, true), (KEPT, true), "and for no more: there are at least so many");
    }

    #[test]
    fn what_is_said_of_the_first_is_not_said_of_all() {
        let told = |in_part| {
            let fleet = Fleet { looked_at: LOOKED_AT, in_part, ..Fleet::default() };
            fleet.told().into_iter().map(|finding| finding.found).collect::<Vec<_>>()
        };
        assert_eq!(told(false), Vec::<String>::new());
        assert!(matches!(&told(true)[..], [only] if only.contains("only the first 1000000 by name")));
    }
}
