//! Installs what tests and checks need, and asks first.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{cargo, must, quiet, text};

/// Something that a fresh clone on a new machine does not have yet.
pub(crate) struct Need {
    /// What it is.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) why: &'static str,
    /// Where it goes.
    pub(crate) place: &'static str,
    /// What a person would type to install it.
    pub(crate) by_hand: &'static str,
    pub(crate) is_there: fn() -> bool,
    pub(crate) install: fn() -> Result,
}

const OIDC_PROVIDER: &str = "tests/peers/oidc-provider";
const CHROMIUM: &str = "tests/peers/chromium";

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: &[Need] = &[
    Need {
        name: "npm packages of the peer `oidc-provider`",
        why: "the end-to-end tests run against a certified authorization server",
        place: "tests/peers/oidc-provider/node_modules (4 MB)",
        by_hand: "(cd tests/peers/oidc-provider && npm ci)",
        is_there: || has_packages(OIDC_PROVIDER),
        install: || install_packages_of(OIDC_PROVIDER),
    },
    Need {
        name: "npm packages that drive Chromium",
        why: "a person consents in a real browser",
        place: "tests/peers/chromium/node_modules (57 MB)",
        by_hand: "(cd tests/peers/chromium && npm ci)",
        is_there: || has_packages(CHROMIUM),
        install: || install_packages_of(CHROMIUM),
    },
    Need {
        name: "Chromium",
        why: "a person consents in a real browser",
        place: "/usr/bin (Debian package, 90 MB to load)",
        by_hand: "sudo apt-get install chromium",
        is_there: || quiet(Command::new("chromium").arg("--version")).is_ok(),
        install: || install_packages(&["chromium"]),
    },
    Need {
        name: "systemd-analyze",
        why: "the units for systemd are verified with it",
        place: "/usr/bin (Debian package systemd)",
        by_hand: "sudo apt-get install systemd",
        is_there: || quiet(Command::new("systemd-analyze").arg("--version")).is_ok(),
        install: || install_packages(&["systemd"]),
    },
    Need {
        name: "sqlite3",
        why: "a store is copied with it while it is used",
        place: "/usr/bin (Debian package)",
        by_hand: "sudo apt-get install sqlite3",
        is_there: || quiet(Command::new("sqlite3").arg("-version")).is_ok(),
        install: || install_packages(&["sqlite3"]),
    },
    Need {
        name: "jq",
        why: "a page has it read what doctor says",
        place: "/usr/bin (Debian package)",
        by_hand: "sudo apt-get install jq",
        is_there: || quiet(Command::new("jq").arg("--version")).is_ok(),
        install: || install_packages(&["jq"]),
    },
    Need {
        name: "neomutt, mbsync and msmtp",
        why: "they send a token of Vestal's to a mail server",
        place: "/usr/bin (Debian packages, 15 MB)",
        by_hand: "sudo apt-get install neomutt isync msmtp libsasl2-modules-kdexoauth2",
        is_there: || {
            let each = "neomutt -v && mbsync --version && msmtp --version && ls /usr/lib/*/sasl2/*xoauth2.so";
            quiet(Command::new("sh").args(["-c", each])).is_ok()
        },
        install: || install_packages(&["neomutt", "isync", "msmtp", "libsasl2-modules-kdexoauth2"]),
    },
    Need {
        name: "zsh and fish",
        why: "what they complete is what they are asked for",
        place: "/usr/bin (Debian packages, 40 MB)",
        by_hand: "sudo apt-get install zsh fish",
        is_there: || quiet(Command::new("sh").args(["-c", "zsh --version && fish --version"])).is_ok(),
        install: || install_packages(&["zsh", "fish"]),
    },
];

/// What `cargo xtask prove` needs besides. Without it, the tests try less, and say so.
pub(crate) const FOR_PROOFS: &[Need] = &[
    Need {
        name: "strace",
        why: "it lets writes and fsyncs of the program fail",
        place: "/usr/bin (Debian package)",
        by_hand: "sudo apt-get install strace",
        is_there: || quiet(Command::new("strace").arg("-V")).is_ok(),
        install: || install_packages(&["strace"]),
    },
    Need {
        name: "mmdebstrap",
        why: "the first five minutes are tried on a fresh Debian",
        place: "/usr/bin (Debian package)",
        by_hand: "sudo apt-get install mmdebstrap",
        is_there: || quiet(Command::new("mmdebstrap").arg("--version")).is_ok(),
        install: || install_packages(&["mmdebstrap"]),
    },
];

/// What `cargo xtask bench` needs besides.
pub(crate) const FOR_BENCHES: &[Need] = &[Need {
    name: "oidc-agent",
    why: "what a token costs is compared with it",
    place: "/usr/bin (Debian package oidc-agent-cli)",
    by_hand: "sudo apt-get install oidc-agent-cli",
    is_there: || quiet(Command::new("oidc-token").arg("--version")).is_ok(),
    install: || install_packages(&["oidc-agent-cli"]),
}];

/// What `cargo xtask fuzz` needs.
pub(crate) const FOR_FUZZING: &[Need] = &[Need {
    name: "a C++ compiler",
    why: "libFuzzer is built from source",
    place: "/usr/bin (Debian package)",
    by_hand: "sudo apt-get install g++",
    is_there: || quiet(Command::new("c++").arg("--version")).is_ok(),
    install: || install_packages(&["g++"]),
}];

/// What `cargo xtask check` needs.
pub(crate) const FOR_CHECKS: &[Need] = &[
    Need {
        name: "cargo-deny",
        why: "licences, banned crates and sources of the dependencies are checked with it",
        place: "cargo's own bin folder (built from source, some minutes)",
        by_hand: "cargo install --locked cargo-deny@^0.20",
        is_there: || quiet(&mut cargo(&["deny", "--version"])).is_ok(),
        install: || must(&mut cargo(&["install", "--locked", "cargo-deny@^0.20"])),
    },
    Need {
        name: "programs from PyPI (xtask/tools.txt)",
        why: "typos are looked for with them, and what others read is held against its schema",
        place: "target/tools (a Python environment of its own, 200 MB)",
        by_hand: "python3 -m venv target/tools && target/tools/bin/pip install --requirement xtask/tools.txt",
        // In exactly these versions, which pip tells without the network.
        is_there: || quiet(pip_install().arg("--no-index")).is_ok(),
        install: || {
            must(Command::new("python3").args(["-m", "venv", TOOLS]))?;
            must(pip_install().arg("--disable-pip-version-check"))
        },
    },
];

const TOOLS: &str = "target/tools";

/// One of the programs from PyPI.
pub(crate) fn tool(name: &str) -> Command {
    Command::new(Path::new(TOOLS).join("bin").join(name))
}

fn pip_install() -> Command {
    let mut pip = tool("pip");
    pip.args(["install", "--quiet", "--requirement", "xtask/tools.txt"]);
    pip
}

fn has_packages(peer: &str) -> bool {
    let peer = Path::new(peer);
    is_newer(&peer.join("node_modules/.package-lock.json"), &peer.join("package-lock.json"))
}

fn install_packages_of(peer: &str) -> Result {
    must(Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(peer))
}

/// Installs packages of Debian's, as only the administrator may.
fn install_packages(names: &[&str]) -> Result {
    let is_root = text(Command::new("id").arg("-u"))?.trim() == "0";
    let as_root: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let apt_get = |arguments: &[&str]| {
        let words = [as_root, &["apt-get"], arguments].concat();
        must(Command::new(words[0]).args(&words[1..]))
    };
    let install = [&["install", "--yes", "--no-install-recommends"], names].concat();
    // A machine that was just made may not know what packages there are.
    apt_get(&install).or_else(|_| apt_get(&["update"]).and_then(|()| apt_get(&install)))
}

/// How the user may be asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Consent {
    /// `CI` is set: it is given.
    Given,
    /// There is a terminal to ask on.
    Ask,
    /// There is nobody to ask.
    Nobody,
}

/// Sees to it that all of `needs` are there, or says what to do.
pub(crate) fn see_to(needs: &[Need]) -> Result {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    match consent(env::var("CI").ok().as_deref(), terminal) {
        Consent::Given => {}
        Consent::Ask => ask(&missing)?,
        Consent::Nobody => {
            return Err(refusal(&missing, "there is no terminal to ask on and CI is not set"));
        }
    }
    for need in missing {
        (need.install)().map_err(|error| format!("cannot install {}: {error}", need.name))?;
        if !(need.is_there)() {
            return Err(format!("{} is still missing after `{}`", need.name, need.by_hand));
        }
    }
    Ok(())
}

fn consent(ci: Option<&str>, terminal: bool) -> Consent {
    match ci {
        Some(value) if !value.is_empty() && value != "false" => Consent::Given,
        _ if terminal => Consent::Ask,
        _ => Consent::Nobody,
    }
}

fn ask(missing: &[&Need]) -> Result {
    eprintln!("To be installed:\n{}", list(missing));
    eprint!("Install now? [y/N] ");
    let cannot_ask = |error: io::Error| format!("cannot ask: {error}");
    io::stderr().flush().map_err(cannot_ask)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(cannot_ask)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refusal(missing, "you said no")) }
}

fn refusal(missing: &[&Need], because: &str) -> String {
    format!(
        "something is missing, and it was not installed because {because}\n{}\nInstall it as shown, or set CI=1 to have it installed.",
        list(missing)
    )
}

fn list(missing: &[&Need]) -> String {
    let describe = |need: &&Need| {
        format!(
            "  {}\n    why:   {}\n    where: {}\n    by:    {}",
            need.name, need.why, need.place, need.by_hand
        )
    };
    missing.iter().map(describe).collect::<Vec<_>>().join("\n")
}

/// Whether `made` exists and was written after `source`.
fn is_newer(made: &Path, source: &Path) -> bool {
    let modified = |path| fs::metadata(path).and_then(|metadata| metadata.modified());
    matches!((modified(made), modified(source)), (Ok(made), Ok(source)) if made >= source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: Need = Need {
        name: "a thing",
        why: "the tests love it",
        place: "nowhere",
        by_hand: "make thing",
        is_there: || false,
        install: || Ok(()),
    };

    #[test]
    fn only_ci_installs_unasked() {
        assert_eq!(consent(Some("true"), false), Consent::Given);
        assert_eq!(consent(Some("1"), true), Consent::Given);
        for unset in [None, Some(""), Some("false")] {
            assert_eq!(consent(unset, true), Consent::Ask);
            assert_eq!(consent(unset, false), Consent::Nobody);
        }
    }

    #[test]
    fn a_refusal_says_what_to_type() {
        let message = refusal(&[&MISSING], "there is nobody");
        for part in ["a thing", "the tests love it", "nowhere", "make thing", "there is nobody", "CI=1"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }

    #[test]
    fn what_is_older_than_its_source_is_not_there() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let manifest = Path::new(folder).join("Cargo.toml");
        assert!(is_newer(&manifest, &manifest));
        assert!(!is_newer(&Path::new(folder).join("absent"), &manifest));
    }
}
