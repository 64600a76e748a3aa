//! Ending grants in other ways than that of RFC 7009.

use std::time::Duration;

use vestal_core::state::State;

use super::wire::Sickness;
use super::world::{Behaviour, DAY, World, client, shop};
use crate::{Account, BeginConnect, CatalogueError, Engine, Error, OwnFile, Revocation, Want};

/// Which token is named, and what ends with it.
fn world(token: &str, ends: &str) -> World {
    World::new(&Behaviour::strict()).with_profile(|profile| {
        format!(
            r#"{profile}
            revocation_ends = {{ is = "{ends}", unverified = true }}
            [revocation]
            is = {{ url = "https://sandbox.example/revoke", token = "{token}", proof = "basic", parameters = {{ token = "{{token}}" }} }}
            unverified = true"#
        )
    })
}

/// A connection of a client that was told of no endpoint for that.
async fn connected(world: &World, token_endpoint: Option<&str>) -> Engine {
    let engine = world.node();
    let mut new = client();
    new.endpoints.revocation = None;
    if let Some(elsewhere) = token_endpoint {
        new.endpoints.token = elsewhere.parse().unwrap();
    }
    engine.add_client(new).await.unwrap();
    let begin = BeginConnect {
        name: shop(),
        client: "sandbox".into(),
        scopes: Some(vec!["contacts".into(), "offline_access".into()]),
        site: Default::default(),
        parameters: Default::default(),
    };
    let asked = engine.begin_connect(begin).await.unwrap();
    engine.finish_connect(&world.browse(&asked.url), Account::AsBefore).await.unwrap();
    engine
}

#[tokio::test(start_paused = true)]
async fn a_grant_ends_by_the_request_that_the_file_describes() {
    let world = world("refresh-token", "grant");
    let engine = connected(&world, None).await;
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.families()), (Revocation::Revoked, (0, 1)));
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_access_token_only_is_not_called_the_end_of_the_grant() {
    let world = world("access-token", "access-token");
    let engine = connected(&world, None).await;
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.families()), (Revocation::AccessTokenRevoked, (1, 0)));
    assert_eq!(world.wire.sandbox.lock().unwrap().stats().revocations, 1);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_that_has_ended_is_renewed_before_it_is_revoked() {
    let world = world("access-token", "access-token");
    let engine = connected(&world, None).await;
    world.pass(2 * DAY).await;
    engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!(world.wire.refreshes_sent(), 1);
    assert_eq!(world.wire.sandbox.lock().unwrap().stats().revocations, 1, "one that works is ended");
}

#[tokio::test(start_paused = true)]
async fn a_first_try_that_failed_goes_on_after_the_access_token_has_ended() {
    let world = world("access-token", "grant");
    let engine = connected(&world, None).await;
    is_out_of_reach(&world, &engine).await;
    world.pass(2 * DAY).await;
    is_out_of_reach(&world, &engine).await;
    world.wire.sick.lock().unwrap().clear();
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!(gone.revocation, Revocation::Revoked);
    assert_eq!(world.wire.sandbox.lock().unwrap().stats().revocations, 1, "one that works is ended");
}

/// A try that fails, and leaves the connection where it is.
async fn is_out_of_reach(world: &World, engine: &Engine) {
    world.wire.sick.lock().unwrap().insert("sandbox.example".to_owned(), Sickness::Down);
    let error = engine.disconnect(&shop(), false).await.unwrap_err();
    assert!(matches!(error, Error::NotRevoked { transient: true, .. }), "{error:?}");
    assert_eq!(world.shop().await.state, State::Disconnecting);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_outlasts_the_access_token_does_not_keep_the_grant() {
    let world = world("access-token", "grant");
    let engine = connected(&world, None).await;
    engine.pause(world.shop().await).await.unwrap();
    world.pass(2 * DAY).await;
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!(gone.revocation, Revocation::Revoked);
    assert_eq!(world.wire.sandbox.lock().unwrap().stats().revocations, 1);
}

/// The user takes the consent back in the provider's own pages.
fn take_back(world: &World) {
    let mut sandbox = world.wire.sandbox.lock().unwrap();
    let now = world.wire.now_ms();
    let id = sandbox.grants(now)[0].id;
    sandbox.revoke_by_user(id, now);
}

#[tokio::test(start_paused = true)]
async fn a_dead_grant_whose_access_token_has_ended_is_forgotten_and_not_called_revoked() {
    let world = world("access-token", "grant");
    let engine = connected(&world, None).await;
    take_back(&world);
    world.pass(2 * DAY).await;
    engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(world.shop().await.state, State::NeedsReauth { .. }));
    let sent = world.sent_to("sandbox.example");
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.sent_to("sandbox.example")), (Revocation::NotOffered, sent));
    assert!(world.store.connection_named(&shop()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_dies_while_its_connection_is_taken_apart_is_forgotten() {
    let world = world("access-token", "grant");
    let engine = connected(&world, None).await;
    is_out_of_reach(&world, &engine).await;
    take_back(&world);
    world.pass(2 * DAY).await;
    world.wire.sick.lock().unwrap().clear();
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.wire.refreshes_sent()), (Revocation::NotOffered, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_a_dead_grant_does_not_keep_its_connection() {
    let world = world("none", "account")
        .with_profile(|profile| profile.replace("token = \"{token}\"", "account_id = \"{account_id}\""));
    let engine = connected(&world, None).await;
    take_back(&world);
    engine.refresh(&shop()).await.unwrap_err();
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!(gone.revocation, Revocation::NotOffered);
}

#[tokio::test(start_paused = true)]
async fn by_an_access_token_the_grant_ends_only_where_the_file_says_so() {
    let stated = "revocation_ends = { is = \"grant\", unverified = true }";
    for (without, came) in [(false, Revocation::Revoked), (true, Revocation::AccessTokenRevoked)] {
        let world = world("access-token", "grant").with_profile(|profile| match without {
            true => profile.replace(stated, ""),
            false => profile,
        });
        let engine = connected(&world, None).await;
        assert_eq!(engine.disconnect(&shop(), false).await.unwrap().revocation, came);
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_cannot_be_asked_for_the_connection_stays_as_it_is_and_says_why() {
    let world = world("none", "account")
        .with_profile(|profile| profile.replace("token = \"{token}\"", "account_id = \"{account_id}\""));
    let engine = connected(&world, None).await;
    let error = engine.disconnect(&shop(), false).await.unwrap_err();
    let Error::NotRevoked { detail, transient: false, .. } = error else { panic!("{error:?}") };
    assert!(detail.contains("account_id"), "{detail}");
    assert_eq!(world.shop().await.state, State::Active);
    engine.issue_token(&shop(), Want::default()).await.unwrap();
    let gone = engine.disconnect(&shop(), true).await.unwrap();
    assert_eq!(gone.revocation, Revocation::Kept);
}

#[tokio::test(start_paused = true)]
async fn where_the_own_file_has_mistakes_nothing_is_forgotten_and_nothing_begun() {
    let world = world("refresh-token", "grant");
    connected(&world, None).await;
    let mistaken = OwnFile { name: "sandbox.toml".into(), text: "id = \"sandbox\"\ncolour = 1".into() };
    let engine = world.node_with(|mut parts| {
        parts.catalogue.add(mistaken);
        parts
    });
    let error = engine.disconnect(&shop(), false).await.unwrap_err();
    assert!(matches!(error, Error::Provider(CatalogueError::Unfit { .. })), "{error:?}");
    assert_eq!((world.shop().await.state, world.families()), (State::Active, (1, 0)));
}

/// The token of a server of one's own is nothing for the provider's.
#[tokio::test(start_paused = true)]
async fn the_file_says_nothing_of_another_server() {
    let world = world("refresh-token", "grant");
    let engine = connected(&world, Some("https://elsewhere.example/token")).await;
    world.pass(Duration::from_secs(1)).await;
    let sent = world.sent_to("sandbox.example");
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.sent_to("sandbox.example")), (Revocation::NotOffered, sent));
}
