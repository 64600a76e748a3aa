//! `vestal run`: a command that takes vestal's place, with fresh tokens in its environment.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;
use vestal_sandbox::{Fault, Trouble};

use crate::harness::{Home, Provider, until};

/// A home with two connections, and their provider.
fn connected() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    home.consent("crm", &["--client", "custom"], "").ok();
    (home, provider)
}

#[test]
fn a_command_finds_a_token_for_each_connection() {
    let (home, provider) = connected();
    let outside = tempfile::tempdir().unwrap();
    let say = |file: &str, variable: &str| {
        let path = outside.path().join(file);
        (path.clone(), format!("printf %s \"${variable}\" > {}", path.display()))
    };
    let read = |path| fs::read_to_string(path).unwrap();

    let (one, script) = say("one", "ACCESS_TOKEN");
    home.vestal(&["run", "shop", "--", "sh", "-c", &script]).ok();
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    assert_eq!(format!("{}\n", read(one)), token);

    let ((shop, first), (crm, second)) = (say("shop", "SHOP_TOKEN"), say("crm", "CRM"));
    let script = format!("{first}; {second}; test -z \"$ACCESS_TOKEN\"");
    home.vestal(&["run", "shop=SHOP_TOKEN", "crm=CRM", "--", "sh", "-c", &script]).ok();
    let (shop, crm) = (read(shop), read(crm));
    assert!(shop != crm && provider.accepts(&shop) && provider.accepts(&crm));
}

#[test]
fn a_command_inherits_nothing_of_vestal_s() {
    let (home, _provider) = connected();
    let script = "env | cut -d= -f1 | grep -v -e '^_$' -e '^ACCESS_TOKEN$'; ulimit -Sn";
    let mut with_more = home.command(&["run", "shop", "--", "sh", "-c", script]);
    with_more.env("VESTAL_LOG", "warn").env("VESTAL_MASTER_KEY_FILE", home.master_key()).env("MINE", "1");
    let told = home.run(with_more).end().ok();
    let mut names: Vec<&str> = told.stdout.lines().collect();
    let files = names.pop();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "MINE", "PATH", "PWD", "XDG_CONFIG_HOME", "XDG_STATE_HOME"], "{told}");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    assert_eq!(files.map(str::to_owned), limit.map(|limit| limit.to_string()), "{told}");
}

#[test]
fn signals_and_the_exit_code_are_the_command_s() {
    let (home, _provider) = connected();
    home.vestal(&["run", "shop", "--", "sh", "-c", "exit 42"]).code(42);
    let said = home.vestal_reading(&["run", "shop", "--", "cat"], "what is typed").ok();
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("what is typed", ""));

    let mut running = home.start(&["run", "shop", "--", "sh", "-c", "echo here; exec sleep 60"]);
    running.hear("that it has begun", |text| text.contains("here").then_some(()));
    running.signal(Signal::TERM);
    assert_eq!(running.end().status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_shells_do() {
    let (home, _provider) = connected();
    let told = home.vestal(&["run", "shop", "--", "no-such-command"]).code(127);
    assert!(
        told.stderr.starts_with("error: the command \"no-such-command\" was not found\n  why:  "),
        "{told}"
    );
    let file = home.path().join("plain.txt");
    fs::write(&file, "no program").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = home.vestal(&["run", "shop", "--", "./plain.txt", "--json"]).code(126);
    assert!(told.stderr.contains("cannot be run") && told.stderr.contains("chmod +x"), "{told}");
    let told = home.vestal(&["run", "shop", "--json", "--", "./nothing"]).code(127);
    let view: vestal_api::ErrorView = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(view.error, "the command \"./nothing\" was not found");
}

#[test]
fn a_command_without_its_tokens_is_not_run() {
    let (home, _provider) = connected();
    for args in [
        &["run", "shop", "crm", "--", "touch", "ran"][..],
        &["run", "shop=1ST", "--", "touch", "ran"],
        &["run", "shop=MY-TOKEN", "--", "touch", "ran"],
        &["run", "shop", "touch", "ran"],
        &["run", "shop", "--"],
        &["run", "--", "touch", "ran"],
    ] {
        let told = home.vestal(args).code(2);
        assert!(told.stderr.starts_with("error: "), "{told}");
    }
    let told = home.vestal(&["run", "shop", "nobody=X", "--", "touch", "ran"]).code(1);
    assert!(told.stderr.starts_with("error: there is no connection \"nobody\""), "{told}");
    assert!(!home.path().join("ran").exists());
}

#[test]
fn who_is_told_to_stop_stores_what_is_under_way_and_runs_nothing() {
    let (home, provider) = connected();
    home.vestal(&["refresh", "crm"]).ok();
    provider.sandbox().settings_mut().access_token_life_ms = 1_000;
    home.vestal(&["refresh", "shop"]).ok();
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    until("the token to end", || (!provider.accepts(token.trim())).then_some(()));
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(1_500)));
    let before = provider.sandbox().stats().refreshes;
    let running = home.start(&["run", "shop", "--", "touch", "ran"]);
    until("a refresh to be under way", || (provider.sandbox().stats().refreshes > before).then_some(()));
    running.signal(Signal::INT);
    let told = running.end().code(1);
    assert!(told.stderr.contains("error: interrupted"), "{told}");
    assert!(!home.path().join("ran").exists());
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(provider.sandbox().stats().reuses, 0, "its answer was stored");
}
