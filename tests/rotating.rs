//! Another master key, under running daemons, killed at any time.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vestal_api::{MasterKeyView, RotationView};

use crate::harness::{Dice, Home, PAUSE, Provider, Raises, until};

/// Connections that are refreshed all the time.
const NAMES: [&str; 3] = ["shop", "crm", "mail"];

/// Connections that only lie in the store: so many that going through them takes a moment.
const PAUSED: usize = 600;

fn connected(home: &Home) -> Provider {
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 4_000);
    home.connect(NAMES[0], &provider);
    for name in &NAMES[1..] {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    for name in NAMES {
        home.vestal(&["set", name, "--policy", "always"]).ok();
    }
    provider
}

/// Waits until each connection was refreshed once more.
fn refreshed_once_more(provider: &Provider) {
    let counts = || provider.sandbox().grants(provider.now_ms()).into_iter().map(|grant| grant.refreshes);
    let before: Vec<_> = counts().collect();
    until("each connection to be refreshed", || {
        counts().zip(&before).all(|(now, before)| now > *before).then_some(())
    });
}

/// Asks for a token, and looks whether it had not ended yet.
#[track_caller]
fn served_a_good_one(home: &Home, provider: &Provider, name: &str) {
    let asked_at_ms = provider.now_ms();
    let token = home.vestal(&["token", name]).ok();
    assert!(provider.accepted_at(token.stdout.trim(), asked_at_ms), "{token}");
}

/// Nothing was sent twice, and no grant was lost.
fn nothing_is_lost(home: &Home, provider: &Provider) {
    for name in NAMES {
        home.vestal(&["refresh", name]).ok();
        served_a_good_one(home, provider, name);
    }
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.reuses, stats.refusals), (0, 0), "{stats:?}");
    let families = provider.sandbox().families(provider.now_ms());
    assert_eq!((families.alive, families.dead), (NAMES.len(), 0));
}

fn keys(home: &Home) -> Vec<String> {
    fs::read_to_string(home.master_key()).unwrap().lines().map(str::to_owned).collect()
}

/// Removes all keys but the newest from the file, as whoever needs no old backup does.
fn keep_the_newest_key(home: &Home) {
    home.leaks();
    let newest = keys(home).pop().unwrap();
    fs::write(home.master_key(), newest + "\n").unwrap();
}

fn listed(home: &Home) -> Vec<MasterKeyView> {
    home.vestal(&["master-key", "list", "--json"]).ok().json()
}

#[test]
fn the_key_is_exchanged_under_a_daemon_and_readers() {
    let home = Home::new();
    let provider = connected(&home);
    let before = listed(&home);
    let [only] = &before[..] else { panic!("{before:?}") };
    assert!(only.given && only.seals && only.values >= 7, "{only:?}");

    let daemon = home.start(&["serve"]);
    refreshed_once_more(&provider);
    let over = AtomicBool::new(false);
    let view: RotationView = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for name in NAMES {
                    served_a_good_one(&home, &provider, name);
                }
                std::thread::sleep(PAUSE);
            }
        });
        let _over = Raises(&over);
        let rotated = home.vestal(&["master-key", "rotate", "--json"]).ok();
        assert!(rotated.stderr.contains("waiting for process "), "{rotated}");
        rotated.json()
    });
    assert_eq!(view.old_key.as_ref(), Some(&only.key));
    assert!(view.made && view.resealed >= 7 && view.left == 0 && view.journalled == 0, "{view:?}");
    let after = listed(&home);
    let [old, new] = &after[..] else { panic!("{after:?}") };
    assert_eq!((&old.key, old.given, old.seals, old.values), (&only.key, true, false, 0));
    assert_eq!((&new.key, new.given, new.seals), (&view.new_key, true, true));
    refreshed_once_more(&provider);
    daemon.stop().ok();

    keep_the_newest_key(&home);
    let daemon = home.start(&["serve"]);
    refreshed_once_more(&provider);
    let doctor = home.vestal(&["doctor"]).ok();
    assert!(!doctor.stdout.contains("an exchange was begun"), "{doctor}");
    nothing_is_lost(&home, &provider);
    daemon.stop().ok();
    assert_eq!(listed(&home).len(), 1);
}

#[test]
fn who_is_killed_while_exchanging_the_key_goes_on() {
    let home = Home::new();
    let provider = connected(&home);
    let dice = Dice::default();
    let lines: Vec<_> = (0..PAUSED)
        .map(|n| {
            format!(
                r#"{{"name":"kept-{n}","client":"custom","refresh_token":"planted/kept/{n}","paused":true}}"#
            )
        })
        .collect();
    home.vestal_reading(&["import", "--file", "-"], &lines.join("\n")).ok();

    for _ in 0..8 {
        let rotating = home.start(&["master-key", "rotate"]);
        std::thread::sleep(Duration::from_millis(dice.below(250)));
        drop(rotating);
        home.vestal(&["token", NAMES[1]]).ok();
    }
    let told = home.vestal(&["master-key", "rotate"]).ok();
    assert!(told.stdout.starts_with("the store is sealed with the master key "), "{told}");
    assert!(keys(&home).len() >= 2 && keys(&home).len() <= 10);
    assert_eq!(
        fs::read_dir(home.config().parent().unwrap()).unwrap().count(),
        2,
        "nothing is left lying about"
    );

    keep_the_newest_key(&home);
    nothing_is_lost(&home, &provider);
    let keys = listed(&home);
    assert!(matches!(&keys[..], [only] if only.seals && only.values >= PAUSED as u64), "{keys:?}");
    let exported = home.vestal(&["export", "--with-secrets"]).ok();
    assert_eq!(exported.stdout.matches("planted/kept/").count(), PAUSED);
}

#[test]
fn two_stores_that_have_their_keys_from_one_file_lose_none() {
    let one = Home::new();
    one.vestal(&["init"]).ok();
    let other = Home::beside(&one);
    fs::create_dir_all(other.config().parent().unwrap()).unwrap();
    fs::write(other.config(), format!("[master_key]\nfile = {:?}\n", one.master_key())).unwrap();
    other.vestal(&["init"]).ok();

    // Somebody is adding a key, and is killed at it once both have read the keys that were there before.
    let turn = fs::File::create(one.master_key().with_extension("key.new")).unwrap();
    turn.lock().unwrap();
    let mut both = [&one, &other].map(|home| home.start(&["master-key", "rotate"]));
    for rotating in &mut both {
        rotating.hear("that it waits", |said| {
            said.contains("waiting for another process that adds a key").then_some(())
        });
    }
    drop(turn);
    let told = both.map(|rotating| rotating.end().ok().stderr);
    let added = told.iter().filter(|told| told.contains("added the new key ")).count();
    assert_eq!((added, keys(&one).len()), (1, 2), "{told:?}");
    for home in [&one, &other] {
        assert!(matches!(&listed(home)[..], [_, new] if new.seals), "{:?}", listed(home));
    }

    for home in [&one, &other] {
        home.vestal(&["master-key", "rotate"]).ok();
    }
    keep_the_newest_key(&one);
    for home in [&one, &other] {
        assert!(matches!(&listed(home)[..], [only] if only.given && only.seals), "{:?}", listed(home));
    }
}

#[test]
fn a_daemon_that_cannot_read_its_key_again_is_waited_for_and_named() {
    let home = Home::new();
    let provider = connected(&home);
    let with_keys = |keys: &str| {
        let mut command = home.command(&["serve"]);
        command.env("VESTAL_MASTER_KEY", keys);
        home.run(command)
    };
    let mut daemon = with_keys(&keys(&home)[0]);
    daemon.hear("its first line", |said| said.contains("keeping connections alive").then_some(()));
    let before = listed(&home);
    let told = home.vestal(&["master-key", "rotate", "--wait", "1s"]).code(4);
    for part in ["error: process ", "is not ready to hold the master key ", "next: restart it with all keys"]
    {
        assert!(told.stderr.contains(part), "{part}: {told}");
    }
    // Nothing seals with what the daemon could not open.
    let during = listed(&home);
    assert_eq!((during.len(), &during[0].key, during[0].seals), (2, &before[0].key, true), "{during:?}");
    let doctor = home.vestal(&["doctor"]).ok();
    assert!(doctor.stdout.contains("vestal master-key rotate"), "{doctor}");
    refreshed_once_more(&provider);
    daemon.stop().ok();

    let mut daemon = with_keys(&keys(&home).join("\n"));
    daemon.hear("its first line", |said| said.contains("keeping connections alive").then_some(()));
    let view: RotationView = home.vestal(&["master-key", "rotate", "--json"]).ok().json();
    assert_eq!(
        (view.made, view.new_key),
        (false, during[1].key.clone()),
        "it goes on with the one that was made"
    );
    daemon.stop().ok();
    keep_the_newest_key(&home);
    nothing_is_lost(&home, &provider);
}

#[test]
fn where_no_key_can_be_added_it_is_said_how() {
    let home = Home::new();
    let provider = connected(&home);
    let rotate = |keys: &str| {
        let mut command = home.command(&["master-key", "rotate"]);
        command.env("VESTAL_MASTER_KEY", keys);
        home.run(command).end()
    };
    let old = keys(&home).remove(0);
    let told = rotate(&old).code(1);
    for part in [
        "error: there is no newer master key",
        "the variable VESTAL_MASTER_KEY",
        "as the last line",
        "openssl rand -base64 32",
    ] {
        assert!(told.stderr.contains(part), "{part}: {told}");
    }
    assert_eq!(keys(&home).len(), 1, "the file was not meant");

    // A person does as told.
    let other = Home::new();
    other.vestal(&["init"]).ok();
    let new = keys(&other).remove(0);
    rotate(&format!("# the old one\n{old}\n\n{new}\n")).ok();
    let told = home.vestal(&["token", NAMES[0]]).code(1);
    assert!(told.stderr.contains("was sealed with master key "), "{told}");
    fs::write(home.master_key(), new + "\n").unwrap();
    nothing_is_lost(&home, &provider);

    // A key that something still needs, and that is not given any more.
    fs::write(home.master_key(), format!("{old}\nhunter2-and-no-key\n")).unwrap();
    let told = home.vestal(&["list"]).code(1);
    assert!(told.stderr.contains("line 2 is no master key"), "{told}");
}
