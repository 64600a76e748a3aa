//! Consent on another device, in virtual time.

use std::time::Duration;

use jiff::SignedDuration;
use vestal_core::state::State;
use vestal_core::token::Renewal;
use vestal_sandbox::Consent;

use super::wire::Sickness;
use super::world::{Behaviour, World, client, shop};
use crate::{Account, BeginDevice, DeviceRequest, Engine, Error};

const HOST: &str = "sandbox.example";

async fn begin(world: &World) -> (Engine, DeviceRequest) {
    let engine = world.node();
    engine.add_client(client()).await.unwrap();
    let begin =
        BeginDevice { name: shop(), client: "sandbox".to_owned(), scopes: None, site: Default::default() };
    let request = engine.begin_device(begin).await.unwrap();
    (engine, request)
}

#[tokio::test(start_paused = true)]
async fn a_person_answers_while_the_device_polls_at_its_interval() {
    let world = World::new(&Behaviour::strict());
    let (engine, request) = begin(&world).await;
    assert_eq!(
        request.expires_at.duration_since(world.now()).as_secs(),
        599,
        "10 min from the request's start"
    );
    assert_eq!(world.shop().await.state, State::Pending);
    let user_code = request.user_code.clone();
    let (waits, started) = (engine.clone(), world.now());
    let waiting = tokio::spawn(async move { waits.finish_device(request, Account::AsBefore).await });
    world.pass(Duration::from_secs(62)).await;
    // A poll takes 200 ms, and nobody slows it down.
    assert_eq!(world.sent_to(HOST), 1 + 12 - 1);
    assert!(world.wire.sandbox.lock().unwrap().answer_device(&user_code, Consent::Given));
    let connected = waiting.await.unwrap().unwrap();
    assert!(world.now().duration_since(started) < SignedDuration::from_secs(68));
    assert!(connected.refresh_token);
    assert_eq!(connected.scope.as_deref(), Some("contacts offline_access"));
    let shop = world.shop().await;
    assert_eq!((shop.state, shop.grant.unwrap().renewal), (State::Active, Renewal::RefreshToken));
    engine.refresh(&super::world::shop()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_no_is_told_and_silence_ends_by_itself() {
    let world = World::new(&Behaviour::strict());
    let (engine, request) = begin(&world).await;
    assert!(world.wire.sandbox.lock().unwrap().answer_device(&request.user_code, Consent::Denied));
    let error = engine.finish_device(request, Account::AsBefore).await.unwrap_err();
    assert!(matches!(&error, Error::Consent { why, .. } if why.contains("said no")), "{error:?}");

    let begin =
        BeginDevice { name: shop(), client: "sandbox".to_owned(), scopes: None, site: Default::default() };
    let request = engine.begin_device(begin).await.unwrap();
    let ends = request.expires_at;
    let error = engine.finish_device(request, Account::AsBefore).await.unwrap_err();
    assert!(matches!(&error, Error::Consent { why, .. } if why.contains("nobody typed")), "{error:?}");
    assert!(world.now().duration_since(ends).abs() < SignedDuration::from_secs(2), "{}", world.now());
    assert_eq!(world.shop().await.state, State::Pending, "it waits for the next one");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_be_reached_is_asked_ever_more_seldom() {
    let world = World::new(&Behaviour::strict());
    let (engine, request) = begin(&world).await;
    let user_code = request.user_code.clone();
    world.wire.sick.lock().unwrap().insert(HOST.to_owned(), Sickness::Down);
    let before = world.sent_to(HOST);
    let waits = engine.clone();
    let waiting = tokio::spawn(async move { waits.finish_device(request, Account::AsBefore).await });
    // After 5, 10, 20, 40 and 80 seconds.
    world.pass(Duration::from_secs(200)).await;
    assert_eq!(world.sent_to(HOST) - before, 5);
    world.wire.sick.lock().unwrap().clear();
    assert!(world.wire.sandbox.lock().unwrap().answer_device(&user_code, Consent::Given));
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn going_away_ends_the_waiting_but_loses_no_answer() {
    let world = World::new(&Behaviour::strict());
    let (engine, request) = begin(&world).await;
    let user_code = request.user_code.clone();
    *world.wire.latency.lock().unwrap() = Duration::from_secs(2);
    let waits = engine.clone();
    let waiting = tokio::spawn(async move { waits.finish_device(request, Account::AsBefore).await });
    world.pass(Duration::from_secs(6)).await;
    // The poll is on its way.
    assert!(world.wire.sandbox.lock().unwrap().answer_device(&user_code, Consent::Given));
    waiting.abort();
    engine.drain().await;
    assert_eq!(world.shop().await.state, State::Active);
    let sent = world.sent_to(HOST);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.sent_to(HOST), sent, "nobody polls any more");
}

#[tokio::test(start_paused = true)]
async fn a_client_without_that_endpoint_is_refused_before_anything_is_made() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    let mut new = client();
    new.endpoints.device_authorization = None;
    engine.add_client(new).await.unwrap();
    let begin =
        BeginDevice { name: shop(), client: "sandbox".to_owned(), scopes: None, site: Default::default() };
    let error = engine.begin_device(begin).await.unwrap_err();
    assert!(matches!(error, Error::Client { .. }), "{error:?}");
    assert_eq!(world.store.connection_named(&shop()).await.unwrap(), None);
}
