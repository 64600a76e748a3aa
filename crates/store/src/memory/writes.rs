//! The writes to a connection: compare the revision, then change everything or nothing.

use jiff::Timestamp;
use vestal_core::connection::{Attempt, Connection, ConnectionName, Lease};
use vestal_core::event::Event;
use vestal_core::id::{AttemptId, ConnectionId, GrantId, NodeId};
use vestal_core::state::State;
use vestal_core::store::{
    Add, AddImport, AttemptStatus, Authorization, Begin, Brought, EarlierTokens, Finish, Finished, Import,
    Renewed, StoreError, Update, Write,
};
use vestal_core::token::{Candidate, WhyCandidate};

use super::tables::{AttemptRow, Row, Tables, kept_candidate, kept_grant, kept_plan, kept_tokens};
use crate::rules::{PRUNED_AT_ONCE, check_grows, damaged, kept, kept_at_each_end, lease_valid, no_grant};

impl Tables {
    pub(super) fn add_connection(
        &mut self,
        connection: &Connection,
        events: &[Event],
    ) -> Result<Add, StoreError> {
        let same_external_id = |other: &Connection| {
            other.external_id.is_some()
                && (other.client, &other.external_id) == (connection.client, &connection.external_id)
        };
        if self.connections.contains_key(&connection.id)
            || self.names.contains_key(&connection.name)
            || self.connections.values().any(|row| same_external_id(&row.connection))
        {
            return Ok(Add::Taken);
        }
        if !self.clients.contains_key(&connection.client) {
            return Err(no_client(connection));
        }
        let row = Row {
            connection: Connection {
                revision: 1,
                created_at: kept(connection.created_at),
                last_read_at: connection.last_read_at.map(kept),
                grant: connection.grant.as_ref().map(kept_grant),
                plan: kept_plan(connection.plan),
                lease: None,
                ..connection.clone()
            },
            earlier: Vec::new(),
            candidates: Vec::new(),
            events: std::collections::VecDeque::new(),
        };
        self.names.insert(connection.name.clone(), connection.id);
        self.connections.insert(connection.id, row);
        self.record(events);
        Ok(Add::Done)
    }

    /// Adds all of them, or, where one cannot be added, none.
    pub(super) fn import(&mut self, imports: &[Import]) -> Result<Vec<AddImport>, StoreError> {
        if let Some(lost) =
            imports.iter().find(|import| !self.clients.contains_key(&import.connection.client))
        {
            return Err(no_client(&lost.connection));
        }
        let mut add = |Import { connection, events }: &Import| {
            let holder = connection.grant.as_ref().and_then(|grant| self.with_grant(grant.id));
            if let Some(holder) = holder {
                return Ok(AddImport::Held(holder.connection.name.clone()));
            }
            Ok(match self.add_connection(connection, events)? {
                Add::Done => AddImport::Done,
                Add::Taken => AddImport::Taken,
            })
        };
        imports.iter().map(&mut add).collect()
    }

    pub(super) fn with_grant(&self, grant: GrantId) -> Option<&Row> {
        self.connections.values().find(|row| row.connection.grant.as_ref().is_some_and(|it| it.id == grant))
    }

    pub(super) fn update(&mut self, update: &Update, now: Timestamp) -> Result<Write, StoreError> {
        let has_id = |other: &Connection, id| other.id != update.id && other.external_id.as_ref() == Some(id);
        let Some(client) = self.connections.get(&update.id).map(|row| row.connection.client) else {
            return Ok(Write::Gone);
        };
        let is_taken = update.external_id.as_ref().is_some_and(|id| {
            self.connections
                .values()
                .any(|row| row.connection.client == client && has_id(&row.connection, id))
        });
        let holder = update.grant.as_ref().and_then(|grant| self.with_grant(grant.id));
        let is_held = holder.is_some_and(|holder| holder.connection.id != update.id);
        let Some(row) = self.connections.get_mut(&update.id) else { return Ok(Write::Gone) };
        if is_taken || is_held || row.connection.revision != update.expected {
            return Ok(Write::Moved(Box::new(row.seen(now))));
        }
        if let Some(grant) = &update.grant {
            check_grows(update.id, row.connection.generation(), grant.tokens.generation)?;
            if let Some(before) = row.connection.grant.replace(kept_grant(grant)) {
                row.earlier.push(EarlierTokens {
                    grant: before.id,
                    site: before.about.site,
                    means: before.means,
                    tokens: before.tokens,
                });
            }
        }
        if let (Some(about), Some(grant)) = (&update.about, &mut row.connection.grant) {
            grant.about = about.clone();
        }
        row.connection.revision += 1;
        row.connection.state = update.state.clone();
        row.connection.plan = kept_plan(update.plan);
        row.connection.policy = update.policy;
        if let Some(tags) = &update.tags {
            row.connection.tags.clone_from(tags);
        }
        if update.external_id.is_some() {
            row.connection.external_id.clone_from(&update.external_id);
        }
        self.record(&update.events);
        Ok(Write::Done)
    }

    pub(super) fn begin(
        &mut self,
        begin: &Begin,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let Some(row) = self.connections.get_mut(&begin.id) else { return Ok(Write::Gone) };
        let current = row.seen(now);
        if current.revision != begin.expected || current.lease.as_ref().is_some_and(|lease| lease.valid) {
            return Ok(Write::Moved(Box::new(current)));
        }
        let attempt = Attempt { started_at: kept(begin.attempt.started_at), ..begin.attempt.clone() };
        if self.attempts.contains_key(&attempt.id) {
            return Err(damaged(format!("attempt {} was begun twice", attempt.id)));
        }
        if let Some(abandoned) = current.lease.and_then(|lease| self.attempts.get_mut(&lease.attempt.id)) {
            abandoned.status = AttemptStatus::Abandoned;
            abandoned.closed_at = Some(now);
        }
        let open = AttemptRow { connection: begin.id, status: AttemptStatus::Open, closed_at: None };
        self.attempts.insert(attempt.id, open);
        row.connection.revision += 1;
        row.connection.lease = Some(Lease { attempt, until, valid: true });
        Ok(Write::Done)
    }

    pub(super) fn renew(&mut self, attempt: AttemptId, until: Timestamp) -> Renewed {
        let connection = self.attempts.get(&attempt).map(|row| row.connection);
        let row = connection.and_then(|id| self.connections.get_mut(&id));
        let Some(connection) = row.map(|row| &mut row.connection) else { return Renewed::Lost };
        match &mut connection.lease {
            Some(lease) if lease.attempt.id == attempt => {
                lease.until = until;
                connection.revision += 1;
                Renewed::Done
            }
            _ => Renewed::Lost,
        }
    }

    pub(super) fn release(&mut self, node: NodeId, now: Timestamp) -> u64 {
        let mut released = 0;
        for row in self.connections.values_mut() {
            if let Some(lease) = &mut row.connection.lease
                && lease.attempt.node == node
                && lease_valid(lease.until, now)
            {
                lease.until = now;
                row.connection.revision += 1;
                released += 1;
            }
        }
        released
    }

    pub(super) fn begin_authorization(&mut self, authorization: &Authorization) -> Result<(), StoreError> {
        let known = self.connections.contains_key(&authorization.connection)
            && self.clients.contains_key(&authorization.client);
        if !known || self.authorizations.contains_key(&authorization.state_hash) {
            return Err(damaged(format!(
                "authorizations of connection {}: the connection or the client is not there, or the state was used",
                authorization.connection
            )));
        }
        let authorization = Authorization {
            created_at: kept(authorization.created_at),
            expires_at: kept(authorization.expires_at),
            ..authorization.clone()
        };
        self.authorizations.insert(authorization.state_hash, authorization);
        Ok(())
    }

    pub(super) fn finish(&mut self, finish: &Finish, now: Timestamp) -> Result<Finished, StoreError> {
        let Some(row) = self.connections.get_mut(&finish.id) else { return Ok(Finished::Gone) };
        let attempt = self.attempts.get_mut(&finish.attempt);
        let kept_aside = row.candidates.iter().any(|candidate| candidate.attempt == finish.attempt);
        if kept_aside || attempt.as_ref().is_some_and(|row| row.status == AttemptStatus::Finished) {
            return Ok(Finished::Already);
        }
        if row.connection.revision != finish.expected {
            return Ok(Finished::Moved(Box::new(row.seen(now))));
        }
        match &finish.brought {
            Brought::Nothing | Brought::Unknown => {}
            Brought::Candidate(candidate) => {
                row.candidates.push(kept_candidate(candidate));
                drop_repetitions(&mut row.candidates, candidate.why);
            }
            Brought::Tokens(tokens) => {
                let Some(grant) = &mut row.connection.grant else {
                    return Err(no_grant(finish.id));
                };
                check_grows(finish.id, grant.tokens.generation, tokens.generation)?;
                let before = std::mem::replace(&mut grant.tokens, kept_tokens(tokens));
                let site = grant.about.site.clone();
                row.earlier = vec![EarlierTokens { grant: grant.id, site, means: None, tokens: before }];
            }
        }
        row.connection.revision += 1;
        row.connection.state = finish.state.clone();
        row.connection.plan = kept_plan(finish.plan);
        if row.connection.lease.as_ref().is_some_and(|lease| lease.attempt.id == finish.attempt) {
            row.connection.lease = None;
        }
        if let Some(attempt) = attempt {
            attempt.status = match finish.brought {
                Brought::Unknown => AttemptStatus::Abandoned,
                Brought::Nothing | Brought::Tokens(_) | Brought::Candidate(_) => AttemptStatus::Finished,
            };
            attempt.closed_at = Some(kept(finish.at));
        }
        self.record(&finish.events);
        Ok(Finished::Done)
    }
}

fn no_client(connection: &Connection) -> StoreError {
    damaged(format!(
        "connection {} refers to client {}, which is not there",
        connection.id, connection.client
    ))
}

impl Tables {
    /// Keeps an answer aside that no attempt of a connection's brought.
    pub(super) fn keep_aside(&mut self, id: ConnectionId, candidate: &Candidate, events: &[Event]) -> bool {
        let Some(row) = self.connections.get_mut(&id) else { return false };
        if row.candidates.iter().all(|kept| kept.attempt != candidate.attempt) {
            row.candidates.push(kept_candidate(candidate));
            drop_repetitions(&mut row.candidates, candidate.why);
            self.record(events);
        }
        true
    }

    /// Removes those that wait for a consent and never had one, and of which nothing is known that is newer.
    pub(super) fn remove_abandoned(&mut self, before: Timestamp) -> Vec<ConnectionName> {
        let is_new = |seq: &u64| self.events.get(seq).is_some_and(|event| event.at >= before);
        let is_abandoned = |row: &Row| {
            row.connection.state == State::Pending
                && row.connection.grant.is_none()
                && row.connection.created_at < before
                && !row.events.back().is_some_and(is_new)
                && row.candidates.is_empty()
                && row.earlier.is_empty()
        };
        let named = self.names.iter().filter(|(_, id)| self.connections.get(id).is_some_and(is_abandoned));
        let named = named.map(|(name, id)| (name.clone(), *id)).take(PRUNED_AT_ONCE as usize);
        let abandoned: Vec<_> = named.collect();
        let mut names = Vec::with_capacity(abandoned.len());
        for (name, id) in abandoned {
            self.remove_connection(id);
            names.push(name);
        }
        names
    }
}

/// Drops those in the middle of the candidates that were kept for this reason.
fn drop_repetitions(candidates: &mut Vec<Candidate>, why: WhyCandidate) {
    let Some(at_each_end) = kept_at_each_end(why) else { return };
    let count = candidates.iter().filter(|candidate| candidate.why == why).count();
    let kept = ..at_each_end;
    let mut place = 0;
    candidates.retain(|candidate| {
        if candidate.why != why {
            return true;
        }
        place += 1;
        kept.contains(&(place - 1)) || kept.contains(&(count - place))
    });
}
