//! Several processes on one store: one of them refreshes, and the others know.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use vestal_sandbox::{Endpoint, Fault, Grace, GrantType, Reuse, Rotation, Trouble};

use crate::harness::{Home, Provider, Raises, Running, intervals, until};

/// Long enough to be killed in, and longer than any test waits.
const HELD_MS: u64 = 120_000;

/// A connection whose access token ends shortly, after which tokens live long.
fn about_to_expire() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 3_000);
    home.connect("shop", &provider);
    provider.sandbox().settings_mut().access_token_life_ms = 60_000;
    (home, provider)
}

#[test]
fn eight_readers_at_expiry_cost_one_refresh() {
    let (home, provider) = about_to_expire();
    let first = home.vestal(&["token", "shop"]).ok().stdout;
    until("the first token to expire", || (!provider.accepts(first.trim())).then_some(()));

    // Slow enough that all eight are there before the answer is.
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(2_000)));
    let readers: Vec<Running> = (0..8).map(|_| home.start(&["token", "shop"])).collect();
    let tokens: BTreeSet<String> = readers.into_iter().map(|reader| reader.end().ok().stdout).collect();

    assert_eq!(tokens.len(), 1, "all were given the same token");
    assert!(tokens.iter().all(|token| provider.accepts(token.trim())));
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.reuses), (1, 0), "{stats:?}");
}

#[test]
fn a_cron_job_beside_the_daemon_refreshes_nothing_twice() {
    const CONNECTIONS: usize = 4;
    const LIFE: Duration = Duration::from_secs(4);
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 4_000);
    home.connect("shop-0", &provider);
    (1..CONNECTIONS).for_each(|number| {
        home.consent(&format!("shop-{number}"), &["--client", "custom"], "").ok();
    });
    (0..CONNECTIONS).for_each(|number| {
        home.vestal(&["token", &format!("shop-{number}")]).ok();
    });

    let daemon = home.start(&["serve"]);
    let over = AtomicBool::new(false);
    let (runs, times) = std::thread::scope(|scope| {
        let cron = scope.spawn(|| {
            let mut runs = 0;
            while !over.load(Ordering::Relaxed) {
                home.vestal(&["refresh", "--due"]).ok();
                runs += 1;
            }
            runs
        });
        let times = {
            let _over = Raises(&over);
            provider.watch(3 * LIFE)
        };
        (cron.join().unwrap(), times)
    });
    daemon.stop().ok();

    let intervals = intervals(&times);
    let shortest = intervals.iter().min().unwrap();
    println!(
        "cron beside the daemon: {runs} runs, {} refreshes, {shortest:?} apart or more",
        intervals.len()
    );
    assert!(intervals.len() >= 3 * CONNECTIONS);
    // Half of the life, less a jitter of a tenth; and what a request may take on a busy machine.
    assert!(
        *shortest > LIFE.mul_f64(0.45) - Duration::from_millis(500),
        "refreshed twice, {shortest:?} apart"
    );
    assert_eq!(provider.sandbox().stats().reuses, 0);
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, CONNECTIONS);
}

/// A connection whose refresh was killed after the provider had rotated the token, and before it answered.
fn killed_in_mid_request(profile: &str, rotation: Rotation) -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = rotation);
    home.connect_with("shop", &["--provider", profile], &provider);
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(HELD_MS)));

    let refresh = home.start(&["refresh", "shop"]);
    until("the provider to rotate", || (provider.sandbox().stats().refreshes == 1).then_some(()));
    refresh.signal(Signal::KILL);
    let killed = refresh.end();
    assert_eq!(killed.status.code(), None, "{killed}");
    (home, provider)
}

/// Nobody waits for a lease that the dead cannot give back.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn a_refresh_that_was_killed_is_tried_again_at_once_within_the_grace() {
    let rotation = Rotation::Always { grace: Grace::For(30_000), reuse: Reuse::Punished };
    let (home, provider) = killed_in_mid_request("okta", rotation);

    let again = home.vestal(&["refresh", "shop"]).ok();
    assert!(again.took < AT_ONCE, "it waited for the lease of a dead process: {again}");
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.grace_retries, stats.reuses), (2, 1, 0), "{stats:?}");
    assert_eq!(state(&home), ("active".into(), Value::Null));
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 1);
    home.vestal(&["refresh", "shop"]).ok();
}

#[test]
fn the_schedule_spaces_the_retry_of_a_refresh_that_was_killed_and_says_so_meanwhile() {
    let rotation = Rotation::Always { grace: Grace::For(30_000), reuse: Reuse::Punished };
    let (home, provider) = killed_in_mid_request("okta", rotation);
    // It is the schedule's turn only when the token is due, or the lease is known to be a dead one's.
    let daemon = home.start(&["serve"]);
    let told = until("the daemon to find what was left behind", || {
        let state = state(&home);
        (state.0 == "failing").then_some(state)
    });
    assert_eq!(told.1, "outcome_unknown");
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    assert!(provider.accepts(token.trim()), "a token that still serves is served");

    for i in 0..8 { eprintln!("{}", home.vestal(&["status","shop"]).ok()); if i%3==0 {eprintln!("{}", home.vestal(&["events","shop"]).ok());} std::thread::sleep(Duration::from_secs(1)); }
    eprintln!("{}", daemon.stderr());
    until("the daemon to heal it within the grace", || (state(&home).0 == "active").then_some(()));
    daemon.stop().ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.grace_retries, stats.reuses), (1, 0), "{stats:?}");
}

#[test]
fn where_the_provider_punishes_a_retry_a_person_is_told_and_the_token_still_served() {
    let rotation = Rotation::Always { grace: Grace::None, reuse: Reuse::Punished };
    // Its grace is not known, so it is tried once, and that costs the grant.
    let (home, provider) = killed_in_mid_request("custom", rotation);
    let token = home.vestal(&["token", "shop"]).ok().stdout;

    let again = home.vestal(&["refresh", "shop"]).code(3);
    assert!(again.took < AT_ONCE, "it waited for the lease of a dead process: {again}");
    assert!(again.stderr.contains("error: \"shop\" needs re-authorization"), "{again}");
    assert!(again.stderr.contains("lost"), "the truth is told, not that it was revoked: {again}");
    assert!(again.stderr.contains("next: vestal connect shop"), "{again}");
    assert_eq!(state(&home), ("needs_reauth".into(), "outcome_unknown".into()));
    assert_eq!(
        home.vestal(&["token", "shop"]).ok().stdout,
        token,
        "it may still serve, as far as anybody knows"
    );
    home.vestal(&["status", "--exit-code"]).code(3);

    home.consent("shop", &[], "").ok();
    assert_eq!(state(&home), ("active".into(), Value::Null));
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 1, "the new grant lives");
}

#[test]
fn an_interrupted_refresh_finishes_its_flight_first() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    provider.sandbox().add_fault(Fault {
        grant_type: Some(GrantType::RefreshToken),
        ..Fault::at(Endpoint::Token, Trouble::Delay(1_500))
    });
    let refresh = home.start(&["refresh", "shop"]);
    until("the provider to rotate", || (provider.sandbox().stats().refreshes == 1).then_some(()));
    refresh.signal(Signal::INT);
    refresh.end();
    assert_eq!(state(&home), ("active".into(), Value::Null));
    home.vestal(&["refresh", "shop"]).ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.reuses), (2, 0), "{stats:?}");
}

/// The state of "shop", and its cause.
fn state(home: &Home) -> (String, Value) {
    let status: Value = home.vestal(&["status", "shop", "--json"]).ok().json();
    (status["state"].as_str().unwrap().to_owned(), status["cause"].clone())
}
