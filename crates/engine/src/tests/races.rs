//! Many callers, many nodes, one refresh token.

use std::time::Duration;

use vestal_core::state::{Cause, State};
use vestal_core::token::WhyCandidate;

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::Want;

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_at_expiry_cost_one_request() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.pass(2 * DAY).await;
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.issue_token(&shop(), Want::default()).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().generation, 2);
    }
    assert_eq!(world.wire.refreshes_sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn eight_nodes_at_expiry_cost_one_request() {
    let world = World::new(&Behaviour::strict());
    let first = world.connected().await;
    let nodes: Vec<_> = std::iter::once(first).chain((0..7).map(|_| world.node())).collect();
    for round in 0..20u64 {
        world.pass(2 * DAY).await;
        let callers: Vec<_> = nodes
            .iter()
            .map(|node| {
                let node = node.clone();
                tokio::spawn(async move { node.issue_token(&shop(), Want::default()).await })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap().generation, round + 2);
        }
    }
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn two_daemons_and_a_cron_job_share_the_work() {
    let world = World::new(&Behaviour::strict());
    let daemon = world.connected().await;
    let (other, cron) = (world.node(), world.node());
    let everybody = async {
        tokio::join!(world.serve(&daemon, 20 * DAY), world.serve(&other, 20 * DAY), async {
            for _ in 0..40 {
                world.pass(DAY / 2).await;
                let _ = cron.refresh(&shop()).await;
            }
        })
    };
    everybody.await;
    assert_eq!(world.reuses(), 0);
    assert_eq!(world.families(), (1, 0));
    assert!(world.wire.refresh_tokens_sent().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_does_not_end_the_flight() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let caller = start_refresh(&engine);
    world.pass(Duration::from_secs(1)).await;
    caller.abort();
    engine.drain().await;
    assert_eq!(world.shop().await.generation(), 2, "what the provider sent was stored");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_in_mid_flight_leaves_an_unknown_outcome() {
    for (behaviour, survives) in [(Behaviour::strict(), false), (Behaviour::graceful(), true)] {
        let world = World::new(&behaviour);
        drop(world.connected().await);
        world.pass(DAY / 2).await;
        // The process dies after the provider has rotated, and before the answer is back: on its own runtime.
        let before = world.shop().await;
        dies_between_rotation_and_save(&world).await;
        let node = world.node();
        world.serve(&node, Duration::from_secs(120)).await;
        let after = world.shop().await;
        if survives {
            // The lease outlived the grace here, so this is decided by what the file says of punishment: see below.
            assert!(after.generation() >= before.generation());
        }
        match &after.state {
            State::Failing(failing) => {
                assert!(matches!(failing.cause, Cause::OutcomeUnknown { .. }), "{failing:?}");
            }
            State::Active => assert!(survives),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.reuses(), 0, "nothing is tried that could be punished while a token still serves");
    }
}

async fn dies_between_rotation_and_save(world: &World) {
    let engine = world.node();
    *world.wire.latency.lock().unwrap() = Duration::from_secs(1);
    let flight = tokio::spawn(async move {
        // Not `engine.refresh`: its flight would go on in a task of its own, as it should.
        let inner = std::sync::Arc::clone(&engine.inner);
        let id = engine.store().connection_named(&shop()).await.unwrap().unwrap().id;
        let purpose =
            crate::attempt::Purpose { trigger: vestal_core::event::Trigger::Request, generation: None };
        inner.fly(id, purpose).await
    });
    world.pass(Duration::from_millis(1_500)).await;
    flight.abort();
    assert!(flight.await.unwrap_err().is_cancelled());
    *world.wire.latency.lock().unwrap() = Duration::from_millis(100);
}

#[tokio::test(start_paused = true)]
async fn a_new_consent_in_mid_flight_wins_and_the_old_answer_is_kept_aside() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let refreshing = start_refresh(&engine);
    world.pass(Duration::from_secs(1)).await;
    *world.wire.latency.lock().unwrap() = Duration::from_millis(10);
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    let consented = world.shop().await;
    let _ = refreshing.await.unwrap();
    engine.drain().await;
    let after = world.shop().await;
    assert_eq!(after.grant.as_ref().map(|grant| grant.id), consented.grant.map(|grant| grant.id));
    assert!(after.lease.is_none(), "its attempt is closed all the same");
    let kept = world.store.candidates(after.id, 10).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.why).collect::<Vec<_>>(), [WhyCandidate::NewerGrant]);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 3);
}
