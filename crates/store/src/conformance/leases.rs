use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::{Connection, Lease};
use vestal_core::store::{AttemptStatus, Brought, Finished, Held, Renewed, StoreError, Write};

use super::data::*;
use super::{ManualClock, Subject};

pub async fn beginning_takes_the_lease(store: Arc<dyn Subject>, clock: &ManualClock) {
    let before = added(&store, &connection(1)).await;
    let begin = begin(&before, 1);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), None);
    assert_eq!(store.begin_attempt(&begin).await.unwrap(), Write::Done);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));

    let lease = Lease { attempt: begin.attempt.clone(), until: at(60), valid: true };
    let expected = Connection { revision: 2, lease: Some(lease.clone()), ..before.clone() };
    assert_eq!(read(&store, before.id).await, expected);

    clock.advance(Duration::from_millis(59_999));
    assert!(read(&store, before.id).await.lease.unwrap().valid);
    clock.advance(Duration::from_millis(1));
    let ended = Connection { lease: Some(Lease { valid: false, ..lease }), ..expected };
    assert_eq!(read(&store, before.id).await, ended, "judged when it is read");
}

pub async fn a_valid_lease_is_respected(store: Arc<dyn Subject>, clock: &ManualClock) {
    let before = added(&store, &connection(1)).await;
    let held = begun(&store, &before, 1).await;
    for on in [&before, &held] {
        assert_eq!(store.begin_attempt(&begin(on, 2)).await.unwrap(), Write::Moved(Box::new(held.clone())));
    }
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), None);
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));

    clock.advance(LEASE);
    let refused = store.begin_attempt(&begin(&before, 2)).await.unwrap();
    assert!(matches!(refused, Write::Moved(_)), "an ended lease does not make an old revision current");
}

pub async fn an_attempt_under_an_ended_lease_is_abandoned(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let ended = read(&store, held.id).await;
    assert_eq!(ended.abandoned_attempt().unwrap().id, attempt_id(1));
    let next = begun(&store, &ended, 2).await;
    assert_eq!(next.lease.unwrap().attempt.id, attempt_id(2));
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Abandoned));
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), Some(AttemptStatus::Open));
}

pub async fn the_attempt_renews_its_lease(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(Duration::from_secs(50));
    assert_eq!(store.renew_lease(attempt_id(1), LEASE).await.unwrap(), Renewed::Done);
    let renewed = read(&store, held.id).await;
    assert_eq!(renewed.revision, held.revision + 1, "whoever decided on the old end decides anew");
    let lease = renewed.lease.clone().unwrap();
    assert_eq!((lease.until, lease.valid), (at(110), true));
    assert_eq!(lease.attempt, held.lease.unwrap().attempt);

    // Ended, and taken by nobody: its answer can still be waited for.
    clock.advance(Duration::from_secs(100));
    let ended = read(&store, held.id).await;
    assert!(!ended.lease.as_ref().unwrap().valid);
    assert_eq!(store.renew_lease(attempt_id(1), LEASE).await.unwrap(), Renewed::Done);
    let refused = store.begin_attempt(&begin(&ended, 2)).await.unwrap();
    assert!(matches!(refused, Write::Moved(_)), "what was decided on the ended lease is void");
}

pub async fn a_lost_lease_is_not_renewed(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let other = begun(&store, &read(&store, held.id).await, 2).await;
    assert_eq!(store.renew_lease(attempt_id(1), LEASE).await.unwrap(), Renewed::Lost);
    assert_eq!(read(&store, held.id).await, other);

    let done = finish(&other, 2, Brought::Nothing);
    assert_eq!(store.finish_attempt(&done).await.unwrap(), Finished::Done);
    assert_eq!(store.renew_lease(attempt_id(2), LEASE).await.unwrap(), Renewed::Lost);
    assert_eq!(store.renew_lease(attempt_id(9), LEASE).await.unwrap(), Renewed::Lost);
    assert_eq!(read(&store, held.id).await.lease, None);
}

pub async fn a_dead_node_is_released(store: Arc<dyn Subject>, clock: &ManualClock) {
    added(&store, &connection(1)).await;
    for n in [2, 3, 4] {
        store.add_connection(&connection(n), &[]).await.unwrap();
    }
    // Node 7 holds connections 1 and 2 and has ended with 3; node 8 holds 4.
    for (n, node) in [(1, 7), (2, 7), (3, 7), (4, 8)] {
        let mut begin = begin(&read(&store, connection_id(n)).await, n);
        begin.attempt.node = node_id(node);
        assert_eq!(store.begin_attempt(&begin).await.unwrap(), Write::Done);
    }
    let third = read(&store, connection_id(3)).await;
    store.finish_attempt(&finish(&third, 3, Brought::Nothing)).await.unwrap();
    let (first, fourth) = (read(&store, connection_id(1)).await, read(&store, connection_id(4)).await);

    clock.advance(Duration::from_secs(10));
    assert_eq!(store.release_node(node_id(7)).await.unwrap(), 2);
    assert_eq!(store.release_node(node_id(7)).await.unwrap(), 0, "once");
    assert_eq!(store.release_node(node_id(9)).await.unwrap(), 0);

    let released = read(&store, connection_id(1)).await;
    assert_eq!(released.revision, first.revision + 1);
    assert_eq!(released.abandoned_attempt().unwrap().id, attempt_id(1));
    assert_eq!(released.lease.as_ref().unwrap().until, at(10));
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));
    assert_eq!(read(&store, connection_id(4)).await, fourth);
    let due = store.due(at(10), 10, &Held::default()).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|due| due.connection).collect();
    assert_eq!(due, [connection_id(1), connection_id(2)], "at once");
    begun(&store, &released, 11).await;
}

pub async fn an_attempt_begins_once(store: Arc<dyn Subject>, clock: &ManualClock) {
    let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
    clock.advance(LEASE);
    let ended = read(&store, held.id).await;
    let again = store.begin_attempt(&begin(&ended, 1)).await;
    assert!(matches!(again, Err(StoreError::Corrupt { .. })), "{again:?}");
    assert_eq!(read(&store, held.id).await, ended, "nothing was changed");
    assert_eq!(store.attempt(attempt_id(1)).await.unwrap(), Some(AttemptStatus::Open));
}
