//! What answers show, and what readers report.

use std::time::Duration;

use vestal_core::event::What;
use vestal_core::evidence::Contradiction;
use vestal_core::state::{Cause, Reason, State};
use vestal_sandbox::{Fault, Trouble};

use super::world::{Behaviour, DAY, World, client, shop};
use crate::{Error, Refreshed, Rejection, Want};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn what_a_provider_does_is_learned_and_a_contradiction_is_told_once() {
    let mut behaviour = Behaviour::strict();
    behaviour.facts = r#"
        idle_limit = { is = "180d", unverified = true }
        rotation = { is = "never", unverified = true }"#;
    let world = World::new(&behaviour);
    let engine = world.connected().await;
    world.serve(&engine, 3 * DAY).await;
    let evidence = engine.client_named("sandbox").await.unwrap().notes.evidence;
    assert_eq!(evidence.rotates.map(|seen| seen.value), Some(true));
    assert_eq!(evidence.access_token_life.map(|seen| seen.value), Some(DAY));
    let events = world.store.events(None, 0, 1_000).await.unwrap();
    let told = events
        .iter()
        .filter(|stored| matches!(stored.event.what, What::Contradiction { found: Contradiction::Rotated }));
    assert_eq!(told.count(), 1);

    // The file says that nothing can be lost; what was seen says otherwise, and is believed.
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    world.serve(&engine, 13 * HOUR).await;
    let state = world.shop().await.state;
    let honest = matches!(state, State::NeedsReauth { reason: Reason::OutcomeUnknown { .. }, .. });
    assert!(honest, "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_refreshed_if_it_is_still_the_current_one_and_not_without_end() {
    let world = World::new(&Behaviour::strict());
    drop(world.connected().await);
    world.pass(HOUR).await;
    let newer = |generation| move |rejection: &Rejection| matches!(rejection, Rejection::Newer(Refreshed { generation: is, .. }) if *is == generation);
    // Each by a process of its own, as commands are.
    let reject = async |generation| world.node().reject(&shop(), generation).await.unwrap();
    assert!(newer(2)(&reject(1).await));
    assert!(newer(2)(&reject(1).await), "a late report of the one before costs nothing");
    assert_eq!(world.wire.refreshes_sent(), 1);
    assert_eq!(reject(2).await, Rejection::TooSoon);
    world.pass(Duration::from_secs(61)).await;
    assert!(newer(3)(&reject(2).await));
    world.pass(Duration::from_secs(61)).await;
    assert_eq!(reject(3).await, Rejection::NotTheTokensAge, "two fresh ones were rejected");
    assert_eq!(reject(99).await, Rejection::Unknown { newest: 3 });
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (2, 0));
    // Where nobody says how long tokens live, each is rejected once it has ended, however many before it were.
    for generation in 4..8 {
        world.pass(HOUR).await;
        assert!(newer(generation)(&reject(generation - 1).await), "{generation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_ends_a_grant_that_nothing_renews() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(client()).await.unwrap();
    world.consent(&engine, &["contacts"]).await.unwrap();
    assert_eq!(engine.reject(&shop(), 1).await.unwrap(), Rejection::TooSoon, "it may not be in force yet");
    assert_eq!(world.shop().await.state, State::Active);
    let alarms = async || {
        let events = world.store.events(None, 0, 100).await.unwrap();
        events.iter().filter(|stored| matches!(stored.event.what, What::NeedsReauth { .. })).count()
    };
    for _ in 0..2 {
        world.pass(HOUR).await;
        let error = engine.reject(&shop(), 1).await.unwrap_err();
        assert!(matches!(error, Error::NeedsReauth { reason: Reason::NothingToRenewWith, .. }), "{error:?}");
        let state = world.shop().await.state;
        assert!(matches!(state, State::NeedsReauth { reason: Reason::NothingToRenewWith, .. }), "{state:?}");
        assert_eq!(alarms().await, 1, "it is told once");
    }
    // Whoever does without what it is rejected for is served all the same.
    engine.issue_token(&shop(), Want::default()).await.unwrap();
    world.consent(&engine, &["contacts"]).await.unwrap();
    assert_eq!(world.shop().await.state, State::Active);
    assert!(matches!(engine.reject(&shop(), 1).await.unwrap(), Rejection::Newer(_)), "it was replaced");
    assert_eq!(world.shop().await.state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_ends_the_hold_of_an_unknown_outcome() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseRequest));
    world.serve(&engine, 13 * HOUR).await;
    let held = world.shop().await;
    let cause = held.state.failing().map(|failing| failing.cause.clone());
    assert!(matches!(cause, Some(Cause::OutcomeUnknown { .. })), "{:?}", held.state);
    assert_eq!(world.wire.refreshes_sent(), 1);
    // The access token, for whose sake it was held, does not serve any more; and the request had never arrived.
    let rejection = engine.reject(&shop(), 1).await.unwrap();
    assert!(matches!(rejection, Rejection::Newer(Refreshed { generation: 2, .. })), "{rejection:?}");
    assert_eq!((world.families(), world.reuses()), ((1, 0), 0));
}
