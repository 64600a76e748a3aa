//! `kill -9` at any moment, hundreds of times, while a fleet is being refreshed.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use vestal_sandbox::{Grace, Reuse, Rotation, Settings};

use super::fleet::{Fleet, Stored, in_parallel};
use super::{Proof, times};
use crate::harness::{Dice, Ended, Exchange, Home, Provider, Running, until};

/// A request and its answer are each on their way for at most so long: kills find some of them there.
const SLOWNESS: Duration = Duration::from_millis(60);

/// What may refresh everything; a daemon, mostly.
const COMMANDS: [&[&str]; 6] =
    [&["serve"], &["serve"], &["serve"], &["serve"], &["refresh", "--all"], &["refresh", "--due"]];

/// What reached a process so long before it was killed must be stored. Two cores may be busy with other tests.
const TIME_TO_STORE: Duration = Duration::from_secs(2);

/// Between two refreshes of one connection that is held back.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// A sandbox whose access tokens end soon, so that there is always something to refresh.
fn rotating(home: &Home, grace: Grace, life: Duration) -> Provider {
    let provider = Provider::start(home.record(), |settings: &mut Settings| {
        settings.refresh_tokens.rotation = Rotation::Always { grace, reuse: Reuse::Punished };
        settings.access_token_life_ms = life.as_millis().try_into().unwrap();
    });
    provider.wire.slow_down(SLOWNESS);
    provider
}

/// Starts something that refreshes, and kills it at a random moment. When it was killed, if it had not ended before.
fn kill_once(home: &Home, provider: &Provider, dice: &Dice) -> Option<Instant> {
    let before = provider.wire.requests();
    let mut running = home.start(dice.pick(&COMMANDS));
    let ms = |end| Duration::from_millis(dice.below(end));
    match dice.below(3) {
        // While it starts, and takes over what the one before left behind.
        0 => std::thread::sleep(ms(250)),
        1 => std::thread::sleep(ms(1_200)),
        // While it sends, waits, and stores.
        _ => {
            until("a request, or the end", || {
                (provider.wire.requests() > before || running.has_ended()).then_some(())
            });
            std::thread::sleep(ms(100));
        }
    }
    kill(running)
}

fn kill(mut running: Running) -> Option<Instant> {
    if running.has_ended() {
        well_ended(&running.end());
        return None;
    }
    let at = Instant::now();
    running.signal(Signal::KILL);
    let ended = running.end();
    ended.status.code().is_none().then_some(at)
}

/// A command that was not killed may only have said that some answers are missing.
#[track_caller]
fn well_ended(ended: &Ended) {
    assert!(matches!(ended.status.code(), Some(0 | 3 | 4)), "{ended}");
}

#[test]
fn with_a_grace_nothing_is_lost_however_often_it_is_killed() {
    let (kills, connections) = (times(25, 500), times(16, 50));
    let proof = Proof::of(format!("`kill -9` while {connections} connections are refreshed, grace of 30 s"));
    let home = Home::new();
    let provider = rotating(&home, Grace::For(30_000), Duration::from_secs(3));
    let fleet = Fleet::connect(&home, &provider, "okta", connections);
    let dice = Dice::default();
    let mut killed = 0;
    while killed < kills {
        killed += usize::from(kill_once(&home, &provider, &dice).is_some());
    }

    home.vestal(&["refresh", "--due"]).ok();
    home.vestal(&["refresh", "--all"]).ok();
    let stored = fleet.stored();
    let ailing: Vec<&Stored> = stored.iter().filter(|stored| !stored.is_active()).collect();
    assert!(ailing.is_empty(), "{ailing:?}");
    let stats = provider.sandbox().stats().clone();
    assert_eq!(stats.reuses, 0, "{stats:?}");
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, connections);
    home.vestal(&["refresh", "--all"]).ok();
    let (refreshes, again) = (stats.refreshes, stats.grace_retries);
    assert!(again > 0, "no kill found an answer on its way");
    proof.holds(
        format_args!("{killed} kills, {refreshes} refreshes"),
        format_args!("0 lost; {again} answers that were killed were had again within the grace"),
    );
}

#[test]
fn where_reuse_is_punished_only_what_never_became_durable_is_lost_and_labelled() {
    let (kills, connections) = (times(15, 500), times(16, 50));
    let proof = Proof::of(format!(
        "`kill -9` while {connections} connections are refreshed, no grace, reuse punished"
    ));
    let home = Home::new();
    let provider = rotating(&home, Grace::None, Duration::from_secs(8));
    let mut fleet = Fleet::connect(&home, &provider, "custom", connections);
    let dice = Dice::default();
    let (mut killed, mut lost, mut undelivered) = (0, 0, 0);
    let mut latest = Duration::ZERO;
    while killed < kills {
        let Some(at) = kill_once(&home, &provider, &dice) else { continue };
        killed += 1;
        // What was on its way when the process was killed reaches the provider all the same.
        until("the wire to be quiet", || (provider.wire.open() == 0).then_some(()));
        let families = provider.wire.families();
        let mut names = Vec::new();
        for stored in fleet.stored() {
            // Whoever found out that an attempt was given up may have been killed before it tried again.
            assert!(stored.is_active() || stored.is_labelled(), "{stored:?}");
            match &fleet.unstored(&stored, &families)[..] {
                [] => {}
                [Exchange { delivered_at, .. }] => {
                    match delivered_at.map(|delivered| at.checked_duration_since(delivered)) {
                        Some(Some(before)) => latest = latest.max(before),
                        _ => undelivered += 1,
                    }
                    names.push(stored.name);
                }
                more => panic!("{stored:?}: {} answers are missing", more.len()),
            }
            assert!(latest < TIME_TO_STORE, "an answer was not stored {latest:?} after it had come");
        }
        lost += names.len();
        label(&home, &fleet, &names);
        fleet.reconnect(&names);
    }

    until("all to be refreshed that are not lost", || {
        (home.vestal(&["refresh", "--all"]).status.code() == Some(0)).then_some(())
    });
    assert!(fleet.stored().iter().all(Stored::is_active));
    let refreshes = provider.sandbox().stats().refreshes;
    let families = provider.sandbox().families(provider.now_ms());
    assert_eq!((families.alive, families.dead), (connections, lost), "no other grant has died");
    assert!(lost > 0, "no kill found an answer on its way");
    proof.holds(
        format_args!("{killed} kills, {refreshes} refreshes"),
        format_args!(
            "{lost} answers never became durable ({undelivered} had not arrived), each labelled `outcome_unknown`; none else lost"
        ),
    );
}

/// Whoever comes next finds out about those whose answer was lost, and takes no other for dead.
fn label(home: &Home, fleet: &Fleet<'_>, lost: &[String]) {
    if lost.is_empty() {
        return;
    }
    in_parallel(lost, |name| {
        // One that had been doubtful before is held back for a moment.
        until("the provider to be asked again", || match home.vestal(&["refresh", name]).status.code() {
            Some(3) => Some(()),
            Some(4) => {
                std::thread::sleep(BETWEEN_TRIES);
                None
            }
            code => panic!("{name} is lost, and the command ended with {code:?}"),
        });
    });
    for stored in fleet.stored() {
        let is_lost = lost.contains(&stored.name);
        let is_told = stored.state == "needs_reauth" && stored.is_labelled();
        assert!(
            if is_lost { is_told } else { stored.state != "needs_reauth" },
            "{stored:?}, lost: {is_lost}"
        );
    }
}
