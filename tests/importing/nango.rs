//! What Nango keeps, by its API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::harness::page;

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
