//! What people read and programs parse, word for word, but for what differs from day to day: `snapshots.txt`.
//!
//! With VESTAL_SNAPSHOTS=write the file is written anew: read what has changed in it before it is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use vestal_api::MasterKeyView;
use vestal_sandbox::{Fault, Trouble};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider};

/// Long enough that nothing is due, or another number of days away, while this runs.
const LIFE_MS: u64 = 1000 * 3600 * (24 * 20 + 12);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What was typed in, and what was said to it.
struct Transcript {
    home: Home,
    provider: Provider,
    text: String,
    /// What the master keys are called, which is derived from them.
    keys: Vec<String>,
}

impl Transcript {
    fn begin() -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = LIFE_MS);
        Self { home, provider, text: String::new(), keys: Vec::new() }
    }

    /// Runs a command, and writes down what it says.
    fn shows(&mut self, args: &[&str]) {
        let ended = self.home.vestal(args);
        if args[0] == "master-key" {
            let keys: Vec<MasterKeyView> = self.home.vestal(&["master-key", "list", "--json"]).ok().json();
            self.keys = keys.into_iter().map(|key| key.key).collect();
        }
        writeln!(self.text, "$ vestal {}", self.scrubbed(&args.join(" "))).unwrap();
        for said in [&ended.stdout, &ended.stderr] {
            said.lines().for_each(|line| writeln!(self.text, "{}", self.scrubbed(line)).unwrap());
        }
        writeln!(self.text, "ends with {}\n", ended.status.code().unwrap()).unwrap();
    }

    /// Runs a command, and writes down which fields its JSON has.
    fn has_fields(&mut self, args: &[&str]) {
        let ended = self.home.vestal(&[args, &["--json"]].concat());
        let said = if ended.stdout.is_empty() { &ended.stderr } else { &ended.stdout };
        writeln!(self.text, "$ vestal {} --json", args.join(" ")).unwrap();
        let json: Value = serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {ended}"));
        shape(&json, 0, &mut self.text);
        writeln!(self.text, "ends with {}\n", ended.status.code().unwrap()).unwrap();
    }

    /// Without what is another thing at another time or place.
    fn scrubbed(&self, line: &str) -> String {
        let line = line.replace(&self.provider.issuer, "ISSUER");
        let line = line.replace(self.home.path().to_str().unwrap(), "HOME");
        let line = line.split(' ').map(|word| if word.ends_with("/secret") { "FILE" } else { word });
        let line = line.collect::<Vec<_>>().join(" ");
        let line = self.keys.iter().fold(line, |line, key| line.replace(key, "KEY"));
        let line = MONTHS.iter().fold(line, |line, month| line.replace(&format!(" {month} "), " MON "));
        let mut scrubbed = String::new();
        for character in line.chars() {
            let digit = character.is_ascii_digit();
            match character {
                _ if digit && scrubbed.ends_with('N') => {}
                _ if digit => scrubbed.push('N'),
                // Columns are as wide as what is in them.
                ' ' if scrubbed.ends_with("  ") => {}
                // As long as something lasts, or is away.
                '▲' | '△' | '┄' if scrubbed.contains('┄') => {}
                _ => scrubbed.push(character),
            }
        }
        // A machine may be slow.
        let scrubbed = ["s", "min", "h"].iter().fold(scrubbed, |line, unit| {
            [")", " "].iter().fold(line, |line, after| {
                line.replace(&format!("N {unit}{after}"), &format!("N units{after}"))
            })
        });
        scrubbed.trim_end().to_owned()
    }
}

/// The fields of a value, and what kind each has.
fn shape(json: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth + 1);
    match json {
        // Each may have fields that others have not.
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let mut all = serde_json::Map::new();
            for (name, value) in items.iter().filter_map(Value::as_object).flatten() {
                let before = all.get(name).is_some_and(|before| !before.is_null());
                if !before {
                    all.insert(name.clone(), value.clone());
                }
            }
            shape(&Value::Object(all), depth, text);
        }
        Value::Array(_) => writeln!(text, "{indent}[…]").unwrap(),
        Value::Object(fields) => {
            for (name, value) in fields {
                let kind = match value {
                    // A read is noted when the store is at leisure.
                    _ if name == "last_read_at" => "a text, or null",
                    // What is wrong with a machine, and with another one not.
                    _ if ["trouble", "next"].contains(&name.as_str()) => "a text, or null",
                    Value::Null => "null",
                    Value::Bool(_) => "true or false",
                    Value::Number(_) => "a number",
                    Value::String(_) => "a text",
                    Value::Array(_) => "a list",
                    Value::Object(_) => "an object",
                };
                writeln!(text, "{indent}{name}: {kind}").unwrap();
                let listed = matches!(value, Value::Array(items) if items.iter().any(Value::is_object));
                if value.is_object() || listed {
                    shape(value, depth + 1, text);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn what_is_said_is_said_on_purpose() {
    let mut said = Transcript::begin();
    said.shows(&["list"]);
    said.shows(&["status"]);
    said.shows(&["serve"]);
    said.shows(&["init"]);
    said.shows(&["list"]);
    said.shows(&["import"]);
    let issuer = said.provider.issuer.clone();
    // What is in the home is looked through for secrets.
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, CLIENT_SECRET).unwrap();
    let secret = ["--client-secret-file", secret.to_str().unwrap()];
    let add =
        ["client", "add", "custom", "--provider", "custom", "--issuer", &issuer, "--client-id", CLIENT_ID];
    said.shows(&[&add[..], &secret[..]].concat());
    said.shows(&[&["client", "set-secret", "custom"][..], &secret[..]].concat());
    for name in ["shop", "the crm", "店舗", "חנות"] {
        said.home.consent(name, &["--client", "custom"], "").ok();
    }
    said.shows(&["list"]);
    said.shows(&["status"]);
    said.shows(&["status", "shop"]);
    said.shows(&["client", "list"]);
    said.shows(&["client", "show", "custom"]);
    said.shows(&["set", "shop", "--policy", "always", "--tag", "org=42"]);
    said.shows(&["pause", "the crm"]);
    said.shows(&["resume", "the crm"]);
    said.shows(&["refresh", "shop"]);
    said.shows(&["refresh", "--due"]);
    said.shows(&["events", "shop"]);
    said.shows(&["explain", "shop"]);
    said.shows(&["run", "shop", "--", "true"]);
    said.shows(&["export", "--tag", "org=42"]);
    said.shows(&["providers", "show", "custom"]);
    said.shows(&["master-key", "list"]);
    said.shows(&["master-key", "rotate"]);
    said.shows(&["master-key", "list"]);

    for args in [
        &["token", "shop"][..],
        &["status"],
        &["status", "shop"],
        &["list"],
        &["explain", "shop"],
        &["events", "shop"],
        &["refresh", "shop"],
        &["refresh", "--all"],
        &["set", "shop", "--policy", "auto"],
        &["pause", "shop"],
        &["resume", "shop"],
        &["client", "list"],
        &["client", "show", "custom"],
        &["providers", "show", "custom"],
        &["master-key", "list"],
        &["master-key", "rotate"],
        &["doctor"],
        &["token", "nobody"],
    ] {
        said.has_fields(args);
    }

    // What goes wrong.
    said.shows(&["token", "shpo"]);
    said.shows(&["tokne", "shop"]);
    said.shows(&["set", "shop"]);
    said.shows(&["token", "shop", "--min-ttl", "soon"]);
    said.shows(&["status", "--watch"]);
    said.shows(&["run", "shop=1x", "--", "tool", "--json"]);
    said.shows(&["pause", "--tag", "no=such"]);
    said.shows(&["list", "--tag", "no=such"]);
    said.shows(&["disconnect", "shop"]);
    said.shows(&["connect", "new", "--client", "nobody"]);
    let grants = said.provider.sandbox().grants(said.provider.now_ms());
    for grant in grants {
        said.provider.sandbox().revoke_by_user(grant.id, said.provider.now_ms());
    }
    said.shows(&["refresh", "the crm"]);
    said.shows(&["status"]);
    said.shows(&["list"]);
    said.shows(&["disconnect", "--yes", "--keep-grant", "the crm"]);
    said.has_fields(&["disconnect", "--yes", "店舗"]);
    let public = ["client", "add", "public", "--provider", "custom", "--issuer", &issuer, "--client-id", "p"];
    said.shows(&[&public[..], &["--auth", "none"]].concat());
    said.shows(&["client", "set-secret", "public"]);
    said.shows(&["client", "remove", "public"]);
    let down = Trouble::AnswerUnprocessed(Trouble::html_page(http::StatusCode::SERVICE_UNAVAILABLE));
    said.provider.sandbox().add_fault(Fault::on_refresh(down));
    said.shows(&["refresh", "shop"]);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/snapshots.txt");
    if std::env::var_os("VESTAL_SNAPSHOTS").is_some_and(|wish| wish == "write") {
        fs::write(&path, &said.text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(said.text.lines()).find(|(expected, said)| expected != said);
    assert_eq!(differs, None, "what was expected, and what is said; if on purpose: VESTAL_SNAPSHOTS=write");
    assert_eq!(expected.lines().count(), said.text.lines().count());
}
