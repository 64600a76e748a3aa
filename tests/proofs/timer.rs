//! The timer's command, many at once, at the moment when a daemon on the same store begins to refresh: whatever several of them
//! find due is refreshed by one of them at a time.

use std::time::Duration;

use vestal_sandbox::{Grace, Reuse, Rotation};

use super::fleet::{Fleet, Stored};
use super::{Proof, times};
use crate::harness::{Home, Provider, Running, until};

const UNIT: &str = include_str!("../../deploy/systemd/vestal-refresh.service");

const CONNECTIONS: usize = 8;

/// So many commands at once, as of as many machines whose timers go off at the same time.
const AT_ONCE: usize = 10;

/// After half of it the daemon refreshes. That is further ahead than the command looks before it ends.
const LIFE: Duration = Duration::from_secs(26);

/// A request and its answer are each on their way for at most so long: each finds the other one's under way.
const SLOWNESS: Duration = Duration::from_millis(40);

/// What systemd runs, but for where the configuration is.
fn timers_command() -> Vec<&'static str> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/vestal ")).unwrap();
    let (config, args) = line.split_once(" refresh ").unwrap();
    assert_eq!(config, "--config /etc/vestal/vestal.toml");
    std::iter::once("refresh").chain(args.split(' ')).collect()
}

#[test]
fn the_timers_command_beside_a_daemon_uses_no_refresh_token_twice() {
    let proof = Proof::of("the timer's command beside a daemon, no grace, reuse punished");
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.refresh_tokens.rotation = Rotation::Always { grace: Grace::None, reuse: Reuse::Punished };
        settings.access_token_life_ms = LIFE.as_millis().try_into().unwrap();
    });
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    provider.wire.slow_down(SLOWNESS);
    let mut daemon = home.start(&["serve"]);
    daemon.hear("its first line", |said| said.contains("keeping connections alive").then_some(()));
    let (command, runs) = (timers_command(), times(20, 1_000));
    for _ in 0..runs / AT_ONCE {
        let before = provider.wire.requests();
        until("the daemon to begin", || (provider.wire.requests() > before).then_some(()));
        let running: Vec<Running> = (0..AT_ONCE).map(|_| home.start(&command)).collect();
        for command in running {
            let ended = command.end().ok();
            // On a busy machine the store takes its time, and it is said where the answer is meanwhile.
            let is_well = |line: &str| line.contains("it is in the journal");
            assert!(ended.stdout.is_empty() && ended.stderr.lines().all(is_well), "{ended}");
        }
    }
    daemon.stop().ok();

    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.reuses, stats.refusals), (0, 0), "{stats:?}");
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, CONNECTIONS);
    let stored = fleet.stored();
    assert!(stored.iter().all(Stored::is_active), "{stored:?}");
    let refreshes = stats.refreshes;
    assert!(refreshes > CONNECTIONS as u64, "there was hardly anything to refresh: {stats:?}");
    proof.holds(
        format_args!("{runs} runs, {refreshes} refreshes of {CONNECTIONS} connections"),
        "no refresh token used twice",
    );
}
