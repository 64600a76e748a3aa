//! An answer is durable before anybody hears of it, whatever the store does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vestal_core::state::State;

use super::faulty_store::{Fault, FaultyStore};
use super::world::{Behaviour, World, shop};
use crate::{Error, Limits, Parts};

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
async fn a_service_never_gives_an_answer_up() {
    let (world, store) = world();
    drop(world.connected().await);
    let daemon = world.node_with(|parts| {
        let limits = Limits { save: Duration::MAX, ..parts.limits };
        Parts { limits, ..parts }
    });
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let error = daemon.refresh(&shop()).await.unwrap_err();
    assert!(
        matches!(error, Error::Busy { .. }),
        "whoever asked waits no longer than a reader does: {error:?}"
    );
    world.pass(Duration::from_secs(3 * 3600)).await;
    store.finish.lock().unwrap().clear();
    daemon.drain().await;
    assert_eq!(world.shop().await.generation(), 2, "as soon as the store took it");
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0), "and nobody else tried meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_command_gives_up_in_the_end_and_says_what_was_lost() {
    let (world, store) = world();
    let engine = world.node_with(|parts| {
        let limits = Limits { reader: Duration::from_secs(120), ..parts.limits };
        Parts { limits, ..parts }
    });
    engine.add_client(super::world::client()).await.unwrap();
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Unsaved { .. }), "{error:?}");
}
