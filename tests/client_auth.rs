//! How a client proves itself, what is asked for and what is checked, against the real `oidc-provider`.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{Browser, Ended, Home, Kind, Peer, Secret};

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../oauth/tests/tls");

/// A file of the keys and certificates for tests.
fn pem(name: &str) -> (PathBuf, String) {
    let path = Path::new(TLS).join(name);
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// A private key; no line of it may be seen anywhere.
fn private_key(home: &Home, name: &str) -> String {
    let (path, text) = pem(name);
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    lines.for_each(|line| home.record().add_secret(Secret::new(Kind::ClientSecret, line)));
    path.to_str().unwrap().to_owned()
}

/// Connects as the client that the peer knows by this name, with more arguments.
#[track_caller]
fn connect(home: &Home, peer: &Peer, client: &str, more: &[&str]) -> Ended {
    let registered = peer.client(client);
    let mut args = vec!["--provider", "custom", "--issuer", &peer.issuer, "--client", client];
    args.extend(["--client-id", &registered.id, "--auth", &registered.auth]);
    if !registered.secret.is_empty() {
        args.push("--client-secret-stdin");
    }
    home.consent(client, &[&args[..], more].concat(), &registered.secret)
}

#[track_caller]
fn token(home: &Home, name: &str) -> String {
    let token = home.vestal(&["token", name]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    token
}

/// Everything that a client proves itself for: the code, a refresh, and a revocation.
#[track_caller]
fn lives_and_ends(home: &Home, peer: &Peer, name: &str) {
    let first = token(home, name);
    assert!(peer.accepts(&first), "{name}");
    home.vestal(&["refresh", name]).ok();
    let second = token(home, name);
    assert!(second != first && peer.accepts(&second), "{name}");
    let told: Value = home.vestal(&["disconnect", name, "--yes", "--json"]).ok().json();
    assert_eq!(told["revocation"], "revoked", "{name}");
    assert!(!peer.accepts(&second), "{name}: its access token still works");
}

/// The public keys of a client, as they are shown.
#[track_caller]
fn public_keys(home: &Home, client: &str) -> Vec<Value> {
    let shown: Value = home.vestal(&["client", "show", client, "--json"]).ok().json();
    shown["public_keys"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_client_signs_with_its_secret() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({}));
    connect(&home, &peer, "secret_jwt", &[]).ok();
    lives_and_ends(&home, &peer, "secret_jwt");
    assert_eq!(peer.stats()["refused"], json!({}));
}

#[test]
fn a_client_signs_with_a_key_of_which_the_public_half_is_shown() {
    let home = Home::new();
    let key = private_key(&home, "client.key.pem");
    let elsewhere =
        ["--provider", "custom", "--token-endpoint", "http://127.0.0.1:9/token", "--client-id", "x"];
    let with_key = ["--auth", "private_key_jwt", "--key-file", &key];
    home.vestal(&[&["client", "add", "spare"], &elsewhere[..], &with_key].concat()).ok();
    let known = public_keys(&home, "spare");
    let [public] = &known[..] else { panic!("{known:?}") };
    assert_eq!((&public["alg"], &public["use"]), (&json!("ES256"), &json!("sig")));
    assert!(public.get("d").is_none(), "the private half is shown");

    let peer = Peer::start(home.record(), &json!({"jwks": {"keys": [public]}}));
    connect(&home, &peer, "key_jwt", &["--key-file", &key]).ok();

    // Another key, which the provider does not know yet: while both may be the right one, nothing stops.
    let next = private_key(&home, "server.key.pem");
    home.vestal(&["client", "set-secret", "key_jwt", "--key-file", &next, "--keep-old"]).ok();
    assert_eq!(public_keys(&home, "key_jwt").len(), 2);
    let first = token(&home, "key_jwt");
    home.vestal(&["refresh", "key_jwt"]);
    home.vestal(&["refresh", "key_jwt"]).ok();
    assert_ne!(token(&home, "key_jwt"), first);
    assert_eq!(public_keys(&home, "key_jwt")[0], *public, "the one that works is used");
    assert_eq!(peer.stats()["refresh_reuses"], 0);

    lives_and_ends(&home, &peer, "key_jwt");
    let said = home.vestal(&["client", "set-secret", "key_jwt", "--client-secret-stdin"]).code(2).stderr;
    assert!(said.contains("private_key_jwt needs a private key, not a client secret"), "{said}");
    let (certificate, _) = pem("client.pem");
    let certificate = certificate.to_str().unwrap();
    let said = home.vestal(&["client", "set-secret", "key_jwt", "--key-file", certificate]).code(1).stderr;
    assert!(said.contains("there is no private key in it"), "{said}");
}

#[test]
fn a_client_shows_its_certificate() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let mut config = fs::read_to_string(home.config()).unwrap();
    config.push_str(&format!("\n[http]\nca_file = {:?}\n", pem("ca.pem").0));
    fs::write(home.config(), config).unwrap();
    let tls = json!({
        "key": pem("server.key.pem").1, "cert": pem("server.pem").1,
        "client_ca": pem("client-ca.pem").1, "client_cert": pem("client.pem").1,
    });
    let peer = Peer::start(home.record(), &json!({"tls": tls, "par_required": true}));
    let key = private_key(&home, "client.key.pem");
    let (certificate, _) = pem("client.pem");
    let with = ["--certificate-file", certificate.to_str().unwrap(), "--key-file", &key];
    for client in ["tls", "self_signed"] {
        connect(&home, &peer, client, &with).ok();
        lives_and_ends(&home, &peer, client);
    }
    let stats = peer.stats();
    assert_eq!((&stats["refused"], &stats["pushed"]), (&json!({}), &json!(2)));

    // Another one's certificate is refused by the provider, and what there is stays.
    let stranger = private_key(&home, "server.key.pem");
    let (certificate, _) = pem("server.pem");
    let with = ["--certificate-file", certificate.to_str().unwrap(), "--key-file", &stranger];
    home.vestal(&[&["client", "set-secret", "tls"], &with[..]].concat()).ok();
    let begun = home.vestal(&["connect", "tls", "--client", "tls", "--no-browser"]).code(1);
    assert!(begun.stderr.contains("invalid_client"), "{}", begun.stderr);
}

#[test]
fn what_is_asked_for_is_pushed_where_the_provider_wants_it_so() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({"par_required": true}));
    for client in ["basic", "post", "public"] {
        let (registered, issuer) = (peer.client(client), &peer.issuer);
        let mut args = vec!["connect", client, "--no-browser", "--provider", "custom", "--issuer", issuer];
        args.extend(["--client", client, "--client-id", &registered.id, "--auth", &registered.auth]);
        if !registered.secret.is_empty() {
            args.push("--client-secret-stdin");
        }
        let mut connect = home.start(&args);
        if !registered.secret.is_empty() {
            connect.say(&format!("{}\n", registered.secret));
        }
        let url = home.asked_to_open(&mut connect);
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["client_id", "request_uri"], "nothing else goes through the browser");
        let redirected = Browser::default().consent(&url);
        connect.say(&format!("{redirected}\n"));
        connect.end().ok();
        assert!(peer.accepts(&token(&home, client)), "{client}");
    }
    assert_eq!(peer.stats()["pushed"], 3);
}

#[test]
fn a_token_is_for_the_api_that_was_named_and_stays_so() {
    let home = Home::new();
    let api = "https://api.example/contacts";
    let peer = Peer::start(home.record(), &json!({"resources": [api]}));
    let scopes = ["--scope", "openid offline_access contacts"];
    connect(&home, &peer, "basic", &[&scopes[..], &["--resource", api]].concat()).ok();
    let audience = || {
        let token = token(&home, "basic");
        let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["aud"].clone()
    };
    assert_eq!(audience(), api);
    home.vestal(&["refresh", "basic"]).ok();
    assert_eq!(audience(), api);
    let other = connect(&home, &peer, "post", &["--resource", "https://other.example"]).code(1);
    assert!(other.stderr.contains("invalid_target"), "{}", other.stderr);
}

#[test]
fn an_id_token_that_somebody_changed_is_refused_and_nothing_is_lost() {
    let home = Home::new();
    let honest = Peer::start(home.record(), &json!({}));
    connect(&home, &honest, "basic", &[]).ok();

    let forging = Peer::start(home.record(), &json!({"forge_id_tokens": true}));
    let refused = connect(&home, &forging, "post", &[]).code(1);
    let said = "the provider's id token cannot be believed: its signature is not by a key of the provider";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    assert!(refused.stderr.contains("kept aside, sealed, and nobody uses it"), "{}", refused.stderr);
    home.vestal(&["token", "post"]).code(3);
    let told = home.vestal(&["events", "post"]).ok();
    assert!(told.stdout.contains("an answer was kept aside: its id token could not be believed"), "{told}");

    assert!(honest.accepts(&token(&home, "basic")));
    home.vestal(&["refresh", "basic"]).ok();
}

#[test]
fn how_long_a_token_lives_is_asked_for_where_its_answer_does_not_say() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({"says_expires_in": false, "access_ttl_s": 600}));
    connect(&home, &peer, "post", &[]).ok();
    let left = || {
        let told: Value = home.vestal(&["token", "post", "--json"]).ok().json();
        let token = told["access_token"].as_str().unwrap().to_owned();
        home.record().add_secret(Secret::new(Kind::AccessToken, token));
        told["expires_in"].as_u64().unwrap()
    };
    assert!((500..=600).contains(&left()), "{} s", left());
    assert_eq!(peer.stats()["introspected"], 1);
    // The next one lives as long, and nobody asks again.
    home.vestal(&["refresh", "post"]).ok();
    assert!((500..=600).contains(&left()), "{} s", left());
    assert_eq!(peer.stats()["introspected"], 1);
}
