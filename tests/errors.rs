//! What is broken is told in the three lines, and nothing is overwritten.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ended, Home, Provider, until};

/// Every verb that opens the store, reading or writing.
const VERBS: [&[&str]; 11] = [
    &["token", "shop"],
    &["run", "shop", "--", "true"],
    &["set", "shop", "--policy", "always"],
    &["refresh", "shop"],
    &["refresh", "--due"],
    &["list"],
    &["status"],
    &["explain", "shop"],
    &["events", "shop"],
    &["disconnect", "shop", "--yes"],
    &["serve"],
];

/// The byte of SQLite's file header at which the schema's version ends (<https://www.sqlite.org/fileformat.html>).
const SCHEMA_VERSION_ENDS: usize = 64;

#[test]
fn a_wrong_master_key_is_told_and_changes_nothing() {
    let (home, _provider) = connected();
    let other = Home::new();
    other.vestal(&["init"]).ok();
    fs::copy(other.master_key(), home.master_key()).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(
            &told,
            &[
                "error: the store ",
                "was sealed with master key ",
                "why:  the key given",
                "next: give the key",
            ],
        );
    }
    let told = unchanged(&home, |home| home.vestal(&["doctor"]).code(1));
    assert!(told.stdout.contains("FAIL  store"), "{told}");
}

/// As on a Debian that was just made.
#[test]
fn a_machine_that_trusts_nobody_is_told_what_it_lacks() {
    let (home, _provider) = connected();
    let refresh = || {
        let mut command = home.command(&["refresh", "shop"]);
        command.env("SSL_CERT_FILE", "/nowhere").env("SSL_CERT_DIR", "/nowhere");
        home.run(command).end()
    };
    let told = refresh().code(4);
    says(
        &told,
        &["has no certificates of authorities to trust; install them (Debian: ca-certificates)", "ca_file"],
    );
    fs::copy("/etc/ssl/certs/ca-certificates.crt", home.path().join("authorities.pem")).unwrap();
    let config = fs::read_to_string(home.config()).unwrap();
    let file = home.path().join("authorities.pem");
    fs::write(home.config(), format!("{config}\n[http]\nca_file = {file:?}\n")).unwrap();
    until("the next try", || (refresh().status.code() == Some(0)).then_some(()));
}

#[test]
fn a_master_key_that_is_gone_is_not_replaced() {
    let (home, provider) = connected();
    fs::remove_file(home.master_key()).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(&told, &["error: ", "master.key"]);
    }
    unchanged(&home, |home| home.vestal(&["init"]).code(1));
    let connect = ["connect", "shop", "--no-browser", "--provider", "custom", "--issuer", &provider.issuer];
    let told = unchanged(&home, |home| home.vestal(&connect).code(1));
    says(&told, &["error: the master key ", " is missing", "why:  ", "next: restore"]);
    assert!(!home.master_key().exists(), "no new key was made");
}

#[test]
fn a_master_key_that_others_can_read_is_refused() {
    let (home, _provider) = connected();
    fs::set_permissions(home.master_key(), Permissions::from_mode(0o644)).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(&told, &["error: others can read the master key", "why:  its mode is 0644", "next: chmod 600 "]);
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let (home, _provider) = connected();
    let mut bytes = home.store_bytes();
    assert_eq!(
        bytes[SCHEMA_VERSION_ENDS - 4..SCHEMA_VERSION_ENDS],
        8_u32.to_be_bytes(),
        "this version's schema"
    );
    bytes[SCHEMA_VERSION_ENDS - 1] = 99;
    fs::write(home.store(), bytes).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(
            &told,
            &[
                "error: the store was written by a newer version",
                "why:  its schema is 99",
                "next: use the newer",
            ],
        );
    }
}

#[test]
fn what_is_no_store_is_left_alone() {
    let (home, _provider) = connected();
    fs::write(home.store(), b"to do: buy milk\n".repeat(1_000)).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(&told, &["error: ", "why:  ", "no SQLite database"]);
    }
}

#[test]
fn a_corrupted_row_harms_no_other_and_nothing_is_overwritten() {
    let (home, _provider) = connected();
    home.consent("other", &["--client", "custom"], "").ok();
    // The last byte belongs to the authentication tag, whatever is sealed.
    let damage =
        |field: &str| format!("{field} = CAST(substr({field}, 1, length({field}) - 1) || x'00' AS BLOB)");
    sql(
        &home,
        &format!(
            "UPDATE connections SET {}, {} WHERE name = 'shop'",
            damage("access_token"),
            damage("refresh_token")
        ),
    );

    for verb in ["token", "refresh"] {
        let told = unchanged(&home, |home| home.vestal(&[verb, "shop"]).code(1));
        says(&told, &["error: the ", " token of \"shop\" cannot be opened", "why:  ", "next: "]);
    }
    home.vestal(&["token", "other"]).ok();
    home.vestal(&["refresh", "other"]).ok();
    home.vestal(&["list"]).ok();
    // A new consent replaces what is damaged; what cannot be revoked can be forgotten.
    home.consent("shop", &["--same-account"], "").ok();
    home.vestal(&["token", "shop"]).ok();
    sql(&home, &format!("UPDATE connections SET {} WHERE name = 'shop'", damage("refresh_token")));
    let told = home.vestal(&["disconnect", "shop", "--yes"]).code(1);
    says(&told, &["error: ", " cannot be opened", "why:  ", "next: "]);
    home.vestal(&["disconnect", "shop", "--keep-grant", "--yes"]).ok();
}

#[test]
fn a_row_that_cannot_be_read_hides_no_other() {
    let (home, _provider) = connected();
    home.consent("other", &["--client", "custom"], "").ok();
    sql(&home, "UPDATE connections SET state_data = '{' WHERE name = 'shop'");
    for verb in [&["list"][..], &["list", "--json"]] {
        let told = home.vestal(verb).code(1);
        says(&told, &["the store holds something damaged", "state_data"]);
        assert!(told.stdout.contains("other"), "{verb:?}: {}", told.stdout);
    }
    // Neither does one that cannot be sorted.
    sql(&home, "UPDATE connections SET dies_at = 9e18, due_at = 0 WHERE name = 'shop'");
    let told = home.vestal(&["refresh", "--due", "--within", "400d", "--json"]).code(1);
    assert!(told.stdout.contains(r#""name":"other","generation":2"#), "{told}");
    let told = home.vestal(&["refresh", "--all"]).code(1);
    says(&told, &["the store holds something damaged", "state_data"]);
    assert!(told.stdout.contains("1 refreshed"), "{}", told.stdout);
    home.vestal(&["token", "other"]).ok();
}

#[test]
fn swapped_rows_are_noticed() {
    let (home, _provider) = connected();
    home.consent("other", &["--client", "custom"], "").ok();
    sql(
        &home,
        "UPDATE connections SET access_token = (SELECT access_token FROM connections WHERE name = 'other') \
         WHERE name = 'shop'",
    );
    let told = unchanged(&home, |home| home.vestal(&["token", "shop"]).code(1));
    says(&told, &["error: ", "cannot be opened", "why:  "]);
    assert_eq!(told.stdout, "", "no token of another account was served");
}

#[test]
fn a_client_whose_endpoint_was_changed_behind_our_back_sends_its_secret_nowhere() {
    let (home, provider) = connected();
    let thief = Provider::start(home.record(), |_| {});
    sql(
        &home,
        &format!(
            "UPDATE clients SET endpoints = replace(endpoints, '{}', '{}')",
            provider.issuer, thief.issuer
        ),
    );
    let told = unchanged(&home, |home| home.vestal(&["refresh", "shop"]).code(1));
    says(&told, &["error: ", "cannot be opened", "why:  "]);
    let told = home.vestal(&["doctor"]).code(1);
    assert!(told.stdout.contains("FAIL  client"), "{told}");
    assert!(thief.sandbox().stats().requests.is_empty(), "the thief was sent something");
}

#[test]
fn a_read_only_folder_serves_what_is_fresh_and_tells_what_it_cannot_do() {
    let (home, provider) = connected();
    // What was read from is noted once an hour: that is done before.
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    let folder = home.store().parent().unwrap().to_owned();
    fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    fs::set_permissions(home.store(), Permissions::from_mode(0o400)).unwrap();

    let run = |home: &Home, verb: &[&str]| home.run(without_privileges(home.command(verb))).end();
    for verb in [&["list"][..], &["status"], &["explain", "shop"], &["events", "shop"]] {
        unchanged(&home, |home| run(home, verb).ok());
    }
    assert_eq!(unchanged(&home, |home| run(home, &["token", "shop"]).ok()).stdout, token);
    let requests = provider.sandbox().stats().requests.clone();
    for verb in [&["refresh", "shop"][..], &["disconnect", "shop", "--yes"]] {
        let told = unchanged(&home, |home| run(home, verb).code(1));
        says(&told, &["error: the store may only be read", "why:  ", "next: make its folder writable"]);
    }
    assert_eq!(
        provider.sandbox().stats().requests,
        requests,
        "nothing was sent whose answer could not be kept"
    );
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn an_unknown_key_in_the_configuration_is_refused_with_the_nearest() {
    let (home, _provider) = connected();
    let mut config = fs::read_to_string(home.config()).unwrap();
    config.push_str("\n[limits]\nreader_wiat = \"10s\"\n");
    fs::write(home.config(), config).unwrap();
    for verb in VERBS {
        let told = unchanged(&home, |home| home.vestal(verb).code(1));
        says(&told, &["error: ", "vestal.toml", "reader_wiat", "did you mean `reader_wait`?"]);
    }
}

#[test]
fn nothing_set_up_yet_is_told_as_that() {
    let home = Home::new();
    for verb in [&["token", "shop"][..], &["list"], &["refresh", "--due"]] {
        let told = home.vestal(verb).code(1);
        says(&told, &["error: nothing is connected yet", "why:  ", "next: vestal connect NAME --provider P"]);
    }
    let told = home.vestal(&["serve"]).code(1);
    says(&told, &["error: nothing is set up yet", "why:  ", "next: vestal init; or: vestal connect"]);
    assert!(!home.store().exists() && !home.master_key().exists(), "looking makes nothing");
}

/// A home with one connection, "shop", that is fresh.
fn connected() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    (home, provider)
}

/// Runs something, after which the store's file and log must hold the same bytes.
#[track_caller]
fn unchanged(home: &Home, run: impl FnOnce(&Home) -> Ended) -> Ended {
    let look = || {
        let log = fs::read(beside(&home.store(), "-wal")).unwrap_or_default();
        (home.store_bytes(), log)
    };
    let before = look();
    let ended = run(home);
    assert!(look() == before, "the store was changed by: {ended}");
    ended
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[track_caller]
fn says(told: &Ended, parts: &[&str]) {
    for part in parts {
        assert!(told.stderr.contains(part), "does not say {part:?}: {told}");
    }
}

/// Does to one row of the store what no `vestal` does.
#[track_caller]
pub(crate) fn sql(home: &Home, statement: &str) {
    sql_of(home, 1, statement);
}

/// Does to so many rows of the store what no `vestal` does.
#[track_caller]
pub(crate) fn sql_of(home: &Home, rows: usize, statement: &str) {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); n = c.execute(sys.argv[2]).rowcount; \
                  c.commit(); c.execute('PRAGMA wal_checkpoint(TRUNCATE)'); c.close(); sys.exit(n != int(sys.argv[3]))";
    let mut python = Command::new("python3");
    let status = python.args(["-c", script]).arg(home.store()).args([statement, &rows.to_string()]).status();
    assert!(status.expect("python3 is installed").success(), "{statement} changes {rows}");
}

/// As many as are listed at once.
#[test]
fn a_thousand_rows_that_cannot_be_read_hide_none_behind_them() {
    const DAMAGED: usize = 1_000;
    let (home, _provider) = connected();
    let line =
        |n| format!("{{\"name\": \"c{n}\", \"client\": \"custom\", \"refresh_token\": \"none-{n}\"}}\n");
    let lines: String = (0..DAMAGED).map(line).collect();
    home.vestal_reading(&["import", "--file", "-"], &lines).ok();
    let damage = "UPDATE connections SET state_data = '{', dies_at = 1, due_at = ";
    let due_before_the_shop = "(SELECT due_at - 1 FROM connections WHERE name = 'shop') WHERE name != 'shop'";
    sql_of(&home, DAMAGED, &format!("{damage}{due_before_the_shop}"));
    let told = home.vestal(&["refresh", "--due", "--within", "400d", "--json"]).code(1);
    assert!(told.stdout.contains(r#""name":"shop","generation":2"#), "{told}");
}

/// Permission bits do not bind root; without this privilege they do.
fn without_privileges(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set=-dac_override", "--inh-caps=-dac_override"]);
    bound.arg(command.get_program()).args(command.get_args());
    bound.env_clear().current_dir(command.get_current_dir().unwrap());
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bound
}
