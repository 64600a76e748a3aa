//! What a shell asks for while a person types: the words that may come next.
//!
//! The scripts of `vestal completions` call `vestal` with [`VARIABLE`] set. Names come from the store, which is only read: nothing is made or
//! changed, and no key is needed. Where anything is wrong, there is simply nothing to propose: who types is not bothered with it.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use clap_complete::{CompleteEnv, Shell};
use vestal_core::connection::ConnectionName;
use vestal_core::store::StoreError;
use vestal_engine::Catalogue;

use crate::cli::Cli;
use crate::config::{Config, Environment};
use crate::failure::word;

/// The variable that says which shell asks.
pub(crate) const VARIABLE: &str = "VESTAL_COMPLETE";

/// Shells complete what all proposals have in common. Of a part of the names that would be wrong: where there are more than these, nothing is
/// proposed until more is typed.
const MOST: u32 = 1_000;

const SHELLS: Shells<'static> = Shells(&[&QuotingBash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers, if a shell is asking: its script sets the variable, and puts the words typed so far behind a `--`. The variable alone, as one that
/// somebody has exported, asks for nothing.
pub(crate) fn answered() -> bool {
    if std::env::args_os().nth(1).is_none_or(|first| first != "--") {
        return false;
    }
    let asked = CompleteEnv::with_factory(|| proposing(Cli::command())).var(VARIABLE).shells(SHELLS);
    let folder = std::env::current_dir().ok();
    asked.try_complete(std::env::args_os(), folder.as_deref()).unwrap_or(true)
}

/// The script that has a shell ask.
pub(crate) fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &QuotingBash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::PowerShell => &Powershell,
        Shell::Zsh => &Zsh,
        other => {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format!("nothing is known of {other}")));
        }
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "vestal", "vestal", "vestal", &mut script)?;
    Ok(script)
}

/// The command line, with what to propose for its values.
fn proposing(command: Command) -> Command {
    command
        .mut_args(|argument| match proposer(&argument) {
            Some(proposer) => argument.add(proposer),
            None => argument,
        })
        .mut_subcommands(proposing)
}

fn proposer(argument: &Arg) -> Option<ArgValueCompleter> {
    let is_name = argument.get_value_parser().type_id() == TypeId::of::<ConnectionName>();
    match argument.get_id().as_str() {
        "client" => Some(ArgValueCompleter::new(clients)),
        "provider" => Some(ArgValueCompleter::new(providers)),
        // Those of `run` may name a variable, too.
        "wanted" => Some(ArgValueCompleter::new(connections)),
        _ => is_name.then(|| ArgValueCompleter::new(connections)),
    }
}

fn connections(typed: &OsStr) -> Vec<CompletionCandidate> {
    stored(typed, vestal_store::connection_names)
}

fn clients(typed: &OsStr) -> Vec<CompletionCandidate> {
    stored(typed, vestal_store::client_names)
}

fn providers(typed: &OsStr) -> Vec<CompletionCandidate> {
    let own = config().and_then(|config| config.catalogue().ok());
    let mut ids = own.unwrap_or_else(Catalogue::builtin).ids();
    ids.retain(|id| id.starts_with(&*typed.to_string_lossy()));
    proposals(ids)
}

fn stored(
    typed: &OsStr,
    names: fn(&Path, &str, u32) -> Result<Vec<String>, StoreError>,
) -> Vec<CompletionCandidate> {
    let found = || {
        let config = config()?;
        names(&config.store, typed.to_str()?, MOST + 1).ok()
    };
    proposals(found().filter(|names| names.len() <= MOST as usize).unwrap_or_default())
}

fn proposals(words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

fn config() -> Option<Config> {
    let typed = std::env::args_os().skip_while(|word| word != "--");
    Config::load(&Environment::of_process(), named(typed).as_deref()).ok()
}

/// The configuration that is named among the words typed so far.
fn named(typed: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut typed =
        typed.skip_while(|word| word != "--config" && !word.as_encoded_bytes().starts_with(b"--config="));
    let flag = typed.next()?;
    match flag.to_str()?.split_once('=') {
        Some((_, path)) => Some(path.into()),
        None => typed.next().map(PathBuf::from),
    }
}

/// Bash puts a proposal on the line as it is.
struct QuotingBash;

impl EnvCompleter for QuotingBash {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        Bash.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let environment = Environment::of_process();
        let said = |name: &str| environment.get(name).and_then(OsStr::to_str);
        let index = said("_CLAP_COMPLETE_INDEX").and_then(|index| index.parse().ok()).unwrap_or_default();
        let between = said("_CLAP_IFS").unwrap_or("\n");
        let proposals = complete(command, words, index, folder)?;
        let proposals: Vec<String> =
            proposals.iter().map(|proposal| quoted(&proposal.get_value().to_string_lossy())).collect();
        out.write_all(proposals.join(between).as_bytes())
    }
}

/// A proposal as bash reads it back. Options stay as they are.
fn quoted(proposal: &str) -> String {
    if proposal.starts_with('-') { proposal.to_owned() } else { word(proposal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_that_is_being_typed_counts() {
        let named = |typed: &str| named(typed.split(' ').map(OsString::from));
        assert_eq!(named("vestal token --config a.toml sh"), Some("a.toml".into()));
        assert_eq!(named("vestal --config=b.toml token"), Some("b.toml".into()));
        assert_eq!(named("vestal token --config"), None);
        assert_eq!(named("vestal token sh"), None);
    }

    #[test]
    fn every_connection_s_name_is_completed() {
        let vestal = proposing(Cli::command());
        for verb in ["token", "status", "explain", "set", "run", "pause", "connect", "refresh"] {
            let mut arguments = vestal.find_subcommand(verb).unwrap().get_arguments();
            assert!(arguments.any(|argument| argument.get::<ArgValueCompleter>().is_some()), "{verb}");
        }
    }

    #[test]
    fn bash_reads_back_what_is_proposed() {
        assert_eq!(quoted("the shop"), "'the shop'");
        assert_eq!(quoted("shop"), "shop");
        assert_eq!(quoted("--min-ttl"), "--min-ttl");
    }
}
