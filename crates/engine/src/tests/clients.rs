//! A client that its provider refuses: one alarm, one canary, and everybody goes on when it is mended.

use std::time::Duration;

use vestal_core::event::What;
use vestal_core::state::{Cause, State};
use vestal_sandbox::{Client, Fault, Trouble};

use super::world::{Behaviour, DAY, World, client};
use crate::{Engine, Error, NewClient};

const HOUR: Duration = Duration::from_secs(3600);
const FLEET: usize = 20;

async fn fleet() -> (World, Engine) {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    world.fleet(&engine, "app", "sandbox.example", FLEET).await;
    (world, engine)
}

/// The provider accepts this secret from now on, and no other.
fn provider_accepts(world: &World, secret: &str) {
    let client = Client::confidential("vestal", secret).redirect_uri("http://localhost:8724/callback");
    world.wire.sandbox.lock().unwrap().settings_mut().clients = vec![client];
}

async fn told(world: &World, what: impl Fn(&What) -> bool) -> usize {
    let events = world.store.events(None, 0, 10_000).await.unwrap();
    events.iter().filter(|stored| what(&stored.event.what)).count()
}

async fn count(world: &World, is: impl Fn(&State) -> bool) -> usize {
    let mut count = 0;
    for number in 0..FLEET {
        count += usize::from(is(&world.named(&format!("app-{number}")).await.state));
    }
    count
}

#[tokio::test(start_paused = true)]
async fn one_alarm_and_one_canary_until_the_secret_is_mended() {
    let (world, engine) = fleet().await;
    provider_accepts(&world, "another");
    world.serve(&engine, DAY).await;

    let refused =
        count(&world, |state| state.failing().is_some_and(|f| matches!(f.cause, Cause::Client { .. }))).await;
    assert!(refused <= 4, "{refused} connections were refused; the others were not even tried");
    assert_eq!(count(&world, |state| *state == State::Active).await, FLEET - refused);
    assert_eq!(told(&world, |what| matches!(what, What::ClientRefused { .. })).await, 1, "one alarm");
    let client = engine.client_named("app").await.unwrap();
    assert!(client.notes.trouble.as_ref().is_some_and(|trouble| trouble.agreed), "{:?}", client.notes);
    let sent = world.wire.refreshes_sent();
    assert!(sent < 25, "{sent} requests in a day, with a back-off of up to six hours");

    // Their access tokens have ended: whoever asks is told why, and nothing is sent.
    let error = engine.issue_token(&"app-19".parse().unwrap(), crate::Want::default()).await.unwrap_err();
    assert!(
        matches!(&error, Error::ClientRefused { detail, .. } if detail.contains("invalid_client")),
        "{error:?}"
    );
    assert_eq!(world.wire.refreshes_sent(), sent);

    engine.set_client_secret("app", &"another".into(), false).await.unwrap();
    world.serve(&engine, Duration::from_secs(60)).await;
    assert_eq!(count(&world, |state| *state == State::Active).await, FLEET);
    assert_eq!((world.families(), world.reuses()), ((FLEET, 0), 0));
    for number in 0..FLEET {
        assert_eq!(world.named(&format!("app-{number}")).await.generation(), 2, "all at once");
    }
    assert_eq!(engine.client_named("app").await.unwrap().notes.trouble, None);
}

#[tokio::test(start_paused = true)]
async fn the_canary_finds_out_when_the_provider_changes_its_mind() {
    let (world, engine) = fleet().await;
    provider_accepts(&world, "another");
    world.serve(&engine, DAY).await;
    provider_accepts(&world, "the client's secret");
    world.serve(&engine, 7 * HOUR).await;
    assert_eq!(count(&world, |state| *state == State::Active).await, FLEET);
    assert_eq!(told(&world, |what| matches!(what, What::ClientAccepted { .. })).await, 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_live_secrets_the_one_that_works_is_used() {
    let (world, engine) = fleet().await;
    // Stored before the provider knows it.
    engine.set_client_secret("app", &"new".into(), true).await.unwrap();
    world.serve(&engine, 13 * HOUR).await;
    assert_eq!(count(&world, |state| *state == State::Active).await, FLEET, "with the old one");
    provider_accepts(&world, "new");
    world.serve(&engine, 26 * HOUR).await;
    assert_eq!(count(&world, |state| *state == State::Active).await, FLEET, "with the new one");
    assert_eq!(world.families(), (FLEET, 0));
    for number in 0..FLEET {
        let generation = world.named(&format!("app-{number}")).await.generation();
        assert!(generation >= 3, "{number} is at generation {generation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_is_taken_away_is_replaced() {
    let (world, engine) = fleet().await;
    provider_accepts(&world, "another");
    world.serve(&engine, 13 * HOUR).await;
    let trouble = engine.client_named("app").await.unwrap().notes.trouble.unwrap();
    world.store.remove_connection(trouble.canary).await.unwrap();
    world.serve(&engine, 7 * HOUR).await;
    provider_accepts(&world, "the client's secret");
    world.serve(&engine, 8 * HOUR).await;
    assert_eq!(engine.client_named("app").await.unwrap().notes.trouble, None);
    assert_eq!(world.families().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_with_one_connection_needs_no_second_witness() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    provider_accepts(&world, "another");
    world.serve(&engine, 13 * HOUR).await;
    assert_eq!(told(&world, |what| matches!(what, What::ClientRefused { .. })).await, 1);
}

/// An answer was lost, and then the client was refused: the one does not hide the other.
#[tokio::test(start_paused = true)]
async fn a_mended_client_is_tried_at_once_also_after_a_lost_answer() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let lost = Trouble::AnswerUnprocessed(Trouble::html_page(http::StatusCode::INTERNAL_SERVER_ERROR));
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(lost));
    world.serve(&engine, 13 * HOUR).await;
    provider_accepts(&world, "another");
    world.serve(&engine, 2 * DAY).await;
    let failing = world.shop().await.state.failing().cloned().unwrap();
    assert!(failing.cause.is_outcome_unknown() && failing.cause.is_client_refused(), "{failing:?}");
    assert!(failing.next > world.now() + Duration::from_secs(60), "{failing:?}");
    assert_eq!(told(&world, |what| matches!(what, What::ClientRefused { .. })).await, 1, "it is the canary");

    engine.set_client_secret("sandbox", &"another".into(), false).await.unwrap();
    world.serve(&engine, Duration::from_secs(1)).await;
    assert_eq!((world.shop().await.state, world.shop().await.generation()), (State::Active, 2));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_another_process_set_is_used_within_a_second() {
    let (world, engine) = fleet().await;
    let refresh = async |name: &str| {
        // How it went is in its state.
        let _ = engine.refresh(&name.parse().unwrap()).await;
        world.named(name).await.state
    };
    // The first one teaches something of the client, which is read anew then.
    for name in ["app-0", "app-1"] {
        assert_eq!(refresh(name).await, State::Active);
    }
    provider_accepts(&world, "another");
    world.node().set_client_secret("app", &"another".into(), false).await.unwrap();

    // The old one was read just now. That it is refused says nothing of the new one, which is tried at once.
    assert!(refresh("app-2").await.failing().is_some());
    world.serve(&engine, Duration::from_secs(1)).await;
    assert_eq!(world.named("app-2").await.state, State::Active);
    assert_eq!(engine.client_named("app").await.unwrap().notes.trouble, None);

    provider_accepts(&world, "a third");
    world.node().set_client_secret("app", &"a third".into(), false).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    let sent = world.wire.refreshes_sent();
    assert_eq!(refresh("app-3").await, State::Active);
    assert_eq!(world.wire.refreshes_sent(), sent + 1, "with the right one at once");
}

#[tokio::test]
async fn nothing_that_breaks_a_terminal_is_kept_of_a_client() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    for name in ["", "a\u{1b}[1m", "a\nb", "a\u{202e}b", &"x".repeat(256)] {
        let error = engine.add_client(NewClient { name: name.into(), ..client() }).await.unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{error:?}");
    }
    for odd in [
        NewClient { client_id: "a\u{1b}[1m".into(), ..client() },
        NewClient { scopes: vec!["a".into(), "b\u{9b}".into()], ..client() },
        NewClient { scopes: vec!["\u{2066}a".into()], ..client() },
    ] {
        let error = engine.add_client(odd).await.unwrap_err();
        assert!(matches!(error, Error::Client { .. }), "{error:?}");
    }
    assert!(world.store.clients().await.unwrap().clients.is_empty());
}
