//! The command line, as it is typed.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands;
use crate::logging::Level;

/// Keeps OAuth 2.0 tokens alive
///
/// Vestal refreshes access tokens before they end, keeps refresh tokens from dying of disuse, and says early when only a person can help.
#[derive(Debug, Parser)]
#[command(
    name = "vestal",
    version,
    after_help = "\
Examples:
  vestal demo                                       see it work, nothing set up
  vestal connect shop --provider constant-contact   the first five minutes
  vestal token shop                                 a fresh access token
  vestal run shop -- ./sync.py                      a command with one in its environment
  vestal serve                                      keep everything alive

Exit codes:
  0 done  1 failed  2 usage  3 needs re-authorization  4 unavailable, try again",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb understands.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration file [default: $VESTAL_CONFIG, or vestal/vestal.toml under $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print JSON, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Log more: -v what happens, -vv how, -vvv everything but secrets
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// How much to log on stderr [default: $VESTAL_LOG, or warn; serve: info]
    #[arg(long, global = true, value_enum, value_name = "LEVEL", hide_possible_values = true)]
    pub(crate) log: Option<Level>,
}

impl Global {
    /// The level that a flag asks for.
    pub(crate) fn level(&self) -> Option<Level> {
        self.log.or(match self.verbose {
            0 => None,
            1 => Some(Level::Info),
            2 => Some(Level::Debug),
            _ => Some(Level::Trace),
        })
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "demo")]
    Demo(commands::demo::Args),
    Init(commands::init::Args),
    Connect(Box<commands::connect::Args>),
    Client(commands::client::Args),
    Token(commands::token::Args),
    Run(commands::run::Args),
    Refresh(commands::refresh::Args),
    Serve(commands::serve::Args),
    Status(commands::status::Args),
    List(commands::list::Args),
    Explain(commands::explain::Args),
    Events(commands::events::Args),
    Import(Box<commands::import::Args>),
    Export(commands::export::Args),
    Set(commands::set::Args),
    Pause(commands::pause::PauseArgs),
    Resume(commands::pause::ResumeArgs),
    Disconnect(commands::disconnect::Args),
    MasterKey(commands::master_key::Args),
    Doctor(commands::doctor::Args),
    Providers(commands::providers::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

impl Command {
    /// Whether it is there for what it does, and not for what it prints: then it does all of it, whoever has stopped reading.
    pub(crate) fn changes_something(&self) -> bool {
        match self {
            Self::Init(_)
            | Self::Connect(_)
            | Self::Client(_)
            | Self::Refresh(_)
            | Self::Import(_)
            | Self::Set(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Disconnect(_)
            | Self::MasterKey(_) => true,
            #[cfg(feature = "demo")]
            Self::Demo(_) => false,
            Self::Token(_)
            | Self::Run(_)
            | Self::Serve(_)
            | Self::Status(_)
            | Self::List(_)
            | Self::Explain(_)
            | Self::Events(_)
            | Self::Export(_)
            | Self::Doctor(_)
            | Self::Providers(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_others_have_chosen_may_begin_like_a_flag() {
        for line in [
            "vestal token shop --dpop GET https://api.example.com --dpop-nonce -3WY",
            "vestal client add acme --provider okta --client-id -abc",
            "vestal import shop --client acme --external-id -7",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn every_verb_has_an_example_and_every_option_a_help_text() {
        fn look(command: &clap::Command, path: &str) {
            let name = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("vestal "), "{name} has no example");
            assert!(!help.contains("$(vestal token"), "{name}: others see what a command line holds");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name}: {} has no help", argument.get_id());
            }
            command.get_subcommands().for_each(|verb| look(verb, &name));
        }
        look(&Cli::command(), "");
    }
}
