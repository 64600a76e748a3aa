//! What an API says once that every use of it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use vestal_core::clock::Clock;
use vestal_core::token::Found;
use vestal_sandbox::{Endpoint, Fault, Trouble};

use super::importing::new;
use super::wire::Sickness;
use super::world::{Behaviour, World, client, shop};
use crate::identity::{ASK_WITHIN, Account};
use crate::inquiries::LEFT_ALONE;
use crate::lookup::chosen_before;
use crate::{Engine, Holders, Want};

/// An API that has to be asked for the tenant.
fn world() -> World {
    World::new(&Behaviour::strict()).with_profile(|profile| {
        format!(
            r#"{profile}
            [api]
            lookup = {{ is = {{ get = "https://sandbox.example/api/me", list = ".", take = {{ tenantId = "tenantId" }} }}, unverified = true }}"#
        )
    })
}

/// The next answers of the API.
fn answers(world: &World, bodies: &[&str]) {
    for body in bodies {
        let answer = Trouble::answer(StatusCode::OK, "application/json", (*body).to_owned());
        let fault = Fault::at(Endpoint::Resource, Trouble::AnswerUnprocessed(answer));
        world.wire.sandbox.lock().unwrap().add_fault(fault);
    }
}

const ONE: &str = r#"[{"tenantId":"t-1"}]"#;
const TWO: &str = r#"[{"tenantId":"t-1"},{"tenantId":"t-2"}]"#;

async fn found(world: &World) -> Option<Found> {
    world.shop().await.grant.unwrap().about.found
}

fn tenant(among: u32) -> Option<Found> {
    Some(Found { values: BTreeMap::from([("tenantId".to_owned(), "t-1".to_owned())]), among })
}

async fn tenant_with_token(engine: &Engine) -> Option<serde_json::Value> {
    let want = Want { extra: true, ..Want::default() };
    engine.issue_token(&shop(), want).await.unwrap().extra.get("tenantId").cloned()
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_once_after_a_consent_and_comes_with_every_token() {
    let world = world();
    answers(&world, &[TWO]);
    let engine = world.connected().await;
    assert_eq!((found(&world).await, tenant_with_token(&engine).await), (tenant(2), Some(json!("t-1"))));
    let asked = world.wire.hosts().len();
    engine.refresh(&shop()).await.unwrap();
    assert_eq!((found(&world).await, tenant_with_token(&engine).await), (tenant(2), Some(json!("t-1"))));
    assert_eq!(world.wire.hosts().len(), asked + 1, "nothing but the refresh was sent");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_does_not_say_loses_nothing_and_is_asked_again_after_a_day() {
    let world = world();
    world.wire.sick.lock().unwrap().insert("/api/me".to_owned(), Sickness::Hangs);
    let engine = world.connected().await;
    assert_eq!((found(&world).await, world.shop().await.generation()), (None, 1));
    engine.refresh(&shop()).await.unwrap();
    engine.drain().await;
    assert_eq!((found(&world).await, world.shop().await.generation()), (None, 2));
    world.wire.sick.lock().unwrap().clear();
    answers(&world, &[ONE]);
    let sent = world.wire.hosts().len();
    engine.refresh(&shop()).await.unwrap();
    engine.drain().await;
    assert_eq!(
        (found(&world).await, world.wire.hosts().len()),
        (None, sent + 1),
        "it was asked a moment ago"
    );
    world.pass(LEFT_ALONE).await;
    engine.refresh(&shop()).await.unwrap();
    engine.drain().await;
    assert_eq!((found(&world).await, world.shop().await.generation()), (tenant(1), 4));
    assert_eq!((world.families(), world.reuses()), ((1, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn a_consent_is_stored_before_the_api_is_asked() {
    let world = world();
    world.wire.sick.lock().unwrap().insert("/api/me".to_owned(), Sickness::Hangs);
    tokio::select! {
        _ = world.connected() => panic!("the API said something"),
        () = world.pass(ASK_WITHIN / 2) => {}
    }
    assert_eq!(world.shop().await.generation(), 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_api_after_a_refresh_but_the_end_of_the_process() {
    let world = world();
    world.wire.sick.lock().unwrap().insert("/api/me".to_owned(), Sickness::Hangs);
    let engine = world.connected().await;
    let begun = world.clock.uptime();
    engine.refresh(&shop()).await.unwrap();
    let refreshed = world.clock.uptime();
    assert!(refreshed - begun < Duration::from_secs(1), "{:?}", refreshed - begun);
    engine.drain().await;
    let drained = world.clock.uptime() - refreshed;
    assert!(drained > ASK_WITHIN / 2 && drained < ASK_WITHIN * 2, "{drained:?}");
}

#[tokio::test(start_paused = true)]
async fn of_several_what_was_chosen_stays_also_where_the_api_does_not_say_at_once() {
    let world = world();
    answers(&world, &[ONE]);
    let engine = world.connected().await;
    assert_eq!(found(&world).await, tenant(1));
    let again = async || world.consent(&engine, &["contacts", "offline_access"]).await.unwrap().about.found;
    // They come in another order now.
    answers(&world, &[r#"[{"tenantId":"t-2"},{"tenantId":"t-1"}]"#]);
    assert_eq!((again().await, found(&world).await), (tenant(2), tenant(2)));

    world.wire.sick.lock().unwrap().insert("/api/me".to_owned(), Sickness::Hangs);
    assert_eq!((again().await, found(&world).await), (tenant(0), tenant(0)));
    world.wire.sick.lock().unwrap().clear();
    answers(&world, &[r#"[{"tenantId":"t-2"},{"tenantId":"t-1"}]"#]);
    engine.refresh(&shop()).await.unwrap();
    engine.drain().await;
    assert_eq!(found(&world).await, tenant(2));
}

#[tokio::test(start_paused = true)]
async fn another_account_takes_over_nothing_that_was_chosen() {
    let world = world();
    answers(&world, &[ONE]);
    world.connected().await;
    assert_eq!(chosen_before(&world.shop().await, Account::AsBefore), tenant(0));
    assert_eq!(chosen_before(&world.shop().await, Account::Any), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_imported_is_asked_for_after_its_first_refresh() {
    let world = world();
    answers(&world, &[ONE, ONE]);
    let engine = world.connected().await;
    let client = engine.client_named("sandbox").await.unwrap();
    let token = engine.export(&world.shop().await, &client).await.unwrap().refresh_token.unwrap();
    engine.disconnect(&shop(), true).await.unwrap();
    let imported = engine.import(vec![new("shop", token)], false, &Holders::default()).await.unwrap();
    assert!(imported.iter().all(Result::is_ok), "{imported:?}");
    assert_eq!(found(&world).await, None);
    engine.refresh(&shop()).await.unwrap();
    engine.drain().await;
    assert_eq!(found(&world).await, tenant(1));
}

#[tokio::test(start_paused = true)]
async fn tokens_of_another_server_are_not_shown_to_the_api() {
    let world = world();
    let engine = world.node();
    let mut elsewhere = client();
    elsewhere.endpoints.token = "https://elsewhere.example/token".parse().unwrap();
    engine.add_client(elsewhere).await.unwrap();
    let sent = world.sent_to("sandbox.example");
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    assert_eq!((found(&world).await, world.sent_to("sandbox.example")), (None, sent));
}
