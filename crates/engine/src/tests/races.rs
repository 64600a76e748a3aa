//! Many callers, many nodes, one refresh token.

use std::time::Duration;

use vestal_core::state::{Cause, State};
use vestal_core::store::Held;
use vestal_core::token::WhyCandidate;
use vestal_sandbox::{Fault, Trouble};

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::{Error, Limits, Parts, Want};

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
async fn what_a_dead_node_left_is_asked_for_again_within_the_grace() {
    let world = World::new(&Behaviour::graceful());
    drop(world.connected().await);
    dies_between_rotation_and_save(&world).await;
    let survivor = world.node_that_knows_of_the_dead();
    world.serve(&survivor, Duration::from_secs(60)).await;
    assert_eq!((world.shop().await.state, world.shop().await.generation()), (State::Active, 2));
    assert_eq!((world.families(), world.reuses()), ((1, 0), 0));
}

/// As a cron job, whose next run would come long after the grace; or somebody who asks, or reads what has expired.
#[tokio::test(start_paused = true)]
async fn who_finds_what_a_dead_node_left_stays_until_it_was_asked_for_again() {
    for who in 0..4 {
        let world = World::new(&Behaviour::graceful());
        drop(world.connected().await);
        world.pass(DAY - Duration::from_secs(5)).await;
        dies_between_rotation_and_save(&world).await;
        world.pass(Duration::from_secs(5)).await;
        let survivor = world.node_that_knows_of_the_dead();
        match who {
            0 => {
                let lease = world.shop().await.lease.unwrap();
                survivor.store().release_node(lease.attempt.node).await.unwrap();
                survivor.run_due().await.unwrap();
            }
            1 => drop(survivor.refresh(&shop()).await.unwrap()),
            // Another has asked before, whose answer was lost, and died too while it waited.
            2 => {
                world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
                let (another, shop) = (world.node_that_knows_of_the_dead(), world.shop().await);
                let inner = std::sync::Arc::clone(&another.inner);
                let flight =
                    tokio::spawn(inner.fly(shop.id, shop.client, crate::take::Purpose::Schedule, None));
                world.pass(Duration::from_millis(500)).await;
                flight.abort();
                assert!(world.shop().await.state.failing().is_some() && world.shop().await.lease.is_none());
                survivor.run_due().await.unwrap();
            }
            _ => assert_eq!(survivor.issue_token(&shop(), Want::default()).await.unwrap().generation, 2),
        }
        survivor.drain().await;
        assert_eq!((world.shop().await.state, world.shop().await.generation()), (State::Active, 2), "{who}");
        assert_eq!((world.families(), world.reuses()), ((1, 0), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_left_without_a_grace_is_held_whoever_asks() {
    for trigger_by_hand in [false, true] {
        let world = World::new(&Behaviour::strict());
        drop(world.connected().await);
        dies_between_rotation_and_save(&world).await;
        // Longer than any lease.
        world.pass(Duration::from_secs(120)).await;
        let node = world.node();
        if trigger_by_hand {
            let error = node.refresh(&shop()).await.unwrap_err();
            assert!(matches!(error, Error::Failing { cause: Cause::OutcomeUnknown { .. }, .. }), "{error:?}");
        } else {
            world.serve(&node, Duration::from_secs(120)).await;
        }
        let after = world.shop().await;
        let failing = after.state.failing().expect("held");
        assert!(matches!(failing.cause, Cause::OutcomeUnknown { .. }), "{failing:?}");
        assert!(after.lease.is_none());
        assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0));
        assert_eq!(node.issue_token(&shop(), Want::default()).await.unwrap().generation, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_its_attempt_was_given_up_is_stored() {
    let world = World::new(&Behaviour::strict());
    let slow = world.connected().await;
    // Longer than the lease: as if the machine had slept between the provider's answer and its arrival.
    *world.wire.latency.lock().unwrap() = Duration::from_secs(14);
    let inner = std::sync::Arc::clone(&slow.inner);
    let other = world.node();
    let refreshing = start_refresh(&slow);
    world.pass(Duration::from_secs(1)).await;
    let lease = world.shop().await.lease.unwrap();
    inner.store.release_node(lease.attempt.node).await.unwrap();
    world.serve(&other, Duration::from_secs(5)).await;
    assert!(world.shop().await.lease.is_none(), "given up");
    let refreshed = refreshing.await.unwrap().unwrap();
    assert_eq!(refreshed.generation, 2);
    assert_eq!((world.shop().await.state, world.families()), (State::Active, (1, 0)));
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_another_node_has_done_of_what_was_read_ahead_is_left_alone() {
    let world = World::new(&Behaviour::strict());
    let node =
        |flights| world.node_with(|parts| Parts { limits: Limits { flights, ..parts.limits }, ..parts });
    let (slow, other) = (node(1), node(4));
    world.fleet(&slow, "fleet", "one.example", 20).await;
    world.pass(DAY).await;
    let first = slow.run_once(world.now()).await.unwrap();
    assert_eq!((first.started, slow.inner.agenda().len()), (1, 19), "the others are read ahead");
    slow.drain().await;
    for started in [4, 4] {
        assert_eq!(other.run_once(world.now()).await.unwrap().started, started);
        other.drain().await;
    }
    assert_eq!(slow.run_due().await.unwrap(), 11, "those that are left");
    assert_eq!((world.sent_to("one.example"), world.reuses()), (20 + 20, 0), "consents and refreshes");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_given_up_does_not_keep_a_dead_connection_due() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let grant = world.wire.sandbox.lock().unwrap().grants(world.wire.now_ms())[0].id;
    world.wire.sandbox.lock().unwrap().revoke_by_user(grant, world.wire.now_ms());
    let _ = engine.refresh(&shop()).await;
    assert!(matches!(world.shop().await.state, State::NeedsReauth { .. }));
    dies_between_rotation_and_save(&world).await;
    world.pass(Duration::from_secs(120)).await;
    assert_eq!(world.store.due(world.now(), 10, &Held::default()).await.unwrap().len(), 1);
    world.serve(&world.node(), Duration::from_secs(10)).await;
    assert!(world.store.due(world.now(), 10, &Held::default()).await.unwrap().is_empty());
}

async fn dies_between_rotation_and_save(world: &World) {
    let engine = world.node();
    *world.wire.latency.lock().unwrap() = Duration::from_secs(1);
    let flight = tokio::spawn(async move {
        // Not `engine.refresh`: its flight would go on in a task of its own, as it should.
        let inner = std::sync::Arc::clone(&engine.inner);
        let shop = engine.store().connection_named(&shop()).await.unwrap().unwrap();
        let purpose = crate::take::Purpose::Request { generation: shop.generation() };
        inner.fly(shop.id, shop.client, purpose, None).await
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
