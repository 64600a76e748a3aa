//! Attempts and the leases they are made under.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::store::{AttemptStatus, Begin, Brought, Finish, Finished, Renewed, Write};
use vestal_core::token::{Candidate, CandidateAnswer, TokenSet};

use super::connections::{Head, head, insert_tokens, moved};
use super::events;
use super::failure::Failure;
use super::rows::{self, bind_tokens, bytes, json, key, ms, token_columns, whole, word};
use crate::rules::{check_grows, damaged, lease_valid};

pub(super) async fn begin(
    db: &mut SqliteConnection,
    begin: &Begin,
    until: Timestamp,
    now: Timestamp,
) -> Result<Write, Failure> {
    let Some(head) = head(db, begin.id).await? else { return Ok(Write::Gone) };
    if head.revision != begin.expected || head.lease_until.is_some_and(|until| lease_valid(until, now)) {
        return Ok(Write::Moved(moved(db, begin.id, now).await?));
    }
    sqlx::query(
        "UPDATE attempts SET status = 'abandoned', closed_at = ? WHERE connection = ? AND status = 'open'",
    )
    .bind(ms(now))
    .bind(key(begin.id.as_uuid()))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO attempts (id, connection, node, grant_id, generation, fingerprint, started_at, status)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'open')",
    )
    .bind(key(begin.attempt.id.as_uuid()))
    .bind(key(begin.id.as_uuid()))
    .bind(key(begin.attempt.node.as_uuid()))
    .bind(key(begin.attempt.grant.as_uuid()))
    .bind(whole(begin.attempt.generation)?)
    .bind(begin.attempt.fingerprint.map(|fingerprint| fingerprint.as_bytes().to_vec()))
    .bind(ms(begin.attempt.started_at))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "UPDATE connections
         SET revision = revision + 1, state = ?, state_data = ?, lease_attempt = ?, lease_until = ? WHERE id = ?",
    )
    .bind(begin.state.name())
    .bind(json(&begin.state)?)
    .bind(key(begin.attempt.id.as_uuid()))
    .bind(ms(until))
    .bind(key(begin.id.as_uuid()))
    .execute(&mut *db)
    .await?;
    events::record(db, &begin.events).await?;
    Ok(Write::Done)
}

pub(super) async fn renew(
    db: &mut SqliteConnection,
    attempt: AttemptId,
    until: Timestamp,
) -> Result<Renewed, Failure> {
    let query = "UPDATE connections SET revision = revision + 1, lease_until = ? WHERE lease_attempt = ?";
    let renewed = sqlx::query(query).bind(ms(until)).bind(key(attempt.as_uuid())).execute(db).await?;
    Ok(if renewed.rows_affected() == 1 { Renewed::Done } else { Renewed::Lost })
}

pub(super) async fn release(db: &mut SqliteConnection, node: NodeId, now: Timestamp) -> Result<u64, Failure> {
    let released = sqlx::query(
        "UPDATE connections SET revision = revision + 1, lease_until = ?1
         WHERE lease_until > ?1 AND lease_attempt IN (SELECT id FROM attempts WHERE node = ?2 AND status = 'open')",
    )
    .bind(ms(now))
    .bind(key(node.as_uuid()))
    .execute(db)
    .await?;
    Ok(released.rows_affected())
}

pub(super) async fn finish(
    db: &mut SqliteConnection,
    finish: &Finish,
    now: Timestamp,
) -> Result<Finished, Failure> {
    let Some(head) = head(db, finish.id).await? else { return Ok(Finished::Gone) };
    if is_stored(db, finish.attempt).await? {
        return Ok(Finished::Already);
    }
    if head.revision != finish.expected {
        return Ok(Finished::Moved(moved(db, finish.id, now).await?));
    }
    let generation = match &finish.brought {
        Brought::Nothing | Brought::Unknown => None,
        Brought::Tokens(tokens) => {
            advance(db, finish.id, &head, tokens).await?;
            Some(whole(tokens.generation)?)
        }
        Brought::Candidate(candidate) => {
            keep_aside(db, finish.id, candidate).await?;
            None
        }
    };
    // The lease may be another attempt's by now, and then stays.
    sqlx::query(
        "UPDATE connections
         SET revision = revision + 1, state = ?1, state_data = ?2, due_at = ?3, dies_at = ?4,
             generation = coalesce(?5, generation),
             lease_attempt = CASE WHEN lease_attempt = ?6 THEN NULL ELSE lease_attempt END,
             lease_until = CASE WHEN lease_attempt = ?6 THEN NULL ELSE lease_until END
         WHERE id = ?7",
    )
    .bind(finish.state.name())
    .bind(json(&finish.state)?)
    .bind(finish.plan.due_at.map(ms))
    .bind(finish.plan.dies_at.map(ms))
    .bind(generation)
    .bind(key(finish.attempt.as_uuid()))
    .bind(key(finish.id.as_uuid()))
    .execute(&mut *db)
    .await?;
    let status = match finish.brought {
        Brought::Unknown => "abandoned",
        Brought::Nothing | Brought::Tokens(_) | Brought::Candidate(_) => "finished",
    };
    sqlx::query("UPDATE attempts SET status = ?, closed_at = ? WHERE id = ?")
        .bind(status)
        .bind(ms(finish.at))
        .bind(key(finish.attempt.as_uuid()))
        .execute(&mut *db)
        .await?;
    events::record(db, &finish.events).await?;
    Ok(Finished::Done)
}

/// Whether an attempt's outcome is stored. An attempt may have been pruned since it was given up, and its answer
/// come only now: then it is kept like any other.
async fn is_stored(db: &mut SqliteConnection, attempt: AttemptId) -> Result<bool, Failure> {
    let (stored,): (bool,) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM attempts WHERE id = ?1 AND status = 'finished')
             OR EXISTS (SELECT 1 FROM candidates WHERE attempt = ?1)",
    )
    .bind(key(attempt.as_uuid()))
    .fetch_one(db)
    .await?;
    Ok(stored)
}

/// Stores the next token set of the current grant, and drops what it proves unneeded: all but the one before it.
async fn advance(
    db: &mut SqliteConnection,
    id: ConnectionId,
    head: &Head,
    tokens: &TokenSet,
) -> Result<(), Failure> {
    let grant = head.grant.ok_or_else(|| damaged(format!("connection {id} has no grant to refresh")))?;
    check_grows(id, head.generation, tokens.generation)?;
    insert_tokens(db, grant, tokens).await?;
    sqlx::query("DELETE FROM token_sets WHERE grant_id = ? AND generation < ?")
        .bind(key(grant.as_uuid()))
        .bind(whole(head.generation)?)
        .execute(&mut *db)
        .await?;
    sqlx::query("DELETE FROM grants WHERE connection = ? AND id <> ?")
        .bind(key(id.as_uuid()))
        .bind(key(grant.as_uuid()))
        .execute(db)
        .await?;
    Ok(())
}

async fn keep_aside(
    db: &mut SqliteConnection,
    id: ConnectionId,
    candidate: &Candidate,
) -> Result<(), Failure> {
    let (raw, tokens) = match &candidate.answer {
        CandidateAnswer::Raw(raw) => (Some(bytes(raw)), None),
        CandidateAnswer::Tokens(tokens) => (None, Some(&**tokens)),
    };
    let query = sqlx::query(concat!(
        "INSERT INTO candidates (attempt, connection, kept_at, why, raw, ",
        token_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(key(candidate.attempt.as_uuid()))
    .bind(key(id.as_uuid()))
    .bind(ms(candidate.kept_at))
    .bind(word(&candidate.why)?)
    .bind(raw);
    bind_tokens(query, tokens)?.execute(db).await?;
    Ok(())
}

pub(super) async fn candidates(
    db: &mut SqliteConnection,
    id: ConnectionId,
    limit: u32,
) -> Result<Vec<Candidate>, Failure> {
    let query = "SELECT * FROM candidates WHERE connection = ? ORDER BY kept_at DESC, seq DESC LIMIT ?";
    let rows = sqlx::query(query).bind(key(id.as_uuid())).bind(limit).fetch_all(db).await?;
    Ok(rows.iter().map(rows::candidate).collect::<Result<_, _>>()?)
}

pub(super) async fn status(
    db: &mut SqliteConnection,
    id: AttemptId,
) -> Result<Option<AttemptStatus>, Failure> {
    let row: Option<(String,)> = sqlx::query_as("SELECT status FROM attempts WHERE id = ?")
        .bind(key(id.as_uuid()))
        .fetch_optional(db)
        .await?;
    Ok(match row.as_ref().map(|(status,)| status.as_str()) {
        None => None,
        Some("open") => Some(AttemptStatus::Open),
        Some("abandoned") => Some(AttemptStatus::Abandoned),
        Some("finished") => Some(AttemptStatus::Finished),
        Some(other) => {
            return Err(damaged(format!("table attempts, row {id}, column status: {other:?}")).into());
        }
    })
}
