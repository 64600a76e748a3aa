//! What commands cost, as whole processes, in a store of ten thousand connections.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

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
    COMMANDS.iter().map(figure).collect()
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
