//! A code can be used only once: what it brought is kept, whatever fails.

use std::collections::BTreeMap;
use std::time::Duration;

use vestal_core::state::State;
use vestal_core::token::WhyCandidate;

use super::faulty_store::Fault;
use super::world::{Behaviour, World, shop};
use crate::change::update_to;
use crate::{BeginConnect, Connected, Engine, Error};

#[tokio::test(start_paused = true)]
async fn a_grant_is_stored_although_the_store_fails_once_its_code_is_used_up_and_its_caller_is_gone() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let caller = start_consent(&world, &engine).await;
    world.pass(Duration::from_secs(1)).await;
    store.read.lock().unwrap().extend([Fault::Refused; 3]);
    store.update.lock().unwrap().extend([Fault::Refused, Fault::Vanished, Fault::Refused]);
    caller.abort();
    engine.drain().await;
    assert_eq!((world.shop().await.state, world.shop().await.generation()), (State::Active, 1));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_not_used_up_where_its_connection_cannot_be_read() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    store.read.lock().unwrap().push_back(Fault::Refused);
    let error = start_consent(&world, &engine).await.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert_eq!(world.sent_to("sandbox.example"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_will_not_take_a_grant_later_either_is_not_waited_for() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    store.update.lock().unwrap().extend([Fault::Newer; 100]);
    let asked = world.now();
    let error = start_consent(&world, &engine).await.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unsaved { .. }), "{error:?}");
    assert!(world.now().duration_since(asked).as_secs() < 2, "it is told at once");
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_consent_brought_is_kept_aside_although_the_store_fails() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    store.keep.lock().unwrap().extend([Fault::Refused, Fault::Unheard, Fault::Refused]);
    let error = world.consent(&engine, &["contacts"]).await.unwrap_err();
    assert!(matches!(error, Error::WorseConsent { .. }), "{error:?}");
    assert_eq!(kept_aside(&world).await, [WhyCandidate::RefusedConsent]);
}

#[tokio::test(start_paused = true)]
async fn a_consent_that_others_keep_overtaking_is_kept_aside() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    store.update.lock().unwrap().extend([Fault::Late(Duration::from_millis(20)); 1_000]);
    let consenting = start_consent(&world, &engine).await;
    while !consenting.is_finished() {
        store.sound().update_connection(&update_to(&world.shop().await, vec![])).await.unwrap();
        world.pass(Duration::from_millis(10)).await;
    }
    let error = consenting.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("others kept writing") && error.contains("kept aside"), "{error}");
    assert_eq!(kept_aside(&world).await, [WhyCandidate::RefusedConsent]);
}

#[tokio::test(start_paused = true)]
async fn whoever_consents_to_what_is_gone_meanwhile_is_told_that_the_tokens_live_on() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    store.update.lock().unwrap().push_back(Fault::Late(Duration::from_millis(20)));
    let consenting = start_consent(&world, &engine).await;
    world.pass(Duration::from_millis(10)).await;
    assert_eq!(world.sent_to("sandbox.example"), 1, "the tokens are there");
    store.sound().remove_connection(world.shop().await.id).await.unwrap();
    let error = consenting.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("was removed meanwhile") && error.contains("live on"), "{error}");
}

/// Why what is kept aside for `shop` is.
async fn kept_aside(world: &World) -> Vec<WhyCandidate> {
    let kept = world.store.candidates(world.shop().await.id, 10).await.unwrap();
    kept.iter().map(|kept| kept.why).collect()
}

/// Somebody comes back with a consent to `shop`.
async fn start_consent(world: &World, engine: &Engine) -> tokio::task::JoinHandle<Result<Connected, Error>> {
    let (name, client) = (shop(), "sandbox".to_owned());
    let begin =
        BeginConnect { name, client, scopes: None, site: BTreeMap::new(), parameters: BTreeMap::new() };
    let redirected = world.browse(&engine.begin_connect(begin).await.unwrap().url);
    let engine = engine.clone();
    tokio::spawn(async move { engine.finish_connect(&redirected, crate::Account::AsBefore).await })
}
