//! Consents that were begun and never given, and what was given and cannot be believed.

use std::collections::BTreeMap;
use std::time::Duration;

use vestal_core::event::What;
use vestal_core::state::State;

use super::world::{Behaviour, DAY, World, client, shop};
use crate::{BeginConnect, Engine};

/// Somebody begins to connect `shop`.
async fn asked(engine: &Engine) -> url::Url {
    let begin = BeginConnect {
        name: shop(),
        client: "sandbox".to_owned(),
        scopes: Some(vec!["contacts".to_owned(), "offline_access".to_owned()]),
        site: BTreeMap::new(),
        parameters: BTreeMap::new(),
    };
    engine.begin_connect(begin).await.unwrap().url
}

async fn removed(engine: &Engine) -> usize {
    engine.remove_abandoned().await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn who_went_away_leaves_nothing_behind_for_ever() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(client()).await.unwrap();
    asked(&engine).await;
    let events = world.store.events(Some(world.shop().await.id), 0, 9).await.unwrap();
    let until = world.now() + crate::CONSENT_WITHIN;
    assert_eq!(events.last().unwrap().event.what, What::ConsentAsked { until });

    // Whoever is asked once more is at it again.
    world.pass(29 * DAY).await;
    asked(&engine).await;
    world.pass(29 * DAY).await;
    assert_eq!(removed(&engine).await, 0);
    world.pass(DAY + Duration::from_secs(1)).await;
    assert_eq!(removed(&engine).await, 1);
    assert_eq!(world.store.connection_named(&shop()).await.unwrap(), None);

    // The name is free, and one who consents is never removed.
    let url = asked(&engine).await;
    engine.finish_connect(&world.browse(&url), crate::Account::AsBefore).await.unwrap();
    world.pass(400 * DAY).await;
    assert_eq!(removed(&engine).await, 0);
    assert!(world.shop().await.state == State::Active);
}
