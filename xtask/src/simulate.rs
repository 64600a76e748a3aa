//! `cargo xtask simulate`: seeded worlds, in release, since a debug build takes ten times as long.

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
        args => {
            let mut command =
                cargo(&["run", "--release", "--locked", "--quiet", "-p", "vestal-simulation", "--"]);
            command.args(args);
            command
        }
    };
    let status = show(&mut command)?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::Told(code.unwrap_or(1)))
}
