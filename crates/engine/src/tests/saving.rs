//! An answer is durable before anybody hears of it, whatever the store does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vestal_core::state::State;

use super::faulty_store::{Fault, FaultyStore};
use super::world::{Behaviour, World, shop};
use crate::Error;

/// A world whose store can be made to fail.
fn world() -> (World, Arc<FaultyStore>) {
    let faulty = Mutex::new(None);
    let world = World::with_store(&Behaviour::strict(), |inner| {
        let clock = Arc::new(super::world::VirtualClock::new());
        let store = Arc::new(FaultyStore::new(inner, clock));
        *faulty.lock().unwrap() = Some(Arc::clone(&store));
        store
    });
    let store = faulty.into_inner().unwrap().unwrap();
    (world, store)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_store_refuses_is_tried_until_it_takes_it() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend([Fault::Refused; 20]);
    let refreshed = engine.refresh(&shop()).await.unwrap();
    assert_eq!(refreshed.generation, 2);
    assert_eq!(world.shop().await.generation(), 2, "nobody heard of it before it was stored");
    assert_eq!(world.wire.refreshes_sent(), 1);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_unknown_outcome_is_applied_exactly_once() {
    for fault in [Fault::Unheard, Fault::Vanished] {
        let (world, store) = world();
        let engine = world.connected().await;
        store.finish.lock().unwrap().push_back(fault);
        assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "{fault:?}");
        assert_eq!(world.shop().await.generation(), 2, "{fault:?}");
        assert!(world.shop().await.lease.is_none());
        assert_eq!(world.wire.refreshes_sent(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_written_unheard_is_sent_and_one_that_vanished_is_not() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.begin.lock().unwrap().push_back(Fault::Unheard);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);

    store.begin.lock().unwrap().push_back(Fault::Vanished);
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert_eq!(world.wire.refreshes_sent(), 1, "no request without a durable attempt");
    assert_eq!(world.shop().await.state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_sent_long_after_the_lease_was_taken() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.begin.lock().unwrap().push_back(Fault::Slow(Duration::from_secs(3)));
    let before = world.wire.refreshes_sent();
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "it starts over");
    assert_eq!(world.wire.refreshes_sent() - before, 1);
    let events = world.store.events(Some(world.shop().await.id), 0, 100).await.unwrap();
    assert!(events.iter().all(|stored| !format!("{stored:?}").contains("Abandoned")));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_stored_at_all_is_shouted_about() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend([Fault::Refused; 10_000]);
    let error = engine.refresh(&shop()).await.unwrap_err();
    // Whoever asked waits no longer than a reader does; the flight goes on trying.
    assert!(matches!(error, Error::Busy { .. }), "{error:?}");
    store.finish.lock().unwrap().clear();
    engine.drain().await;
    assert_eq!(world.shop().await.generation(), 2, "as soon as the store took it");
}
