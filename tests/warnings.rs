//! What `connect` and `status` tell before it hurts.

use std::fs;

use serde_json::json;
use url::Url;
use vestal_api::{ConnectionView, StatusView};

use crate::errors::sql;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, Ended, Home, Kind, Provider, Secret, page, until};

/// Lays something over what is known of the sandbox's provider.
fn lay_over(home: &Home, lines: &str) {
    home.vestal(&["init"]).ok();
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("custom.toml"), format!("id = \"custom\"\n{lines}\n")).unwrap();
}

/// What `connect` and both forms of `status` say beside what they print.
fn told_of(home: &Home, connected: Ended, text: &str) {
    for told in [connected, home.vestal(&["status"]).ok(), home.vestal(&["status", "shop"]).ok()] {
        assert_eq!(told.stderr.matches(text).count(), 1, "{text}: {told}");
    }
    let all: StatusView = home.vestal(&["status", "--json"]).ok().json();
    let one: ConnectionView = home.vestal(&["status", "shop", "--json"]).ok().json();
    for warnings in [all.warnings.unwrap(), one.warnings.unwrap()] {
        assert!(warnings.iter().any(|warning| warning.what.contains(text)), "{text}: {warnings:?}");
    }
}

#[test]
fn what_ends_is_told_before_anybody_consents() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    lay_over(
        &home,
        "[[deprecations]]\nis = \"all of it\"\non = \"2026-12-31\"\ninstead = \"Look elsewhere.\"\nunverified = true",
    );
    let told = "from 31 Dec 2026 on, these end: all of it";
    let to = ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", CLIENT_ID];
    let args = [&["connect", "other", "--no-browser", "--client-secret-stdin"][..], &to].concat();
    let mut asking = home.start(&args);
    asking.say(&format!("{CLIENT_SECRET}\n"));
    home.asked_to_open(&mut asking);
    assert!(asking.stderr().contains(told), "{}", asking.stderr());

    // Whoever may still be asked is told from whoever cannot be any more; and nothing is said that Ctrl-C makes untrue.
    let pending: ConnectionView = home.vestal(&["status", "other", "--json"]).ok().json();
    assert!(pending.consent_asked_until.is_some(), "{pending:?}");
    let said = home.vestal(&["status", "other"]).ok();
    let waits = "if the vestal connect that asked for it still waits";
    assert!(said.stdout.contains("consent is taken until ") && said.stdout.contains(waits), "{said}");
    assert!(said.stdout.contains("vestal connect other"), "{said}");
    let said = home.vestal(&["list"]).ok();
    assert!(said.stdout.contains("pending") && said.stdout.contains("nobody has consented yet"), "{said}");
    drop(asking);

    let connected = home.consent("shop", &["--client", "custom"], "").ok();
    told_of(&home, connected, told);
    let ended = home.vestal(&["connect", "steps", "--provider", "fitbit"]).code(2);
    for part in ["the provider \"fitbit\" has ended", "since 2 Nov 2026", "--provider google"] {
        assert!(ended.stderr.contains(part), "{part}: {ended}");
    }
}

#[test]
fn a_quota_that_the_fleet_does_not_fit_is_told() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    lay_over(
        &home,
        "[[quotas]]\nis = \"1 per day\"\nper = \"client\"\ncounts = \"all-requests\"\nunverified = true",
    );
    let connected = home.connect("shop", &provider);
    told_of(&home, connected, "times as many as there is room for");
}

/// A provider that has one refresh token for an account, however often that consents.
fn forgetful(home: &Home) -> String {
    home.record().add_secret(Secret::new(Kind::RefreshToken, "planted-for-all-consents"));
    let tokens = r#"{"access_token": "planted-at", "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": "planted-for-all-consents"}"#;
    page::server(move |_| ("200 OK", tokens.to_owned()))
}

/// Connects with a person who consents in a browser of the test's own.
fn consented(home: &Home, name: &str, args: &[&str]) -> Ended {
    let mut connect = home.start(&[&["connect", name, "--no-browser"], args].concat());
    let asked = home.asked_to_open(&mut connect);
    let said = |wanted: &str| {
        asked.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned()).unwrap()
    };
    let mut redirected: Url = said("redirect_uri").parse().unwrap();
    redirected.query_pairs_mut().append_pair("code", "planted-code").append_pair("state", &said("state"));
    connect.say(&format!("{redirected}\n"));
    connect.end()
}

#[test]
fn a_refresh_token_that_two_connections_hold_is_told_of() {
    let home = Home::new();
    let at = forgetful(&home);
    let (authorize, token) = (format!("{at}/authorize"), format!("{at}/token"));
    let to = ["--provider", "custom", "--authorization-endpoint", &authorize, "--token-endpoint", &token];
    let first = consented(&home, "crm", &[&to[..], &["--client-id", "app", "--auth", "none"]].concat()).ok();
    assert!(!first.stderr.contains("the same refresh token"), "{first}");

    let second = consented(&home, "shop", &["--client", "custom"]).ok();
    assert!(second.stderr.contains("vestal disconnect --keep-grant shop"), "{second}");
    told_of(&home, second, "\"crm\" and \"shop\" hold the same refresh token");
    let other = home.vestal(&["status", "crm"]).ok();
    assert!(other.stderr.contains("\"shop\" and \"crm\" hold the same refresh token"), "{other}");

    // A process of an older version replaces a token, and does not note that the grant does not hold what it began with.
    sql(&home, "UPDATE connections SET refresh_fingerprint = randomblob(32) WHERE name = 'shop'");
    for args in [&["status"][..], &["status", "crm"]] {
        let told = home.vestal(args).ok();
        assert!(!told.stderr.contains("the same refresh token"), "{told}");
    }
    sql(&home, "UPDATE connections SET refresh_fingerprint = begun_with WHERE name = 'shop'");
    assert!(home.vestal(&["status"]).ok().stderr.contains("the same refresh token"));

    home.vestal(&["disconnect", "--yes", "--keep-grant", "shop"]).ok();
    for args in [&["status"][..], &["status", "crm"]] {
        let told = home.vestal(args).ok();
        assert!(!told.stderr.contains("the same refresh token"), "{told}");
    }
}

/// More than a glance at them sees.
#[test]
fn what_is_counted_is_exact_or_said_to_be_in_part() {
    const MANY: usize = 600;
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    lay_over(&home, "[refresh_token]\nabsolute_life = { is = \"365d\", unverified = true }");
    let to = ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", CLIENT_ID];
    let add = [&["client", "add", "acme", "--client-secret-stdin"][..], &to].concat();
    home.vestal_reading(&add, CLIENT_SECRET).ok();
    let consented_at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(360 * 24);
    let line = |n: usize| {
        let token = format!("planted-{n}");
        json!({"name": format!("c-{n:03}"), "client": "acme", "refresh_token": token, "consented_at": consented_at, "paused": true})
            .to_string()
    };
    let lines: Vec<String> = (0..MANY).map(line).collect();
    home.vestal_reading(&["import", "--file", "-"], &lines.join("\n")).ok();

    // The first ones by name, and those that die first, of which some may be the same.
    let told = home.vestal(&["status"]).ok();
    let counted =
        told.stderr.split_once("at least ").and_then(|(_, rest)| rest.split_once(" grants end soon"));
    let counted: usize = counted.unwrap_or_else(|| panic!("{told}")).0.parse().unwrap();
    assert!((500..=MANY).contains(&counted), "{told}");
    let told = home.vestal(&["doctor"]).ok();
    assert!(told.stdout.contains(&format!(" {MANY} grants end soon")), "{told}");
}

/// A month later, which the store is told.
#[test]
fn a_connection_that_nobody_consented_to_is_told_as_that_and_removed_by_the_daemon() {
    let (home, _provider) = abandoned();
    let mut daemon = home.start(&["serve"]);
    daemon.hear("it to be removed", |said| {
        said.contains("removed a connection that nobody consented to").then_some(())
    });
    daemon.stop().ok();
    let left: Vec<ConnectionView> = home.vestal(&["list", "--json"]).ok().json();
    assert_eq!(left.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["shop"]);
}

/// Where no daemon runs. An answer that was kept for it would keep it.
#[test]
fn a_connection_that_nobody_consented_to_is_removed_by_cron_in_silence() {
    let (home, _provider) = abandoned();
    let silent = home.vestal(&["refresh", "--due"]).ok();
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    let left: Vec<ConnectionView> = home.vestal(&["list", "--json"]).ok().json();
    assert_eq!(left.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["shop"]);
}

/// A home with a connection that nobody consented to for a month.
fn abandoned() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let mut asking = home.start(&["connect", "other", "--no-browser", "--client", "custom"]);
    home.asked_to_open(&mut asking);
    drop(asking);
    let ago = 31 * 24 * 3600 * 1000_i64;
    let of_other = "FROM connections WHERE name = 'other'";
    let until = "json_set(what, '$.until', '2001-01-01T00:00:00Z')";
    for earlier in [
        format!("UPDATE connections SET created_at = created_at - {ago} WHERE name = 'other'"),
        format!(
            "UPDATE events SET at = at - {ago}, what = {until} WHERE seq = (SELECT last_event {of_other})"
        ),
    ] {
        sql(&home, &earlier);
    }
    let told = home.vestal(&["status", "other"]).ok();
    assert!(told.stdout.contains("nobody consented, and nobody is asked any more"), "{told}");
    assert!(told.stdout.contains("vestal refresh --due"), "{told}");
    let told = home.vestal(&["list"]).ok();
    assert!(told.stdout.contains("nobody has consented yet"), "{told}");
    (home, provider)
}

/// Nobody keeps to the schedule, as where the line for cron was lost.
#[test]
fn what_nobody_refreshes_is_told_before_it_dies_and_after() {
    let home = Home::new();
    lay_over(&home, "[refresh_token]\nidle_limit = { is = \"20s\", unverified = true }");
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let (all, one) = (["status", "--exit-code"], ["status", "shop", "--exit-code"]);
    for well in [&all[..], &one] {
        assert!(!home.vestal(well).ok().stdout.contains("overdue"));
    }
    let view: ConnectionView = home.vestal(&["status", "shop", "--json"]).ok().json();
    assert_eq!(view.overdue_since, None);

    until("it to be overdue", || (home.vestal(&all).status.code() == Some(4)).then_some(()));
    let before = home.vestal(&one).code(4);
    assert!(before.stdout.contains("refresh token  dies "), "it still lives: {before}");
    for told in [before, home.vestal(&all).code(4)] {
        let line = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.contains("overdue") && line.contains("is vestal serve running"), "{told}");
        assert!(line.contains("see: vestal doctor"), "{told}");
    }
    let view: StatusView = home.vestal(&["status", "--json"]).ok().json();
    let one_view: ConnectionView = home.vestal(&["status", "shop", "--json"]).ok().json();
    assert_eq!((view.overdue_since, one_view.overdue_since), (view.next_refresh_at, view.next_refresh_at));
    assert!(home.vestal(&["doctor"]).ok().stdout.contains("nobody has made it"));

    let dead = until("its time to be over", || {
        let told = home.vestal(&one).code(4);
        told.stdout.contains("may have died of disuse on").then_some(told)
    });
    assert!(dead.stdout.contains("overdue"), "{dead}");
    home.vestal(&all).code(4);
    let told = home.vestal(&["doctor"]).ok().stdout;
    assert!(told.contains("shop may have died of disuse on"), "{told}");

    home.vestal(&["refresh", "--due"]).ok();
    for well in [&all[..], &one] {
        assert!(!home.vestal(well).ok().stdout.contains("overdue"));
    }
    assert!(!home.vestal(&["doctor"]).ok().stdout.contains("of disuse"));
}

#[test]
fn a_paused_connection_is_said_to_need_no_more_than_to_be_resumed() {
    let home = Home::new();
    lay_over(&home, "[refresh_token]\nidle_limit = { is = \"20s\", unverified = true }");
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    home.vestal(&["pause", "shop"]).ok();
    let shown = home.vestal(&["status", "shop"]).ok().stdout;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("while paused; before: vestal resume shop"), "{shown}");
    let told = until("half of its time to be over", || {
        let told = home.vestal(&["refresh", "--due"]).ok();
        (!told.stderr.is_empty()).then_some(told)
    });
    assert!(told.stderr.contains("resume it before") && !told.stderr.contains("connect it"), "{told}");
    let events = home.vestal(&["events", "shop"]).ok().stdout;
    assert!(
        events.contains("WARNING: it dies of disuse") && !events.contains("connect it again"),
        "{events}"
    );
}
