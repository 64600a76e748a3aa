//! A provider that is sick costs only its own connections.

use std::time::Duration;

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::Trigger;
use vestal_core::event::What;
use vestal_core::id::ConnectionId;
use vestal_core::schedule::Plan;
use vestal_core::state::State;
use vestal_core::store::Filter;
use vestal_sandbox::{Fault, Per, Quota, RetryAfter, Trouble};

use super::wire::Sickness;
use super::world::{Behaviour, DAY, World};
use crate::agenda::READ_AHEAD;
use crate::{Engine, Error, Limits, Parts, Want};

const HOUR: Duration = Duration::from_secs(3600);
const FLEET: usize = 60;

/// Two hosts with as many connections each, more than may be refreshed at once.
async fn two_hosts() -> (World, Engine) {
    let world = World::new(&Behaviour { access_token_life: HOUR * 13, ..Behaviour::strict() });
    let engine = world.node_with(|parts| {
        let limits = Limits { flights: 40, ..parts.limits };
        Parts { limits, ..parts }
    });
    world.fleet(&engine, "sick", "sick.example", FLEET).await;
    world.fleet(&engine, "well", "well.example", FLEET).await;
    (world, engine)
}

fn is_sick(world: &World, sickness: Sickness) {
    world.wire.sick.lock().unwrap().insert("sick.example".into(), sickness);
}

/// How much of a life was left when the refreshes came, at the least.
async fn refreshed_in_time(world: &World, client: &str, at_least: u64) {
    for number in 0..FLEET {
        let connection = world.named(&format!("{client}-{number}")).await;
        assert!(connection.generation() >= at_least, "{client}-{number} is at {}", connection.generation());
        let end = connection.grant.unwrap().tokens.expires_at.unwrap();
        assert!(end > world.now(), "{client}-{number} ended at {end}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_or_is_down_costs_only_its_own() {
    for sickness in [Sickness::Hangs, Sickness::Down] {
        let (world, engine) = two_hosts().await;
        is_sick(&world, sickness);
        world.serve(&engine, DAY).await;
        refreshed_in_time(&world, "well", 4).await;
        let sent = world.sent_to("sick.example");
        assert!(sent < 3_000, "{sickness:?}: {sent} requests in a day to a host that is sick");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_comes_back_after_a_day_gets_a_ramp() {
    let (world, engine) = two_hosts().await;
    is_sick(&world, Sickness::Down);
    world.serve(&engine, DAY).await;
    let before = world.sent_to("sick.example");
    assert!(before < 1_500, "the circuit was open: {before} requests");
    world.wire.sick.lock().unwrap().clear();
    // An answer takes a second.
    *world.wire.latency.lock().unwrap() = Duration::from_millis(500);
    world.wire.most_at_once();
    let mut most_at_once = Vec::new();
    for _ in 0..180 {
        world.serve(&engine, Duration::from_secs(1)).await;
        most_at_once.push(world.wire.most_at_once());
    }
    let ramp: Vec<_> = most_at_once.into_iter().skip_while(|most| *most == 0).take(5).collect();
    assert_eq!(ramp, [1, 2, 4, 8, 12], "one to see, and with each answer one more");
    world.serve(&engine, HOUR).await;
    refreshed_in_time(&world, "sick", 2).await;
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_in_time_though_its_host_is_down() {
    let behaviour = Behaviour {
        facts: r#"
            idle_limit = { is = "none", unverified = true }
            absolute_life = { is = "60d", unverified = true }
            rotation = { is = "never", unverified = true }"#,
        ..Behaviour::strict()
    };
    let world = World::new(&behaviour);
    let engine = world.node();
    world.fleet(&engine, "sick", "sick.example", 200).await;
    world.pass(29 * DAY).await;
    is_sick(&world, Sickness::Down);
    world.serve(&engine, 2 * DAY).await;
    for number in 0..200 {
        let connection = world.named(&format!("sick-{number}")).await;
        assert!(
            connection.state.failing().is_some() || connection.plan.due_at <= Some(world.now()),
            "held back"
        );
        let warned_at = connection.plan.warned_at.expect("30 days before the end somebody is told");
        assert!(world.now().duration_since(warned_at).as_secs() > 23 * 3600, "told at {warned_at}");
    }
}

/// Of one that fails, the end that comes by disuse is nearer, and hides none of the other.
#[tokio::test(start_paused = true)]
async fn an_end_is_told_in_time_though_another_is_nearer() {
    let behaviour = Behaviour {
        facts: r#"
            idle_limit = { is = "7d", unverified = true }
            absolute_life = { is = "60d", unverified = true }
            rotation = { is = "never", unverified = true }"#,
        ..Behaviour::strict()
    };
    let world = World::new(&behaviour);
    let engine = world.node();
    world.fleet(&engine, "sick", "sick.example", 1).await;
    world.serve(&engine, 29 * DAY).await;
    is_sick(&world, Sickness::Down);
    world.serve(&engine, 2 * DAY).await;
    let connection = world.named("sick-0").await;
    assert!(connection.state.failing().is_some());
    let warned_at = connection.plan.warned_at.expect("30 days before the end somebody is told");
    assert!(world.now().duration_since(warned_at).as_secs() > 23 * 3600, "told at {warned_at}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_a_slot_while_the_schedule_has_all_of_its_own() {
    let (world, engine) = two_hosts().await;
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    // Everything is due at once.
    world.pass(DAY).await;
    let reader = {
        let (engine, clock) = (engine.clone(), std::sync::Arc::clone(&world.clock));
        tokio::spawn(async move {
            use vestal_core::clock::Clock as _;
            clock.sleep(Duration::from_secs(60)).await;
            let started = clock.uptime();
            engine.issue_token(&"sick-59".parse().unwrap(), Want::default()).await.unwrap();
            clock.uptime() - started
        })
    };
    world.serve(&engine, HOUR).await;
    let took = reader.await.unwrap();
    assert!(took <= Duration::from_secs(21), "a reader waited {took:?} for one that is due last");
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_not_sent_to_a_host_whose_circuit_is_open() {
    let (world, engine) = two_hosts().await;
    is_sick(&world, Sickness::Down);
    // Every access token has ended. A few tries open the circuit, and the others are not tried.
    world.pass(2 * DAY).await;
    world.serve(&engine, Duration::from_secs(20)).await;
    let all = world.store.connections(&Filter::default(), None, 1_000).await.unwrap().connections;
    let untried = |it: &&Connection| it.state == State::Active && it.name.as_str().starts_with("sick-");
    let name = &all.iter().find(untried).expect("all were tried").name;
    let before = world.sent_to("sick.example");
    let error = engine.issue_token(name, Want::default()).await.unwrap_err();
    assert!(matches!(error, Error::HostDown { .. }), "{error:?}");
    assert_eq!(world.sent_to("sick.example"), before);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_nothing_can_be_sent_to_says_nothing_of_its_host() {
    let (world, engine) = two_hosts().await;
    let mut client = super::world::client();
    client.name = "unfit".into();
    client.endpoints.token = "https://sick.example/token".parse().unwrap();
    // Longer than a request can hold.
    client.endpoints.refresh = Some(format!("https://sick.example/{}", "a".repeat(70_000)).parse().unwrap());
    engine.add_client(client).await.unwrap();
    world.pass(DAY).await;
    for number in 0..10 {
        let name = format!("unfit-{number}").parse().unwrap();
        world.consent_to(&engine, name, "unfit", &["contacts", "offline_access"]).await.unwrap();
        let _ = engine.refresh(&format!("unfit-{number}").parse().unwrap()).await;
        assert!(world.named(&format!("unfit-{number}")).await.state.failing().is_some());
    }
    engine.issue_token(&"sick-0".parse().unwrap(), Want::default()).await.unwrap();
}

/// A certificate that ended is its client's trouble, told once; others of the host know nothing of it.
#[tokio::test(start_paused = true)]
async fn a_client_whose_certificate_is_refused_is_one_alarm_and_stops_no_other() {
    let (world, engine) = two_hosts().await;
    let mut client = super::world::client();
    client.name = "unfit".into();
    client.endpoints.token = "https://sick.example/token".parse().unwrap();
    client.endpoints.refresh = Some("https://sick.example/mtls/token".parse().unwrap());
    engine.add_client(client).await.unwrap();
    world.wire.sick.lock().unwrap().insert("/mtls/token".to_owned(), Sickness::RefusesCertificates);
    for number in 0..10 {
        let name: ConnectionName = format!("unfit-{number}").parse().unwrap();
        world.consent_to(&engine, name.clone(), "unfit", &["contacts", "offline_access"]).await.unwrap();
        let _ = engine.refresh(&name).await;
    }
    world.pass(DAY).await;
    engine.issue_token(&"sick-0".parse().unwrap(), Want::default()).await.unwrap();
    world.serve(&engine, DAY).await;
    let events = world.store.events(None, 0, 10_000).await.unwrap();
    let alarms = events.iter().filter(|it| matches!(it.event.what, What::ClientRefused { .. })).count();
    assert_eq!(alarms, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_next_try_leaves_the_host_to_others() {
    let world = World::new(&Behaviour::graceful());
    let engine = world.node_with(|parts| {
        let limits = Limits { requests_per_host: 1, kept_for_readers: 0, ..parts.limits };
        Parts { limits, ..parts }
    });
    world.fleet(&engine, "app", "sandbox.example", 2).await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    let refresh = |name: &str| {
        let (engine, name) = (engine.clone(), name.parse().unwrap());
        tokio::spawn(async move { engine.refresh(&name).await })
    };
    let lost = refresh("app-0");
    world.pass(Duration::from_secs(1)).await;
    let other = engine.inner.within(Duration::from_secs(1), refresh("app-1")).await;
    assert_eq!(other.expect("it need not wait").unwrap().unwrap().generation, 2);
    assert!(!lost.is_finished(), "it waits for its next try");
    assert_eq!(lost.await.unwrap().unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn patience_that_a_provider_asks_of_a_client_is_had_by_all_its_connections() {
    for retry_after in [RetryAfter::Seconds, RetryAfter::HttpDate] {
        let (world, engine) = two_hosts().await;
        let quota = Quota { per: Per::Client, requests: 20, window_ms: 600_000, retry_after };
        world.wire.sandbox.lock().unwrap().settings_mut().quotas = vec![quota];
        world.serve(&engine, 12 * HOUR).await;
        refreshed_in_time(&world, "sick", 2).await;
        refreshed_in_time(&world, "well", 2).await;
        let stats = world.wire.sandbox.lock().unwrap().stats().clone();
        let throttled = stats.throttled;
        // Each window, those that are under way when the first of them is told to wait; not all that are due.
        assert!(throttled > 0 && throttled < 300, "{throttled} of {} were throttled", stats.refreshes);
        assert_eq!(world.reuses(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_downtime_what_dies_first_is_refreshed_first() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    world.fleet(&engine, "late", "one.example", 40).await;
    world.pass(Duration::from_secs(1_000)).await;
    world.fleet(&engine, "early", "two.example", 1).await;
    for number in 0..40 {
        world
            .consent_to(
                &engine,
                format!("one-{number}").parse().unwrap(),
                "late",
                &["contacts", "offline_access"],
            )
            .await
            .unwrap();
    }
    world.pass(2 * DAY).await;
    world.wire.most_at_once();
    world.serve(&engine, Duration::from_millis(50)).await;
    let first_wave = world.wire.most_at_once();
    world.serve(&engine, HOUR).await;
    let events = world.store.events(None, 0, 10_000).await.unwrap();
    let refreshed: Vec<_> = events
        .iter()
        .filter(|stored| matches!(stored.event.what, What::Refreshed { trigger: Trigger::Schedule, .. }))
        .map(|stored| (stored.event.connection, stored.event.at))
        .collect();
    assert_eq!(refreshed.len(), 81);
    let mut first = Vec::new();
    for number in 0..40 {
        first.push(world.named(&format!("late-{number}")).await.id);
    }
    // The forty that are older, and so die first, on the same host as the forty that are younger.
    let last_of_old = refreshed.iter().filter(|(id, _)| first.contains(id)).map(|(_, at)| *at).max().unwrap();
    let on_that_host = |at| refreshed.iter().filter(|(_, when)| *when < at).count();
    assert!(on_that_host(last_of_old) < 40 + 16, "nearest death first");
    assert_eq!(
        first_wave,
        4 + 1,
        "and not all at once: a narrow window for the one host, and all of the other"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_read_costs_only_its_own() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    world.fleet(&engine, "unreadable", "sandbox.example", 1).await;
    let unreadable = world.named("unreadable-0").await;
    store.unreadable.lock().unwrap().push(unreadable.client);
    world.pass(DAY).await;
    // More than are read at once, and all of them die first.
    for number in 1..=u128::from(READ_AHEAD) + 1 {
        let id = ConnectionId::from_uuid(uuid::Uuid::from_u128(number));
        let name = format!("unreadable-{number}").parse().unwrap();
        let plan = Plan { due_at: Some(world.now()), dies_at: Some(world.now()), ..unreadable.plan };
        let another = Connection { id, name, plan, revision: 1, ..unreadable.clone() };
        world.store.add_connection(&another, &[]).await.unwrap();
    }
    let run = engine.inner.within(Duration::from_secs(5), engine.run_due()).await;
    assert_eq!(run.expect("it ends").unwrap(), 1);
    assert_eq!(world.shop().await.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_added_by_another_process_is_known_at_once() {
    let behaviour = Behaviour { access_token_life: Duration::from_secs(20), ..Behaviour::strict() };
    let world = World::new(&behaviour);
    let engine = world.connected().await;
    engine.run_due().await.unwrap();
    let other = world.node();
    world.fleet(&other, "new", "sandbox.example", 1).await;
    // What is read is kept fresh.
    for name in ["shop", "new-0"] {
        other.issue_token(&name.parse().unwrap(), Want::default()).await.unwrap();
    }
    world.pass(Duration::from_secs(12)).await;
    engine.run_once(world.now()).await.unwrap();
    engine.drain().await;
    assert_eq!((world.shop().await.generation(), world.named("new-0").await.generation()), (2, 2));
}
