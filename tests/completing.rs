//! What a shell completes, and the manual pages.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Home, Provider};

/// What bash would propose for the last of these words, with nothing on stderr.
#[track_caller]
fn proposed(home: &Home, words: &[&str]) -> Vec<String> {
    let bin = home.path().join("bin");
    if fs::create_dir(&bin).is_ok() {
        symlink(env!("CARGO_BIN_EXE_vestal"), bin.join("vestal")).unwrap();
        fs::write(bin.join("script"), home.vestal(&["completions", "bash"]).ok().stdout).unwrap();
    }
    let mut bash = Command::new("bash");
    let complete = "source bin/script; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); compopt() { false; }
                    _clap_complete_vestal vestal \"${COMP_WORDS[COMP_CWORD]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    bash.args(["-c", complete, "bash", "vestal"]).args(words).env_clear().current_dir(home.path());
    bash.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("HOME", home.path());
    bash.env("XDG_CONFIG_HOME", home.path().join("config")).env("XDG_STATE_HOME", home.path().join("state"));
    let said = bash.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), "", "of {words:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn names_are_completed_from_the_store() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop-1", &provider);
    for name in ["shop-2", "the shop", "café"] {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    let before = home.store_bytes();
    assert_eq!(proposed(&home, &["token", "sh"]), ["shop-1", "shop-2"]);
    assert_eq!(proposed(&home, &["token", "--min-ttl", "5m", "shop-2"]), ["shop-2"]);
    assert_eq!(proposed(&home, &["status", "the"]), ["'the shop'"]);
    assert_eq!(proposed(&home, &["explain", "caf"]), ["café"]);
    assert_eq!(proposed(&home, &["run", "shop-1", "shop-"]), ["shop-1", "shop-2"]);
    assert_eq!(proposed(&home, &["list", "--client", "cu"]), ["custom"]);
    assert_eq!(proposed(&home, &["connect", "new", "--provider", "constant"]), ["constant-contact"]);
    assert_eq!(proposed(&home, &["set", "shop-1", "--po"]), ["--policy"]);
    assert_eq!(proposed(&home, &["disc"]), ["disconnect"]);
    assert_eq!(home.store_bytes(), before);
}

#[test]
fn where_nothing_can_be_read_nothing_is_proposed_or_made() {
    let home = Home::new();
    assert_eq!(proposed(&home, &["token", "sh"]), [""; 0]);
    assert!(!home.path().join("config").exists() && !home.path().join("state").exists());

    home.vestal(&["init"]).ok();
    fs::write(home.store(), "no database").unwrap();
    assert_eq!(proposed(&home, &["token", ""]).into_iter().find(|word| !word.starts_with('-')), None);
    fs::write(home.config(), "no configuration").unwrap();
    assert_eq!(proposed(&home, &["token", "sh"]), [""; 0]);
    assert_eq!(proposed(&home, &["connect", "new", "--provider", "constant"]), ["constant-contact"]);
}

#[test]
fn more_names_than_anybody_reads_are_not_proposed() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let line = |number| {
        format!(
            "{{\"name\": \"c{number:04}\", \"client\": \"custom\", \"refresh_token\": \"none-{number}\", \"paused\": true}}\n"
        )
    };
    let lines: String = (0..1_200).map(line).collect();
    home.vestal_reading(&["import", "--file", "-"], &lines).ok();
    assert_eq!(proposed(&home, &["token", "c"]), [""; 0], "what they have in common would be no name's");
    assert_eq!(proposed(&home, &["token", "c0"]).len(), 1_000);
    assert_eq!(proposed(&home, &["token", "c119"]).len(), 10);
}

#[test]
fn a_variable_that_somebody_has_exported_keeps_nobody_from_anything() {
    let home = Home::new();
    for exported in ["bash", "zsh", "1", "nonsense"] {
        for verb in [&["serve"][..], &["token", "shop"], &["--version"]] {
            let mut command = home.command(verb);
            command.env("VESTAL_COMPLETE", exported);
            let ended = home.run(command).end();
            let expected = home.vestal(verb);
            assert_eq!(
                (ended.status, ended.stderr),
                (expected.status, expected.stderr),
                "{exported} {verb:?}"
            );
            assert_eq!(ended.stdout, expected.stdout);
        }
    }
}

#[test]
fn every_verb_has_a_manual_page() {
    let home = Home::new();
    let page = home.vestal(&["man"]).ok().stdout;
    assert!(page.contains(".TH vestal 1 ") && page.contains("vestal\\-token(1)"), "{page}");
    let page = home.vestal(&["man", "client", "add"]).ok().stdout;
    assert!(page.contains(".TH vestal-client-add 1 ") && page.contains(".SH EXAMPLES\n.nf\n"), "{page}");
    home.vestal(&["man", "tokne"]).code(2);

    home.vestal(&["man", "--folder", "man/man1"]).ok();
    let pages = fs::read_dir(home.path().join("man/man1")).unwrap();
    let mut pages: Vec<_> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();
    assert!(pages.len() >= 25 && pages.iter().all(|page| page.ends_with(".1")), "{pages:?}");
    for page in ["vestal.1", "vestal-token.1", "vestal-client-set-secret.1"] {
        assert!(pages.iter().any(|there| there == page), "{page} is not among {pages:?}");
    }
    fs::write(home.path().join("file"), "").unwrap();
    home.vestal(&["man", "--folder", "file/man1"]).code(1);
}
