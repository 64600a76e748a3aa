//! What a person, a script and a pipe see of each verb.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use vestal_api::{ConnectionView, ErrorView};
use vestal_sandbox::{Consent, Endpoint, Fault, Trouble};

use crate::harness::{Browser, Home, Provider, until};

/// A home with one connection, "shop", and its provider.
fn connected() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    (home, provider)
}

#[test]
fn errors_are_json_too_where_json_is_wanted() {
    let (home, _provider) = connected();
    let told = home.vestal(&["token", "shpo", "--json"]).code(1);
    let view: ErrorView = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(view.error, "there is no connection \"shpo\"");
    assert_eq!(told.stdout, "");
    let told = home.vestal(&["tokne", "shop", "--json"]).code(2);
    let view: ErrorView = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(view.code, vestal_api::Code::Usage);
    for (args, error) in [
        (&["token"][..], "the following required arguments were not provided: <NAME>"),
        (&["list", "--state", "gone"], "invalid value 'gone' for '--state <STATE>' [possible values: "),
        (&["token", "a\nb"], "invalid value 'a b' for '<NAME>': a name cannot hold the control character"),
    ] {
        let told = home.vestal(&[args, &["--json"]].concat()).code(2);
        let view: ErrorView = serde_json::from_str(&told.stderr).unwrap();
        assert!(view.error.starts_with(error) && !view.error.contains('\n'), "{told}");
    }
}

#[test]
fn exit_codes_say_what_to_do() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 2_000);
    home.connect("shop", &provider);
    home.vestal(&["status", "--exit-code"]).ok();
    home.vestal(&["token"]).code(2);
    home.vestal(&["token", "nobody"]).code(1);

    // 4: it may work later. The token ends while the provider is away.
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    let away = Trouble::empty(http::StatusCode::SERVICE_UNAVAILABLE);
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::AnswerUnprocessed(away)).times(1_000));
    until("the token to end", || (!provider.accepts(token.trim())).then_some(()));
    let told = home.vestal(&["token", "shop"]).code(4);
    assert!(told.stderr.starts_with("error: ") && told.stderr.contains("next: "), "{told}");
    home.vestal(&["refresh", "shop"]).code(4);
    home.vestal(&["status", "--exit-code"]).code(4);
    home.vestal(&["refresh", "--due"]).code(4);

    // 3: only a person can help.
    provider.sandbox().clear_faults();
    let grant = provider.sandbox().grants(provider.now_ms())[0].id;
    provider.sandbox().revoke_by_user(grant, provider.now_ms());
    let told = until("the provider to say so", || {
        let told = home.vestal(&["refresh", "shop"]);
        (told.status.code() == Some(3)).then_some(told)
    });
    assert!(told.stderr.starts_with("error: \"shop\" needs re-authorization\n  why:  "), "{told}");
    assert!(told.stderr.ends_with("next: vestal connect shop\n"), "{told}");
    home.vestal(&["token", "shop"]).code(3);
    home.vestal(&["status", "--exit-code"]).code(3);
    home.vestal(&["refresh", "--due"]).code(3);

    home.consent("shop", &["--same-account"], "").ok();
    home.vestal(&["token", "shop"]).ok();
    home.vestal(&["refresh", "--due"]).ok();
    home.vestal(&["status", "--exit-code"]).ok();
}

#[test]
fn cron_hears_nothing_when_all_is_well() {
    let (home, _provider) = connected();
    // What is read is to be fresh; what is not has a day.
    home.vestal(&["token", "shop"]).ok();
    for args in [&["refresh", "--due"][..], &["refresh", "--due", "--within", "12h"]] {
        let silent = home.vestal(args).ok();
        assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""), "{silent}");
    }
    let status: ConnectionView = home.vestal(&["status", "shop", "--json"]).ok().json();
    assert_eq!(status.generation, 2, "what fell due within the time was done");
}

#[test]
fn a_token_is_printed_bare_as_a_header_and_as_a_note_says() {
    let (home, provider) = connected();
    let token = home.vestal(&["token", "shop"]).ok();
    assert!(provider.accepts(token.stdout.strip_suffix('\n').unwrap()));
    assert_eq!(token.stderr, "");
    let header = home.vestal(&["token", "shop", "--header"]).ok();
    assert_eq!(header.stdout, format!("Authorization: Bearer {}", token.stdout));
    let cut = home.vestal(&["token", "shop", "--min-ttl", "2h"]).ok();
    assert!(cut.stderr.contains("was cut to"), "{cut}");
}

#[test]
fn a_person_reads_what_is_and_why() {
    let (home, _provider) = connected();
    let says = |args: &[&str], parts: &[&str]| {
        let told = home.vestal(args).ok();
        for part in parts {
            assert!(told.stdout.contains(part), "does not say {part:?}: {told}");
        }
    };
    says(&["list"], &["shop", "active", "custom"]);
    says(&["status"], &["1 connection: 1 active"]);
    says(&["status", "shop"], &["shop: active", "generation 1", "next"]);
    says(&["explain", "shop"], &["\"shop\" is active", "half", "7 days"]);
    says(&["client", "show", "custom"], &["client_secret_basic", "stored, sealed"]);
    says(&["providers", "list"], &["constant-contact", "google", "okta", "custom"]);
    says(&["providers", "show", "constant-contact"], &["180d", "offline_access", "https://"]);
    assert!(home.vestal(&["events", "shop"]).ok().stdout.lines().count() >= 2);
    assert!(!home.vestal(&["doctor"]).ok().stdout.is_empty());
}

#[test]
fn a_connection_is_changed_by_name() {
    let (home, _provider) = connected();
    let said = home.vestal(&["set", "shop", "--policy", "on-demand"]).ok();
    assert!(
        said.stdout.starts_with("\"shop\" has the policy on-demand; next: The next refresh is at "),
        "{said}"
    );
    let said = home.vestal(&["set", "shop", "--tag", "org=42", "--tag", "beta="]).ok();
    assert_eq!(said.stdout, "\"shop\" has the tags beta=, org=42\n");
    let said = home.vestal(&["set", "shop", "--untag", "beta"]).ok();
    assert_eq!(said.stdout, "\"shop\" has the tags org=42\n");
    let said = home.vestal(&["set", "shop", "--policy", "on-demand", "--tag", "org=42", "--untag", "x"]).ok();
    assert_eq!(said.stdout, "\"shop\" is so already: nothing was changed\n");
    let told = home.vestal(&["events", "shop"]).ok();
    assert!(told.stdout.contains("its policy is on-demand from now on"), "{told}");
    assert_eq!(home.vestal(&["list", "--tag", "org=42", "--json"]).ok().json::<Vec<Value>>().len(), 1);

    for args in
        [&["set", "shop"][..], &["set", "shop", "--policy", "never"], &["set", "shop", "--tag", "org"]]
    {
        home.vestal(args).code(2);
    }
    for meant_for_another in [
        &["refresh", "--due", "--rejected", "1"][..],
        &["refresh", "--all", "--rejected", "1"],
        &["refresh", "--all", "--within", "1h"],
        &["refresh", "shop", "--within", "1h"],
    ] {
        home.vestal(meant_for_another).code(2);
    }
    home.vestal(&["set", "shop", "--tag", "org=1", "--untag", "org"]).code(2);
    let many: Vec<String> = (0..32).map(|number| format!("--tag={number}=")).collect();
    let many: Vec<&str> = ["set", "shop"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let told = home.vestal(&many).code(2);
    assert!(told.stderr.contains("why:  it has 33 tags, and a connection has at most 32"), "{told}");
    home.vestal(&["set", "nobody", "--policy", "auto"]).code(1);
    // Nobody has to vouch for what is not there.
    let told = home.vestal(&["disconnect", "nobody"]).code(1);
    assert!(told.stderr.starts_with("error: there is no connection \"nobody\""), "{told}");
}

#[test]
fn a_name_may_be_anything_that_can_be_typed() {
    let (home, provider) = connected();
    let name = "Café 24/7 'n \"more\" → 東京";
    home.consent(name, &["--client", "custom"], "").ok();
    let token = home.vestal(&["token", name]).ok();
    assert!(provider.accepts(token.stdout.trim()));
    home.vestal(&["token", "line\nbreak"]).code(2);
}

#[test]
fn a_refused_consent_is_told_and_leaves_what_there_was() {
    let (home, provider) = connected();
    provider.sandbox().settings_mut().consent = Consent::Denied;
    let told = home.consent("shop", &["--same-account"], "").code(1);
    assert!(told.stderr.contains("error: the consent was not completed"), "{told}");
    home.vestal(&["token", "shop"]).ok();

    let mut connect = home.start(&["connect", "new", "--no-browser", "--client", "custom"]);
    let url = home.asked_to_open(&mut connect);
    connect.say(&format!("{}\n", Browser::default().consent(&url)));
    connect.end().code(1);
    home.vestal(&["token", "new"]).code(3);
}

#[test]
fn a_provider_file_is_checked() {
    let home = Home::new();
    let good = home.path().join("good.toml");
    std::fs::write(&good, "id = \"acme\"\nname = \"Acme\"\nregister = \"Ask Acme.\"\n[endpoints]\nissuer = { kind = \"ask\" }\n").unwrap();
    home.vestal(&["providers", "check", good.to_str().unwrap()]).ok();
    let bad = home.path().join("bad.toml");
    std::fs::write(&bad, "id = \"acme\"\nname = \"Acme\"\nregister = \"x\"\n[endponts]\n").unwrap();
    let told = home.vestal(&["providers", "check", bad.to_str().unwrap()]).code(1);
    assert!(format!("{}{}", told.stdout, told.stderr).contains("did you mean `endpoints`?"), "{told}");
}

#[test]
fn shells_complete_what_is_typed() {
    let home = Home::new();
    // `tests/completing.rs` has bash, zsh and fish complete something.
    for (shell, part) in [
        ("bash", "VESTAL_COMPLETE=\"bash\""),
        ("zsh", "VESTAL_COMPLETE=\"zsh\""),
        ("fish", "VESTAL_COMPLETE=fish"),
        ("elvish", "VESTAL_COMPLETE=\"elvish\""),
        ("powershell", "$env:VESTAL_COMPLETE = \"powershell\""),
    ] {
        let script = home.vestal(&["completions", shell]).ok().stdout;
        assert!(script.contains(part), "{shell}: {script}");
    }
    home.vestal(&["completions", "cobol"]).code(2);
}

#[test]
fn every_verb_shows_an_example() {
    let home = Home::new();
    let help = home.vestal(&["--help"]).ok().stdout;
    let verbs = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs: Vec<&str> = verbs.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() >= 24, "{verbs:?}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let help = home.vestal(&[verb, "--help"]).ok().stdout;
        assert!(help.contains("Example") && help.contains(&format!("vestal {verb}")), "{help}");
    }
    home.vestal(&["--version"]).ok();
    home.vestal(&[]).code(2);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let (home, _provider) = connected();
    for args in [
        &["list"][..],
        &["events", "shop"],
        &["providers", "show", "constant-contact"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (code, stderr) = unread(&home, args);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "vestal {args:?}");
    }
}

/// How a command ends whose reader was gone before anything was written, and what it says on stderr.
fn unread(home: &Home, args: &[&str]) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(args);
    let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (child.wait().unwrap().code(), stderr)
}

#[test]
fn what_is_changed_is_changed_to_the_end_though_nobody_reads_of_it() {
    const IMPORTED: usize = 2_000;
    let (home, provider) = connected();
    let line = |n| format!(r#"{{"name":"kept-{n}","client":"custom","refresh_token":"kept/{n}"}}"#);
    let lines: Vec<_> = (0..IMPORTED).map(line).collect();
    std::fs::write(home.path().join("kept.jsonl"), lines.join("\n")).unwrap();
    let (code, stderr) = unread(&home, &["import", "--file", "kept.jsonl", "--paused", "--json"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let all: Vec<ConnectionView> = home.vestal(&["list", "--json"]).ok().json();
    assert_eq!(all.len(), 1 + IMPORTED);

    for args in [&["refresh", "--all"][..], &["refresh", "--all", "--json"], &["refresh", "shop", "--json"]] {
        assert_eq!(unread(&home, args), (Some(0), String::new()), "{args:?}");
    }
    // It ends as it ends.
    let grant = provider.sandbox().grants(provider.now_ms())[0].id;
    provider.sandbox().revoke_by_user(grant, provider.now_ms());
    until("the provider to say so", || {
        (home.vestal(&["refresh", "shop"]).status.code() == Some(3)).then_some(())
    });
    for args in [["refresh", "--all", "--json"], ["refresh", "--due", "--json"]] {
        let (code, stderr) = unread(&home, &args);
        assert!(code == Some(3) && stderr.contains("needs re-authorization"), "{args:?}: {stderr}");
    }
}

#[test]
fn output_that_is_lost_is_a_failure() {
    let (home, _provider) = connected();
    for args in [
        &["--help"][..],
        &["--version"],
        &["help"],
        &["token", "--help"],
        &["list"],
        &["status", "--json"],
        &["status", "--watch", "--json"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = home.command(args);
        let ended = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "vestal {args:?}: {stderr}");
        assert!(stderr.contains("the output could not be written"), "vestal {args:?}: {stderr}");
    }
}

#[test]
fn the_daemon_finishes_its_flight_and_ends_well() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 2_000);
    home.connect("shop", &provider);
    home.vestal(&["token", "shop"]).ok();
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(5_000)));
    let before = provider.sandbox().stats().refreshes;
    let mut daemon = home.start(&["serve"]);
    until("a refresh to be under way", || (provider.sandbox().stats().refreshes > before).then_some(()));
    let told_to_stop = Instant::now();
    daemon.signal(Signal::INT);
    daemon.hear("that it is stopping", |text| text.contains("stopping").then_some(()));
    let ended = daemon.end().ok();
    assert!(told_to_stop.elapsed() >= Duration::from_secs(1), "it waited for the answer: {ended}");

    let status: ConnectionView = home.vestal(&["status", "shop", "--json"]).ok().json();
    assert_eq!(status.state.state.as_str(), "active");
    home.vestal(&["refresh", "shop"]).ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.reuses, stats.requests[&Endpoint::Token]), (0, 1 + stats.refreshes), "{stats:?}");
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 1);
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_keeps_a_connection_alive_with_nothing_set_up() {
    let home = Home::new();
    let demo = home.vestal(&["demo", "--for", "5s", "--json"]).ok();
    let summary: vestal_api::DemoSummary = demo.json();
    println!("demo: {summary:?} in {:?}", demo.took);
    assert!(summary.refreshes >= 1 && summary.generation > summary.refreshes, "{summary:?}");
    assert_eq!((summary.lost, summary.failed_reads), (0, 0), "{summary:?}");
    assert!(
        !home.path().join("config").exists() && !home.path().join("state").exists(),
        "it sets nothing up"
    );
}

#[test]
fn the_redirect_of_another_consent_is_refused_and_not_used_up() {
    let (home, provider) = connected();
    let mut one = home.start(&["connect", "one", "--no-browser", "--client", "custom"]);
    let mut other = home.start(&["connect", "other", "--no-browser", "--client", "custom"]);
    let redirected = Browser::default().consent(&home.asked_to_open(&mut one));
    let other_redirected = Browser::default().consent(&home.asked_to_open(&mut other));

    one.say(&format!("{other_redirected}\n"));
    one.hear("that it is another's", |text| text.contains("belongs to another consent").then_some(()));
    one.say(&format!("{}\n", redirected.as_str().replace("/callback", "/elsewhere")));
    one.hear("that it is elsewhere", |text| text.contains("does not begin with").then_some(()));
    one.say(&format!(" \"{redirected}\"\n"));
    one.end().ok();
    other.say(&format!("{other_redirected}\n"));
    other.end().ok();
    for name in ["one", "other"] {
        let token = home.vestal(&["token", name]).ok().stdout;
        assert!(provider.accepts(token.trim()), "{name}");
    }

    let mut third = home.start(&["connect", "third", "--no-browser", "--client", "custom"]);
    home.asked_to_open(&mut third);
    third.say("hello\nhello\nhello\n");
    let told = third.end().code(1);
    assert!(told.stderr.contains("why:  what was pasted is no URL"), "{told}");
}
