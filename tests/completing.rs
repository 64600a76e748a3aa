//! What a shell completes, and the manual pages.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};

use serde_json::Value;

use crate::harness::{Home, Provider, Terminal, until};

/// A program in the home, where `completions/SHELL` is what that shell completes `vestal` by.
fn command(home: &Home, program: &str, shell: &str) -> Command {
    let (bin, completions) = (home.path().join("bin"), home.path().join("completions"));
    if fs::create_dir(&bin).is_ok() {
        symlink(env!("CARGO_BIN_EXE_vestal"), bin.join("vestal")).unwrap();
        fs::create_dir(&completions).unwrap();
    }
    fs::write(completions.join(shell), home.vestal(&["completions", shell]).ok().stdout).unwrap();
    let mut command = Command::new(program);
    command.env_clear().current_dir(home.path());
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("HOME", home.path());
    command.env("XDG_CONFIG_HOME", home.path().join("config"));
    command.env("XDG_STATE_HOME", home.path().join("state"));
    command
}

/// The lines that a command prints, with nothing on stderr.
#[track_caller]
fn told(command: &mut Command) -> Vec<String> {
    let said = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), "", "of {command:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What bash would propose for the last of these words.
#[track_caller]
fn proposed(home: &Home, words: &[&str]) -> Vec<String> {
    let complete =
        "source completions/bash; COMP_LINE=\"vestal $*\"; COMP_POINT=${#COMP_LINE}; compopt() { false; }
                    _vestal vestal \"${@: -1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    told(command(home, "bash", "bash").args(["-c", complete, "bash"]).args(words))
}

/// A shell at which somebody sits.
fn seated(home: &Home, shell: &str, args: &[&str]) -> (Terminal, Child) {
    let (terminal, other_end) = Terminal::open((200, 50));
    let mut sat_at = command(home, "setsid", shell);
    sat_at.args(["--ctty", shell]).args(args).env("LC_ALL", "C.UTF-8").env("TERM", "dumb").env("PS1", "> ");
    sat_at.stdin(other_end.try_clone().unwrap()).stdout(other_end.try_clone().unwrap()).stderr(other_end);
    let running = sat_at.spawn().unwrap();
    (terminal, running)
}

/// Some connections whose names begin alike, and some that have to be quoted.
fn shops() -> (Home, Provider) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop-1", &provider);
    for name in ["shop-2", "the shop", "café"] {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    (home, provider)
}

#[test]
fn names_are_completed_from_the_store() {
    let (home, _provider) = shops();
    let before = home.store_bytes();
    assert_eq!(proposed(&home, &["token", "sh"]), ["shop-1", "shop-2"]);
    assert_eq!(proposed(&home, &["token", "--min-ttl", "5m", "shop-2"]), ["shop-2"]);
    assert_eq!(proposed(&home, &["status", "the"]), [r"the\ shop"]);
    assert_eq!(proposed(&home, &["explain", "caf"]), ["café"]);
    assert_eq!(proposed(&home, &["run", "shop-1", "shop-"]), ["shop-1", "shop-2"]);
    assert_eq!(proposed(&home, &["list", "--client", "cu"]), ["custom"]);
    assert_eq!(proposed(&home, &["connect", "new", "--provider", "constant"]), ["constant-contact"]);
    assert_eq!(proposed(&home, &["set", "shop-1", "--po"]), ["--policy"]);
    assert_eq!(proposed(&home, &["disc"]), ["disconnect"]);
    assert_eq!(home.store_bytes(), before);
}

/// What somebody who sits at a terminal gets, of names that others have chosen.
#[test]
fn what_bash_completes_is_the_name_and_runs_nothing() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("acme:prod", &provider);
    let odd = [
        "zed $(touch ran)",
        "it's `touch ran`",
        "wow!",
        "back\\slash",
        "a*",
        "#1",
        "x=1;touch ran",
        "café 店舗",
    ];
    for name in odd {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    assert!(!proposed(&home, &["token", "acme"]).is_empty(), "the script is there");
    let (terminal, mut sitting) = seated(&home, "bash", &["--norc", "--noprofile", "-i"]);
    terminal.say("source completions/bash; echo re\\ady\n");
    until("a prompt", || terminal.drawn().contains("ready").then_some(()));
    for (number, (typed, name)) in [
        ("acme", "acme:prod"),
        ("acme:p", "acme:prod"),
        ("'acme:p", "acme:prod"),
        ("ze", odd[0]),
        ("\"ze", odd[0]),
        ("'zed", odd[0]),
        ("it", odd[1]),
        ("\"it", odd[1]),
        ("'it", odd[1]),
        ("wo", odd[2]),
        ("'wo", odd[2]),
        ("back", odd[3]),
        ("\"back", odd[3]),
        ("a\\*", odd[4]),
        ("\\#", odd[5]),
        ("x=", odd[6]),
        ("\"x=", odd[6]),
        ("ca", odd[7]),
        ("\"café ", odd[7]),
    ]
    .into_iter()
    .enumerate()
    {
        // Quotes are closed by what is completed.
        terminal.say(&format!("vestal status --json {typed}\t > {number}.json\n"));
        let file = home.path().join(format!("{number}.json"));
        until("the command to be run", || {
            fs::read(&file).is_ok_and(|said| said.ends_with(b"\n")).then_some(())
        });
        let said: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(said["name"], name, "{typed}: {}", terminal.drawn());
    }
    assert!(!home.path().join("ran").exists(), "{}", terminal.drawn());
    terminal.say("exit\n");
    assert!(sitting.wait().unwrap().success());
}

#[test]
fn fish_proposes_what_there_is() {
    let (home, _provider) = shops();
    let proposed = |line: &str| -> Vec<String> {
        let complete = format!("source completions/fish; complete --do-complete '{line}'");
        let lines = told(command(&home, "fish", "fish").args(["--no-config", "-c", &complete]));
        // What it says of each comes after a tab.
        lines.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(proposed("vestal token sh"), ["shop-1", "shop-2"]);
    assert_eq!(proposed("vestal explain caf"), ["café"]);
    assert_eq!(proposed("vestal connect new --provider constant"), ["constant-contact"]);
    assert_eq!(proposed("vestal disc"), ["disconnect"]);
}

/// By its own line editor: with a tab where one would be pressed.
#[test]
fn zsh_completes_what_is_typed() {
    let (home, _provider) = shops();
    let (terminal, mut zsh) = seated(&home, "zsh", &["-f", "-i"]);
    terminal.say("autoload -Uz compinit && compinit -u -D && source completions/zsh; echo re\\ady\r");
    until("a prompt", || terminal.drawn().contains("ready").then_some(()));
    // What is typed after the tab is taken once there is something for it.
    for typed in
        ["status the\t", "explain caf\t", "stat\tshop-1", "list --client cu\t", "providers show constant\t"]
    {
        terminal.say(&format!("vestal {typed} >> seen\r"));
    }
    terminal.say("vestal token sh\t\t");
    until("all names that begin so", || {
        let drawn = terminal.drawn();
        (drawn.contains("shop-1") && drawn.contains("shop-2")).then_some(())
    });
    // The line is taken back.
    terminal.say("\u{15}exit\r");
    let _ = until("zsh to end", || zsh.try_wait().unwrap());
    let seen = fs::read_to_string(home.path().join("seen")).unwrap();
    for part in ["the shop: active", "\"café\" is active", "shop-1: active", "shop-2  ", "Constant Contact"]
    {
        assert!(seen.contains(part), "{part}: {seen}\n{}", terminal.drawn());
    }
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
