//! Several processes on one store: one of them refreshes, and the others know.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use vestal_sandbox::{Fault, Grace, Reuse, Rotation, Trouble};

use crate::harness::{Home, Provider, Raises, Running, intervals, until};

/// Long enough to be killed in, and longer than any test waits.
const HELD_MS: u64 = 120_000;

/// A connection whose access token ends shortly, though not before somebody has asked for it, after which tokens live long.
fn about_to_expire() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 10_000);
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
    println!("cron beside the daemon: {runs} runs, {} refreshes", intervals.len());
    assert!(intervals.len() >= 3 * CONNECTIONS);
    // Each after half of the life, less a jitter of a tenth: at most seven of each in three lives. Were each done by both,
    // it would be twice as many.
    assert!(intervals.len() <= 7 * CONNECTIONS, "refreshed twice: {} times", intervals.len());
    assert_eq!(provider.sandbox().stats().reuses, 0);
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, CONNECTIONS);
}

#[test]
fn two_cron_jobs_at_once_refresh_each_connection_once() {
    const CONNECTIONS: usize = 24;
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 2_000);
    home.connect("shop-0", &provider);
    for number in 1..CONNECTIONS {
        home.consent(&format!("shop-{number}"), &["--client", "custom"], "").ok();
    }
    let mut last = String::new();
    for number in 0..CONNECTIONS {
        last = home.vestal(&["token", &format!("shop-{number}")]).ok().stdout;
    }
    until("all tokens to end", || (!provider.accepts(last.trim())).then_some(()));

    provider.sandbox().settings_mut().access_token_life_ms = 600_000;
    // Slow enough that each job is still at it when the other one has refreshed what is next.
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(300)).times(1_000));
    let before = refreshes_of_each(&provider);
    let jobs = [home.start(&["refresh", "--due"]), home.start(&["refresh", "--due"])];
    for job in jobs {
        job.end().ok();
    }
    let after = refreshes_of_each(&provider);
    let twice = before.iter().zip(&after).filter(|(before, after)| *after - *before > 1).count();
    assert_eq!(twice, 0, "of {CONNECTIONS} connections were refreshed by both jobs");
    assert!(before.iter().zip(&after).all(|(before, after)| after > before), "all were due");
    assert_eq!(provider.sandbox().stats().reuses, 0);
}

fn refreshes_of_each(provider: &Provider) -> Vec<u64> {
    provider.sandbox().grants(provider.now_ms()).iter().map(|grant| grant.refreshes).collect()
}

const GRACE: Rotation = Rotation::Always { grace: Grace::For(30_000), reuse: Reuse::Punished };

/// A connection whose refresh was killed after the provider had rotated the token, and before it answered.
fn killed_in_mid_request(profile: &str, rotation: Rotation) -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = rotation);
    home.connect_with("shop", &["--provider", profile], &provider);
    kill_in_mid_request(&home, &provider);
    (home, provider)
}

fn kill_in_mid_request(home: &Home, provider: &Provider) {
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(HELD_MS)));
    let refresh = home.start(&["refresh", "shop"]);
    until("the provider to rotate", || (provider.sandbox().stats().refreshes == 1).then_some(()));
    refresh.signal(Signal::KILL);
    let killed = refresh.end();
    assert_eq!(killed.status.code(), None, "{killed}");
}

/// Nobody waits for a lease that the dead cannot give back.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn a_refresh_that_was_killed_is_tried_again_at_once_within_the_grace() {
    let (home, provider) = killed_in_mid_request("okta", GRACE);

    let again = home.vestal(&["refresh", "shop"]).ok();
    assert!(again.took < AT_ONCE, "it waited for the lease of a dead process: {again}");
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.grace_retries, stats.reuses), (2, 1, 0), "{stats:?}");
    assert_eq!(state(&home), ("active".into(), Value::Null));
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 1);
    home.vestal(&["refresh", "shop"]).ok();
}

/// What a daemon has to do about a refresh that was killed, well within the grace.
fn healed(home: &Home, provider: &Provider) {
    // On a busy machine it may have healed it before anybody looks.
    let told = until("the daemon to find what was left behind", || {
        let (state, cause) = state(home);
        (state == "failing" || provider.sandbox().stats().grace_retries == 1).then_some((state, cause))
    });
    assert!(told == ("failing".into(), "outcome_unknown".into()) || told.0 == "active", "{told:?}");
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    assert!(provider.accepts(token.trim()), "a token that still serves is served");
    until("the daemon to heal it", || (state(home).0 == "active").then_some(()));
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.grace_retries, stats.reuses), (1, 0), "{stats:?}");
}

#[test]
fn a_daemon_that_starts_later_heals_what_was_killed_and_says_so_meanwhile() {
    let (home, provider) = killed_in_mid_request("okta", GRACE);
    let daemon = home.start(&["serve"]);
    healed(&home, &provider);
    daemon.stop().ok();
}

#[test]
fn a_daemon_that_runs_heals_what_was_killed_beside_it() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = GRACE);
    home.connect_with("shop", &["--provider", "okta"], &provider);
    let mut daemon = home.start(&["serve"]);
    daemon.hear("that it keeps connections alive", |text| text.contains("keeping").then_some(()));
    kill_in_mid_request(&home, &provider);
    healed(&home, &provider);
    daemon.stop().ok();
}

#[test]
fn once_the_grace_is_over_nothing_puts_the_token_at_risk_that_still_serves() {
    // The profile says 30 s, of which the last tenth is left alone.
    const GRACE_IS_OVER: Duration = Duration::from_secs(28);
    let rotation = Rotation::Always { grace: Grace::For(20_000), reuse: Reuse::Punished };
    let (home, provider) = killed_in_mid_request("okta", rotation);
    std::thread::sleep(GRACE_IS_OVER);

    let told = home.vestal(&["refresh", "--due"]).code(4);
    assert!(told.stderr.contains("error: 1 connection is failing\n  why:  shop"), "{told}");
    assert_eq!(state(&home), ("failing".into(), "outcome_unknown".into()));
    let status = home.vestal(&["status", "shop"]).ok().stdout;
    assert!(status.contains("an answer of Okta was lost"), "{status}");
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    assert!(provider.accepts(token.trim()));

    home.vestal(&["refresh", "shop"]).code(4);
    home.vestal(&["refresh", "--due"]).code(4);
    home.vestal(&["token", "shop", "--min-ttl", "30m"]).ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!(
        (stats.refreshes, stats.grace_retries, stats.reuses),
        (1, 0, 0),
        "nothing was sent: {stats:?}"
    );
    assert!(provider.accepts(token.trim()), "the family lives");
    home.consent("shop", &["--same-account"], "").ok();
    assert_eq!(state(&home), ("active".into(), Value::Null));
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

    home.consent("shop", &["--same-account"], "").ok();
    assert_eq!(state(&home), ("active".into(), Value::Null));
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 1, "the new grant lives");
}

#[test]
fn an_interrupted_refresh_finishes_its_flight_first() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    use Signal as S;
    let signals = [S::INT, S::TERM, S::HUP, S::QUIT, S::ALARM, S::USR1, S::USR2];
    for (number, signal) in (1..).zip(signals) {
        provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(1_500)));
        let mut refresh = home.start(&["refresh", "shop"]);
        until("the provider to rotate", || (provider.sandbox().stats().refreshes == number).then_some(()));
        // As timeout(1) does it: twice at once.
        refresh.signal(signal);
        refresh.signal(Signal::TERM);
        refresh.hear("that it waits", |text| text.contains("waiting for the refresh").then_some(()));
        refresh.end();
        assert_eq!(state(&home), ("active".into(), Value::Null));
        assert_eq!(generation(&home), number + 1, "the answer was stored: {signal:?}");
    }
    home.vestal(&["refresh", "shop"]).ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.reuses), (8, 0), "{stats:?}");
    assert_eq!(nodes(&home), 0, "whoever ends in order leaves no trace");
}

#[test]
fn a_program_is_told_of_an_interruption_in_the_last_line() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(1_500)));
    let refresh = home.start(&["refresh", "shop", "--json"]);
    until("the provider to rotate", || (provider.sandbox().stats().refreshes == 1).then_some(()));
    refresh.signal(Signal::INT);
    let told = refresh.end().code(1);
    assert!(told.stderr.contains("waiting for the refresh"), "{told}");
    let last = told.stderr.lines().next_back().unwrap();
    let error: vestal_api::ErrorView = serde_json::from_str(last).unwrap_or_else(|_| panic!("{told}"));
    assert_eq!(error.error, "interrupted");
    assert_eq!(generation(&home), 2, "the answer was stored");
}

#[test]
fn a_second_signal_leaves_the_answer_to_whoever_comes_next() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = GRACE);
    home.connect_with("shop", &["--provider", "okta"], &provider);
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(HELD_MS)));
    let mut refresh = home.start(&["refresh", "shop"]);
    until("the provider to rotate", || (provider.sandbox().stats().refreshes == 1).then_some(()));
    refresh.signal(Signal::INT);
    refresh.hear("that it waits", |text| text.contains("waiting for the refresh").then_some(()));
    // Sooner it would be the same request.
    std::thread::sleep(Duration::from_millis(1_100));
    refresh.signal(Signal::INT);
    refresh.end().code(1);
    assert_eq!(nodes(&home), 1, "others can see that it is gone");

    let again = home.vestal(&["refresh", "shop"]).ok();
    assert!(again.took < AT_ONCE, "it waited for the lease of a process that has ended: {again}");
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.grace_retries, stats.reuses), (2, 1, 0), "{stats:?}");
}

#[test]
fn too_few_files_to_start_with_are_told() {
    let home = Home::new();
    let command = home.command(&["status"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 6; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let told = home.run(limited).end().code(1);
    assert!(told.stderr.contains("it may have 6 files open, and needs 64"), "{told}");
}

#[test]
fn files_that_may_not_grow_are_told() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    for verb in ["token", "refresh"] {
        let command = home.command(&[verb, "shop"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""]).arg(command.get_program());
        limited.args(command.get_args());
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let told = home.run(limited).end();
        assert!(matches!(told.status.code(), Some(1 | 4)) && told.stderr.starts_with("error: "), "{told}");
    }
    assert_eq!(provider.sandbox().stats().refreshes, 0);
    home.vestal(&["refresh", "shop"]).ok();
}

#[test]
fn a_reader_who_is_served_meanwhile_stays_for_the_answer() {
    let home = Home::new();
    // A tenth of the life is more than the 2 s that a reader waits whose token still serves.
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 25_000);
    home.connect("shop", &provider);
    provider.sandbox().settings_mut().access_token_life_ms = 600_000;
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(4_000)));
    let reader = until("a reader to find the token too old", || {
        let reader = home.vestal(&["token", "shop"]).ok();
        (provider.sandbox().stats().refreshes == 1).then_some(reader)
    });
    assert!(reader.took >= Duration::from_secs(4), "it left before the answer came: {reader}");
    assert_eq!(generation(&home), 2, "the answer was stored");
    assert_eq!(state(&home), ("active".into(), Value::Null));
    home.vestal(&["refresh", "shop"]).ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.refreshes, stats.reuses, stats.grace_retries), (2, 0, 0), "{stats:?}");
}

/// The number of the token set of "shop".
fn generation(home: &Home) -> u64 {
    let status: Value = home.vestal(&["status", "shop", "--json"]).ok().json();
    status["generation"].as_u64().unwrap()
}

/// How many processes have left a trace.
fn nodes(home: &Home) -> usize {
    std::fs::read_dir(home.store().with_file_name("nodes")).unwrap().count()
}

/// The state of "shop", and its cause.
fn state(home: &Home) -> (String, Value) {
    let status: Value = home.vestal(&["status", "shop", "--json"]).ok().json();
    (status["state"].as_str().unwrap().to_owned(), status["cause"].clone())
}
