//! A fleet that does not fit into its provider's quota.

use vestal_core::schedule::Next;
use vestal_core::state::State;
use vestal_core::store::Filter;
use vestal_sandbox::{Per, Quota, RetryAfter};

use super::world::{Behaviour, DAY, World};
use crate::Engine;

const FLEET: usize = 20;

/// Refreshes a day that the provider has room for: half of them for the clock.
const A_DAY: usize = 16;

async fn fleet() -> (World, Engine) {
    let quota = format!(
        "\n[[quotas]]\nis = \"{A_DAY} per day\"\nper = \"client\"\ncounts = \"token-requests\"\nunverified = true\n"
    );
    let world = World::new(&Behaviour::strict()).with_profile(|profile| profile + &quota);
    let engine = world.node();
    world.fleet(&engine, "shop", "sandbox.example", FLEET).await;
    let window_ms = DAY.as_millis().try_into().unwrap();
    let requests = A_DAY.try_into().unwrap();
    let quota = Quota { per: Per::Client, requests, window_ms, retry_after: RetryAfter::Seconds };
    world.wire.sandbox.lock().unwrap().settings_mut().quotas = vec![quota];
    (world, engine)
}

#[tokio::test(start_paused = true)]
async fn freshness_is_stretched_into_what_a_quota_leaves() {
    let (world, engine) = fleet().await;
    world.serve(&engine, DAY * 30).await;
    let stats = world.wire.sandbox.lock().unwrap().stats().clone();
    // Twice a day each would be 40 a day.
    let days = 30;
    assert!(stats.refreshes <= (A_DAY as u64 / 2 + 1) * days, "{stats:?}");
    assert!(stats.refreshes >= A_DAY as u64 / 3 * days, "it is made use of: {stats:?}");
    // They were all connected in one minute: only the first waves are too high, until they have spread.
    assert!(stats.throttled <= FLEET as u64, "{stats:?}");
    let all = world.store.connections(&Filter::default(), None, 100).await.unwrap().connections;
    assert!(all.len() == FLEET && all.iter().all(|one| one.state == State::Active));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_knew_nothing_of_the_quota_is_made_anew() {
    let (world, engine) = fleet().await;
    let provider = engine.catalogue().get("sandbox").unwrap();
    let at = |connection| match engine.schedule(&connection, &provider).next {
        Next::At { at, .. } => at,
        never => panic!("{never:?}"),
    };
    let before = at(world.named("shop-0").await);
    engine.measure_quotas().await.unwrap();
    let after = at(world.named("shop-0").await);
    assert!(after > before, "{before} {after}");
    world.serve(&engine, DAY / 2).await;
    let stored = world.named("shop-0").await;
    assert_eq!(stored.generation(), 1);
    assert!(stored.plan.due_at.unwrap().duration_since(after).abs().as_secs() == 0, "{:?}", stored.plan);
}
