//! `cargo xtask check`: everything that is not a test and must hold.

mod arrows;
mod bill;
mod links;

use std::io::{self, Write};
use std::process::Command;
use std::time::Instant;

use crate::install::{FOR_CHECKS, see_to, tool};
use crate::process::{cargo, quiet};
use crate::{Failure, Result, generate};

struct Step {
    what: &'static str,
    check: fn() -> Result,
}

const STEPS: &[Step] = &[
    Step {
        what: "lock files",
        check: || {
            let scope = ["metadata", "--quiet", "--locked", "--format-version=1"];
            silent(&mut cargo(&scope))?;
            silent(&mut cargo(&[&scope[..], &["--manifest-path=fuzz/Cargo.toml"]].concat()))
        },
    },
    Step {
        what: "formatting",
        check: || {
            cargo_says_nothing(&["fmt", "--all", "--", "--check", "--color=never"])?;
            cargo_says_nothing(&["fmt", "--manifest-path=fuzz/Cargo.toml", "--", "--check", "--color=never"])
        },
    },
    Step {
        what: "clippy",
        check: || {
            let scope = ["clippy", "--quiet", "--workspace", "--all-targets", "--all-features", "--locked"];
            cargo_says_nothing(&[&scope[..], &["--", "-D", "warnings"]].concat())
        },
    },
    Step {
        what: "vestal in a program",
        check: || {
            // As docs/embedding.md has it, and with what it asks of its dependencies alone.
            let scope = ["clippy", "--quiet", "--package=vestal", "--no-default-features", "--locked"];
            cargo_says_nothing(&[&scope[..], &["--", "-D", "warnings"]].concat())
        },
    },
    Step {
        what: "documentation",
        check: || {
            let mut doc =
                cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--all-features", "--locked"]);
            silent(doc.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step { what: "licences, bans and sources", check: || deny(&["bans", "licenses", "sources"]) },
    Step { what: "arrows between crates", check: arrows::check },
    Step { what: "links between documents", check: links::check },
    Step { what: "what containers are run by", check: manifests },
    Step { what: "bill of materials", check: bill::check },
    Step { what: "typos", check: || silent(&mut tool("typos")) },
    Step { what: "generated files", check: generate::compare },
];

const ADVISORIES: Step = Step { what: "advisories", check: || deny(&["advisories"]) };

pub(crate) fn run(advisories: bool) -> std::result::Result<(), Failure> {
    see_to(FOR_CHECKS)?;
    let steps = STEPS.iter().chain(advisories.then_some(&ADVISORIES));
    let failures: Vec<(&str, String)> =
        steps.filter_map(|step| timed(step).err().map(|message| (step.what, message))).collect();
    for (what, message) in &failures {
        println!("\n── {what}\n{message}");
    }
    if failures.is_empty() {
        return Ok(());
    }
    let failed: Vec<&str> = failures.iter().map(|(what, _)| *what).collect();
    Err(Failure::Failed(format!("these checks failed: {}", failed.join("; "))))
}

/// Runs a step and prints its one line: what, how it ended, how long it took.
fn timed(step: &Step) -> Result {
    print!("{:<30}", step.what);
    // A line that comes late is no failure of the step.
    io::stdout().flush().ok();
    let start = Instant::now();
    let result = (step.check)();
    let word = if result.is_ok() { "ok" } else { "FAILED" };
    println!("{word:<6} {:6.1} s", start.elapsed().as_secs_f64());
    result
}

/// By the schemas of those who read them. That what is in them works is a test's business.
fn manifests() -> Result {
    silent(
        tool("check-jsonschema")
            .args(["--builtin-schema=vendor.compose-spec", "deploy/compose/compose.yaml"]),
    )?;
    let workloads = ["state", "serve", "refresh"].map(|name| format!("deploy/kubernetes/{name}.yaml"));
    silent(tool("kubernetes-validate").arg("--strict").args(workloads))
}

fn deny(checks: &[&str]) -> Result {
    cargo_says_nothing(
        &[&["deny", "--locked", "check", "--hide-inclusion-graph", "--allow=duplicate"], checks].concat(),
    )
}

fn cargo_says_nothing(args: &[&str]) -> Result {
    silent(&mut cargo(args))
}

fn silent(command: &mut Command) -> Result {
    quiet(command).map(|_| ())
}
