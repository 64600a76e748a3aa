//! The real binary, built and found.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::process::{cargo, text};

/// Builds `vestal` with a cargo profile (`dev`, `release`) and returns the path of the executable.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    build_program("vestal", profile)
}

/// As [`build`], for the one program of a package of the same name.
pub(crate) fn build_program(name: &str, profile: &str) -> Result<PathBuf> {
    executable(name, &mut command(name, profile))
}

/// What builds it.
pub(crate) fn command(name: &str, profile: &str) -> Command {
    cargo(&[
        "build",
        "--locked",
        &format!("--package={name}"),
        &format!("--bin={name}"),
        "--message-format=json-render-diagnostics",
        &format!("--profile={profile}"),
    ])
}

/// Runs that, and says where the executable is.
pub(crate) fn executable(name: &str, build: &mut Command) -> Result<PathBuf> {
    let messages = text(build)?;
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.ok_or_else(|| format!("cargo built {name}, but did not say where it is"))
}
