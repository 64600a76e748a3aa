//! `cargo xtask simulate`: seeded worlds, in release, since a debug build takes ten times as long.

use std::process::Command;

use crate::Failure;
use crate::process::{cargo, show};

/// Builds the simulation and runs it with these arguments, or its tests; it says itself what it found.
pub(crate) fn run(args: &[&str]) -> Result<(), Failure> {
    let mut command = match args {
        ["test", rest @ ..] => {
            let mut command = cargo(&["test", "--release", "--locked", "-p", "vestal-simulation"]);
            command.args(rest);
            command
        }
        args => simulation("vestal-simulate", args),
    };
    show_to_the_end(&mut command)
}

/// The life of each provider of the catalogue, likewise.
pub(crate) fn lives(args: &[&str]) -> Result<(), Failure> {
    show_to_the_end(&mut simulation("vestal-lives", args))
}

/// The story with which Vestal began, likewise.
pub(crate) fn story(args: &[&str]) -> Result<(), Failure> {
    show_to_the_end(&mut simulation("vestal-story", args))
}

/// A program of the simulation, built in release.
pub(crate) fn simulation(program: &str, args: &[&str]) -> Command {
    let mut command = cargo(&["run", "--release", "--locked", "--quiet", "-p", "vestal-simulation", "--bin"]);
    command.args([program, "--"]).args(args);
    command
}

fn show_to_the_end(command: &mut Command) -> Result<(), Failure> {
    let status = show(command)?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::Told(code.unwrap_or(1)))
}
