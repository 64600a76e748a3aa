//! Measures how much a node refreshes, and what that costs. `cargo xtask bench refresh` runs it.
//!
//! A provider in a process of its own, the real `vestal serve` on a real disk, and for comparison bare token requests
//! that save nothing. What was measured is printed as one line of JSON.
#![allow(clippy::print_stdout, reason = "this is a program, and that is what it says")]

mod disk;
mod fill;
mod measure;
mod node;
mod provider;
mod real;
mod requests;
mod spread;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Like the daemon's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match *arguments.as_slice() {
            ["refresh", vestal] => measure::refresh(Path::new(vestal)).await,
            ["provider", grants] => provider::run(Path::new(grants)).await,
            ["requests", spread] => requests::run(&serde_json::from_str(spread).context("the spread")?).await,
            _ => bail!("vestal-bench refresh VESTAL (the path of the program)"),
        }
    })
}
