//! Copies of a store, and another machine: the commands of `docs/backup.md`, and what it says a copy is worth.

use std::process::Command;

use vestal_sandbox::{Grace, Reuse, Rotation};

use crate::docs::commands;
use crate::harness::{Home, Provider};

const PAGE: &str = include_str!("../docs/backup.md");
const PUNISHED: Rotation = Rotation::Always { grace: Grace::None, reuse: Reuse::Punished };

#[test]
fn a_copy_is_as_good_as_its_refresh_token() {
    let (home, provider) = put_back(Rotation::Never { returns_old: false });
    home.vestal(&["refresh", "--all"]).ok();
    assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()));

    let (home, provider) = put_back(PUNISHED);
    home.vestal(&["refresh", "--all"]).code(3);
    let told = home.vestal(&["status", "shop"]).ok().stdout;
    assert!(told.contains("shop: needs_reauth") && told.contains("invalid_grant"), "{told}");
    assert!(!provider.accepts(home.vestal(&["token", "shop"]).stdout.trim()), "it is ended too");
}

#[test]
fn where_reuse_is_punished_an_access_token_serves_on_until_somebody_consents() {
    let (home, provider) = put_back(PUNISHED);
    let commands = commands(PAGE);
    let [.., pause, resume] = commands.as_slice() else { panic!("{commands:?}") };
    let in_page = |line: &str| {
        let line = line.replace("NAME", "custom");
        let args: Vec<&str> = line.split(' ').skip(1).collect();
        home.vestal(&args).ok();
    };
    in_page(pause);
    home.vestal(&["refresh", "--due", "--within", "400d"]).ok();
    let served = home.vestal(&["token", "shop"]).ok().stdout;
    assert!(provider.accepts(served.trim()), "the one of the copy");
    home.consent("shop", &["--same-account"], "").ok();
    in_page(resume);
    home.vestal(&["refresh", "--all"]).ok();
    assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()));
    assert_eq!(provider.sandbox().stats().reuses, 0, "nothing was sent that was used up");
}

/// A home whose store was copied while a daemon had it open and, after some more refreshes, put back, as the page has it done.
fn put_back(rotation: Rotation) -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = rotation);
    home.connect("shop", &provider);
    let commands = commands(PAGE);
    let [copy, remove, install, ..] = commands.as_slice() else { panic!("{commands:?}") };
    let in_shell = |line: &str| {
        let told = home.sh(&line.replace("~/.local/state", "state"));
        assert!(told.status.success() && told.stderr.is_empty(), "{line}: {told:?}");
    };
    let daemon = home.start(&["serve"]);
    home.vestal(&["refresh", "shop"]).ok();
    in_shell(copy);
    home.vestal(&["refresh", "shop"]).ok();
    daemon.stop().ok();
    in_shell(remove);
    in_shell(install);
    assert_eq!(home.vestal(&["list", "--json"]).ok().stdout.matches("\"generation\":2").count(), 1);
    (home, provider)
}

#[test]
fn another_machine_goes_on_where_this_one_stopped() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.refresh_tokens.rotation = PUNISHED);
    home.connect("shop", &provider);
    let daemon = home.start(&["serve"]);
    home.vestal(&["refresh", "shop"]).ok();
    daemon.stop().ok();
    let there = Home::beside(&home);
    for folder in ["config", "state"] {
        let copied = Command::new("cp").arg("-a").arg(home.path().join(folder)).arg(there.path()).status();
        assert!(copied.unwrap().success(), "{folder}");
    }
    there.vestal(&["refresh", "shop"]).ok();
    assert!(provider.accepts(there.vestal(&["token", "shop"]).ok().stdout.trim()));
    assert_eq!(provider.sandbox().stats().reuses, 0);
}
