//! Changes to connections: what they name, what they leave, and what nobody may see of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use vestal_core::connection::{Connection, Policy};
use vestal_core::schedule::Plan;
use vestal_core::state::State;
use vestal_core::store::{Add, AttemptStatus, Brought, Finished, StoreError, Update, Write};
use vestal_core::token::{About, Found, Grant, RefreshEnd, TokenSet};

use super::data::*;
use super::{ManualClock, Subject};

pub async fn an_update_names_its_revision(store: Arc<dyn Subject>, _: &ManualClock) {
    let before = added(&store, &connection(1)).await;
    let change = Update {
        state: UNVERIFIED,
        plan: Plan { due_at: Some(at(5)), dies_at: Some(at(6)), warned_at: Some(at(4)) },
        policy: Policy::Always,
        tags: Some(BTreeMap::from([("batch".to_owned(), "7".to_owned())])),
        events: vec![event(before.id, 1), event(before.id, 2)],
        ..update(&before)
    };
    assert_eq!(store.update_connection(&change).await.unwrap(), Write::Done);
    let after = read(&store, before.id).await;
    let expected = Connection {
        revision: 2,
        state: UNVERIFIED,
        plan: change.plan,
        policy: Policy::Always,
        tags: change.tags.clone().unwrap(),
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 2);

    for expected in [1, 3, u64::MAX] {
        let late = Update { expected, events: vec![event(before.id, 3)], ..update(&before) };
        assert_eq!(store.update_connection(&late).await.unwrap(), Write::Moved(Box::new(after.clone())));
    }
    assert_eq!(read(&store, before.id).await, after, "nothing was changed");
    assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 2);
}

pub async fn what_is_learnt_of_a_grant_leaves_its_tokens(store: Arc<dyn Subject>, _: &ManualClock) {
    let learnt = |on: &Connection, tenant: &str| {
        let found = Found { values: BTreeMap::from([("tenantId".to_owned(), tenant.to_owned())]), among: 1 };
        Update { about: Some(About { found: Some(found), ..About::default() }), ..update(on) }
    };
    let before = added(&store, &connection(2)).await;
    let first = learnt(&before, "t-1");
    assert_eq!(store.update_connection(&first).await.unwrap(), Write::Done);
    let after = read(&store, before.id).await;
    let with = |on: &Connection, update: &Update| {
        let about = update.about.clone().unwrap();
        let grant = on.grant.clone().map(|grant| Grant { about, ..grant });
        Connection { revision: on.revision + 1, grant, ..on.clone() }
    };
    assert_eq!(after, with(&before, &first));
    let refreshed = refreshed(&store, &after, 1).await;
    assert_eq!(refreshed.grant.as_ref().unwrap().about, after.grant.unwrap().about, "a refresh leaves it");

    let begun = begun(&store, &refreshed, 2).await;
    let second = learnt(&begun, "t-2");
    assert_eq!(store.update_connection(&second).await.unwrap(), Write::Done);
    assert_eq!(read(&store, before.id).await, with(&begun, &second), "the attempt goes on");

    let pending = added(&store, &Connection { state: State::Pending, grant: None, ..connection(3) }).await;
    assert_eq!(store.update_connection(&learnt(&pending, "t-3")).await.unwrap(), Write::Done);
    assert_eq!(read(&store, pending.id).await.grant, None, "of no grant there is nothing to know");
}

pub async fn an_external_id_is_given_where_nobody_has_it(store: Arc<dyn Subject>, _: &ManualClock) {
    let named = |on: &Connection| Update { external_id: Some("a 1".to_owned()), ..update(on) };
    let shop = added(&store, &connection(1)).await;
    assert_eq!(store.update_connection(&named(&shop)).await.unwrap(), Write::Done);
    let shop = read(&store, shop.id).await;
    assert_eq!((shop.external_id.as_deref(), shop.revision), (Some("a 1"), 2));
    assert_eq!(store.update_connection(&update(&shop)).await.unwrap(), Write::Done);
    assert_eq!(read(&store, shop.id).await.external_id, shop.external_id, "it stays");

    assert_eq!(store.add_connection(&connection(2), &[]).await.unwrap(), Add::Done);
    let other = read(&store, connection_id(2)).await;
    let taken = Update { events: vec![event(other.id, 1)], ..named(&other) };
    assert_eq!(store.update_connection(&taken).await.unwrap(), Write::Moved(Box::new(other.clone())));
    assert_eq!(read(&store, other.id).await, other, "nothing was changed");
    assert!(store.events(Some(other.id), 0, 10).await.unwrap().is_empty());
}

pub async fn a_new_grant_leaves_the_old_one_until_it_works(store: Arc<dyn Subject>, _: &ManualClock) {
    let current = added(&store, &connection(1)).await;
    let current = refreshed(&store, &current, 1).await;
    let current = begun(&store, &current, 2).await;

    let consent = Update { grant: Some(grant(9, 3)), ..update(&current) };
    assert_eq!(store.update_connection(&consent).await.unwrap(), Write::Done);
    let consented = read(&store, current.id).await;
    assert_eq!(consented.grant, Some(grant(9, 3)));
    assert_eq!(consented.lease, current.lease, "an attempt that is under way goes on");
    let (old, new) = (grant_id(1), grant_id(9));
    assert_eq!(store.token_sets(current.id).await, [(old, 1), (old, 2), (new, 3)]);

    let failed = finish(&consented, 2, Brought::Nothing);
    assert_eq!(store.finish_attempt(&failed).await.unwrap(), Finished::Done);
    assert_eq!(store.token_sets(current.id).await, [(old, 1), (old, 2), (new, 3)], "that proves nothing");

    let consented = read(&store, current.id).await;
    refreshed(&store, &consented, 3).await;
    assert_eq!(store.token_sets(current.id).await, [(new, 3), (new, 4)]);
}

pub async fn generations_only_grow(store: Arc<dyn Subject>, _: &ManualClock) {
    let current = added(&store, &connection(1)).await;
    let current = refreshed(&store, &current, 1).await;
    let current = begun(&store, &current, 2).await;
    for generation in [0, 1, 2] {
        let consent = Update { grant: Some(grant(9, generation)), ..update(&current) };
        let refused = store.update_connection(&consent).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
        let brought = Brought::Tokens(Box::new(tokens(generation)));
        let refused = store.finish_attempt(&finish(&current, 2, brought)).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    }
    assert_eq!(read(&store, current.id).await, current, "nothing was changed");
    assert_eq!(store.attempt(attempt_id(2)).await.unwrap(), Some(AttemptStatus::Open));
}

pub async fn a_read_is_no_revision(store: Arc<dyn Subject>, _: &ManualClock) {
    let before = added(&store, &connection(1)).await;
    let plan = Plan { due_at: Some(at(7)), dies_at: None, warned_at: Some(at(6)) };
    store.mark_read(before.id, 1, at(3), &plan).await.unwrap();
    let read_once = Connection { last_read_at: Some(at(3)), plan, ..before.clone() };
    assert_eq!(read(&store, before.id).await, read_once);

    store.mark_read(before.id, 2, at(4), &Plan::default()).await.unwrap();
    store.mark_read(connection_id(9), 1, at(4), &plan).await.unwrap();
    assert_eq!(read(&store, before.id).await, read_once, "another revision's plan is void");
}

pub async fn times_are_kept_in_milliseconds(store: Arc<dyn Subject>, _: &ManualClock) {
    let nanos = jiff::SignedDuration::from_nanos(1_999_999);
    let (fine, coarse) = (START + nanos, START + jiff::SignedDuration::from_millis(1));
    let with_times = |time: Timestamp| Connection {
        created_at: time,
        last_read_at: Some(time),
        plan: Plan { due_at: Some(time), dies_at: Some(time), warned_at: Some(time) },
        grant: Some(Grant {
            consented_at: time,
            tokens: TokenSet { issued_at: time, expires_at: Some(time), ..tokens(1) },
            ..grant(1, 1)
        }),
        ..connection(1)
    };
    let current = added(&store, &with_times(fine)).await;
    assert_eq!(current, with_times(coarse));

    let mut begin = begin(&current, 1);
    begin.attempt.started_at = fine;
    store.begin_attempt(&begin).await.unwrap();
    let current = read(&store, current.id).await;
    assert_eq!(current.lease.as_ref().unwrap().attempt.started_at, coarse);
    let dated = vestal_core::event::Event { at: fine, ..event(current.id, 1) };
    store.update_connection(&Update { events: vec![dated], ..update(&current) }).await.unwrap();
    assert_eq!(store.events(None, 0, 1).await.unwrap()[0].event.at, coarse);

    // The ends of time, and times within JSON.
    let mut ends = with_times(Timestamp::MIN);
    ends.id = connection_id(2);
    ends.name = "ends".parse().unwrap();
    ends.plan.dies_at = Some(Timestamp::MAX);
    let ends_grant = ends.grant.as_mut().unwrap();
    ends_grant.id = grant_id(2);
    ends_grant.tokens.refresh_token.as_mut().unwrap().end = Some(RefreshEnd::Absolute(fine));
    store.add_connection(&ends, &[]).await.unwrap();
    let ends = read(&store, ends.id).await;
    assert!(ends.plan.dies_at.unwrap() > "9999-12-30T00:00:00Z".parse().unwrap());
    let end = ends.grant.unwrap().tokens.refresh_token.unwrap().end;
    assert_eq!(end, Some(RefreshEnd::Absolute(fine)));
}
