//! Tells the story with which Vestal began, in every version, and prints how each ends.

#![expect(clippy::print_stdout, reason = "a command: this is what it is for")]

use std::process::ExitCode;

use clap::Parser;
use vestal_simulation::story::{Keeper, RefreshTokens, TALES, markdown, tell_all};

/// Five virtual years in which nobody fills in a web form; then somebody does.
#[derive(Parser)]
#[command(name = "vestal-story")]
struct Args {
    /// The application has refresh tokens that stay the same, instead of such that are used once.
    #[arg(long)]
    long_lived: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let tokens = if args.long_lived { RefreshTokens::LongLived } else { RefreshTokens::Rotating };
    let endings = tell_all(TALES, tokens);
    print!("{}", markdown(&endings));
    let lost = endings.iter().any(|ending| ending.tale.keeper == Keeper::Vestal && ending.lost > 0);
    if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
