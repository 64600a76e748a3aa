//! No secret is where it does not belong: not in any output, log, error, event, process list, nor in the store.
//!
//! Every test of this binary is searched for leaks (`harness/record.rs`). This one says as much as there is to say:
//! every verb, at trace level, with a provider that repeats secrets in its errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use vestal_sandbox::{Endpoint, Fault, Grace, Reuse, Rotation, Trouble};

use crate::harness::{
    Browser, CLIENT_ID, CLIENT_SECRET, Emission, Home, Kind, Provider, Raises, Record, Secret, find_leaks,
    until,
};

#[test]
fn a_planted_secret_is_nowhere() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.refresh_tokens.rotation =
            Rotation::Always { grace: Grace::For(30_000), reuse: Reuse::Punished };
    });
    let over = AtomicBool::new(false);
    let processes = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| process_list(&home, &over));
        {
            let _over = Raises(&over);
            everything_there_is_to_say(&home, &provider);
        }
        watcher.join().unwrap()
    });

    let secrets = home.record().secrets();
    for kind in
        [Kind::AccessToken, Kind::RefreshToken, Kind::ClientSecret, Kind::Code, Kind::Verifier, Kind::State]
    {
        assert!(secrets.iter().any(|secret| secret.kind == kind), "no {kind:?} went over the wire");
    }
    for process in &processes {
        let leaks = find_leaks(&secrets, process.as_bytes());
        assert!(leaks.is_empty(), "{leaks:?} in the process list: {process}");
    }
    assert!(processes.iter().any(|process| process.contains("vestal") && process.contains("serve")));
    println!("secrets: {} searched for in {} emissions", secrets.len(), home.record().emissions());
    // What was said and what was stored is searched when the home is dropped.
}

fn everything_there_is_to_say(home: &Home, provider: &Provider) {
    let trace = |args: &[&str]| home.vestal(&[args, &["--log", "trace"]].concat());
    trace(&["init"]).ok();
    plant_the_master_keys(home);
    let to = ["--provider", "okta", "--issuer", &provider.issuer, "--client-id", CLIENT_ID, "--log", "trace"];
    home.consent("shop", &[&to[..], &["--client-secret-stdin"]].concat(), CLIENT_SECRET).ok();
    home.consent("json", &["--client", "okta", "--json", "--log", "trace"], "").ok();

    // A consent that goes wrong in every way: the wrong URL, a code that is refused, one that is echoed.
    let mut wrong = home.start(&["connect", "shop", "--no-browser", "--same-account", "--log", "trace"]);
    let url = home.asked_to_open(&mut wrong);
    let redirected = Browser::default().consent(&url);
    let code = redirected.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
    provider.sandbox().add_fault(Fault::at(Endpoint::Token, Trouble::AnswerUnprocessed(echo(&code))));
    wrong.say(&format!("{redirected}\n"));
    wrong.end().code(1);

    for json in [false, true] {
        let say = |args: &[&str]| trace(&[args, if json { &["--json"][..] } else { &[] }].concat());
        say(&["token", "shop"]).ok();
        say(&["refresh", "shop"]).ok();
        say(&["set", "shop", "--policy", "always", "--tag", "org=42"]).ok();
        let outside = tempfile::tempdir().unwrap();
        let written = outside.path().join("token");
        say(&["token", "shop", "--write", written.to_str().unwrap()]).ok();
        assert!(written.exists(), "it is written where somebody asks for it");
        say(&["token", "shop", "--write", outside.path().to_str().unwrap()]).code(2);
        // Errors that repeat the refresh token, and pages that hold an access token: as JSON, HTML and in pieces.
        let current = newest(home, Kind::RefreshToken, provider);
        for trouble in [
            Trouble::AnswerUnprocessed(echo(&current)),
            Trouble::AnswerUnprocessed(Trouble::answer(
                StatusCode::BAD_GATEWAY,
                "text/html",
                format!("<p>{current}</p>"),
            )),
            Trouble::CutBody(80),
            Trouble::LoseResponse,
        ] {
            provider.sandbox().add_fault(Fault::on_refresh(trouble));
            say(&["refresh", "shop"]);
            say(&["token", "shop", "--min-ttl", "59m"]);
            say(&["status", "shop"]).ok();
            say(&["events", "shop"]).ok();
            say(&["explain", "shop"]).ok();
            home.consent("shop", &["--same-account", "--log", "trace"], "").ok();
        }
        for verb in [
            &["list"][..],
            &["status"],
            &["doctor"],
            &["client", "list"],
            &["client", "show", "okta"],
            &["refresh", "--due"],
            &["providers", "show", "okta"],
        ] {
            say(verb);
        }
        say(&["token", "nobody"]).code(1);
    }
    home.vestal_reading(
        &["client", "set-secret", "okta", "--client-secret-stdin", "--log", "trace"],
        &format!("{CLIENT_SECRET}\n"),
    )
    .ok();

    provider.sandbox().settings_mut().access_token_life_ms = 3_000;
    trace(&["refresh", "shop"]).ok();
    trace(&["token", "shop"]).ok();
    let refreshes = provider.sandbox().stats().refreshes;
    let daemon = home.start(&["serve", "--log", "trace"]);
    until("the daemon to refresh", || (provider.sandbox().stats().refreshes > refreshes).then_some(()));
    daemon.stop().ok();
    for json in [&[][..], &["--json"]] {
        trace(&[&["master-key", "rotate"], json].concat()).ok();
        trace(&[&["master-key", "list"], json].concat()).ok();
        plant_the_master_keys(home);
    }
    trace(&["disconnect", "json", "--yes"]).ok();
    everything_there_is_to_say_of_imports(home, provider);
    // What is left is what the store is searched for.
}

/// Imports that go well and that go wrong, in every format; and exports with and without secrets.
fn everything_there_is_to_say_of_imports(home: &Home, provider: &Provider) {
    let planted = |text: &str| home.record().add_secret(Secret::new(Kind::RefreshToken, text));
    let outside = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = outside.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (token, other) = ("planted/imported+refresh=token", "planted/other+refresh=token");
    // In hexadecimal, so that it is the same in lower case.
    let in_hex = "16c7e42f292c6912e7710c838347ae178b4a";
    let prefixed = format!("gho_{in_hex}");
    planted(token);
    planted(other);
    planted(in_hex);
    let good = newest(home, Kind::RefreshToken, provider);
    let lines = [
        format!(r#"{{"name":"one","client":"okta","refresh_token":"{good}","access_token":"{token}-at"}}"#),
        format!(r#"{{"name":"one","client":"okta","refresh_token":"{token}"}}"#),
        format!(r#"{{"name":"two","client":"okta","refresh_token":"{token}"#),
        format!(r#"{{"name":"two","client":"okta","refresh_token":["{token}"]}}"#),
        format!(r#"{{"name":"two","client":"okta","expires_at":"{token}"}}"#),
        format!(r#"{{"name":"two","client":"okta","{token}":1}}"#),
        format!(r#"{{"name":"two","client":"okta","{prefixed}":1}}"#),
        format!(r#"{{"name":"two","client":"okta","policy":"{token}","refresh_token":"x"}}"#),
        format!(
            r#"{{"name":"two","client":"okta","id_token":"{token}","extra":{{"x":"{token}"}},"refresh_token":"{token}"}}"#
        ),
        token.to_owned(),
    ];
    let jsonl = file("lines.jsonl", &lines.join("\n"));
    let csv = file(
        "rows.csv",
        &format!("name,client,refresh_token\n{token}\nthree,okta,{token}\nfour,okta,{token},\n"),
    );
    let nameless = file("nameless.csv", &format!("{prefixed},okta\n{prefixed},okta\n"));
    let google = file(
        "google.json",
        &format!(
            r#"{{"type":"authorized_user","client_id":"{CLIENT_ID}","refresh_token":"{token}","client_secret":7}}"#
        ),
    );
    let dump = file("dump", token);
    for json in [&[][..], &["--json"]] {
        for import in [
            &["import", "--file", &jsonl][..],
            &["import", "--file", &jsonl, "--replace", "--tag", "batch=7"],
            &["import", "--from", "csv", "--file", &csv],
            &["import", "--from", "csv", "--file", &jsonl],
            &["import", "--from", "csv", "--file", &nameless],
            &["import", "five", "--from", "google-authorized-user", "--file", &google],
            &["import", "--from", "oidc-agent", "--file", &google],
            &["import", "--from", "pizauth", "--file", &dump],
            &["import", "--from", "nango", "--nango-url", &provider.issuer, "--nango-secret-key-file", &dump],
        ] {
            home.vestal(&[import, json, &["--log", "trace"]].concat());
        }
        home.vestal_reading(
            &[&["import", "six", "--client", "okta", "--log", "trace"], json].concat(),
            other,
        )
        .ok();
        home.vestal(&[&["refresh", "six", "--log", "trace"], json].concat());
        home.vestal(&[&["pause", "--client", "okta", "--log", "trace"], json].concat()).ok();
        home.vestal(&[&["resume", "--client", "okta", "--log", "trace"], json].concat()).ok();
        home.vestal(&[&["export", "--log", "trace"], json].concat()).ok();
    }
    let exported = outside.path().join("export.jsonl");
    let to = ["export", "--log", "trace", "--with-secrets", "--file", exported.to_str().unwrap()];
    home.vestal(&to).ok();
    assert!(
        fs::read_to_string(&exported).unwrap().contains(token),
        "it is exported where somebody asks for it"
    );
}

/// An error of a provider that repeats what it was sent.
fn echo(secret: &str) -> vestal_sandbox::Response {
    let description = format!("the token {secret} is not known to us, {secret}!");
    let body = serde_json::json!({"error": "invalid_request", "error_description": description});
    Trouble::answer(StatusCode::BAD_REQUEST, "application/json", body.to_string())
}

/// A refresh token that the provider would accept.
fn newest(home: &Home, kind: Kind, provider: &Provider) -> String {
    let secrets = home.record().secrets();
    let tokens = secrets.iter().filter(|secret| secret.kind == kind);
    let mut tokens = tokens.map(|secret| String::from_utf8(secret.bytes.clone()).unwrap());
    tokens.find(|token| provider.accepts(token)).expect("one lives")
}

/// The keys themselves, too, beside the texts that their file holds.
fn plant_the_master_keys(home: &Home) {
    let text = fs::read_to_string(home.master_key()).unwrap();
    for key in text.lines() {
        let bytes = STANDARD.decode(key).unwrap();
        assert_eq!(bytes.len(), 32);
        home.record().add_secret(Secret::new(Kind::MasterKey, bytes));
    }
}

/// Every command line and environment that was seen meanwhile of what runs in this home.
///
/// Other tests run beside this one, and their providers issue the same tokens.
fn process_list(home: &Home, over: &AtomicBool) -> BTreeSet<String> {
    let here = format!("HOME={}\0", home.path().display());
    let mut seen = BTreeSet::new();
    while !over.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            if !process.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            // It may be gone, or not ours.
            let read = |file| {
                fs::read(process.path().join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            };
            let (Ok(words), Ok(environment)) = (read("cmdline"), read("environ")) else { continue };
            if environment.contains(&here) {
                seen.extend([words, environment]);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    seen
}

#[test]
fn a_leak_would_be_found() {
    let secret = b"hunter2+/planted=?".to_vec();
    let form = "hunter2%2B%2Fplanted%3D%3F";
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let leaky = [
        "a token hunter2+/planted=? in a line".to_owned(),
        format!("POST /token?refresh_token={form}&x=1"),
        format!("{:?}", STANDARD.encode(&secret)),
        STANDARD.encode(format!("id:{form}")),
        STANDARD.encode([b"x", &secret[..]].concat()),
        format!("[{}]", hex.to_uppercase()),
        hex,
    ];
    let folder = tempfile::tempdir().unwrap();
    for text in &leaky {
        let record = Record::default();
        record.add_secret(Secret::new(Kind::RefreshToken, secret.clone()));
        let what = vec!["token".to_owned(), "shop".to_owned()];
        record.add(Emission { what, stream: "stdout", bytes: text.clone().into_bytes() });
        assert!(!record.leaks(folder.path()).is_empty(), "not found in what was said: {text}");
    }
    let record = Record::default();
    record.add_secret(Secret::new(Kind::AccessToken, secret.clone()));
    for (stream, leaks) in [("stdout", 0), ("stderr", 1)] {
        let what = vec!["token".to_owned(), "shop".to_owned()];
        record.add(Emission { what, stream, bytes: secret.clone() });
        assert_eq!(record.leaks(folder.path()).len(), leaks, "an access token in {stream} of `vestal token`");
    }
    fs::write(folder.path().join("vestal.db-wal"), [&[0; 100], &secret[..], &[0; 100]].concat()).unwrap();
    assert_eq!(record.leaks(folder.path()).len(), 2, "and one in a file");

    let record = Record::default();
    let url = "https://login.example/authorize?response_type=code&code_challenge=x&state=planted-state";
    record.add_secret(Secret::new(Kind::State, "planted-state"));
    record.add_consent(url);
    let say =
        |text: String| record.add(Emission { what: vec![], stream: "stdout", bytes: text.into_bytes() });
    say(format!("Open {url}\n"));
    assert_eq!(record.leaks(Path::new("/nowhere")), [""; 0], "a person needs the URL");
    say(format!("Open {url}\nand again {url}\n"));
    assert_eq!(record.leaks(Path::new("/nowhere")).len(), 1);
}
