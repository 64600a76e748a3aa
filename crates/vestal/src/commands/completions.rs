//! `vestal completions`: what has a shell complete the command line.

use std::io::Write;

use clap_complete::Shell;

use crate::completion;
use crate::context::Context;
use crate::failure::Failure;

/// Print what has a shell complete the command line
///
/// It completes verbs, options, and the names of connections, clients and providers. The shell asks vestal for them: after an upgrade, print it anew.
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
    std::io::stdout().lock().write_all(&completion::script(args.shell)?)?;
    Ok(())
}
