//! Ending grants in other ways than that of RFC 7009.

use std::time::Duration;

use super::world::{Behaviour, DAY, World, client, shop};
use crate::{Account, BeginConnect, Engine, Error, Revocation};

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
async fn where_it_is_refused_the_connection_stays_and_says_why() {
    let world = world("none", "account")
        .with_profile(|profile| profile.replace("token = \"{token}\"", "account_id = \"{account_id}\""));
    let engine = connected(&world, None).await;
    let error = engine.disconnect(&shop(), false).await.unwrap_err();
    let Error::NotRevoked { detail, transient: false, .. } = error else { panic!("{error:?}") };
    assert!(detail.contains("account_id"), "{detail}");
    let gone = engine.disconnect(&shop(), true).await.unwrap();
    assert_eq!(gone.revocation, Revocation::Kept);
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
