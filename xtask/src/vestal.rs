//! The real binary, built and found.

use std::path::PathBuf;

use serde_json::Value;

use crate::Result;
use crate::process::{cargo, text};

/// Builds `vestal` with a cargo profile (`dev`, `release`) and returns the path of the executable.
pub(crate) fn build(profile: &str) -> Result<PathBuf> {
    let messages = text(&mut cargo(&[
        "build",
        "--locked",
        "--package=vestal",
        "--bin=vestal",
        "--message-format=json-render-diagnostics",
        &format!("--profile={profile}"),
    ]))?;
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.ok_or_else(|| "cargo built vestal, but did not say where it is".to_owned())
}
