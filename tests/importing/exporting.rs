//! What is exported, and what is not.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::*;
use crate::harness::Terminal;

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
    assert_eq!(status(&new, "b / c").state.state.as_str(), "paused");
    new.vestal(&["resume", "b / c"]).ok();
    new.vestal(&["refresh", "b / c"]).ok();
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
    for args in [&["export", "--with-secrets"][..], &["export", "--with-secrets", "--file", "-"]] {
        let (_terminal, end) = Terminal::open((80, 24));
        let mut command = home.command(args);
        let refused = command.stdin(Stdio::null()).stdout(end).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("tokens are not written to a terminal") && told.contains("--file"), "{told}");
    }
}

#[test]
fn a_hyphen_is_stdout_and_no_file() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let export = ["export", "--with-secrets", "--file", "-"];
    let told = home.vestal(&export).ok();
    assert_eq!(told.stdout, home.vestal(&export[..2]).ok().stdout);
    assert!(!home.path().join("-").exists(), "{told}");
}
