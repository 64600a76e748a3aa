//! Refresh tokens that exist already: imported, refreshed, and exported again.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use vestal_api::{ChangedView, ConnectionView, ErrorView, ImportResult, ImportView};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Kind, Provider, Running, Secret};

mod exporting;
mod keepers;
mod nango;

/// What another keeper had: so many connections with refresh tokens that are good, as lines of JSON outside of any home.
struct Elsewhere {
    folder: TempDir,
    lines: Vec<Value>,
}

impl Elsewhere {
    fn new(home: &Home, provider: &Provider, names: &[&str]) -> Self {
        for (number, name) in names.iter().enumerate() {
            match number {
                0 => home.connect(name, provider),
                _ => home.consent(name, &["--client", "custom"], "").ok(),
            };
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("export.jsonl");
        home.vestal(&["export", "--with-secrets", "--file", file.to_str().unwrap()]).ok();
        let lines = std::fs::read_to_string(&file).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { folder, lines }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) -> String {
        let path = self.path(file);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn refresh_token(&self, name: &str) -> String {
        let line = self.lines.iter().find(|line| line["name"] == name).unwrap();
        line["refresh_token"].as_str().unwrap().to_owned()
    }
}

/// A home beside another, whose only content is the client "acme".
fn with_client(beside: &Home, provider: &Provider) -> Home {
    let home = Home::beside(beside);
    let to = ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", CLIENT_ID];
    home.vestal_reading(
        &[&["client", "add", "acme", "--client-secret-stdin"][..], &to].concat(),
        &format!("{CLIENT_SECRET}\n"),
    )
    .ok();
    home
}

fn status(home: &Home, name: &str) -> ConnectionView {
    home.vestal(&["status", name, "--json"]).ok().json()
}

fn results(stdout: &str) -> Vec<ImportView> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_refresh_token_is_imported_from_stdin_and_works() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = with_client(&old, &provider);
    let token = elsewhere.refresh_token("shop");
    let args = ["import", "shop", "--client", "acme", "--external-id", "42", "--tag", "org=7"];
    let told = home.vestal_reading(&args, &format!("{token}\n")).ok();
    assert!(
        told.stdout.contains("\"shop\" is imported") && told.stdout.contains("vestal refresh shop"),
        "{told}"
    );
    let imported = status(&home, "shop");
    assert_eq!((imported.state.state.as_str(), imported.access_token), ("unverified", false));
    assert_eq!((imported.external_id.as_deref(), imported.tags["org"].as_str()), (Some("42"), "7"));

    let again = home.vestal_reading(&args, &format!("{token}\n")).ok();
    assert!(again.stdout.contains("it is there already"), "{again}");
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    assert!(provider.accepts(token.trim()), "whoever asks gets one at once");
    assert_eq!(status(&home, "shop").state.state.as_str(), "active");

    let file = elsewhere.write("token.txt", "planted-elsewhere-9\n");
    let other = ["import", "shop", "--client", "acme", "--refresh-token-file", &file];
    let kept = home.vestal(&other).ok();
    assert!(kept.stdout.contains("--replace"), "{kept}");
    assert_eq!(status(&home, "shop").generation, 2);
    home.vestal(&[&other[..], &["--replace"]].concat()).ok();
    home.vestal(&["refresh", "shop"]).code(3);
    let missing = home.vestal_reading(&["import", "x", "--client", "nobody"], "rt\n").code(1);
    assert!(missing.stderr.contains("there is no client \"nobody\""), "{missing}");
    home.vestal_reading(&["import", "x"], "rt\n").code(2);
    home.vestal(&["import"]).code(2);
}

#[test]
fn what_was_imported_is_refreshed_once_by_whoever_refreshes_all() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let names = ["a", "b", "c"];
    let elsewhere = Elsewhere::new(&old, &provider, &names);
    let home = with_client(&old, &provider);
    let line = |name: &&str| {
        json!({"name": name, "client": "acme", "refresh_token": elsewhere.refresh_token(name)}).to_string()
    };
    let lines: Vec<String> = names.iter().map(line).collect();
    home.vestal_reading(&["import", "--file", "-"], &lines.join("\n")).ok();
    let before = provider.sandbox().stats().refreshes;
    assert_eq!(home.vestal(&["refresh", "--all"]).ok().stdout, "3 refreshed\n");
    assert_eq!(provider.sandbox().stats().refreshes - before, 3, "what was due is not refreshed again");
}

#[test]
fn each_line_tells_what_became_of_it() {
    let recorded = Home::new();
    let provider = Provider::start(recorded.record(), |_| {});
    let home = with_client(&recorded, &provider);
    let planted = "planted-refresh-token/+=";
    home.record().add_secret(Secret::new(Kind::RefreshToken, planted));
    let lines = [
        json!({"name": "a", "client": "acme", "refresh_token": planted}).to_string(),
        String::new(),
        format!(r#"{{"name": "b", "client": "acme", "refreshToken": "{planted}"}}"#),
        format!(r#"{{"name": "c", "client": "acme", "refresh_token": "{planted}"#),
        json!({"name": "d", "client": "acme"}).to_string(),
        json!({"name": "e", "client": "nobody", "refresh_token": planted}).to_string(),
        json!({"name": "a", "client": "acme", "refresh_token": "another"}).to_string(),
        json!({"name": "f", "refresh_token": planted}).to_string(),
        format!(r#"{{"name": "g", "extra": "{}"}}"#, "x".repeat(1024 * 1024)),
        json!({"name": "h", "client": "acme", "renewal": "client_credentials", "external_id": 8}).to_string(),
        json!({"name": "i", "client": "acme", "refresh_token": planted}).to_string(),
    ];
    let file = lines.join("\n");
    let told = home.vestal_reading(&["import", "--file", "-", "--json"], &file).code(1);
    let views = results(&told.stdout);
    let of = |line: u64| views.iter().find(|view| view.line == line).unwrap();
    let error = |line: u64| of(line).error.as_ref().unwrap();
    assert_eq!(views.len(), 10, "an empty line is nothing");
    assert_eq!((of(1).result, of(1).name.as_deref()), (ImportResult::Imported, Some("a")));
    assert_eq!(error(3).why.as_deref(), Some("it has a field that means nothing: `refreshToken`"));
    assert!(error(3).next.as_ref().unwrap().contains("refresh_token"));
    let why = error(4).why.as_ref().unwrap();
    assert_eq!(why, &format!("it is not JSON: EOF while parsing a string at column {}", lines[3].len()));
    assert_eq!(error(5).why.as_deref(), Some("it has no refresh token"));
    assert_eq!(error(6).error, "there is no client \"nobody\"");
    assert_eq!((of(7).result, of(7).why.is_some()), (ImportResult::Kept, true));
    assert_eq!(error(8).why.as_deref(), Some("it does not say which client it was made with"));
    assert_eq!(error(9).why.as_deref(), Some("it has more than 1024 KiB"));
    assert_eq!(of(10).result, ImportResult::Imported);
    assert_eq!(
        error(11).why.as_deref(),
        Some("\"a\" has this token already, and each would end the other's")
    );
    let last: ErrorView = serde_json::from_str(told.stderr.trim()).unwrap();
    assert_eq!(last.error, "7 of 10 connections were not imported");

    let told = home.vestal_reading(&["import", "--file", "-"], &file).code(1);
    assert_eq!(
        told.stdout,
        "0 imported, 2 there already, 1 there already with another refresh token, 7 not imported\n"
    );
    assert!(told.stderr.contains("line 5: \"d\" was not imported: it has no refresh token"), "{told}");
    assert!(told.stderr.contains("line 9: "), "{told}");
}

#[test]
fn what_is_resumed_by_its_tag_takes_turns() {
    const LINES: usize = 600;
    let recorded = Home::new();
    let provider = Provider::start(recorded.record(), |_| {});
    let home = with_client(&recorded, &provider);
    let line = |number: usize| json!({"name": format!("c-{number}"), "client": "acme", "refresh_token": format!("rt-{number}")});
    let file = (0..LINES).map(|number| format!("{}\n", line(number))).collect::<String>();
    let told = home.vestal_reading(&["import", "--file", "-", "--paused", "--tag", "batch=7"], &file).ok();
    assert!(told.stderr.contains("vestal resume --tag batch=7"), "{told}");
    let none = home.vestal(&["resume", "--tag", "batch=8"]).code(1);
    assert!(none.stderr.contains("no connection has the tag batch=8"), "{none}");
    let resumed: ChangedView = home.vestal(&["resume", "--tag", "batch=7", "--json"]).ok().json();
    assert_eq!(resumed, ChangedView { changed: LINES as u64, unchanged: 0 });
    let all: Vec<ConnectionView> = home.vestal(&["list", "--tag", "batch=7", "--json"]).ok().json();
    let mut due: Vec<_> = all.iter().map(|view| view.next_refresh_at.unwrap()).collect();
    due.sort_unstable();
    let spread = due[LINES - 1].duration_since(due[0]);
    assert!((58..70).contains(&spread.as_secs()), "they take turns, for {spread}");
    let paused: ChangedView = home.vestal(&["pause", "--client", "acme", "--json"]).ok().json();
    assert_eq!(paused, ChangedView { changed: LINES as u64, unchanged: 0 });
    let again = home.vestal(&["pause", "c-1"]).ok();
    assert!(again.stdout.contains("paused already"), "{again}");
}

#[test]
fn what_is_exchanged_comes_after_what_it_is_exchanged_from() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    old.connect("shop", &provider);
    for (name, from) in [("b", "shop"), ("a", "b")] {
        old.vestal(&[
            "connect",
            name,
            "--client",
            "custom",
            "--exchange-from",
            from,
            "--audience",
            "reports",
        ])
        .ok();
    }
    let lines = old.vestal(&["export", "--with-secrets"]).ok().stdout;
    assert!(lines.starts_with(r#"{"name":"a""#), "in the order of their names, which is no order for this");
    for name in ["a", "b", "shop"] {
        old.vestal(&["disconnect", name, "--keep-grant", "--yes"]).ok();
    }
    let new = with_client(&old, &provider);
    let lines = lines.replace(r#""client":"custom""#, r#""client":"acme""#);
    let told = new.vestal_reading(&["import", "--file", "-"], &lines).ok();
    assert_eq!(told.stdout, "3 imported\n");
    for name in ["shop", "b", "a"] {
        new.vestal(&["refresh", name]).ok();
    }
    let again = new.vestal_reading(&["import", "--file", "-"], &lines).ok();
    assert_eq!(again.stdout, "0 imported, 3 there already\n");
}

/// Whoever comes second is told, and changes nothing.
#[test]
fn of_many_processes_only_one_gives_a_token_to_its_connection() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let home = with_client(&old, &provider);
    let names = ["a", "b", "c", "d"];
    for name in names {
        let planted = format!("planted-{name}\n");
        home.vestal_reading(&["import", name, "--client", "acme", "--paused"], &planted).ok();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token.txt");
    std::fs::write(&file, "planted-for-all\n").unwrap();
    let file = file.to_str().unwrap();
    let importing = |name: &str| {
        let of = ["--client", "acme", "--refresh-token-file", file, "--replace", "--paused"];
        home.start(&[&["import", name][..], &of].concat())
    };
    let ended: Vec<_> = names.map(importing).into_iter().map(Running::end).collect();
    let won = ended.iter().filter(|ended| ended.status.success()).count();
    assert_eq!(won, 1, "{ended:?}");
    let told = ended.iter().filter(|ended| ended.stderr.contains("has this token already")).count();
    assert_eq!(told, names.len() - 1, "{ended:?}");
    let generations: u64 = names.map(|name| status(&home, name).generation).into_iter().sum();
    assert_eq!(generations, 4 + 1);
}
