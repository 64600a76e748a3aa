//! What commands cost, as whole processes, in a store of ten thousand connections.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::oidc_agent::Agent;
use super::provider::Provider;
use super::token::Home;
use super::{Allowed, Figure, milliseconds, processes};
use crate::process::must;
use crate::{Result, install, vestal};

const HOME: Home = Home("target/bench/cli");
const CONNECTIONS: usize = 10_000;

/// What is measured, and what it may cost by `vestal --version`.
const COMMANDS: &[(&[&str], Allowed)] = &[
    (&["token", "bench"], Allowed::AtMost(3.0)),
    (&["status", "bench"], Allowed::AtMost(5.0)),
    (&["status"], Allowed::AtMost(10.0)),
    (&["list"], Allowed::Anything),
    (&["list", "--json"], Allowed::Anything),
];

pub(super) fn measure() -> Result<Vec<Figure>> {
    install::see_to(install::FOR_TESTS)?;
    install::see_to(install::FOR_BENCHES)?;
    let vestal = vestal::build("release")?;
    HOME.connect(&vestal)?;
    fill(&vestal)?;
    let figure = |(arguments, allowed): &(&[&str], Allowed)| {
        let times = processes::compare(
            HOME.command(&vestal).arg("--version"),
            HOME.command(&vestal).args(*arguments),
        )?;
        Ok(Figure {
            what: format!("`vestal {}` / `vestal --version`, {CONNECTIONS} connections", arguments.join(" ")),
            baseline: milliseconds(times.baseline),
            measured: milliseconds(times.subject),
            ratio: times.subject.as_secs_f64() / times.baseline.as_secs_f64(),
            allowed: *allowed,
        })
    };
    let mut figures = COMMANDS.iter().map(figure).collect::<Result<Vec<_>>>()?;
    figures.push(beside_oidc_agent(&vestal)?);
    Ok(figures)
}

/// The same for a token as another keeper of tokens has it done: it asks a daemon, ours looks into the store.
fn beside_oidc_agent(vestal: &Path) -> Result<Figure> {
    let agent = Agent::start(&Provider::start()?)?;
    let times = processes::compare(&mut agent.token(), HOME.command(vestal).args(["token", "bench"]))?;
    Ok(Figure {
        what: format!("`vestal token bench`, {CONNECTIONS} connections / `oidc-token bench`, one account"),
        baseline: milliseconds(times.baseline),
        measured: milliseconds(times.subject),
        ratio: times.subject.as_secs_f64() / times.baseline.as_secs_f64(),
        allowed: Allowed::Anything,
    })
}

/// Imports the others. They are paused: none is to be refreshed meanwhile.
fn fill(vestal: &Path) -> Result {
    let mut lines = String::new();
    for number in 1..CONNECTIONS {
        // Writing to a text cannot fail.
        let _ = writeln!(
            lines,
            r#"{{"name":"customer-{number:05}","client":"bench","refresh_token":"rt-{number}","paused":true}}"#
        );
    }
    let file = Path::new(HOME.0).join("connections.jsonl");
    fs::write(&file, lines).map_err(|error| format!("{}: {error}", file.display()))?;
    must(HOME.command(vestal).args(["import", "--file"]).arg(&file).stdout(Stdio::null()))
}
