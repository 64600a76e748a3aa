//! Attempts and the leases they are made under.

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::store::{AttemptStatus, Begin, Brought, Finish, Finished, Renewed, Write};
use vestal_core::token::{Candidate, CandidateAnswer};

use super::events;
use super::failure::Failure;
use super::procedures::{Called, Target, call};
use super::rows::{self, bind_tokens, bytes, json, key, ms, revision, token_columns, whole, word};
use crate::rules::damaged;

pub(super) async fn begin(
    db: &mut SqliteConnection,
    begin: &Begin,
    until: Timestamp,
    now: Timestamp,
) -> Result<Write, Failure> {
    let query = sqlx::query("INSERT INTO begin_attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(key(begin.id.as_uuid()))
        .bind(revision(begin.expected))
        .bind(ms(now))
        .bind(key(begin.attempt.id.as_uuid()))
        .bind(key(begin.attempt.node.as_uuid()))
        .bind(key(begin.attempt.grant.as_uuid()))
        .bind(whole(begin.attempt.generation)?)
        .bind(begin.attempt.fingerprint.map(|fingerprint| fingerprint.as_bytes().to_vec()))
        .bind(ms(begin.attempt.started_at))
        .bind(ms(until));
    let target = Target { connection: begin.id, expected: begin.expected, attempt: None, generation: None };
    Ok(call(db, query, target, now).await?.into_write())
}

pub(super) async fn renew(
    db: &mut SqliteConnection,
    attempt: AttemptId,
    until: Timestamp,
) -> Result<Renewed, Failure> {
    let query = "UPDATE connections SET revision = revision + 1, lease_until = ?1
                 WHERE id = (SELECT connection FROM attempts WHERE id = ?2) AND lease_attempt = ?2";
    let renewed = sqlx::query(query).bind(ms(until)).bind(key(attempt.as_uuid())).execute(db).await?;
    Ok(if renewed.rows_affected() == 1 { Renewed::Done } else { Renewed::Lost })
}

pub(super) async fn release(db: &mut SqliteConnection, node: NodeId, now: Timestamp) -> Result<u64, Failure> {
    let released = sqlx::query(
        "UPDATE connections SET revision = revision + 1, lease_until = ?1
         WHERE lease_until > ?1
           AND (id, lease_attempt) IN (SELECT connection, id FROM attempts WHERE node = ?2 AND status = 'open')",
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
    let (status, next, tokens, candidate) = match &finish.brought {
        Brought::Nothing => ("finished", None, None, None),
        Brought::Unknown => ("abandoned", None, None, None),
        Brought::Tokens(tokens) => ("finished", Some(tokens.generation), Some(&**tokens), None),
        Brought::Candidate(candidate) => match &candidate.answer {
            CandidateAnswer::Raw(raw) => ("finished", None, None, Some((candidate, Some(raw)))),
            CandidateAnswer::Tokens(tokens) => ("finished", None, Some(&**tokens), Some((candidate, None))),
        },
    };
    let query = sqlx::query(
        "INSERT INTO finish_attempt
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key(finish.id.as_uuid()))
    .bind(revision(finish.expected))
    .bind(key(finish.attempt.as_uuid()))
    .bind(next.map(whole).transpose()?)
    .bind(finish.state.name())
    .bind(json(&finish.state)?)
    .bind(finish.plan.due_at.map(ms))
    .bind(finish.plan.dies_at.map(ms))
    .bind(finish.plan.warned_at.map(ms))
    .bind(status)
    .bind(ms(finish.at))
    .bind(events::listed(&finish.events)?);
    let query = bind_tokens(query, tokens)?
        .bind(candidate.map(|(candidate, _)| ms(candidate.kept_at)))
        .bind(candidate.map(|(candidate, _)| word(&candidate.why)).transpose()?)
        .bind(candidate.and_then(|(_, raw)| raw).map(bytes));
    let target = Target {
        connection: finish.id,
        expected: finish.expected,
        attempt: Some(finish.attempt),
        generation: next,
    };
    Ok(match call(db, query, target, now).await? {
        Called::Done => Finished::Done,
        Called::Gone => Finished::Gone,
        Called::Already => Finished::Already,
        Called::Moved(current) => Finished::Moved(current),
    })
}

pub(super) async fn candidates(
    db: &mut SqliteConnection,
    id: ConnectionId,
    limit: u32,
) -> Result<Vec<Candidate>, Failure> {
    let query = concat!(
        "SELECT attempt, kept_at, why, raw, ",
        token_columns!(),
        " FROM candidates WHERE connection = ? ORDER BY kept_at DESC, seq DESC LIMIT ?"
    );
    let rows = sqlx::query(query).bind(key(id.as_uuid())).bind(limit).fetch_all(db).await?;
    Ok(rows.iter().map(rows::candidate).collect::<Result<_, _>>()?)
}

pub(super) async fn status(
    db: &mut SqliteConnection,
    id: AttemptId,
) -> Result<Option<AttemptStatus>, Failure> {
    let query = "SELECT status FROM attempts a
                 WHERE id = ? AND EXISTS (SELECT 1 FROM connections c WHERE c.id = a.connection)";
    let row: Option<(String,)> = sqlx::query_as(query).bind(key(id.as_uuid())).fetch_optional(db).await?;
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
