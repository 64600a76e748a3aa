//! Against the real `oidc-provider`: rotation on, reuse detection on, access tokens of ten seconds.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;

use vestal_api::{ConnectedView, DeviceConsentView, TokenView};

use crate::harness::{Browser, Ended, Home, Kind, PAUSE, Peer, Running, Secret, free_port, get_with, until};

const READERS: usize = 8;
const WATCH: Duration = Duration::from_secs(60);
/// For how long a token serves that is asked for so: whoever looks at it later can tell nothing.
const MIN_TTL: Duration = Duration::from_secs(2);

#[test]
fn eight_readers_for_a_minute_and_every_token_is_active() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({"access_ttl_s": 10}));
    connect(&home, &peer, "shop", "basic").ok();
    // What nobody reads is refreshed once a day only.
    token(&home, &["token", "shop"]);
    let daemon = home.start(&["serve"]);

    let (served, slowest_ms) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + WATCH;
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while Instant::now() < end {
                    let token = token(&home, &["token", "shop", "--min-ttl", "2s"]);
                    let at = Instant::now();
                    let active = peer.accepts(&token);
                    if at.elapsed() < MIN_TTL {
                        assert!(active, "a token was served that is not active");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    std::thread::sleep(PAUSE);
                    slowest_ms.fetch_max(u64::try_from(at.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
                }
            });
        }
    });
    daemon.stop().ok();

    let stats = peer.stats();
    let (served, slowest_ms) = (served.into_inner(), slowest_ms.into_inner());
    println!("oidc-provider: {served} tokens served, each looked at within {slowest_ms} ms; {stats}");
    assert_eq!(stats["refresh_reuses"], 0, "{stats}");
    assert_eq!(stats["grants_revoked"], 0, "{stats}");
    assert_eq!(stats["refused"], json!({}), "{stats}");
    let refreshes = stats["granted"]["refresh_token"].as_u64().unwrap();
    // After half of ten seconds, less a jitter of a tenth; or somewhat later, on a machine that is busy.
    assert!((10..=14).contains(&refreshes), "{refreshes} refreshes in {WATCH:?}");
    assert!(served > 200, "only {served} tokens were served");

    home.vestal(&["refresh", "shop"]).ok();
    let last = token(&home, &["token", "shop"]);
    assert!(peer.accepts(&last), "the family is alive");
}

#[test]
fn each_way_for_a_client_to_prove_itself() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({}));
    for client in ["basic", "post", "public"] {
        let connected = connect(&home, &peer, client, client).ok();
        assert!(!connected.stdout.is_empty() || !connected.stderr.is_empty());
        let first = token(&home, &["token", client]);
        assert!(peer.accepts(&first), "{client}");
        home.vestal(&["refresh", client]).ok();
        let second = token(&home, &["token", client]);
        assert!(second != first && peer.accepts(&second), "{client}");
    }
    let stats = peer.stats();
    assert_eq!((&stats["refused"], &stats["refresh_reuses"]), (&json!({}), &json!(0)));
}

#[test]
fn a_disconnect_revokes_at_the_provider() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({}));
    for client in ["basic", "public"] {
        connect(&home, &peer, client, client).ok();
        let access = token(&home, &["token", client]);
        assert!(peer.accepts(&access));
        let told: Value = home.vestal(&["disconnect", client, "--yes", "--json"]).ok().json();
        assert_eq!(told["revocation"], "revoked");
        assert!(!peer.accepts(&access), "{client}: its access token still works");
        home.vestal(&["token", client]).code(1);
    }
    assert_eq!(peer.stats()["grants_revoked"], 2);

    connect(&home, &peer, "kept", "post").ok();
    let access = token(&home, &["token", "kept"]);
    let told: Value = home.vestal(&["disconnect", "kept", "--keep-grant", "--yes", "--json"]).ok().json();
    assert_eq!(told["revocation"], "kept");
    assert!(peer.accepts(&access), "the grant was to be kept");
}

#[test]
fn client_credentials_need_nobody() {
    let home = Home::new();
    // Long enough that on a busy machine the first one is still served after it was connected.
    let peer = Peer::start(home.record(), &json!({"access_ttl_s": 10}));
    let client = peer.client("basic");
    let args =
        ["connect", "machine", "--provider", "custom", "--issuer", &peer.issuer, "--client-id", &client.id];
    let more = [
        "--auth",
        &client.auth,
        "--client-secret-stdin",
        "--grant",
        "client-credentials",
        "--scope",
        "contacts",
    ];
    home.vestal_reading(&[&args[..], &more].concat(), &format!("{}\n", client.secret)).ok();

    let first = token(&home, &["token", "machine"]);
    assert!(peer.accepts(&first));
    // The provider counts in whole seconds: a token may end up to one before anybody else can know.
    let second = until("another one to be served", || {
        let now = token(&home, &["token", "machine"]);
        (now != first).then_some(now)
    });
    assert!(peer.accepts(&second), "a new one is asked for when it is needed");
    assert_eq!(peer.stats()["granted"]["client_credentials"], 2);
}

#[test]
fn a_person_consents_on_another_device() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({}));
    for client in ["basic", "public"] {
        let mut connect = begin_device(&home, &peer, client);
        let asked: DeviceConsentView = connect.hear("a code to type in", |said| {
            said.ends_with('\n').then(|| serde_json::from_str(said).ok()).flatten()
        });
        assert!(asked.verification_uri.as_str().starts_with(&peer.issuer), "{asked:?}");
        assert!(peer.approve(&asked.user_code), "{asked:?}");
        let connected = connect.end().ok();
        let connected: ConnectedView =
            serde_json::from_str(connected.stdout.lines().last().unwrap()).unwrap();
        assert!(connected.refresh_token, "{connected:?}");
        let first = token(&home, &["token", client]);
        home.vestal(&["refresh", client]).ok();
        let second = token(&home, &["token", client]);
        assert!(second != first && peer.accepts(&second), "{client}");
    }
    let stats = peer.stats();
    assert_eq!(stats["granted"]["urn:ietf:params:oauth:grant-type:device_code"], 2, "{stats}");
    // Nobody polled too early.
    assert_eq!(stats["refused"]["slow_down"], Value::Null, "{stats}");

    // What the answer says of the person is checked as after a redirect.
    let forging = Peer::start(home.record(), &json!({"forge_id_tokens": true}));
    let mut forged = begin_device(&home, &forging, "post");
    let asked: DeviceConsentView = forged.hear("a code to type in", |said| {
        said.ends_with('\n').then(|| serde_json::from_str(said).ok()).flatten()
    });
    assert!(forging.approve(&asked.user_code), "{asked:?}");
    let refused = forged.end().code(1);
    assert!(refused.stderr.contains("id token cannot be believed"), "{refused}");

    let mut left = begin_device(&home, &forging, "post");
    left.hear("a code to type in", |said| said.contains("user_code").then_some(()));
    let told = left.stop().code(1);
    assert!(told.stderr.contains("interrupted"), "{told}");
}

#[test]
fn tokens_are_bound_to_a_key_and_a_nonce_costs_one_more_request() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({"dpop_nonce": true, "access_ttl_s": 30}));
    connect_with(&home, &peer, "shop", "bound", &["--dpop", "--scope", "openid contacts offline_access"])
        .ok();
    let first = token(&home, &["token", "shop"]);
    home.vestal(&["refresh", "shop"]).ok();
    let told: TokenView = home.vestal(&["token", "shop", "--json"]).ok().json();
    assert_eq!((told.token_type.as_str(), told.dpop), ("DPoP", None));
    assert!(told.access_token != first && peer.accepts(&told.access_token));
    let stats = peer.stats();
    assert_eq!(stats["refused"], json!({"use_dpop_nonce": 2}), "once for each process: {stats}");
    assert_eq!(stats["refresh_reuses"], 0, "{stats}");

    // An API takes the token with a proof for it only, and asks for a nonce of its own.
    let me: Url = format!("{}/me", peer.issuer).parse().unwrap();
    let headers = |more: &[&str]| {
        let args = ["token", "shop", "--header", "--dpop", "GET", me.as_str()];
        let printed = home.vestal(&[&args[..], more].concat()).ok().stdout;
        printed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let sent = headers(&[]);
    assert!(sent[0].starts_with("Authorization: DPoP ") && sent[1].starts_with("DPoP: "), "two lines");
    let answer = get_with(&me, &[&sent[0], &sent[1]]);
    assert_eq!(answer.status, 401, "{}", answer.body);
    let nonce = answer.header("dpop-nonce").unwrap().to_owned();
    let sent = headers(&["--dpop-nonce", &nonce]);
    assert_eq!(get_with(&me, &[&sent[0], &sent[1]]).json()["sub"], "vesta");
    assert_eq!(get_with(&me, &[&sent[0], &sent[1]]).status, 401, "a proof is of use once");
    let bare = sent[0].replace("DPoP", "Bearer");
    assert_eq!(get_with(&me, &[&bare]).status, 401, "the token alone is of no use");

    // Eight processes at once: one of them refreshes, with the key that all have.
    let processes: Vec<_> = (0..READERS).map(|_| home.start(&["refresh", "shop"])).collect();
    for process in processes {
        process.end().ok();
    }
    let stats = peer.stats();
    assert_eq!(stats["refresh_reuses"], 0, "{stats}");
    assert_eq!(stats["grants_revoked"], 0, "{stats}");
    assert!(peer.accepts(&token(&home, &["token", "shop"])));

    // The key goes along to another store, and only with it are the tokens of use there.
    let elsewhere = Home::beside(&home);
    let lines = home.vestal(&["export", "--with-secrets"]).ok().stdout;
    home.vestal(&["disconnect", "shop", "--keep-grant", "--yes"]).ok();
    let registered = peer.client("bound");
    let args = ["client", "add", "bound", "--provider", "custom", "--issuer", &peer.issuer, "--dpop"];
    let mut args = [&args[..], &["--client-id", &registered.id, "--auth", &registered.auth]].concat();
    args.extend((!registered.secret.is_empty()).then_some("--client-secret-stdin"));
    elsewhere.vestal_reading(&args, &format!("{}\n", registered.secret)).ok();
    elsewhere.vestal_reading(&["import", "--file", "-", "--client", "bound"], &lines).ok();
    elsewhere.vestal(&["refresh", "shop"]).ok();
    assert!(peer.accepts(&token(&elsewhere, &["token", "shop"])));
    let stats = peer.stats();
    assert_eq!((&stats["refresh_reuses"], &stats["grants_revoked"]), (&json!(0), &json!(0)), "{stats}");

    // Client credentials are bound, too; what is bound to nothing has nothing to prove. Who asks again for want of a nonce
    // asserts anew who it is: this server takes each assertion once.
    for kind in ["basic", "secret_jwt"] {
        let client = peer.client(kind);
        let args =
            ["connect", kind, "--provider", "custom", "--issuer", &peer.issuer, "--client", kind, "--dpop"];
        let more = ["--client-id", &client.id, "--auth", &client.auth, "--client-secret-stdin"];
        let grant = ["--grant", "client-credentials", "--scope", "contacts"];
        home.vestal_reading(&[&args[..], &more, &grant].concat(), &format!("{}\n", client.secret)).ok();
        let told: TokenView = home.vestal(&["token", kind, "--json"]).ok().json();
        assert!(told.token_type == "DPoP" && peer.accepts(&told.access_token));
    }
    connect(&home, &peer, "plain", "post").ok();
    home.vestal(&["token", "plain", "--dpop", "GET", me.as_str()]).code(1);
}

/// Begins to connect on another device, as the client that the peer knows by this name.
fn begin_device(home: &Home, peer: &Peer, client: &str) -> Running {
    let registered = peer.client(client);
    let mut args =
        vec!["connect", client, "--provider", "custom", "--issuer", &peer.issuer, "--client", client];
    args.extend(["--client-id", &registered.id, "--auth", &registered.auth, "--device", "--json"]);
    args.extend(["--scope", "openid contacts offline_access"]);
    if !registered.secret.is_empty() {
        args.extend(["--client-secret-stdin"]);
    }
    let mut connect = home.start(&args);
    connect.say(&format!("{}\n", registered.secret));
    connect
}

#[test]
fn the_browser_comes_back_by_itself() {
    let home = Home::new();
    let redirect_uri = format!("http://127.0.0.1:{}/callback", free_port());
    let peer = Peer::start(home.record(), &json!({"redirect_uris": [redirect_uri]}));

    // A browser that is another process: it hands the URL over to this one.
    let address = home.path().join("address");
    let script = format!("printf %s \"$1\" > '{0}.part' && mv '{0}.part' '{0}'", address.display());
    let mut connect = connect_in_browser(&home, &peer, &redirect_uri, &script);

    let opened = until("the browser to be opened", || {
        assert!(!connect.has_ended(), "{}", connect.stderr());
        fs::read_to_string(&address).ok()
    });
    // Everybody can read a command line: the browser is told a page of Vestal's own, which leads on once.
    let door: Url = opened.parse().unwrap();
    let mut person = Browser::default();
    let answer = person.get(&door);
    assert_eq!(answer.status, 303, "{}", answer.body);
    let url = answer.header("location").unwrap().to_owned();
    home.record().add_consent(&url);
    assert_eq!(person.get(&door).status, 410, "it leads on once");
    let redirected = person.consent(&url.parse().unwrap());
    // Somebody else's page cannot complete it.
    let mut forged = redirected.clone();
    forged.query_pairs_mut().clear().append_pair("code", "stolen-code").append_pair("state", "forged-state");
    assert!(person.get(&forged).status >= 400, "a forged state was taken");
    let page = person.get(&redirected);
    assert_eq!(page.status, 200, "{}", page.body);
    connect.end().ok();

    assert!(peer.accepts(&token(&home, &["token", "shop"])));
    home.vestal(&["refresh", "shop"]).ok();
}

/// Vestal opens Chromium by itself; a person signs in, allows what is asked for, and sees that it is done.
#[test]
fn a_person_consents_in_a_real_browser() {
    let home = Home::new();
    let redirect_uri = format!("http://localhost:{}/callback", free_port());
    let peer = Peer::start(home.record(), &json!({"redirect_uris": [redirect_uri], "asks": true}));
    let (title, browse) = (
        home.path().join("title"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/chromium/browse.mjs"),
    );
    let script = format!("exec node {browse} \"$1\" > '{}' 2>&1", title.display());
    let mut connect = connect_in_browser(&home, &peer, &redirect_uri, &script);
    home.asked_to_open(&mut connect);
    let said = until("the browser to be done", || {
        fs::read_to_string(&title).ok().filter(|said| said.ends_with('\n'))
    });
    assert!(said.contains("Connected"), "the browser said {said:?}");
    connect.end().ok();
    assert!(peer.accepts(&token(&home, &["token", "shop"])));
}

/// Begins to connect `shop`, with a browser that is this script.
fn connect_in_browser(home: &Home, peer: &Peer, redirect_uri: &str, script: &str) -> Running {
    let (browser, client) = (home.path().join("browser.sh"), peer.client("post"));
    fs::write(&browser, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = home.command(&["connect", "shop", "--provider", "custom", "--issuer", &peer.issuer]);
    command.args(["--client-id", &client.id, "--auth", &client.auth, "--client-secret-stdin"]);
    command.args(["--redirect-uri", redirect_uri]).env("BROWSER", &browser);
    let mut connect = home.run(command);
    connect.say(&format!("{}\n", client.secret));
    connect
}

/// Connects as the client that the peer knows by this name.
#[track_caller]
fn connect(home: &Home, peer: &Peer, name: &str, client: &str) -> Ended {
    connect_with(home, peer, name, client, &[])
}

/// The same with more arguments.
#[track_caller]
fn connect_with(home: &Home, peer: &Peer, name: &str, client: &str, more: &[&str]) -> Ended {
    let (registered, issuer) = (peer.client(client), &peer.issuer);
    // A client's own name, so that each has its own.
    let mut args = vec!["--provider", "custom", "--issuer", issuer, "--client", client];
    args.extend(["--client-id", &registered.id, "--auth", &registered.auth]);
    if !registered.secret.is_empty() {
        args.extend(["--client-secret-stdin"]);
    }
    home.consent(name, &[&args[..], more].concat(), &registered.secret)
}

/// The token that a command prints, which is a secret from then on.
#[track_caller]
fn token(home: &Home, args: &[&str]) -> String {
    let token = home.vestal(args).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    token
}
