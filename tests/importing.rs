//! Refresh tokens that exist already: imported, refreshed, and exported again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;
use vestal_api::{ChangedView, ClientView, ConnectionView, ErrorView, ImportResult, ImportView};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Kind, Provider, Secret, Terminal, page};

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
    assert_eq!(status(&home, "shop").state.state, "active");

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
fn what_is_exported_with_its_secrets_is_imported_again() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    old.connect("a", &provider);
    old.consent("b / c", &["--client", "custom"], "").ok();
    old.vestal(&["pause", "b / c"]).ok();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    let path = file.to_str().unwrap();
    let export = ["export", "--with-secrets", "--file", path];
    let told = old.vestal(&export).ok();
    assert!(
        told.stderr.contains("2 connections were exported with their secrets")
            || told.stderr.contains("connections=2"),
        "{told}"
    );
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let twice = old.vestal(&export).code(1);
    assert!(twice.stderr.contains("it exists already"), "{twice}");

    let new = with_client(&old, &provider);
    let text = std::fs::read_to_string(&file).unwrap().replace(r#""client":"custom""#, r#""client":"acme""#);
    std::fs::write(&file, &text).unwrap();
    let told = new.vestal(&["import", "--file", path]).ok();
    assert_eq!(told.stdout, "2 imported\n");
    // Until then, not even a time is another one.
    let copy = new.vestal(&["export", "--with-secrets"]).ok();
    assert_eq!(copy.stdout, text);
    let bare = new.vestal(&["export"]).ok();
    assert_eq!(bare.stdout.lines().count(), 2);
    assert!(!bare.stdout.contains("_token\":\""), "{bare}");

    let token = new.vestal(&["token", "a"]).ok().stdout;
    assert!(provider.accepts(token.trim()), "its access token still lives");
    new.vestal(&["refresh", "a"]).ok();
    assert_eq!(status(&new, "b / c").state.state, "paused");
    new.vestal(&["resume", "b / c"]).ok();
    new.vestal(&["refresh", "b / c"]).ok();
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
    assert!(error(4).why.as_ref().unwrap().starts_with("it is not JSON"));
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
    let none: ChangedView = home.vestal(&["resume", "--tag", "batch=8", "--json"]).ok().json();
    assert_eq!(none, ChangedView::default());
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
fn a_table_finds_its_clients_by_their_ids() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = with_client(&old, &provider);
    let token = elsewhere.refresh_token("shop");
    let table = format!(
        "name,client_id,refresh_token,tag:batch,scope\nshop,{CLIENT_ID},\"{token}\",7,\"a b\"\nother,unknown,rt,,\nshort,1\n"
    );
    let file = elsewhere.write("customers.csv", &table);
    // A client of the same id at another provider would be sent the token.
    let told = home.vestal(&["import", "--from", "csv", "--file", &file]).code(1);
    assert!(
        told.stdout.contains("0 imported, 3 not imported") && told.stderr.contains("--provider"),
        "{told}"
    );
    let told = home.vestal(&["import", "--from", "csv", "--file", &file, "--provider", "custom"]).code(1);
    assert_eq!(told.stdout, "1 imported, 2 not imported\n");
    assert!(told.stderr.contains("line 3: \"other\" was not imported"), "{told}");
    assert!(
        told.stderr.contains("line 4: it was not imported: it has 2 values, and there are 5 columns"),
        "{told}"
    );
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(status(&home, "shop").tags["batch"], "7");
}

#[test]
fn an_account_of_oidc_agent_brings_its_client() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = Home::beside(&old);
    let printed = json!({
        "name": "wlcg", "client_name": "oidc-agent:wlcg", "issuer_url": provider.issuer, "daeSetByUser": 0,
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": elsewhere.refresh_token("shop"),
        "cert_path": "", "scope": "contacts offline_access", "audience": "",
    });
    let import = ["import", "--from", "oidc-agent", "--file", "-"];
    let told = home.vestal_reading(&import, &printed.to_string()).ok();
    assert!(told.stderr.contains("added the client \"127.0.0.1\" (custom)"), "{told}");
    home.vestal(&["refresh", "wlcg"]).ok();
    let again = home.vestal_reading(&import, &printed.to_string()).ok();
    assert_eq!(again.stdout, "0 imported, 1 there already\n");
    let clients: Vec<ClientView> = home.vestal(&["client", "list", "--json"]).ok().json();
    assert_eq!(clients.len(), 1);
    let none = home.vestal_reading(&import, "Error: wrong password\n").code(1);
    assert!(none.stderr.contains("oidc-gen --print ACCOUNT"), "{none}");
}

#[test]
fn an_id_of_a_client_is_its_providers_own() {
    let old = Home::new();
    let (first, second) = (Provider::start(old.record(), |_| {}), Provider::start(old.record(), |_| {}));
    let home = Home::beside(&old);
    home.record().add_secret(Secret::new(Kind::RefreshToken, "planted-refresh-token"));
    let account = |name: &str, provider: &Provider| {
        json!({"name": name, "issuer_url": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
               "refresh_token": format!("planted-refresh-token-{name}")})
        .to_string()
    };
    let import = ["import", "--from", "oidc-agent", "--file", "-", "--paused"];
    home.vestal_reading(&import, &account("a", &first)).ok();
    // Both are at this machine: the second client needs another name.
    let told = home.vestal_reading(&import, &account("b", &second)).code(1);
    assert!(told.stderr.contains("another one's name") && told.stderr.contains("--client CLIENT"), "{told}");
    let named = [&import[..], &["--client", "second"]].concat();
    home.vestal_reading(&named, &account("b", &second)).ok();
    let told = home.vestal_reading(&named, &account("c", &first)).code(1);
    assert!(told.stderr.contains("or is at another provider"), "{told}");
    let clients: Vec<ClientView> = home.vestal(&["client", "list", "--json"]).ok().json();
    let token = |name: &str| {
        let client = clients.iter().find(|client| client.name == name).unwrap();
        client.endpoints.token.as_str().to_owned()
    };
    assert!(token("127.0.0.1").starts_with(&first.issuer) && token("second").starts_with(&second.issuer));
    assert_eq!(status(&home, "b").client, "second");

    // A table says itself which client it means.
    let rows = "client,client_id,name,refresh_token\n127.0.0.1,ID,d,planted-refresh-token-d\nsecond,ID,e,planted-refresh-token-e\n";
    let rows = rows.replace("ID", CLIENT_ID);
    let told = home.vestal_reading(&["import", "--from", "csv", "--file", "-", "--paused"], &rows).ok();
    assert_eq!(told.stdout, "2 imported\n");
    assert_eq!(
        (status(&home, "d").client.as_str(), status(&home, "e").client.as_str()),
        ("127.0.0.1", "second")
    );
}

#[test]
fn a_google_file_brings_its_client() {
    let recorded = Home::new();
    let home = Home::beside(&recorded);
    home.record().add_secret(Secret::new(Kind::RefreshToken, "1//planted-refresh-token"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application_default_credentials.json");
    let text = json!({
        "account": "", "client_id": "1-a.apps.googleusercontent.com", "client_secret": CLIENT_SECRET,
        "refresh_token": "1//planted-refresh-token", "type": "authorized_user", "universe_domain": "googleapis.com",
    });
    std::fs::write(&file, text.to_string()).unwrap();
    let from = ["--from", "google-authorized-user", "--file", file.to_str().unwrap()];
    home.vestal(&[&["import", "drive", "--paused"], &from[..]].concat()).ok();
    let client: ClientView = home.vestal(&["client", "show", "google", "--json"]).ok().json();
    assert_eq!((client.provider.as_str(), client.has_secret), ("google", true));
    assert_eq!(client.endpoints.token.as_str(), "https://oauth2.googleapis.com/token");
    assert_eq!(status(&home, "drive").state.state, "paused");
    let nameless = home.vestal(&[&["import"], &from[..]].concat()).code(1);
    assert!(nameless.stderr.contains("vestal import NAME"), "{nameless}");
}

/// Answers as Nango does, and counts how often it was asked.
fn nango(answers: Vec<(String, Value)>) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let base = page::server(move |head| {
        count.fetch_add(1, Ordering::Relaxed);
        let authorized = page::bearer(head) == Some("nango-secret-key");
        let answer = answers.iter().find(|(path, _)| path == page::path(head) && authorized);
        match answer {
            Some((_, body)) => ("200 OK", body.to_string()),
            None => ("404 Not Found", json!({"error": {"code": "not_found"}}).to_string()),
        }
    });
    (base, asked)
}

#[test]
fn nango_is_asked_for_its_connections() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = with_client(&old, &provider);
    let listed = |id: &str| {
        json!({"id": 1, "connection_id": id, "provider": "custom", "provider_config_key": "acme",
               "created": "2026-06-03T14:53:22.051+00:00", "metadata": null, "tags": {}, "errors": [], "end_user": null})
    };
    let full = |id: &str, credentials: Value| {
        json!({"id": 1, "connection_id": id, "provider": "custom", "provider_config_key": "acme", "errors": [],
               "end_user": null, "tags": {"end_user_id": "u-1"}, "metadata": null, "connection_config": {},
               "created_at": "2026-06-03T14:53:22.051Z", "updated_at": "2026-11-03T14:53:22.051Z",
               "last_fetched_at": "2026-11-03T14:53:22.051Z", "credentials": credentials})
    };
    let path = |id: &str| format!("/connections/{id}?provider_config_key=acme&refresh_token=true");
    let token = elsewhere.refresh_token("shop");
    let credentials = json!({"type": "OAUTH2", "access_token": "at", "refresh_token": token,
        "expires_at": "2026-11-03T15:53:22.051Z",
        "raw": {"access_token": "at", "refresh_token": token, "token_type": "bearer", "expires_in": 3600,
                "scope": "contacts offline_access", "instance_url": "https://eu.example"}});
    let (base, asked) = nango(vec![
        (
            "/connections".to_owned(),
            json!({"connections": [listed("test-1"), listed("test-2"), listed("gone")]}),
        ),
        (path("test-1"), full("test-1", credentials)),
        (path("test-2"), full("test-2", json!({"type": "API_KEY", "apiKey": "k"}))),
        ("/never-asked".to_owned(), Value::Null),
    ]);
    let key = elsewhere.write("key.txt", "nango-secret-key\n");
    let import =
        ["import", "--from", "nango", "--nango-url", &base, "--nango-secret-key-file", &key, "--paused"];
    let told = home.vestal(&import).code(1);
    assert_eq!(told.stdout, "1 imported, 2 not imported\n");
    assert!(
        told.stderr.contains("\"acme/test-2\" was not imported: Nango has no OAuth 2.0 tokens for it"),
        "{told}"
    );
    assert!(told.stderr.contains("\"acme/gone\" was not imported: Nango answered 404"), "{told}");
    assert_eq!(asked.load(Ordering::Relaxed), 4);

    let imported = status(&home, "acme/test-1");
    assert_eq!(imported.external_id.as_deref(), Some("test-1"));
    assert_eq!((imported.state.state.as_str(), imported.tags["end_user_id"].as_str()), ("paused", "u-1"));
    assert_eq!(imported.scope.as_deref(), Some("contacts offline_access"));
    assert_eq!(imported.consented_at, Some("2026-06-03T14:53:22.051Z".parse().unwrap()));
    home.vestal(&["resume", "acme/test-1"]).ok();
    home.vestal(&["refresh", "acme/test-1"]).ok();
    let refused = home.vestal(&["import", "--from", "nango", "--nango-url", "http://127.0.0.1:1"]).code(2);
    assert!(refused.stderr.contains("NANGO_SECRET_KEY"), "{refused}");
}

#[test]
fn where_nangos_tokens_come_from_is_known() {
    let recorded = Home::new();
    let home = Home::beside(&recorded);
    home.vestal(&["init"]).ok();
    for provider in ["shopify", "zoho", "instagram"] {
        let args =
            ["client", "add", provider, "--provider", provider, "--client-id", "1", "--client-secret-stdin"];
        home.vestal_reading(&args, &format!("{CLIENT_SECRET}\n")).ok();
    }
    let path =
        |key: &str, id: &str| format!("/connections/{id}?provider_config_key={key}&refresh_token=true");
    let full = |id: &str, config: Value, refresh_token: bool| {
        let mut credentials = json!({"type": "OAUTH2", "access_token": format!("at-{id}")});
        if refresh_token {
            credentials["refresh_token"] = format!("rt-{id}").into();
        } else {
            credentials["expires_at"] = "2100-01-01T00:00:00Z".into();
        }
        json!({"connection_id": id, "connection_config": config, "credentials": credentials})
    };
    let connections = [
        ("shopify", "shop", json!({"subdomain": "acme"}), true),
        ("zoho", "server", json!({"accounts-server": "https://accounts.zoho.eu", "extension": 7}), true),
        ("zoho", "extension", json!({"extension": "com.au"}), true),
        ("zoho", "nowhere", json!({}), true),
        ("instagram", "photos", json!({}), false),
    ];
    let listed =
        connections.clone().map(|(key, id, ..)| json!({"connection_id": id, "provider_config_key": key}));
    let mut answers = vec![("/connections".to_owned(), json!({"connections": listed}))];
    answers.extend(connections.map(|(key, id, config, token)| (path(key, id), full(id, config, token))));
    let all = answers.len();
    let (base, asked) = nango(answers);
    let key = recorded.path().join("key.txt");
    std::fs::write(&key, "nango-secret-key\n").unwrap();
    let from = ["--from", "nango", "--nango-url", &base, "--nango-secret-key-file", key.to_str().unwrap()];
    let told = home.vestal(&[&["import", "--paused"], &from[..]].concat()).code(1);
    assert_eq!(told.stdout, "4 imported, 1 not imported\n");
    assert!(told.stderr.contains("nobody says which accounts server it is"), "{told}");
    assert!(told.stderr.contains("--site server=VALUE"), "{told}");
    assert_eq!(asked.load(Ordering::Relaxed), all);
    let lines = home.vestal(&["export"]).ok().stdout;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["name"] == name).unwrap();
    assert_eq!(of("shopify/shop")["site"], json!({"shop": "acme"}));
    assert_eq!(of("zoho/server")["site"], json!({"server": "accounts.zoho.eu"}));
    assert_eq!(of("zoho/extension")["site"], json!({"server": "accounts.zoho.com.au"}));
    assert_eq!(of("instagram/photos")["renewal"], "exchange");

    // Lines say it by themselves, or the flag says it for those that do not.
    let lines = "name,client,refresh_token,site:server\na,zoho,rt-a,accounts.zoho.in\nb,zoho,rt-b,\n";
    let import = ["import", "--from", "csv", "--file", "-", "--paused", "--site", "server=accounts.zoho.jp"];
    home.vestal_reading(&import, lines).ok();
    let lines = home.vestal(&["export"]).ok().stdout;
    assert!(
        lines.contains(r#"{"server":"accounts.zoho.in"}"#)
            && lines.contains(r#"{"server":"accounts.zoho.jp"}"#)
    );
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

#[test]
fn an_export_is_kept_without_what_is_damaged_and_never_taken_for_the_whole() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    home.consent("other", &["--client", "custom"], "").ok();
    crate::errors::sql(&home, "UPDATE connections SET access_token = x'00' WHERE name = 'shop'");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    let export = ["export", "--with-secrets", "--file", file.to_str().unwrap()];
    let told = home.vestal(&export).code(1);
    assert!(told.stderr.contains("1 connections are in") && told.stderr.contains("\"shop\""), "{told}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""name":"other""#) && text.lines().count() == 1, "what can be read is kept");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");

    std::fs::remove_file(&file).unwrap();
    std::fs::write(folder.path().join("export.jsonl.part"), "").unwrap();
    let told = home.vestal(&export).code(1);
    assert!(told.stderr.contains("another export is under way") && !file.exists(), "{told}");
}

#[test]
fn tokens_are_not_written_to_a_terminal() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let (_terminal, end) = Terminal::open((80, 24));
    let mut command = home.command(&["export", "--with-secrets"]);
    let refused = command.stdin(Stdio::null()).stdout(end).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("tokens are not written to a terminal") && told.contains("--file"), "{told}");
}
