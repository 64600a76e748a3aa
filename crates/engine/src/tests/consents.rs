//! A code can be used only once: what it brought is kept, whatever fails.

use std::collections::BTreeMap;
use std::time::Duration;

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ConnectionId;
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
    for is_removed in [true, false] {
        let world = World::new(&Behaviour::strict());
        let engine = world.node();
        engine.add_client(super::world::client()).await.unwrap();
        let consenting = start_consent(&world, &engine).await;
        world.pass(Duration::from_millis(10)).await;
        assert_eq!(world.sent_to("sandbox.example"), 1, "its code is used up");
        let shop = world.shop().await;
        if is_removed {
            world.store.remove_connection(shop.id).await.unwrap();
        } else {
            let after = Connection { state: State::Disconnecting, ..shop };
            world.store.update_connection(&update_to(&after, vec![])).await.unwrap();
        }
        let error = consenting.await.unwrap().unwrap_err().to_string();
        assert!(error.contains("meanwhile") && error.contains("live on"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_new_connection_has_a_name_that_turns_text_around_and_one_that_has_is_served() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    let client = engine.add_client(super::world::client()).await.unwrap();
    let name: ConnectionName = "shop\u{202e}7".parse().unwrap();
    let refused = engine.begin_connect(begin(name.clone())).await.map(|_| ());
    assert!(matches!(refused, Err(Error::BadName { .. })), "{refused:?}");
    let id = ConnectionId::from_uuid(uuid::Uuid::from_u128(7));
    let before = Connection::pending(id, name.clone(), client.id, world.now());
    world.store.add_connection(&before, &[]).await.unwrap();
    let redirected = world.browse(&engine.begin_connect(begin(name.clone())).await.unwrap().url);
    engine.finish_connect(&redirected, crate::Account::AsBefore).await.unwrap();
    assert_eq!(world.named(name.as_str()).await.state, State::Active);
}

/// Why what is kept aside for `shop` is.
async fn kept_aside(world: &World) -> Vec<WhyCandidate> {
    let kept = world.store.candidates(world.shop().await.id, 10).await.unwrap();
    kept.iter().map(|kept| kept.why).collect()
}

fn begin(name: ConnectionName) -> BeginConnect {
    let client = "sandbox".to_owned();
    BeginConnect { name, client, scopes: None, site: BTreeMap::new(), parameters: BTreeMap::new() }
}

/// Somebody comes back with a consent to `shop`.
async fn start_consent(world: &World, engine: &Engine) -> tokio::task::JoinHandle<Result<Connected, Error>> {
    let redirected = world.browse(&engine.begin_connect(begin(shop())).await.unwrap().url);
    let engine = engine.clone();
    tokio::spawn(async move { engine.finish_connect(&redirected, crate::Account::AsBefore).await })
}
