//! A disk that is full, fails, is read-only or goes away while refreshes are in flight: nothing is lost, at a provider
//! that forgives nothing.

use std::fs;
use std::ops::Add;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::fleet::{Fleet, Stored};
use super::{Proof, times};
use crate::harness::{Dice, Home, Provider, Running, until};

mod strace;
mod tmpfs;

use strace::{Failing, Injection};
use tmpfs::SmallDisk;

const CONNECTIONS: usize = 8;

/// The tokens of this provider end so soon that there is always something to refresh.
const LIFE_MS: u64 = 2_000;

/// A request and its answer are each on their way for at most so long.
const SLOWNESS: Duration = Duration::from_millis(40);

/// What came so long ago was written down somewhere.
const TIME_TO_WRITE: Duration = Duration::from_secs(1);

/// Small enough that little fills it.
const DISK_MIB: u32 = 1;

/// So often is one disk filled. A new one comes then, since what is kept of all refreshes would fill it by itself: half
/// a kilobyte of each, and the journals.
const FILLINGS: usize = 4;

/// A one-shot command tries for a minute before it gives up.
const LONGEST: Duration = Duration::from_secs(100);

/// Each refresh token is used once; one that comes back ends the grant.
fn strict(home: &Home) -> Provider {
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = LIFE_MS);
    provider.wire.slow_down(SLOWNESS);
    provider
}

/// With a disk that works again, every connection is refreshed, and the provider has seen no refresh token twice.
#[track_caller]
fn nothing_is_lost(home: &Home, provider: &Provider, fleet: &Fleet<'_>, after: &str) {
    // What another process had under way may have to be finished first.
    let begun = Instant::now();
    loop {
        let refresh = home.vestal(&["refresh", "--all"]);
        assert_ne!(refresh.status.code(), Some(3), "after {after}: {refresh}");
        if refresh.status.code() == Some(0) {
            break;
        }
        assert!(begun.elapsed() < LONGEST, "not everything is refreshed after {after}: {refresh}");
    }
    let stored = fleet.stored();
    assert!(stored.iter().all(Stored::is_active), "after {after}: {stored:?}");
    let stats = provider.sandbox().stats().clone();
    assert_eq!(stats.reuses, 0, "after {after}: {stats:?}");
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, CONNECTIONS, "after {after}");
}

/// Waits until nothing is under way and what has come had time to be written down; `false` if that never is.
fn is_quiet(provider: &Provider) -> bool {
    let deadline = Instant::now() + 4 * TIME_TO_WRITE;
    let (mut seen, mut since) = (provider.wire.requests(), Instant::now());
    while Instant::now() < deadline {
        let requests = provider.wire.requests();
        if requests != seen || provider.wire.open() > 0 {
            (seen, since) = (requests, Instant::now());
        }
        if since.elapsed() > TIME_TO_WRITE {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Lets it run for so long, or to its end.
fn run_for(running: &mut Running, length: Duration) {
    let end = Instant::now() + length;
    while Instant::now() < end && !running.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let proof = Proof::of(format!("a disk of {DISK_MIB} MiB that fills up while connections are refreshed"));
    let disks = times(1, 25);
    let mut sum = Fillings::default();
    for _ in 0..disks {
        match fill_and_free() {
            Ok(filled) => sum = sum + filled,
            Err(why) => return proof.cannot_be_had(&why),
        }
    }
    let (times, Fillings { killed, refreshes }) = (disks * FILLINGS, sum);
    proof.holds(
        format_args!("{times} times, {refreshes} refreshes"),
        format_args!("0 lost, also where the process was killed while the disk was full ({killed} times)"),
    );
}

/// What happened while a disk was full, again and again.
#[derive(Default)]
struct Fillings {
    killed: u64,
    refreshes: u64,
}

impl Add for Fillings {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { killed: self.killed + other.killed, refreshes: self.refreshes + other.refreshes }
    }
}

/// Fills a new disk, and frees it, again and again. The error says why there is no such disk.
fn fill_and_free() -> Result<Fillings, String> {
    let home = Home::new();
    let disk = SmallDisk::mount(&home.path().join("state"), DISK_MIB)?;
    let provider = strict(&home);
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let dice = Dice::default();
    let ms = |from: u64, to: u64| Duration::from_millis(from + dice.below(to - from));
    let mut killed = 0;
    let mut daemon: Option<Running> = None;
    for round in 0..FILLINGS {
        let running = daemon.get_or_insert_with(|| home.start(&["serve"]));
        let before = provider.wire.requests();
        until("a request", || {
            assert!(!running.has_ended(), "round {round}: {}", running.stderr());
            (provider.wire.requests() > before).then_some(())
        });
        std::thread::sleep(ms(0, 300));
        let filled = disk.fill();
        std::thread::sleep(ms(200, 1_500));
        // What was answered is written down somewhere, so that its process may die.
        if dice.below(2) == 0 && is_quiet(&provider) {
            let running = daemon.take().unwrap();
            running.signal(Signal::KILL);
            running.end();
            killed += 1;
        }
        drop(filled);
        nothing_is_lost(&home, &provider, &fleet, &format!("round {round}"));
    }
    if let Some(running) = daemon {
        running.stop().ok();
    }
    // Before the disk goes.
    let leaks = home.leaks();
    assert!(leaks.is_empty(), "secrets leaked:\n{}", leaks.join("\n"));
    let refreshes = provider.sandbox().stats().refreshes;
    Ok(Fillings { killed, refreshes })
}

#[test]
fn writes_and_fsyncs_that_fail_lose_nothing() {
    let proof = Proof::of("`EIO` and `ENOSPC` injected into writes and fsyncs");
    if let Err(why) = strace::is_there() {
        return proof.cannot_be_had(&why);
    }
    let home = Home::new();
    let provider = strict(&home);
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let dice = Dice::default();
    let rounds = times(6, 100);
    let (mut struck, mut calls, mut killed, mut tries) = (0, 0, 0, 0);
    while struck < rounds {
        tries += 1;
        assert!(tries <= 10 * rounds, "only {struck} of {tries} injections have struck");
        let injection = Injection::any(&dice);
        let is_daemon = dice.below(2) == 0;
        let command = if is_daemon { &["serve"][..] } else { &["refresh", "--all"] };
        let Failing { mut running, log } = injection.start(&home, command);
        let mut is_killed = false;
        if is_daemon {
            run_for(&mut running, Duration::from_millis(500 + dice.below(2_000)));
            is_killed = dice.below(2) == 0 && is_quiet(&provider) && !running.has_ended();
            if !running.has_ended() {
                running.signal(if is_killed { Signal::KILL } else { Signal::INT });
            }
        }
        let ended = running.end_within(LONGEST);
        let strikes = log.strikes();
        calls += strikes;
        struck += usize::from(strikes > 0);
        killed += usize::from(is_killed);
        let what = format!("try {tries}, {injection}, killed: {is_killed}: {ended}");
        assert!(is_killed || matches!(ended.status.code(), Some(0 | 1 | 4)), "{what}");
        nothing_is_lost(&home, &provider, &fleet, &what);
    }
    let refreshes = provider.sandbox().stats().refreshes;
    proof.holds(
        format_args!("{struck} times, {refreshes} refreshes"),
        format_args!(
            "0 lost, though {calls} system calls failed, and {killed} processes were killed after that"
        ),
    );
}

#[test]
fn with_a_disk_that_takes_nothing_no_refresh_is_started() {
    let proof = Proof::of("a store that is read-only");
    let home = Home::new();
    let disk = match SmallDisk::mount(&home.path().join("state"), 16) {
        Ok(disk) => disk,
        Err(why) => return proof.cannot_be_had(&why),
    };
    let provider = Provider::start(home.record(), |_| {});
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let before = provider.wire.requests();
    disk.make_read_only(true);
    for command in [&["refresh", "fleet-0"][..], &["refresh", "--all"]] {
        let told = home.vestal(command);
        assert!(told.status.code() != Some(0) && told.stderr.contains("error: "), "nobody is told: {told}");
    }
    home.vestal(&["token", "fleet-0"]).ok();
    assert_eq!(provider.wire.requests(), before, "a refresh was started that could not be saved");
    disk.make_read_only(false);
    nothing_is_lost(&home, &provider, &fleet, "the disk was read-only");
    proof.holds(
        "2 commands",
        "no refresh is started, somebody is told, and the token that still serves is served",
    );
}

#[test]
fn a_token_that_still_serves_is_served_from_a_full_disk() {
    let proof = Proof::of("a disk that is full before anybody opens the store");
    let home = Home::new();
    let disk = match SmallDisk::mount(&home.path().join("state"), 16) {
        Ok(disk) => disk,
        Err(why) => return proof.cannot_be_had(&why),
    };
    let provider = Provider::start(home.record(), |_| {});
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let before = provider.wire.requests();
    let filled = disk.fill();
    for _ in 0..2 {
        home.vestal(&["token", "fleet-0"]).ok();
    }
    assert_eq!(provider.wire.requests(), before, "a refresh was started that could not be saved");
    drop(filled);
    nothing_is_lost(&home, &provider, &fleet, "the disk was full");
    proof.holds("2 commands", "the token that still serves is served");
}

#[test]
fn without_a_place_for_the_journal_no_refresh_is_started() {
    let proof = Proof::of("a journal that cannot be written");
    if let Err(why) = tmpfs::run(Command::new("unshare").args(["--mount", "true"])) {
        return proof.cannot_be_had(&why);
    }
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let before = provider.wire.requests();
    // Root may write into any folder, but not into a file.
    let journal = home.store().with_file_name("journal");
    let _ = fs::remove_dir_all(&journal);
    fs::write(&journal, "in the way").unwrap();
    for command in [&["refresh", "fleet-0"][..], &["refresh", "--all"]] {
        let told = home.run(nowhere_else(&home.command(command))).end();
        assert!(told.status.code() != Some(0) && told.stderr.contains("journal"), "nobody is told: {told}");
    }
    home.vestal(&["token", "fleet-0"]).ok();
    assert_eq!(provider.wire.requests(), before, "a refresh was started that could not be saved");
    fs::remove_file(&journal).unwrap();
    nothing_is_lost(&home, &provider, &fleet, "the journal could not be written");
    proof.holds(
        "2 commands",
        "no refresh is started, somebody is told, and the token that still serves is served",
    );
}

/// The same command where the last resort, which all of a user's stores share, is read-only.
fn nowhere_else(command: &Command) -> Command {
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "sh", "-c", "mount -t tmpfs -o ro tmpfs /var/tmp && exec \"$@\"", "sh"]);
    wrap(command, outer)
}

/// Runs a command by way of another one, which ends with the command's own words.
fn wrap(command: &Command, mut outer: Command) -> Command {
    outer.arg(command.get_program()).args(command.get_args()).env_clear();
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

#[test]
fn a_folder_that_goes_away_in_mid_flight_loses_nothing() {
    let rounds = times(2, 10);
    let proof = Proof::of("the store's folder goes away in mid-flight, and comes back");
    let home = Home::new();
    let provider = strict(&home);
    let fleet = Fleet::connect(&home, &provider, "custom", CONNECTIONS);
    let folder = home.store().parent().unwrap().to_owned();
    let elsewhere = folder.with_file_name("elsewhere");
    let dice = Dice::default();
    for round in 0..rounds {
        let before = provider.wire.requests();
        let mut running = home.start(dice.pick(&[&["serve"][..], &["refresh", "--all"]]));
        until("a request", || {
            assert!(!running.has_ended(), "{}", running.stderr());
            (provider.wire.requests() > before).then_some(())
        });
        fs::rename(&folder, &elsewhere).unwrap();
        std::thread::sleep(Duration::from_millis(200 + dice.below(1_500)));
        assert!(!folder.exists(), "round {round}: another store was made in its place");
        fs::rename(&elsewhere, &folder).unwrap();
        if !running.has_ended() {
            running.signal(Signal::INT);
        }
        let ended = running.end_within(LONGEST);
        nothing_is_lost(&home, &provider, &fleet, &format!("round {round}: {ended}"));
    }
    proof.holds(format_args!("{rounds} times"), "0 lost");
}
