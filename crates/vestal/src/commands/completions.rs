//! `vestal completions`: what a shell has to know.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::context::Context;
use crate::failure::Failure;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal completions bash > ~/.local/share/bash-completion/completions/vestal
  vestal completions zsh > ~/.zfunc/_vestal
  vestal completions fish > ~/.config/fish/completions/vestal.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, _: &Context) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "vestal", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}
