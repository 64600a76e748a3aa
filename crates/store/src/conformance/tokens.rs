//! Whose refresh tokens there are, and how many; and what nobody ever had any of.

use std::sync::Arc;

use vestal_core::connection::Connection;
use vestal_core::event::Event;
use vestal_core::seal::Fingerprint;
use vestal_core::state::{Reason, State};
use vestal_core::store::{Add, Brought, Finished, LivingTokens, Update, Write};
use vestal_core::token::{AccountHash, Candidate, CandidateAnswer, TokenSet, WhyCandidate};

use super::data::*;
use super::{ManualClock, Subject};

fn token(of_generation: u8) -> Fingerprint {
    Fingerprint::from_bytes([of_generation; 32])
}

/// One whose grant is at this generation, which tells its refresh token.
fn holding(n: u128, generation: u64) -> Connection {
    Connection { grant: Some(grant(n, generation)), ..connection(n) }
}

async fn holders(store: &Arc<dyn Subject>, of_generation: u8) -> Vec<String> {
    let holders = store.holders_of(&token(of_generation), 9).await.unwrap();
    holders.iter().map(ToString::to_string).collect()
}

pub async fn who_holds_the_same_refresh_token_is_found(store: Arc<dyn Subject>, _: &ManualClock) {
    let one = added(&store, &holding(1, 1)).await;
    for other in [holding(2, 1), holding(3, 5)] {
        assert_eq!(store.add_connection(&other, &[]).await.unwrap(), Add::Done);
    }
    assert_eq!(holders(&store, 1).await, ["connection-1", "connection-2"]);
    assert_eq!(holders(&store, 5).await, ["connection-3"]);
    assert!(holders(&store, 7).await.is_empty());
    assert_eq!(store.holders_of(&token(1), 1).await.unwrap().len(), 1);
    assert_eq!(store.shared_tokens(9).await.unwrap(), [token(1)]);

    // A refresh that replaces it parts them, and one that does not leaves it as it was.
    refreshed(&store, &one, 1).await;
    assert_eq!(holders(&store, 1).await, ["connection-2"]);
    assert!(store.shared_tokens(9).await.unwrap().is_empty());
    let third = begun(&store, &read(&store, connection_id(3)).await, 2).await;
    let same = TokenSet { generation: 6, ..tokens(5) };
    let kept = finish(&third, 2, Brought::Tokens(Box::new(same)));
    assert_eq!(store.finish_attempt(&kept).await.unwrap(), Finished::Done);
    assert_eq!(store.add_connection(&holding(4, 5), &[]).await.unwrap(), Add::Done);
    assert_eq!(store.shared_tokens(9).await.unwrap(), [token(5)]);

    let second = read(&store, connection_id(2)).await;
    let consent = Update { grant: Some(grant(9, 5)), ..update(&second) };
    assert_eq!(store.update_connection(&consent).await.unwrap(), Write::Done);
    assert_eq!(holders(&store, 5).await, ["connection-2", "connection-3", "connection-4"]);
    assert!(holders(&store, 1).await.is_empty());
}

pub async fn a_grant_is_one_connections(store: Arc<dyn Subject>, _: &ManualClock) {
    let one = added(&store, &connection(1)).await;
    assert_eq!(store.add_connection(&connection(2), &[]).await.unwrap(), Add::Done);
    let twin = Update { grant: Some(grant(2, 2)), events: vec![event(one.id, 1)], ..update(&one) };
    assert_eq!(store.update_connection(&twin).await.unwrap(), Write::Moved(Box::new(one.clone())));
    assert_eq!(read(&store, one.id).await, one, "nothing was changed");
    assert!(store.events(Some(one.id), 0, 9).await.unwrap().is_empty());
    let other = Update { grant: Some(grant(3, 2)), ..update(&one) };
    assert_eq!(store.update_connection(&other).await.unwrap(), Write::Done);
}

pub async fn living_refresh_tokens_are_counted_by_account(store: Arc<dyn Subject>, _: &ManualClock) {
    let reason = Reason::InvalidGrant { detail: "revoked".to_owned() };
    let dead = State::NeedsReauth { reason, since: START };
    added(&store, &connection(1)).await;
    let mut alike = connection(3);
    let account = AccountHash { by: "token.id".to_owned(), hash: "1".to_owned() };
    alike.grant.as_mut().unwrap().about.account = Some(account);
    let mut without = connection(8);
    without.grant.as_mut().unwrap().tokens.refresh_token = None;
    let others = [
        connection(2),
        alike,
        connection(4),
        connection(5),
        Connection { state: dead.clone(), ..connection(6) },
        Connection { state: State::Paused { prior: Box::new(State::Active) }, ..connection(10) },
        without,
        Connection { state: State::Pending, grant: None, ..connection(12) },
    ];
    for other in &others {
        assert_eq!(store.add_connection(other, &[]).await.unwrap(), Add::Done);
    }
    let living = LivingTokens { all: 6, of_nobody_known: 3, of_one_account: 2 };
    assert_eq!(store.living_tokens(client_id(1), 7).await.unwrap(), living);
    assert_eq!(store.living_tokens(client_id(1), 2).await.unwrap().all, 2, "so many are enough");
    assert_eq!(store.living_tokens(client_id(2), 7).await.unwrap(), LivingTokens::default());
}

fn pending(n: u128) -> Connection {
    Connection { state: State::Pending, grant: None, ..connection(n) }
}

/// What was kept aside, and no attempt brought it.
fn refused(n: u128) -> Candidate {
    let answer = CandidateAnswer::Tokens(Box::new(tokens(1)));
    let (why, sealed_for) = (WhyCandidate::UnbelievableIdToken, Some((grant_id(n), 0)));
    Candidate { attempt: attempt_id(n), kept_at: at(1), why, sealed_for, answer }
}

pub async fn what_nobody_consented_to_is_removed_once_it_is_old(store: Arc<dyn Subject>, _: &ManualClock) {
    added(&store, &pending(1)).await;
    let asked = Event { at: at(100), ..event(connection_id(2), 1) };
    let paused = State::Paused { prior: Box::new(State::Pending) };
    for (other, events) in [
        (pending(2), vec![asked]),
        (connection(3), vec![]),
        (pending(4), vec![]),
        (Connection { state: paused, ..pending(5) }, vec![]),
        (Connection { created_at: at(100), ..pending(6) }, vec![]),
    ] {
        assert_eq!(store.add_connection(&other, &events).await.unwrap(), Add::Done);
    }
    assert!(store.keep_candidate(connection_id(4), &refused(4), &[]).await.unwrap());
    let removed = async |before| {
        let names = store.remove_abandoned(at(before)).await.unwrap();
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(removed(0).await.is_empty());
    assert_eq!(removed(100).await, ["connection-1"]);
    assert_eq!(store.connection(connection_id(1)).await.unwrap(), None);
    assert!(removed(100).await.is_empty());
    assert_eq!(removed(101).await, ["connection-2", "connection-6"]);
    assert!(removed(1_000_000).await.is_empty(), "a grant, a pause and what was kept aside are somebody's");
    for n in [3, 4, 5] {
        read(&store, connection_id(n)).await;
    }
}

pub async fn what_no_attempt_brought_is_kept_aside_once(store: Arc<dyn Subject>, _: &ManualClock) {
    let before = added(&store, &connection(1)).await;
    for _ in 0..2 {
        let told = [event(before.id, 7)];
        assert!(store.keep_candidate(before.id, &refused(1), &told).await.unwrap());
    }
    assert_eq!(store.candidates(before.id, 9).await.unwrap(), [refused(1)]);
    let told = store.events(Some(before.id), 0, 9).await.unwrap();
    assert_eq!(told.iter().map(|stored| mark(&stored.event)).collect::<Vec<_>>(), [7]);
    assert_eq!(read(&store, before.id).await, before, "it is no revision");
    let next = Update { events: vec![event(before.id, 8)], ..update(&before) };
    assert_eq!(store.update_connection(&next).await.unwrap(), Write::Done);
    assert_eq!(store.events(Some(before.id), 0, 9).await.unwrap().len(), 2);
    assert!(!store.keep_candidate(connection_id(9), &refused(9), &[]).await.unwrap());
}
