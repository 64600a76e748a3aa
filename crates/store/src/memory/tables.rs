//! The tables, and what reads and prunes them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, KEPT_PER_CONNECTION, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId};
use vestal_core::schedule::Plan;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::{
    Add, AttemptStatus, Authorization, ClientUpdate, Due, EarlierTokens, Filter, Held, Holder, Mark, Page,
    RemoveClient,
};
use vestal_core::token::{Candidate, CandidateAnswer, Grant, TokenSet};

use crate::rules::{PRUNED_AT_ONCE, kept, lease_valid, oldest_closed_attempt, oldest_event};

#[derive(Default)]
pub(super) struct Tables {
    pub(super) closed: bool,
    pub(super) identity: Option<StoreIdentity>,
    pub(super) mark: Option<Mark>,
    pub(super) clients: BTreeMap<ClientId, Client>,
    pub(super) connections: BTreeMap<ConnectionId, Row>,
    pub(super) names: BTreeMap<ConnectionName, ConnectionId>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    pub(super) authorizations: BTreeMap<[u8; 32], Authorization>,
    pub(super) events: BTreeMap<u64, Event>,
    pub(super) last_seq: u64,
}

/// A connection with all that belongs to it.
pub(super) struct Row {
    /// `lease.valid` means nothing here; [`Row::seen`] judges it.
    pub(super) connection: Connection,
    /// The token sets before the current one that are still kept, oldest first.
    pub(super) earlier: Vec<EarlierTokens>,
    pub(super) candidates: Vec<Candidate>,
    /// The numbers of its events, oldest first.
    pub(super) events: VecDeque<u64>,
}

pub(super) struct AttemptRow {
    pub(super) connection: ConnectionId,
    pub(super) status: AttemptStatus,
    pub(super) closed_at: Option<Timestamp>,
}

impl Row {
    /// The connection as a reader sees it now.
    pub(super) fn seen(&self, now: Timestamp) -> Connection {
        let mut connection = self.connection.clone();
        if let Some(lease) = &mut connection.lease {
            lease.valid = lease_valid(lease.until, now);
        }
        connection
    }

    /// When it is to be looked at: at the end of its lease if there is one, whatever its plan says, since
    /// somebody must find out what became of the attempt.
    fn due_at(&self) -> Option<Timestamp> {
        self.connection.lease.as_ref().map(|lease| lease.until).or(self.connection.plan.due_at)
    }

    fn held(&self, held: &Held) -> bool {
        held.clients.contains(&self.connection.client) && !held.but.contains(&self.connection.id)
    }

    fn leased(&self, now: Timestamp) -> bool {
        self.connection.lease.as_ref().is_some_and(|lease| lease_valid(lease.until, now))
    }
}

impl Tables {
    pub(super) fn add_client(&mut self, client: &Client) -> Add {
        if self.clients.values().any(|other| other.name == client.name || other.id == client.id) {
            return Add::Taken;
        }
        let added = Client { revision: 1, created_at: kept(client.created_at), ..client.clone() };
        self.clients.insert(client.id, added);
        Add::Done
    }

    pub(super) fn update_client(&mut self, update: &ClientUpdate) -> bool {
        let current = self.clients.get_mut(&update.id).filter(|client| client.revision == update.expected);
        let Some(client) = current else { return false };
        client.revision += 1;
        client.auth = update.auth;
        client.secret = update.secret.clone();
        client.second_secret = update.second_secret.clone();
        client.notes = update.notes.clone();
        true
    }

    pub(super) fn remove_client(&mut self, id: ClientId) -> RemoveClient {
        let users = self.connections.values().filter(|row| row.connection.client == id).count();
        if users > 0 {
            return RemoveClient::InUse(users as u64);
        }
        self.authorizations.retain(|_, authorization| authorization.client != id);
        match self.clients.remove(&id) {
            Some(_) => RemoveClient::Done,
            None => RemoveClient::Unknown,
        }
    }

    pub(super) fn connection(&self, id: ConnectionId, now: Timestamp) -> Option<Connection> {
        self.connections.get(&id).map(|row| row.seen(now))
    }

    pub(super) fn with_external_id(
        &self,
        client: ClientId,
        external_id: &str,
        now: Timestamp,
    ) -> Option<Connection> {
        let mut rows = self.connections.values().filter(|row| row.connection.client == client);
        rows.find(|row| row.connection.external_id.as_deref() == Some(external_id)).map(|row| row.seen(now))
    }

    pub(super) fn refresh_tokens(&self, after: Option<ConnectionId>, limit: u32) -> Vec<Holder> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.connections.range((after, Bound::Unbounded));
        let holder = |(id, row): (&ConnectionId, &Row)| {
            let grant = row.connection.grant.as_ref()?;
            let token = grant.tokens.refresh_token.as_ref()?.fingerprint;
            Some(Holder { connection: *id, grant: grant.id, token })
        };
        rows.filter_map(holder).take(limit as usize).collect()
    }

    pub(super) fn list(
        &self,
        filter: &Filter,
        after: Option<&ConnectionName>,
        limit: u32,
        now: Timestamp,
    ) -> Page {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let connections: Vec<_> = self
            .names
            .range((from, Bound::Unbounded))
            .filter_map(|(_, id)| self.connections.get(id))
            .filter(|row| filter.client.is_none_or(|client| row.connection.client == client))
            .filter(|row| filter.state.as_ref().is_none_or(|state| row.connection.state.name() == state))
            .filter(|row| {
                let has = |(name, value): &(String, String)| row.connection.tags.get(name) == Some(value);
                filter.tag.as_ref().is_none_or(has)
            })
            .take(limit as usize)
            .map(|row| row.seen(now))
            .collect();
        let full = connections.len() >= limit as usize;
        let next = connections.last().filter(|_| full).map(|last| last.name.clone());
        Page { connections, damaged: Vec::new(), next }
    }

    pub(super) fn count_states(&self, client: Option<ClientId>) -> Vec<(String, u64)> {
        let mut counts = BTreeMap::new();
        let of_client = |row: &&Row| client.is_none_or(|client| row.connection.client == client);
        for row in self.connections.values().filter(of_client) {
            *counts.entry(row.connection.state.name().to_owned()).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    pub(super) fn due(&self, by: Timestamp, now: Timestamp, limit: u32, held: &Held) -> Vec<Due> {
        let mut due: Vec<_> = self
            .connections
            .values()
            .filter(|row| !row.leased(now) && !row.held(held))
            .filter_map(|row| {
                let Connection { id, client, plan: Plan { dies_at, .. }, .. } = row.connection;
                let at = row.due_at().filter(|at| *at <= by)?;
                Some((dies_at.is_none(), dies_at, at, id, client))
            })
            .collect();
        due.sort_unstable();
        let due = due.into_iter().take(limit as usize);
        due.map(|(.., connection, client)| Due { connection, client }).collect()
    }

    pub(super) fn next_due(&self, after: Timestamp, by: Timestamp, held: &Held) -> Option<Timestamp> {
        let rows = self.connections.values().filter(|row| !row.held(held));
        rows.filter_map(Row::due_at).filter(|due_at| *due_at > after && *due_at <= by).min()
    }

    pub(super) fn candidates(&self, id: ConnectionId, limit: u32) -> Vec<Candidate> {
        let Some(row) = self.connections.get(&id) else { return Vec::new() };
        let mut candidates: Vec<_> = row.candidates.iter().rev().cloned().collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.kept_at));
        candidates.truncate(limit as usize);
        candidates
    }

    pub(super) fn events(&self, of: Option<ConnectionId>, after: u64, limit: u32) -> Vec<StoredEvent> {
        self.events
            .range((Bound::Excluded(after), Bound::Unbounded))
            .filter(|(_, event)| of.is_none_or(|id| event.connection == id))
            .take(limit as usize)
            .map(|(seq, event)| StoredEvent { seq: *seq, event: event.clone() })
            .collect()
    }

    pub(super) fn newest_event(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    /// Writes into a connection's history, and drops what is too old in it.
    pub(super) fn record(&mut self, events: &[Event]) {
        for event in events {
            let Some(row) = self.connections.get_mut(&event.connection) else { continue };
            self.last_seq += 1;
            self.events.insert(self.last_seq, Event { at: kept(event.at), ..event.clone() });
            row.events.push_back(self.last_seq);
            if row.events.len() > KEPT_PER_CONNECTION as usize
                && let Some(oldest) = row.events.pop_front()
            {
                self.events.remove(&oldest);
            }
        }
    }

    pub(super) fn remove_connection(&mut self, id: ConnectionId) -> bool {
        let Some(row) = self.connections.remove(&id) else { return false };
        self.names.remove(&row.connection.name);
        self.attempts.retain(|_, attempt| attempt.connection != id);
        self.authorizations.retain(|_, authorization| authorization.connection != id);
        for seq in row.events {
            self.events.remove(&seq);
        }
        true
    }

    pub(super) fn prune(&mut self, now: Timestamp) -> u64 {
        let at_once = PRUNED_AT_ONCE as usize;
        let events = self.prune_events(now, at_once);

        let oldest = oldest_closed_attempt(now);
        let past = |attempt: &AttemptRow| attempt.closed_at.is_some_and(|at| at < oldest);
        let attempts = self.attempts.iter().filter(|(_, attempt)| past(attempt));
        let attempts: Vec<_> = attempts.map(|(id, _)| *id).take(at_once).collect();
        for id in &attempts {
            self.attempts.remove(id);
        }

        let expired = self.authorizations.iter().filter(|(_, authorization)| authorization.expires_at < now);
        let expired: Vec<_> = expired.map(|(state_hash, _)| *state_hash).take(at_once).collect();
        for state_hash in &expired {
            self.authorizations.remove(state_hash);
        }

        (events + attempts.len() + expired.len()) as u64
    }

    /// Removes the events that are old, as are those before them. One from the future tells nothing, and goes with the one
    /// after it.
    fn prune_events(&mut self, now: Timestamp, at_once: usize) -> usize {
        let mut newest = BTreeMap::new();
        let told = self.events.iter().filter(|(_, event)| event.at <= now);
        let old = told.filter(|(_, event)| {
            let newest = newest.entry(event.connection).or_insert(event.at);
            *newest = event.at.max(*newest);
            *newest < oldest_event(now)
        });
        let old: Vec<_> = old.map(|(seq, event)| (*seq, event.connection)).take(at_once).collect();
        let before = self.events.len();
        for (seq, connection) in old {
            let Some(row) = self.connections.get_mut(&connection) else { continue };
            while let Some(first) = row.events.pop_front_if(|first| *first <= seq) {
                self.events.remove(&first);
            }
        }
        before - self.events.len()
    }
}

pub(super) fn kept_plan(plan: Plan) -> Plan {
    Plan {
        due_at: plan.due_at.map(kept),
        dies_at: plan.dies_at.map(kept),
        warned_at: plan.warned_at.map(kept),
    }
}

pub(super) fn kept_grant(grant: &Grant) -> Grant {
    Grant { consented_at: kept(grant.consented_at), tokens: kept_tokens(&grant.tokens), ..grant.clone() }
}

pub(super) fn kept_tokens(tokens: &TokenSet) -> TokenSet {
    TokenSet { issued_at: kept(tokens.issued_at), expires_at: tokens.expires_at.map(kept), ..tokens.clone() }
}

pub(super) fn kept_candidate(candidate: &Candidate) -> Candidate {
    let answer = match &candidate.answer {
        CandidateAnswer::Tokens(tokens) => CandidateAnswer::Tokens(Box::new(kept_tokens(tokens))),
        raw @ CandidateAnswer::Raw(_) => raw.clone(),
    };
    Candidate { kept_at: kept(candidate.kept_at), answer, ..candidate.clone() }
}
