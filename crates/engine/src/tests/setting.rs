//! Changing a policy and tags.

use std::time::Duration;

use vestal_core::connection::{BadLabel, Policy};
use vestal_core::event::What;
use vestal_core::state::State;

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::{Changes, Error};

fn policy(policy: Policy) -> Changes {
    Changes { policy: Some(policy), ..Changes::default() }
}

fn tags<const N: usize>(tags: [(&str, Option<&str>); N]) -> Changes {
    let tags = tags.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    Changes { tags: tags.into(), ..Changes::default() }
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_planned_by_at_once() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let before = world.shop().await;
    assert!(engine.set(before.clone(), &policy(Policy::OnDemand)).await.unwrap());
    let after = world.shop().await;
    assert_eq!(after.policy, Policy::OnDemand);
    assert!(after.plan.due_at > before.plan.due_at, "only the refresh token has to be kept alive");
    let events = engine.store().events(Some(after.id), 0, 100).await.unwrap();
    assert_eq!(events.last().unwrap().event.what, What::PolicySet { policy: Policy::OnDemand });

    world.serve(&engine, 3 * DAY).await;
    assert_eq!(world.shop().await.generation(), 1);
    engine.set(world.shop().await, &policy(Policy::Always)).await.unwrap();
    world.serve(&engine, 3 * DAY).await;
    assert!(world.shop().await.generation() >= 6, "twice a day");
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn tags_are_set_and_removed_one_by_one() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let seen = world.shop().await;
    assert!(engine.set(seen.clone(), &tags([("org", Some("42")), ("trial", Some(""))])).await.unwrap());
    // Decided on what is stored, not on what the caller saw.
    engine.refresh(&shop()).await.unwrap();
    assert!(engine.set(seen.clone(), &tags([("trial", None), ("beta", Some("1"))])).await.unwrap());
    let after = world.shop().await;
    let expected = [("beta", "1"), ("org", "42")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((after.tags.clone(), after.generation()), (expected.into(), 2));

    let same = tags([("org", Some("42")), ("never", None)]);
    assert!(!engine.set(seen, &same).await.unwrap());
    assert_eq!(world.shop().await, after, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let before = world.shop().await;
    let many: Vec<String> = (0..33).map(|number| number.to_string()).collect();
    let many = Changes {
        policy: Some(Policy::Always),
        tags: many.into_iter().map(|name| (name, Some(String::new()))).collect(),
    };
    let told = engine.set(before.clone(), &many).await.unwrap_err();
    assert!(matches!(told, Error::BadTags { why: BadLabel::TooMany(33), .. }), "{told:?}");
    let told = engine.set(before.clone(), &tags([("a\nb", Some("x"))])).await.unwrap_err();
    assert!(matches!(told, Error::BadTags { why: BadLabel::Tag { .. }, .. }), "{told:?}");
    assert_eq!(world.shop().await, before);

    engine.disconnect(&shop(), true).await.unwrap();
    let told = engine.set(before, &policy(Policy::Always)).await.unwrap_err();
    assert!(matches!(told, Error::NoSuchConnection { .. }), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_under_way_goes_on() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let refreshing = start_refresh(&engine);
    world.pass(Duration::from_secs(1)).await;
    assert!(world.shop().await.lease.is_some());
    engine.set(world.shop().await, &policy(Policy::Always)).await.unwrap();
    refreshing.await.unwrap().unwrap();
    let after = world.shop().await;
    assert_eq!((after.policy, after.generation(), after.state), (Policy::Always, 2, State::Active));
    assert_eq!(world.families(), (1, 0));
}
