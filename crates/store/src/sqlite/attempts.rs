//! Attempts and the leases they are made under.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::event::Event;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::store::{AttemptStatus, Begin, Brought, Finish, Finished, Renewed, Write};
use vestal_core::token::{Candidate, CandidateAnswer};

use super::connections;
use super::current::current;
use super::events;
use super::failure::Failure;
use super::query::query;
use super::rows::{self, bind_tokens, json, previous_columns, token_columns, whole, word};
use crate::rules::{kept_at_each_end, no_grant};

/// Takes the lease and writes the attempt down.
pub(super) fn begin(db: &Db, begin: &Begin, until: Timestamp, now: Timestamp) -> Result<Write, Failure> {
    let Some(before) = current(db, begin.id)? else { return Ok(Write::Gone) };
    if !before.is(begin.expected) || before.is_leased(now) {
        return connections::moved(db, begin.id, now);
    }
    if let Some(lease) = &before.lease {
        // An attempt that is open is its lease's.
        query("UPDATE attempts SET status = 'abandoned', closed_at = ? WHERE id = ? AND status = 'open'")
            .bind(now)
            .bind(lease.attempt.as_uuid())
            .execute(db)?;
    }
    let attempt = &begin.attempt;
    query(INSERT_ATTEMPT)
        .bind(attempt.id.as_uuid())
        .bind(begin.id.as_uuid())
        .bind(attempt.node.as_uuid())
        .bind(attempt.grant.as_uuid())
        .bind(whole(attempt.generation)?)
        .bind(attempt.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes().as_slice()))
        .bind(attempt.started_at)
        .execute(db)?;
    query(TAKE_LEASE).bind(begin.id.as_uuid()).bind(attempt.id.as_uuid()).bind(until).execute(db)?;
    Ok(Write::Done)
}

pub(super) const INSERT_ATTEMPT: &str = "INSERT INTO attempts \
     (id, connection, node, grant_id, generation, fingerprint, started_at, status) \
     VALUES (?, ?, ?, ?, ?, ?, ?, 'open')";

pub(super) const TAKE_LEASE: &str = "INSERT INTO leases (connection, attempt, until, steps) VALUES (?, ?, ?, 1) \
     ON CONFLICT (connection) DO UPDATE SET attempt = excluded.attempt, until = excluded.until, steps = steps + 1";

pub(super) fn renew(db: &Db, attempt: AttemptId, until: Timestamp) -> Result<Renewed, Failure> {
    let sql = "UPDATE leases SET steps = steps + 1, until = ?1
                 WHERE connection = (SELECT connection FROM attempts WHERE id = ?2) AND attempt = ?2";
    let renewed = query(sql).bind(until).bind(attempt.as_uuid()).execute(db)?;
    Ok(if renewed == 1 { Renewed::Done } else { Renewed::Lost })
}

pub(super) fn release(db: &Db, node: NodeId, now: Timestamp) -> Result<u64, Failure> {
    let released = query(
        "UPDATE leases SET steps = steps + 1, until = ?1
         WHERE until > ?1 AND EXISTS (SELECT 1 FROM attempts WHERE id = attempt AND node = ?2 AND status = 'open')",
    )
    .bind(now)
    .bind(node.as_uuid())
    .execute(db)?;
    Ok(released as u64)
}

/// Stores an attempt's outcome. The attempt may have been pruned since it was given up, and its answer come only now: then
/// it is kept like any other.
pub(super) fn finish(db: &Db, finish: &Finish, now: Timestamp) -> Result<Finished, Failure> {
    let Some(before) = current(db, finish.id)? else { return Ok(Finished::Gone) };
    if is_stored(db, finish.attempt)? {
        return Ok(Finished::Already);
    }
    if !before.is(finish.expected) {
        return Ok(match connections::moved(db, finish.id, now)? {
            Write::Moved(stored) => Finished::Moved(stored),
            Write::Done | Write::Gone => Finished::Gone,
        });
    }
    let (status, tokens) = match &finish.brought {
        Brought::Nothing | Brought::Candidate(_) => ("finished", None),
        Brought::Unknown => ("abandoned", None),
        Brought::Tokens(tokens) => ("finished", Some(&**tokens)),
    };
    if let Some(tokens) = tokens {
        before.generation.ok_or_else(|| no_grant(finish.id))?;
        before.check_follows(tokens.generation)?;
    }
    // The lease may be another attempt's by now, and then stays.
    let lease = before.lease.as_ref().filter(|lease| lease.attempt == finish.attempt);
    let steps = lease.map_or(0, |lease| lease.steps);
    if lease.is_some() {
        query(END_LEASE).bind(finish.id.as_uuid()).execute(db)?;
    }
    let chain = events::append(db, finish.id, before.events, &finish.events)?;
    let outcome = query(if tokens.is_some() { STORE_TOKENS } else { STORE_OUTCOME })
        .bind(whole(before.revision + 1 + steps)?)
        .bind(json(&finish.state)?)
        .bind(finish.plan.due_at)
        .bind(finish.plan.dies_at)
        .bind(finish.plan.warned_at)
        .bind(chain.last)
        .bind(chain.length);
    match tokens {
        Some(tokens) => bind_tokens(outcome, Some(tokens))?,
        None => outcome,
    }
    .bind(finish.id.as_uuid())
    .execute(db)?;
    connections::name_state(db, &before, &finish.state)?;
    query(CLOSE_ATTEMPT).bind(status).bind(finish.at).bind(finish.attempt.as_uuid()).execute(db)?;
    if tokens.is_some() {
        // That this one came proves that those of earlier grants are unneeded.
        query(FORGET_EARLIER).bind(finish.id.as_uuid()).execute(db)?;
        query(FORGET_BEGINNING).bind(finish.id.as_uuid()).execute(db)?;
    }
    if let Brought::Candidate(candidate) = &finish.brought {
        keep(db, finish.id, finish.attempt, candidate)?;
    }
    events::cut(db, finish.id, chain)?;
    Ok(Finished::Done)
}

/// Whether an attempt's outcome is stored, or what it brought was kept aside.
fn is_stored(db: &Db, attempt: AttemptId) -> Result<bool, Failure> {
    Ok(query(IS_STORED).bind(attempt.as_uuid()).count(db)? > 0)
}

pub(super) const IS_STORED: &str = "SELECT EXISTS (SELECT 1 FROM attempts WHERE id = ?1 AND status = 'finished') \
     OR EXISTS (SELECT 1 FROM candidates WHERE attempt = ?1)";

pub(super) const END_LEASE: &str = "DELETE FROM leases WHERE connection = ?";

pub(super) const CLOSE_ATTEMPT: &str = "UPDATE attempts SET status = ?, closed_at = ? WHERE id = ?";

pub(super) const FORGET_EARLIER: &str = "DELETE FROM earlier_token_sets WHERE connection = ?";

/// By itself, since it is done once in a grant's life, and SQLite would write the index anew each time.
pub(super) const FORGET_BEGINNING: &str = "UPDATE connections SET begun_with = NULL \
     WHERE id = ? AND begun_with IS NOT NULL AND begun_with IS NOT refresh_fingerprint";

/// One statement for all that an outcome changes of its connection: each would write the whole row anew.
macro_rules! outcome {
    ($tokens:expr) => {
        concat!(
            "UPDATE connections SET revision = ?, state_data = ?, due_at = ?, dies_at = ?, warned_at = ?, ",
            "last_event = ?, events = ?",
            $tokens,
            " WHERE id = ?"
        )
    };
}

pub(super) const STORE_OUTCOME: &str = outcome!("");

/// Makes a token set the current one of its grant, and keeps the one before it.
pub(super) const STORE_TOKENS: &str = outcome!(concat!(
    ", (",
    previous_columns!(),
    ") = (",
    token_columns!(),
    "), (",
    token_columns!(),
    ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
));

/// Keeps an answer aside that no attempt of a connection's brought.
pub(super) fn keep_aside(
    db: &Db,
    connection: ConnectionId,
    candidate: &Candidate,
    told: &[Event],
) -> Result<bool, Failure> {
    let Some(before) = current(db, connection)? else { return Ok(false) };
    if is_stored(db, candidate.attempt)? {
        return Ok(true);
    }
    keep(db, connection, candidate.attempt, candidate)?;
    let chain = events::append(db, connection, before.events, told)?;
    query("UPDATE connections SET last_event = ?, events = ? WHERE id = ?")
        .bind(chain.last)
        .bind(chain.length)
        .bind(connection.as_uuid())
        .execute(db)?;
    events::cut(db, connection, chain)?;
    Ok(true)
}

/// Keeps an answer that could not be applied. Of those that come again, the oldest and the newest are kept.
fn keep(db: &Db, connection: ConnectionId, attempt: AttemptId, candidate: &Candidate) -> Result<(), Failure> {
    let (tokens, raw) = match &candidate.answer {
        CandidateAnswer::Raw(raw) => (None, Some(raw)),
        CandidateAnswer::Tokens(tokens) => (Some(&**tokens), None),
    };
    let why = word(&candidate.why)?;
    let kept = query(concat!(
        "INSERT INTO candidates (connection, attempt, kept_at, why, sealed_for_grant, sealed_for_generation, raw, ",
        token_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(connection.as_uuid())
    .bind(attempt.as_uuid())
    .bind(candidate.kept_at)
    .bind(why.as_str())
    .bind(candidate.sealed_for.map(|(grant, _)| grant.as_uuid()))
    .bind(candidate.sealed_for.map(|(_, generation)| whole(generation)).transpose()?)
    .bind(raw);
    bind_tokens(kept, tokens)?.execute(db)?;
    let Some(at_each_end) = kept_at_each_end(candidate.why) else { return Ok(()) };
    query(
        "WITH alike AS (SELECT seq FROM candidates WHERE connection = ?1 AND why = ?2)
         DELETE FROM candidates WHERE seq IN alike
             AND seq NOT IN (SELECT seq FROM alike ORDER BY seq LIMIT ?3)
             AND seq NOT IN (SELECT seq FROM alike ORDER BY seq DESC LIMIT ?3)",
    )
    .bind(connection.as_uuid())
    .bind(why.as_str())
    .bind(whole(at_each_end as u64)?)
    .execute(db)?;
    Ok(())
}

pub(super) fn candidates(db: &Db, id: ConnectionId, limit: u32) -> Result<Vec<Candidate>, Failure> {
    let sql = concat!(
        "SELECT attempt, kept_at, why, sealed_for_grant, sealed_for_generation, raw, ",
        token_columns!(),
        " FROM candidates WHERE connection = ? ORDER BY kept_at DESC, seq DESC LIMIT ?"
    );
    query(sql).bind(id.as_uuid()).bind(limit).all(db, rows::candidate)
}

pub(super) fn status(db: &Db, id: AttemptId) -> Result<Option<AttemptStatus>, Failure> {
    let sql = "SELECT status, id FROM attempts a
                 WHERE id = ? AND EXISTS (SELECT 1 FROM connections c WHERE c.id = a.connection)";
    query(sql).bind(id.as_uuid()).optional(db, rows::attempt_status)
}
