use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use vestal_core::clock::Entropy;
use vestal_core::connection::Attempt;
use vestal_core::event::Event;
use vestal_core::id::AttemptId;
use vestal_core::store::{
    AttemptStatus, Authorization, Begin, Brought, Finish, Finished, StoreError, Update, Write,
};

use super::connections::authorization;
use super::data::*;
use super::{ManualClock, Subject};

const DAY: i64 = 24 * 3600;

async fn record(store: &Arc<dyn Subject>, n: u128, events: Vec<Event>) {
    let current = read(store, connection_id(n)).await;
    store.update_connection(&Update { events, ..update(&current) }).await.unwrap();
}

async fn marks(store: &Arc<dyn Subject>, of: Option<u128>, after: u64, limit: u32) -> Vec<(u64, u64)> {
    let events = store.events(of.map(connection_id), after, limit).await.unwrap();
    events.iter().map(|stored| (stored.seq, mark(&stored.event))).collect()
}

pub async fn events_are_read_from_a_cursor(store: Arc<dyn Subject>, _: &ManualClock) {
    let (a, b) = (added(&store, &connection(1)).await.id, added(&store, &connection(2)).await.id);
    assert_eq!(store.newest_event().await.unwrap(), 0, "nothing has happened yet");
    record(&store, 1, vec![event(a, 1), event(a, 2)]).await;
    record(&store, 2, vec![event(b, 3)]).await;
    record(&store, 1, vec![event(a, 4)]).await;

    let all = marks(&store, None, 0, 10).await;
    assert_eq!(all.iter().map(|(_, mark)| *mark).collect::<Vec<_>>(), [1, 2, 3, 4], "oldest first");
    assert!(all.is_sorted_by(|one, next| one.0 < next.0));
    assert_eq!(marks(&store, None, all[1].0, 10).await, all[2..]);
    assert_eq!(store.newest_event().await.unwrap(), all[3].0);
    assert_eq!(marks(&store, None, 0, 2).await, all[..2]);
    assert_eq!(marks(&store, None, all[3].0, 10).await, []);
    assert_eq!(marks(&store, Some(1), 0, 10).await, [all[0], all[1], all[3]]);
    assert_eq!(marks(&store, Some(1), all[0].0, 1).await, [all[1]]);
    assert_eq!(marks(&store, Some(3), 0, 10).await, []);
}

pub async fn the_last_hundred_events_are_kept(store: Arc<dyn Subject>, _: &ManualClock) {
    let (a, b) = (added(&store, &connection(1)).await.id, added(&store, &connection(2)).await.id);
    record(&store, 2, vec![event(b, 0)]).await;
    record(&store, 1, (1..=60).map(|n| event(a, n)).collect()).await;
    record(&store, 1, (61..=150).map(|n| event(a, n)).collect()).await;
    while store.prune(START).await.unwrap() > 0 {}
    let kept: Vec<_> = marks(&store, Some(1), 0, 999).await.into_iter().map(|(_, mark)| mark).collect();
    assert_eq!(kept, (51..=150).collect::<Vec<_>>());
    assert_eq!(marks(&store, Some(2), 0, 999).await.len(), 1, "each connection has its own");
}

pub async fn old_events_are_pruned(store: Arc<dyn Subject>, _: &ManualClock) {
    let days = |days: i64, id| Event { at: at(-days * DAY), ..event(id, days.unsigned_abs()) };
    // Enough of them for two batches.
    for n in 1..=6 {
        let id = added(&store, &connection(n)).await.id;
        record(&store, n, (1..=100).map(|_| days(91, id)).collect()).await;
    }
    let young = added(&store, &connection(7)).await.id;
    record(&store, 7, vec![days(90, young), days(1, young)]).await;
    let first = store.prune(START).await.unwrap();
    let second = store.prune(START).await.unwrap();
    assert!(first < 600 && second > 0, "in bounded batches: {first}, {second}");
    assert_eq!(first + second, 600);
    assert_eq!(store.prune(START).await.unwrap(), 0);
    let kept: Vec<_> = marks(&store, None, 0, 999).await.into_iter().map(|(_, mark)| mark).collect();
    assert_eq!(kept, [90, 1]);
}

/// As where a machine boots without having been told the time, and where it was told a wrong one.
pub async fn a_clock_that_was_wrong_cuts_no_history_off(store: Arc<dyn Subject>, _: &ManualClock) {
    const FUTURE: i64 = 36_500 * DAY;
    const NEVER: i64 = -20_000 * DAY;
    let id = added(&store, &connection(1)).await.id;
    let times = [FUTURE, FUTURE, -91 * DAY, NEVER, -90 * DAY, NEVER, NEVER, FUTURE, 0, NEVER];
    let events: Vec<_> =
        (0..).zip(times).map(|(n, second)| Event { at: at(second), ..event(id, n) }).collect();
    record(&store, 1, events).await;
    let kept = async |of| {
        let kept = marks(&store, of, 0, 999).await;
        kept.into_iter().map(|(_, mark)| mark).collect::<Vec<_>>()
    };
    for (now, gone) in [(NEVER, 0), (0, 4), (0, 0), (DAY, 3), (90 * DAY, 0), (91 * DAY, 3), (91 * DAY, 0)] {
        assert_eq!(store.prune(at(now)).await.unwrap(), gone, "{now}");
        assert_eq!(kept(None).await, kept(Some(1)).await, "nothing is left that cannot be found");
    }
}

pub async fn events_from_the_future_keep_no_others_from_being_pruned(
    store: Arc<dyn Subject>,
    _: &ManualClock,
) {
    // More of them than are looked at in one go.
    for n in 1..=13 {
        let id = added(&store, &connection(n)).await.id;
        let future = |mark| Event { at: at(1000 * DAY), ..event(id, mark) };
        record(&store, n, (0..90).map(future).collect()).await;
    }
    let id = added(&store, &connection(14)).await.id;
    record(&store, 14, vec![Event { at: at(-91 * DAY), ..event(id, 1) }]).await;
    assert_eq!(store.prune(START).await.unwrap(), 1);
    assert_eq!(store.prune(START).await.unwrap(), 0);
    assert_eq!(marks(&store, None, 0, 9999).await.len(), 13 * 90);
    while store.prune(at(1091 * DAY)).await.unwrap() > 0 {}
    assert_eq!(marks(&store, None, 0, 9999).await, []);
}

pub async fn old_closed_attempts_are_pruned(store: Arc<dyn Subject>, clock: &ManualClock) {
    let finished_at = |second| Finish { at: at(second), ..finish(&connection(1), 0, Brought::Nothing) };
    let mut current = added(&store, &connection(1)).await;
    for (n, closed_at) in [(1, -7 * DAY - 1), (2, -7 * DAY)] {
        current = begun(&store, &current, n).await;
        let finish = Finish { attempt: attempt_id(n), expected: current.revision, ..finished_at(closed_at) };
        store.finish_attempt(&finish).await.unwrap();
        current = read(&store, current.id).await;
    }
    // Attempt 3 is abandoned now, attempt 4 stays open.
    begun(&store, &current, 3).await;
    clock.advance(LEASE);
    begun(&store, &read(&store, current.id).await, 4).await;

    let statuses = async || {
        let mut statuses = Vec::new();
        for n in 1..=4 {
            statuses.push(store.attempt(attempt_id(n)).await.unwrap());
        }
        statuses
    };
    use AttemptStatus::{Abandoned, Finished, Open};
    assert_eq!(store.prune(START).await.unwrap(), 1);
    assert_eq!(statuses().await, [None, Some(Finished), Some(Abandoned), Some(Open)]);
    let later = START + SignedDuration::from_hours(8 * 24);
    assert_eq!(store.prune(later).await.unwrap(), 2);
    assert_eq!(statuses().await, [None, None, None, Some(Open)], "what is open is never pruned");
    assert_eq!(store.prune(later).await.unwrap(), 0);
    assert_eq!(read(&store, current.id).await.lease.unwrap().attempt.id, attempt_id(4));
}

/// Their identifiers say when they were begun.
pub async fn attempts_are_pruned_by_when_they_were_closed(store: Arc<dyn Subject>, _: &ManualClock) {
    let mut current = added(&store, &connection(1)).await;
    let mut ids = Vec::new();
    for (begun_at, closed_at) in
        [(-9 * DAY, -8 * DAY), (-8 * DAY, -7 * DAY - 1), (-8 * DAY + 1, -7 * DAY), (-DAY, 0)]
    {
        let id = AttemptId::new(at(begun_at), &Noughts);
        let started = begin(&current, 0);
        let attempt = Attempt { id, ..started.attempt };
        let begin = Begin { attempt, ..started };
        assert_eq!(store.begin_attempt(&begin).await.unwrap(), Write::Done);
        current = read(&store, current.id).await;
        let finish = Finish { attempt: id, at: at(closed_at), ..finish(&current, 0, Brought::Nothing) };
        assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Done);
        current = read(&store, current.id).await;
        ids.push(id);
    }
    assert_eq!(store.prune(START).await.unwrap(), 2);
    let mut left = Vec::new();
    for id in ids {
        left.push(store.attempt(id).await.unwrap().is_some());
    }
    assert_eq!(left, [false, false, true, true]);
}

/// So that an identifier is told by its time alone.
struct Noughts;

impl Entropy for Noughts {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

pub async fn expired_authorizations_are_pruned(store: Arc<dyn Subject>, _: &ManualClock) {
    added(&store, &connection(1)).await;
    store.begin_authorization(&authorization(1)).await.unwrap();
    store.begin_authorization(&Authorization { expires_at: at(700), ..authorization(2) }).await.unwrap();
    assert_eq!(store.prune(at(600)).await.unwrap(), 0);
    assert_eq!(store.prune(at(601)).await.unwrap(), 1);
    assert_eq!(store.take_authorization(&[1; 32], at(0)).await.unwrap(), None);
    assert!(store.take_authorization(&[2; 32], at(0)).await.unwrap().is_some());
}

pub async fn an_authorization_is_used_once(store: Arc<dyn Subject>, _: &ManualClock) {
    added(&store, &connection(1)).await;
    store.begin_authorization(&authorization(1)).await.unwrap();
    store.begin_authorization(&authorization(2)).await.unwrap();
    let again = store.begin_authorization(&authorization(1)).await;
    assert!(matches!(again, Err(StoreError::Corrupt { .. })), "{again:?}");
    let unknown = Authorization { connection: connection_id(9), ..authorization(3) };
    assert!(store.begin_authorization(&unknown).await.is_err());

    assert_eq!(store.take_authorization(&[3; 32], at(1)).await.unwrap(), None);
    let (one, other) =
        tokio::join!(store.take_authorization(&[1; 32], at(1)), store.take_authorization(&[1; 32], at(1)));
    let taken: Vec<_> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(taken, [authorization(1)], "by one of two");
    assert_eq!(store.take_authorization(&[2; 32], at(1)).await.unwrap(), Some(authorization(2)));
}

pub async fn an_expired_authorization_is_taken_away(store: Arc<dyn Subject>, _: &ManualClock) {
    added(&store, &connection(1)).await;
    store.begin_authorization(&authorization(1)).await.unwrap();
    store.begin_authorization(&authorization(2)).await.unwrap();
    assert_eq!(store.take_authorization(&[1; 32], at(601)).await.unwrap(), None);
    assert_eq!(store.take_authorization(&[1; 32], at(1)).await.unwrap(), None, "gone for good");
    assert!(store.take_authorization(&[2; 32], at(600)).await.unwrap().is_some(), "up to its end");
}

pub async fn event_numbers_are_never_used_twice(store: Arc<dyn Subject>, _: &ManualClock) {
    let id = added(&store, &connection(1)).await.id;
    record(&store, 1, vec![event(id, 1), event(id, 2)]).await;
    let last = marks(&store, None, 0, 10).await[1].0;
    store.remove_connection(id).await.unwrap();
    store.add_connection(&connection(1), &[event(id, 3)]).await.unwrap();
    assert!(marks(&store, None, last, 10).await.len() == 1, "a reader with a cursor misses nothing");
}

pub async fn a_closed_store_says_so(store: Arc<dyn Subject>, _: &ManualClock) {
    let current = added(&store, &connection(1)).await;
    for _ in 0..3 {
        store.check_writable().await.unwrap();
    }
    store.close().await;
    store.close().await;
    let unavailable = |error| matches!(error, StoreError::Unavailable { .. });
    assert!(unavailable(store.connection(current.id).await.unwrap_err()));
    assert!(unavailable(store.update_connection(&update(&current)).await.unwrap_err()));
    assert!(unavailable(store.check_writable().await.unwrap_err()));
    assert!(unavailable(store.renew_lease(attempt_id(1), Duration::ZERO).await.unwrap_err()));
}
