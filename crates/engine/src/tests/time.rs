//! Clocks that are wrong, machines that sleep, and ends that no refresh moves.

use std::time::Duration;

use vestal_core::event::What;
use vestal_core::state::{Cause, State};

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::{Engine, Fate, Nodes, Parts, Want};

const HOUR: Duration = Duration::from_secs(3600);
const YEAR_S: i64 = 365 * 86_400;

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_a_year_wrong_at_boot_loses_nothing() {
    for wrong_by_s in [YEAR_S, -YEAR_S] {
        let world = World::new(&Behaviour::strict());
        let engine = world.connected().await;
        world.fleet(&engine, "app", "sandbox.example", 4).await;
        world.serve(&engine, 5 * DAY).await;
        drop(engine);

        world.set_clock_by(wrong_by_s);
        let booted = world.node();
        world.serve(&booted, DAY).await;
        let skew = world.store.mark().await.unwrap().unwrap().skew.expect("it was measured");
        assert!((skew.ahead_s - wrong_by_s).abs() < 5, "{skew:?}");
        drop(booted);

        // Put right while nothing runs; the plans were made by the wrong clock.
        world.set_clock_by(-wrong_by_s);
        let restarted = world.node();
        world.serve(&restarted, 179 * DAY).await;
        assert_eq!((world.families(), world.reuses()), ((5, 0), 0), "wrong by {wrong_by_s} s");
        assert_eq!(world.shop().await.state, State::Active);
        assert!(restarted.issue_token(&shop(), Want::default()).await.is_ok());
    }
}

/// Each command is a process of its own: the next one has to know what the one before measured, until it knows better.
#[tokio::test(start_paused = true)]
async fn a_skew_is_told_until_a_provider_says_that_it_is_over() {
    let world = World::new(&Behaviour::strict());
    world.serve(&world.connected().await, Duration::from_secs(1)).await;
    let noted =
        || async { world.store.mark().await.unwrap().and_then(|mark| mark.skew).map(|it| it.ahead_s) };
    world.set_clock_by(2 * 3600);
    let command = world.node();
    start_refresh(&command).await.unwrap().unwrap();
    command.drain().await;
    assert_eq!(noted().await, Some(2 * 3600));

    // A command that has nothing to do hears from nobody.
    world.serve(&world.node(), Duration::from_secs(1)).await;
    assert_eq!(noted().await, Some(2 * 3600));

    world.set_clock_by(-2 * 3600);
    let command = world.node();
    start_refresh(&command).await.unwrap().unwrap();
    command.drain().await;
    assert_eq!(noted().await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn after_a_jump_nothing_is_done_in_masses() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    world.fleet(&engine, "app", "sandbox.example", 30).await;
    // So that requests under way at once would show.
    *world.wire.latency.lock().unwrap() = Duration::from_secs(2);
    world.serve(&engine, HOUR).await;
    let before = world.wire.refreshes_sent();
    world.set_clock_by(YEAR_S);
    world.serve(&engine, Duration::from_secs(60)).await;
    let sent = world.wire.refreshes_sent() - before;
    assert!((1..=16).contains(&sent), "{sent} requests in a minute that take four seconds each");
    assert_eq!((world.families(), world.reuses()), ((30, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn after_downtime_a_clock_that_is_right_is_trusted_at_once() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    world.fleet(&engine, "app", "sandbox.example", 30).await;
    world.serve(&engine, HOUR).await;
    drop(engine);
    world.pass(7 * DAY).await;
    world.serve(&world.node(), Duration::from_secs(10)).await;
    assert_eq!(world.wire.refreshes_sent(), 30, "as soon as the first answer has confirmed it");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_lives_concludes_its_attempt_although_the_machine_slept() {
    struct AllAlive;
    impl Nodes for AllAlive {
        fn fate(&self, _: vestal_core::id::NodeId) -> Fate {
            Fate::Alive
        }
    }
    let alive = |world: &World| -> Engine {
        world.node_with(|parts| Parts { nodes: std::sync::Arc::new(AllAlive), ..parts })
    };
    let world = World::new(&Behaviour::strict());
    drop(world.connected().await);
    let (sleeper, other) = (alive(&world), alive(&world));
    // The longest that a provider may take, less a little.
    *world.wire.latency.lock().unwrap() = Duration::from_millis(14_500);
    let refreshing = start_refresh(&sleeper);
    world.pass(Duration::from_secs(1)).await;
    // The lid is closed for an hour, or the clock is set; what is left of the request takes 28 seconds more.
    world.set_clock_by(3600);
    world.serve(&other, Duration::from_secs(27)).await;
    assert!(world.shop().await.lease.is_some(), "it is left alone for as long as a request may take");
    assert_eq!(refreshing.await.unwrap().unwrap().generation, 2);
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0));
    assert_eq!(world.shop().await.state, State::Active);

    // One that never comes back is given up all the same.
    *world.wire.latency.lock().unwrap() = Duration::from_secs(100_000);
    let stuck = start_refresh(&sleeper);
    world.pass(Duration::from_secs(1)).await;
    world.set_clock_by(3600);
    world.serve(&other, Duration::from_secs(100)).await;
    let after = world.shop().await;
    let cause = after.state.failing().map(|failing| failing.cause.clone());
    assert!(matches!(cause, Some(Cause::OutcomeUnknown { .. })), "{:?}", after.state);
    stuck.abort();
}

#[tokio::test(start_paused = true)]
async fn an_end_that_no_refresh_moves_is_told_in_time() {
    let mut behaviour = Behaviour::strict();
    behaviour.facts = r#"
        idle_limit = { is = "45d", unverified = true }
        absolute_life = { is = "60d", unverified = true }
        rotation = { is = "always", unverified = true }"#;
    let world = World::new(&behaviour);
    let engine = world.connected().await;
    let consented = world.now();
    world.serve(&engine, 59 * DAY + 12 * HOUR).await;
    let id = world.shop().await.id;
    let events = world.store.events(Some(id), 0, 10_000).await.unwrap();
    let warned: Vec<_> = events
        .iter()
        .filter(|stored| matches!(stored.event.what, What::EndsSoon { .. }))
        .map(|stored| stored.event.at)
        .collect();
    // 30, 14, 7, 3 and 1 days before, each once.
    let days: Vec<i64> =
        warned.iter().map(|at| (at.duration_since(consented).as_hours() + 12) / 24).collect();
    assert_eq!(days, [30, 46, 53, 57, 59]);
    assert_eq!(world.shop().await.state, State::Active);

    // Of a new grant's end nothing has been said yet, whatever the clock shows.
    world.set_clock_by(-90 * 86_400);
    assert!(world.shop().await.plan.warned_at.is_some());
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    assert_eq!(world.shop().await.plan.warned_at, None);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_look_at_the_schedule_is_stuck_and_what_stays_due_is_told() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    assert!(!engine.is_looking(), "it has not begun");
    world.serve(&engine, DAY).await;
    assert!(engine.is_looking());
    assert!(engine.keeps_up().await.unwrap());
    assert!(engine.refreshed() >= 1);
    world.pass(DAY).await;
    assert!(!engine.is_looking());
    assert!(!engine.keeps_up().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_what_is_due_waits_for_what_is_due_in_a_moment() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let due = world.shop().await.plan.due_at.unwrap();
    world.pass(Duration::try_from(due.duration_since(world.now())).unwrap() - Duration::from_secs(5)).await;
    let started = engine.run_due().await.unwrap();
    assert_eq!(world.shop().await.generation(), 2);
    assert!(started <= 3, "it was started and put off {started} times");
}
