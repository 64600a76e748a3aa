//! Every command of the documents does what it says, with a sandbox in place of the real providers.

use rustix::process::Signal;
use vestal_sandbox::ContactsApi;

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider, page};

/// What cargo runs rather than the binary; other tests run the demo, the form and its sandbox.
const BY_CARGO: &[&str] = &[
    "cargo run --release -- demo --for 30s",
    "cargo install --locked --path crates/vestal",
    "cargo run --release -p opt-in-form -- --connection shop --list 06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01",
    "cargo run -p opt-in-form --example sandbox",
];

/// The workshop's verbs are held against its own parser there.
fn is_by_cargo(command: &str) -> bool {
    command.starts_with("cargo xtask ") || BY_CARGO.contains(&command)
}

#[test]
fn every_command_of_the_readme_works() {
    assert!(each_command_of(include_str!("../README.md")) >= 15);
}

#[test]
fn every_command_of_the_example_works() {
    assert!(each_command_of(include_str!("../examples/opt-in-form/README.md")) >= 4);
}

/// Runs them, and counts them.
fn each_command_of(page: &str) -> usize {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let mut ran = 0;
    for command in commands(page) {
        ran += 1;
        if command.starts_with("cargo ") {
            assert!(is_by_cargo(&command), "{command}");
        } else if let Some((args, _)) = command.split_once(" | curl --header @- ") {
            let args = args.strip_prefix("vestal ").expect("a command of vestal's");
            let header = home.vestal(&words(args)).ok().stdout;
            assert!(header.starts_with("Authorization: Bearer "), "{command}");
        } else if let Some(args) = command.strip_prefix("vestal ") {
            run(&home, &provider, args);
        } else {
            panic!("nobody runs {command}");
        }
    }
    // A token that was to be written somewhere lies there.
    let _ = std::fs::remove_file(home.path().join("shop.token"));
    ran
}

/// Step by step, as somebody who reads it for the first time would: the API is the sandbox's, too.
#[test]
fn the_tutorial_leads_to_the_first_contact() {
    const PAGE: &str = include_str!("../docs/tutorial.md");
    const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.refresh_tokens.only_with_scope = Some("offline_access".into());
        settings.contacts = Some(ContactsApi::new([LIST]));
    });
    let lists = page::server(|head| {
        let status = if page::bearer(head).is_some() { "200 OK" } else { "401 Unauthorized" };
        (status, format!(r#"{{"lists": [{{"list_id": "{LIST}"}}]}}"#))
    });
    let mut ran = 0;
    for (kind, block) in blocks(PAGE) {
        match kind {
            // With any other one, the sandbox would refuse the consent.
            "text" => assert_eq!(block.trim(), "http://localhost:8724/callback"),
            "json" => std::fs::write(home.path().join("contact.json"), &block).unwrap(),
            "toml" => {
                let config = std::fs::read_to_string(home.config()).unwrap();
                std::fs::write(home.config(), format!("{config}\n{block}")).unwrap();
            }
            _ => {}
        }
        for command in commands_of(if kind == "sh" { &block } else { "" }) {
            ran += 1;
            if command.starts_with("cargo ") {
                // `tests/opt_in_form.rs` runs the form.
                assert!(is_by_cargo(&command), "{command}");
            } else if command.contains(" | curl ") {
                let here = command.replace("https://api.cc.email/v3/contact_lists", &lists);
                let told = home.sh(&here.replace("https://api.cc.email", &provider.issuer));
                let told = [told.stdout, told.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
                let expected = if here == command { "\"created\"" } else { LIST };
                assert!(told.contains(expected), "{command}: {told}");
            } else {
                run(&home, &provider, command.strip_prefix("vestal ").expect("a command of vestal's"));
            }
        }
    }
    assert_eq!(ran, 10);
    let contacts: Vec<_> =
        provider.sandbox().contacts().map(|contact| contact.email_address.clone()).collect();
    assert_eq!(contacts, ["you@example.com"]);
    // What it says to do when something happened.
    for told in ["vestal client set-secret constant-contact", "vestal connect shop"] {
        assert!(PAGE.contains(&format!("| `{told}` |")), "{told}");
    }
    let set = ["client", "set-secret", "constant-contact", "--client-secret-stdin"];
    home.vestal_reading(&set, &format!("{CLIENT_SECRET}\n")).ok();
    home.consent("shop", &["--same-account"], "").ok();
    assert_eq!(provider.sandbox().contacts().count(), 1);
}

/// `cargo run` in a fresh clone has to know which program is meant: where two packages name one, it does not.
#[test]
fn what_the_readme_has_cargo_run_is_vestal() {
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let named: Vec<&str> = packages.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(named, ["vestal"]);
}

fn run(home: &Home, provider: &Provider, args: &str) {
    let mut args = words(args);
    match args[0] {
        "connect" => {
            let name = args[1];
            args.drain(..2);
            if let Some(issuer) = args.iter().position(|arg| *arg == "--issuer") {
                args.drain(issuer..issuer + 2);
            }
            args.extend(["--client-id", CLIENT_ID, "--issuer", &provider.issuer, "--client-secret-stdin"]);
            home.consent(name, &args, CLIENT_SECRET).ok();
        }
        "run" => {
            std::fs::write(home.path().join("sync.sh"), "test -n \"$ACCESS_TOKEN\"").unwrap();
            home.vestal(&args).ok();
        }
        "serve" => {
            let mut serve = home.start(&args);
            serve.hear("its first line", |said| said.contains('\n').then_some(()));
            serve.signal(Signal::TERM);
            serve.end().ok();
        }
        _ => {
            home.vestal(&args).ok();
        }
    }
}

#[test]
fn every_command_of_the_page_on_services_works() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let page = include_str!("../docs/service.md");
    // What root does is run by `tests/services.rs`.
    let commands = commands(page).into_iter().filter(|command| command.starts_with("vestal "));
    let commands: Vec<String> = commands.collect();
    let [refresh] = &commands[..] else { panic!("{commands:?}") };
    run(&home, &provider, &refresh["vestal ".len()..]);
    // Cron runs the same: five fields, and the whole path.
    let lines: Vec<_> = blocks(page).into_iter().filter(|(kind, _)| *kind == "text").collect();
    let [(_, line)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(words(line)[5..], words(&format!("/usr/bin/{refresh}")));
    // And what it says of the configuration is understood.
    let heartbeat = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config + heartbeat).unwrap();
    home.vestal(&["status"]).ok();
}

#[test]
fn the_command_of_the_page_on_doctor_shows_what_is_wrong() {
    let home = Home::new();
    let commands = commands(include_str!("../docs/doctor.md"));
    let [command] = &commands[..] else { panic!("{commands:?}") };
    let shown = home.sh(command);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let first = serde_json::Deserializer::from_slice(&shown.stdout).into_iter::<serde_json::Value>().next();
    assert_eq!(first.unwrap().unwrap()["trouble"], "not_configured");
}

#[test]
fn every_command_of_the_page_on_the_master_key_works() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let commands = commands(include_str!("../docs/master-key.md"));
    assert_eq!(commands.len(), 2);
    for command in commands {
        run(&home, &provider, command.strip_prefix("vestal ").expect("a command of vestal's"));
    }
    home.vestal(&["token", "shop"]).ok();
}

#[test]
fn every_command_of_the_page_on_importing_works() {
    let page = include_str!("../docs/import.md");
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let token_endpoint = format!("{}/token", provider.issuer);
    for (client, at) in [
        ("acme", ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", CLIENT_ID]),
        ("google", ["--provider", "google", "--token-endpoint", &token_endpoint, "--client-id", "google's"]),
    ] {
        let add = [&["client", "add", client][..], &at, &["--client-secret-stdin"]].concat();
        home.vestal_reading(&add, &format!("{CLIENT_SECRET}\n")).ok();
    }
    // What is good is consented to; what the page names is only as it would be.
    home.consent("shop", &["--client", "acme"], "").ok();
    let line = r#"{"name": "a customer", "client": "acme", "refresh_token": "good nowhere", "paused": true}"#;
    let google = r#"{"type": "authorized_user", "client_id": "google's", "client_secret": "s", "refresh_token": "google's, good nowhere"}"#;
    for (file, text) in [
        ("connections.jsonl", line),
        ("customers.csv", "external_id,refresh_token\n42,a customer's\n"),
        ("token.txt", "the shop's, good nowhere\n"),
        ("key.txt", "the key\n"),
        ("application_default_credentials.json", google),
    ] {
        std::fs::write(home.path().join(file), text).unwrap();
    }
    let account = format!(
        r#"{{"name": "wlcg", "issuer_url": "{}", "client_id": "{CLIENT_ID}", "refresh_token": "the grid's, good nowhere"}}"#,
        provider.issuer
    );
    let mut ran = 0;
    for command in commands(page) {
        ran += 1;
        let (printed, args) = match command.split_once(" | vestal ") {
            Some((other, args)) => (other, args),
            None => ("", command.strip_prefix("vestal ").expect("a command of vestal's")),
        };
        let args = words(args);
        match (printed, args[0]) {
            ("oidc-gen --print wlcg", _) => drop(home.vestal_reading(&args, &account).ok()),
            // There is no such server, nor a dump that others could not read: the command itself is understood.
            ("pizauth dump", _) => {
                assert!(home.vestal_reading(&args, "no dump").code(1).stderr.contains("pizauth dump"));
            }
            _ if args.contains(&"nango") => {
                let elsewhere = [&args[..], &["--nango-url", "http://127.0.0.1:1"]].concat();
                assert!(
                    home.vestal(&elsewhere).code(1).stderr.contains("Nango did not list its connections")
                );
            }
            _ if args.contains(&"-") => drop(home.vestal_reading(&args, line).ok()),
            // It is there since somebody consented to it, and its token is the better one.
            (_, "import" | "refresh" | "resume" | "list" | "export") => drop(home.vestal(&args).ok()),
            _ => panic!("nobody runs {command}"),
        }
    }
    assert!(ran >= 14, "only {ran} commands were found");
    std::fs::remove_file(home.path().join("backup.jsonl")).unwrap();
}

/// Those are run as tests of the documentation, which set a stage that nobody sees.
#[test]
fn the_page_on_embedding_shows_what_the_documentation_does() {
    let page = include_str!("../docs/embedding.md");
    let shown = |kind: &str| -> Vec<String> {
        blocks(page).into_iter().filter(|(it, _)| *it == kind).map(|(_, block)| block).collect()
    };
    let sources = [
        include_str!("../crates/vestal/src/lib.rs"),
        include_str!("../crates/vestal/src/keeper/authorize.rs"),
    ];
    let run = sources.map(|source| {
        let comments = source.lines().filter_map(|line| line.strip_prefix("//")?.get(1..));
        let seen: String =
            comments.filter(|line| !line.trim().starts_with("# ")).map(|line| format!("{line}\n")).collect();
        let [(_, block)] = &blocks(&seen)[..] else { panic!("one test") };
        block.clone()
    });
    assert_eq!(shown("rust"), run);
    let manifest: toml::Table = toml::from_str(include_str!("../crates/vestal/Cargo.toml")).unwrap();
    for block in shown("toml") {
        let wanted: toml::Table = toml::from_str(&block).unwrap();
        let features = wanted["dependencies"]["vestal"].get("features").and_then(toml::Value::as_array);
        for feature in features.into_iter().flatten() {
            assert!(manifest["features"].get(feature.as_str().unwrap()).is_some(), "{feature}");
        }
    }
}

/// The lines of all shell blocks, without their comments.
pub(crate) fn commands(page: &str) -> Vec<String> {
    let shell = blocks(page).into_iter().filter(|(kind, _)| *kind == "sh");
    shell.flat_map(|(_, block)| commands_of(&block)).collect()
}

fn commands_of(block: &str) -> Vec<String> {
    let command = |line: &str| line.split("  #").next().unwrap_or(line).trim().to_owned();
    block.lines().map(command).filter(|command| !command.is_empty()).collect()
}

/// Whatever is set off from the text: what it is, and its lines.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in page.lines().map(str::trim) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, block))) => *block = format!("{block}{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
