//! Every command of the README does what it says, with a sandbox in place of the real providers.

use std::path::Path;

use rustix::process::Signal;

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider};

/// What the workshop runs rather than the binary; CI runs `test`, and other tests run the demo.
const BY_CARGO: &[&str] = &[
    "cargo run --release -- demo --for 30s",
    "cargo xtask test",
    "cargo install --locked --path crates/vestal",
    "cargo xtask prove",
    "cargo xtask bench token",
    "cargo xtask bench refresh",
];

#[test]
fn every_command_of_the_readme_works() {
    let readme = include_str!("../README.md");
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let mut ran = 0;
    for command in commands(readme) {
        ran += 1;
        if command.starts_with("cargo ") {
            assert!(BY_CARGO.contains(&command.as_str()), "{command}");
        } else if let Some(args) = command.strip_prefix("vestal ") {
            run(&home, &provider, args);
        } else {
            let (_, inner) = command.split_once("$(vestal ").expect("a command that calls vestal");
            let (args, _) = inner.split_once(')').expect("a closing parenthesis");
            let header = home.vestal(&words(args)).ok().stdout;
            assert!(header.starts_with("Authorization: Bearer "), "{command}");
        }
    }
    assert!(ran >= 15, "only {ran} commands were found");
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

/// The lines of all shell blocks, without their comments.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && !line.is_empty() {
            commands.push(line.split("  #").next().unwrap_or(line).trim().to_owned());
        }
    }
    commands
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn every_local_link_of_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut followed = 0;
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions/README.md"] {
        let page = root.join(page);
        let text = std::fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let file = target.split('#').next().unwrap_or(target);
            assert!(page.parent().unwrap().join(file).exists(), "{} links to {target}", page.display());
            followed += 1;
        }
    }
    assert!(followed > 10, "only {followed} links were found");
}
