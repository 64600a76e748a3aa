//! Tokens that are exchanged for others, in virtual time.

use std::time::Duration;

use vestal_core::state::{Cause, State};
use vestal_core::token::Renewal;

use super::world::{Behaviour, DAY, World, shop};
use crate::{Connected, Engine, Error, ExchangeFrom, Want};

async fn exchange(engine: &Engine, name: &str, from: &str) -> Result<Connected, Error> {
    let exchange = ExchangeFrom {
        from: from.parse().unwrap(),
        audiences: vec!["reports".to_owned()],
        resources: vec![],
        scopes: Some(vec!["read".to_owned()]),
    };
    engine.connect_token_exchange(&name.parse().unwrap(), "sandbox", &Default::default(), exchange).await
}

fn exchanged(world: &World) -> u64 {
    world.wire.sandbox.lock().unwrap().stats().token_exchanges
}

#[tokio::test(start_paused = true)]
async fn months_pass_with_both_kept_fresh() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    exchange(&engine, "reports", "shop").await.unwrap();
    world.serve(&engine, 60 * DAY).await;
    let reports = world.named("reports").await;
    assert_eq!((reports.state, world.shop().await.state), (State::Active, State::Active));
    assert_eq!(reports.grant.unwrap().renewal, Renewal::TokenExchange);
    let count = exchanged(&world);
    assert!((60..=140).contains(&count), "{count} exchanges in 60 days of tokens that live for one");
    assert_eq!(world.reuses(), 0);
    let token = engine.issue_token(&"reports".parse().unwrap(), Want::default()).await.unwrap();
    assert!(!token.short);
}

#[tokio::test(start_paused = true)]
async fn the_token_that_is_exchanged_is_refreshed_first_where_it_must_be() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    exchange(&engine, "reports", "shop").await.unwrap();
    world.pass(2 * DAY).await;
    engine.issue_token(&"reports".parse().unwrap(), Want::default()).await.unwrap();
    let stats = world.wire.sandbox.lock().unwrap().stats().clone();
    assert_eq!((stats.refreshes, stats.token_exchanges), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nothing_to_exchange_it_is_told_and_nothing_is_sent() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    exchange(&engine, "reports", "shop").await.unwrap();
    engine.disconnect(&shop(), false).await.unwrap();
    let sent = world.sent_to("sandbox.example");
    world.pass(DAY - Duration::from_secs(3600)).await;
    let _ = engine.refresh(&"reports".parse().unwrap()).await;
    assert_eq!(world.sent_to("sandbox.example"), sent, "nothing is sent");
    let reports = world.named("reports").await;
    let State::Failing(failing) = &reports.state else { panic!("{:?}", reports.state) };
    let Cause::Transient { detail } = &failing.cause else { panic!("{failing:?}") };
    assert!(detail.contains("is gone"), "{detail}");
    assert!(failing.next > world.now(), "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn circles_are_refused() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    exchange(&engine, "a", "shop").await.unwrap();
    exchange(&engine, "b", "a").await.unwrap();
    for (name, from) in [("a", "b"), ("a", "a"), ("shop", "b")] {
        let refused = exchange(&engine, name, from).await.unwrap_err();
        assert!(matches!(refused, Error::Circle { .. }), "{name} from {from}: {refused:?}");
    }
    // Neither is a chain made longer than is looked along.
    let mut last = "b".to_owned();
    let refused = loop {
        let next = format!("{last}b");
        match exchange(&engine, &next, &last).await {
            Ok(_) => last = next,
            Err(refused) => break refused,
        }
        assert!(last.len() < 20, "there is an end");
    };
    assert!(matches!(refused, Error::Circle { .. }), "{refused:?}");
}
