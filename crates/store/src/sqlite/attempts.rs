//! Attempts and the leases they are made under.

use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::store::{AttemptStatus, Begin, Brought, Finish, Finished, Renewed, Write};
use vestal_core::token::{Candidate, CandidateAnswer};

use super::connections;
use super::events;
use super::failure::Failure;
use super::procedures::{Called, Target, call};
use super::query::query;
use super::rows::{self, bind_tokens, json, revision, token_columns, whole, word};
use crate::rules::kept_at_each_end;

pub(super) const BEGIN: &str = "INSERT OR FAIL INTO begin_attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const FINISH: &str = "INSERT OR FAIL INTO finish_attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) fn begin(db: &Db, begin: &Begin, until: Timestamp, now: Timestamp) -> Result<Write, Failure> {
    let query = query(BEGIN)
        .bind(begin.id.as_uuid())
        .bind(revision(begin.expected))
        .bind(now)
        .bind(begin.attempt.id.as_uuid())
        .bind(begin.attempt.node.as_uuid())
        .bind(begin.attempt.grant.as_uuid())
        .bind(whole(begin.attempt.generation)?)
        .bind(begin.attempt.fingerprint.as_ref().map(|fingerprint| fingerprint.as_bytes().as_slice()))
        .bind(begin.attempt.started_at)
        .bind(until);
    let target = Target { connection: begin.id, expected: begin.expected, attempt: None, generation: None };
    Ok(call(db, query, target, now)?.into_write())
}

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

pub(super) fn finish(db: &Db, finish: &Finish, now: Timestamp) -> Result<Finished, Failure> {
    let (status, next) = match &finish.brought {
        Brought::Nothing | Brought::Candidate(_) => ("finished", None),
        Brought::Unknown => ("abandoned", None),
        Brought::Tokens(tokens) => ("finished", Some(tokens.generation)),
    };
    let query = query(FINISH)
        .bind(finish.id.as_uuid())
        .bind(revision(finish.expected))
        .bind(finish.attempt.as_uuid())
        .bind(next.map(whole).transpose()?)
        .bind(finish.state.name())
        .bind(json(&finish.state)?)
        .bind(finish.plan.due_at)
        .bind(finish.plan.dies_at)
        .bind(finish.plan.warned_at)
        .bind(status)
        .bind(finish.at);
    let target = Target {
        connection: finish.id,
        expected: finish.expected,
        attempt: Some(finish.attempt),
        generation: next,
    };
    match call(db, query, target, now)? {
        Called::Done => {}
        Called::Gone => return Ok(Finished::Gone),
        Called::Already => return Ok(Finished::Already),
        Called::Moved(current) => return Ok(Finished::Moved(current)),
    }
    match &finish.brought {
        Brought::Nothing | Brought::Unknown => {}
        Brought::Tokens(tokens) => connections::store_tokens(db, finish.id, tokens)?,
        Brought::Candidate(candidate) => keep(db, finish.id, finish.attempt, candidate)?,
    }
    events::record(db, finish.id, &finish.events)?;
    Ok(Finished::Done)
}

/// Keeps an answer that could not be applied. Of those that come again, the oldest and the newest are kept.
fn keep(db: &Db, connection: ConnectionId, attempt: AttemptId, candidate: &Candidate) -> Result<(), Failure> {
    let (tokens, raw) = match &candidate.answer {
        CandidateAnswer::Raw(raw) => (None, Some(raw)),
        CandidateAnswer::Tokens(tokens) => (Some(&**tokens), None),
    };
    let why = word(&candidate.why)?;
    let kept = query(concat!(
        "INSERT INTO candidates (connection, attempt, kept_at, why, raw, ",
        token_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(connection.as_uuid())
    .bind(attempt.as_uuid())
    .bind(candidate.kept_at)
    .bind(why.as_str())
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
        "SELECT attempt, kept_at, why, raw, ",
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
