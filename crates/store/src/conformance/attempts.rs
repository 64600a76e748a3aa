use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::id::AttemptId;
use vestal_core::schedule::Plan;
use vestal_core::state::State;
use vestal_core::store::{AttemptStatus, Brought, Finish, Finished, StoreError};
use vestal_core::token::{Candidate, CandidateAnswer, Grant, WhyCandidate};

use super::data::*;
use super::{ManualClock, Subject};

pub async fn tokens_are_stored_once(store: Arc<dyn Subject>, _: &ManualClock) {
    let held =
        begun(&store, &added(&store, &Connection { state: UNVERIFIED, ..connection(1) }).await, 1).await;
    let done = Finish {
        plan: Plan { due_at: Some(at(1800)), dies_at: Some(at(9000)), warned_at: Some(at(900)) },
        events: vec![event(held.id, 1)],
        ..finish(&held, 1, next_tokens(&held))
    };
    assert_eq!(store.finish_attempt(&done).await.unwrap(), Finished::Done);
    let stored = read(&store, held.id).await;
    let expected = Connection {
        revision: held.revision + 1,
        state: State::Active,
        grant: Some(Grant { tokens: tokens(2), ..grant(1, 1) }),
        plan: done.plan,
        lease: None,
        ..held
    };
    assert_eq!(stored, expected);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Finished));

    let again = Finish { expected: stored.revision, ..finish(&stored, 1, next_tokens(&stored)) };
    for again in [done, again] {
        assert_eq!(store.finish_attempt(&again).await.unwrap(), Finished::Already);
    }
    assert_eq!(read(&store, stored.id).await, stored);
    assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 1);
}

pub async fn finishing_names_its_revision(store: Arc<dyn Subject>, _: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    store.update_connection(&update(&held)).await.unwrap();
    let current = read(&store, held.id).await;
    let late = finish(&held, 1, next_tokens(&held));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Moved(Box::new(current.clone())));
    assert_eq!(read(&store, held.id).await, current, "nothing was changed");
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));
    let decided_anew = finish(&current, 1, next_tokens(&current));
    assert_eq!(store.finish_attempt(&decided_anew).await.unwrap(), Finished::Done);
}

pub async fn exactly_one_earlier_token_set_is_kept(store: Arc<dyn Subject>, _: &ManualClock) {
    let mut current = added(&store, &connection(1)).await;
    let grant = grant_id(1);
    assert_eq!(store.token_sets(current.id).await, [(grant, 1)]);
    for n in 1..=4 {
        current = refreshed(&store, &current, n.into()).await;
        assert_eq!(store.token_sets(current.id).await, [(grant, n), (grant, n + 1)]);
    }
    // Generations may leave gaps: the one before is the one before.
    let held = begun(&store, &current, 5).await;
    let leap = finish(&held, 5, Brought::Tokens(Box::new(tokens(40))));
    assert_eq!(store.finish_attempt(&leap).await.unwrap(), Finished::Done);
    assert_eq!(store.token_sets(current.id).await, [(grant, 5), (grant, 40)]);
}

pub async fn a_late_answer_leaves_the_lease_of_another(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let other = begun(&store, &read(&store, held.id).await, 2).await;

    let late = finish(&held, 1, next_tokens(&held));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Moved(Box::new(other.clone())));
    let late = finish(&other, 1, next_tokens(&other));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Done);
    let stored = read(&store, held.id).await;
    assert_eq!(stored.generation(), 2);
    assert_eq!(stored.lease, other.lease);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Finished));
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), Some(AttemptStatus::Open));

    let own = finish(&stored, 2, Brought::Nothing);
    assert_eq!(store.finish_attempt(&own).await.unwrap(), Finished::Done);
    assert_eq!(read(&store, held.id).await.lease, None);
}

pub async fn candidates_are_kept_and_never_overwritten(store: Arc<dyn Subject>, _: &ManualClock) {
    let mut current = added(&store, &connection(1)).await;
    let bare = vestal_core::token::TokenSet { refresh_token: None, scope: None, ..tokens(2) };
    let candidates = [
        (WhyCandidate::NewerGrant, CandidateAnswer::Tokens(Box::new(tokens(2)))),
        (WhyCandidate::AnotherAccount, CandidateAnswer::Tokens(Box::new(bare))),
        (WhyCandidate::Unreadable, CandidateAnswer::Raw(sealed("<html>"))),
    ];
    let candidates = (1..).zip(candidates).map(|(n, (why, answer))| Candidate {
        attempt: attempt_id(n),
        // The last two at the same time.
        kept_at: at(i64::from(n > 1)),
        why,
        sealed_for: (n > 1).then(|| (grant_id(n), 7)),
        answer,
    });
    let candidates: Vec<_> = candidates.collect();
    for (n, candidate) in (1..).zip(&candidates) {
        current = begun(&store, &current, n).await;
        let kept = finish(&current, n, Brought::Candidate(Box::new(candidate.clone())));
        assert_eq!(store.finish_attempt(&kept).await.unwrap(), Finished::Done);
        current = read(&store, current.id).await;
        assert_eq!((current.generation(), &current.lease), (1, &None));

        let other = Candidate { answer: CandidateAnswer::Raw(sealed("other")), ..candidate.clone() };
        let other = finish(&current, n, Brought::Candidate(Box::new(other)));
        assert_eq!(store.finish_attempt(&other).await.unwrap(), Finished::Already);
    }
    let newest_first: Vec<_> = candidates.into_iter().rev().collect();
    assert_eq!(store.candidates(current.id, 10).await.unwrap(), newest_first);
    assert_eq!(store.candidates(current.id, 2).await.unwrap(), newest_first[..2]);
    assert_eq!(store.candidates(connection_id(9), 10).await.unwrap(), []);
}

/// Keeps an answer aside of each of these attempts, for its reason.
async fn kept_aside(
    store: &Arc<dyn Subject>,
    mut on: Connection,
    whys: impl IntoIterator<Item = (u128, WhyCandidate)>,
) -> Connection {
    for (n, why) in whys {
        let held = begun(store, &on, n).await;
        let answer = match why {
            WhyCandidate::Unreadable | WhyCandidate::HoldsTokens => CandidateAnswer::Raw(sealed("<html>")),
            _ => CandidateAnswer::Tokens(Box::new(tokens(2))),
        };
        let candidate = Candidate { attempt: attempt_id(n), kept_at: at(0), why, sealed_for: None, answer };
        let kept = finish(&held, n, Brought::Candidate(Box::new(candidate)));
        assert_eq!(store.finish_attempt(&kept).await.unwrap(), Finished::Done);
        on = read(store, on.id).await;
    }
    on
}

/// The attempts whose answers are kept aside for a connection, newest first.
async fn kept_of(store: &Arc<dyn Subject>, on: &Connection) -> Vec<AttemptId> {
    let kept = store.candidates(on.id, 999).await.unwrap();
    kept.iter().map(|candidate| candidate.attempt).collect()
}

pub async fn of_what_cannot_be_read_the_oldest_and_the_newest_are_kept(
    store: Arc<dyn Subject>,
    _: &ManualClock,
) {
    let whys = (1..=12).map(|n| match n {
        5 => (n, WhyCandidate::HoldsTokens),
        6 => (n, WhyCandidate::NewerGrant),
        _ => (n, WhyCandidate::Unreadable),
    });
    let current = kept_aside(&store, added(&store, &connection(1)).await, whys).await;
    let expected: Vec<_> = [12, 11, 10, 9, 6, 5, 4, 3, 2, 1].map(attempt_id).into();
    assert_eq!(kept_of(&store, &current).await, expected, "nothing that holds tokens is dropped for a page");
}

pub async fn of_another_accounts_token_sets_the_oldest_and_the_newest_are_kept(
    store: Arc<dyn Subject>,
    _: &ManualClock,
) {
    let current = added(&store, &connection(1)).await;
    let other = added(&store, &connection(2)).await;
    let current = kept_aside(&store, current, (1..=18).map(|n| (n, WhyCandidate::AnotherAccount))).await;
    // One in between is another connection's.
    let other = kept_aside(&store, other, [(19, WhyCandidate::AnotherAccount)]).await;
    let whys = (20..=40).map(|n| match n {
        20 => (n, WhyCandidate::Unreadable),
        21 => (n, WhyCandidate::AnotherRefreshToken),
        _ => (n, WhyCandidate::AnotherAccount),
    });
    let current = kept_aside(&store, current, whys).await;
    let expected: Vec<_> = (25..=40).rev().chain([21, 20]).chain((1..=16).rev()).map(attempt_id).collect();
    assert_eq!(kept_of(&store, &current).await, expected, "one's own is not dropped for another's");
    assert_eq!(kept_of(&store, &other).await, [attempt_id(19)]);
}

pub async fn what_may_hold_the_only_refresh_token_is_never_dropped(store: Arc<dyn Subject>, _: &ManualClock) {
    use WhyCandidate::{AnotherRefreshToken, HoldsTokens, NewerGrant};
    let whys = (1..=120).zip([NewerGrant, AnotherRefreshToken, HoldsTokens].into_iter().cycle());
    let current = kept_aside(&store, added(&store, &connection(1)).await, whys).await;
    let expected: Vec<_> = (1..=120).rev().map(attempt_id).collect();
    assert_eq!(kept_of(&store, &current).await, expected);
}

pub async fn an_outcome_without_tokens_closes_the_attempt(store: Arc<dyn Subject>, _: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    let failed = finish(&held, 1, Brought::Nothing);
    assert_eq!(store.finish_attempt(&failed).await.unwrap(), Finished::Done);
    let after = read(&store, held.id).await;
    assert_eq!(after, Connection { revision: held.revision + 1, lease: None, ..held });
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Finished));
    assert_eq!(store.finish_attempt(&failed).await.unwrap(), Finished::Already);
}

/// Gives attempt `n` up, and reads the connection back.
async fn given_up(store: &Arc<dyn Subject>, on: &Connection, n: u128) -> Connection {
    let unknown = finish(on, n, Brought::Unknown);
    assert_eq!(store.finish_attempt(&unknown).await.unwrap(), Finished::Done);
    assert_eq!(store.attempt(attempt_id(n)).await.unwrap(), Some(AttemptStatus::Abandoned));
    read(store, on.id).await
}

pub async fn an_attempt_is_given_up_and_its_late_answer_kept(store: Arc<dyn Subject>, _: &ManualClock) {
    let start = added(&store, &Connection { state: UNVERIFIED, ..connection(1) }).await;
    let held = begun(&store, &start, 1).await;
    let unknown = Finish {
        plan: Plan { due_at: Some(at(1800)), dies_at: Some(at(9000)), warned_at: Some(at(900)) },
        events: vec![event(held.id, 1)],
        ..finish(&held, 1, Brought::Unknown)
    };
    let stale = Finish { expected: start.revision, ..unknown.clone() };
    assert_eq!(store.finish_attempt(&stale).await.unwrap(), Finished::Moved(Box::new(held.clone())));
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));

    assert_eq!(store.finish_attempt(&unknown).await.unwrap(), Finished::Done);
    let waiting = read(&store, held.id).await;
    let expected = Connection {
        revision: held.revision + 1,
        state: State::Active,
        plan: unknown.plan,
        lease: None,
        ..held.clone()
    };
    assert_eq!(waiting, expected);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Abandoned));
    assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.finish_attempt(&unknown).await.unwrap(), Finished::Moved(Box::new(waiting.clone())));
    let waiting = given_up(&store, &waiting, 1).await;

    // Its answer comes while another attempt is under way.
    let other = begun(&store, &waiting, 2).await;
    let late = finish(&other, 1, next_tokens(&other));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Done);
    let stored = read(&store, held.id).await;
    assert_eq!((stored.generation(), &stored.lease), (2, &other.lease));
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Finished));
    let too_late = finish(&stored, 1, Brought::Unknown);
    assert_eq!(store.finish_attempt(&too_late).await.unwrap(), Finished::Already, "what is known stays so");

    let waiting = given_up(&store, &stored, 2).await;
    let candidate = Candidate {
        attempt: attempt_id(2),
        kept_at: at(0),
        why: WhyCandidate::Unreadable,
        sealed_for: Some((grant_id(1), 1)),
        answer: CandidateAnswer::Raw(sealed("late")),
    };
    let late = finish(&waiting, 2, Brought::Candidate(Box::new(candidate.clone())));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Done);
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Already);
    assert_eq!(store.candidates(held.id, 10).await.unwrap(), [candidate]);
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), Some(AttemptStatus::Finished));
}

pub async fn giving_up_leaves_the_lease_of_another(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let other = begun(&store, &read(&store, held.id).await, 2).await;
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Abandoned));
    assert_eq!(given_up(&store, &other, 1).await.lease, other.lease);
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), Some(AttemptStatus::Open));
}

pub async fn an_answer_to_a_pruned_attempt_is_kept(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let other = begun(&store, &read(&store, held.id).await, 2).await;
    let month = Duration::from_secs(30 * 24 * 3600);
    clock.advance(month);
    assert_eq!(store.prune(at(0) + month).await.unwrap(), 1);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), None);

    let other = read(&store, other.id).await;
    let candidate = Candidate {
        attempt: attempt_id(1),
        kept_at: at(0),
        why: WhyCandidate::Unreadable,
        sealed_for: Some((grant_id(1), 1)),
        answer: CandidateAnswer::Raw(sealed("late")),
    };
    let late = finish(&other, 1, Brought::Candidate(Box::new(candidate.clone())));
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Done);
    assert_eq!(store.finish_attempt(&late).await.unwrap(), Finished::Already);
    assert_eq!(store.candidates(held.id, 10).await.unwrap(), [candidate]);
}

pub async fn there_must_be_a_grant_to_refresh(store: Arc<dyn Subject>, _: &ManualClock) {
    let held = begun(&store, &added(&store, &Connection { grant: None, ..connection(1) }).await, 1).await;
    let refused = store.finish_attempt(&finish(&held, 1, next_tokens(&held))).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(read(&store, held.id).await, held, "nothing was changed");
}
