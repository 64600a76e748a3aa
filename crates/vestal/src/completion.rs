//! What a shell asks for while a person types: the words that may come next.
//!
//! The scripts of `vestal completions` call `vestal` with [`VARIABLE`] set. Names come from the store, which is only read: nothing is made or
//! changed, and no key is needed. Where anything is wrong, there is simply nothing to propose: who types is not bothered with it.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use clap_complete::{CompleteEnv, Shell};
use vestal_core::connection::ConnectionName;
use vestal_core::store::StoreError;
use vestal_engine::Catalogue;

use crate::cli::Cli;
use crate::config::{Config, Environment};

mod bash;

/// The variable that says which shell asks.
pub(crate) const VARIABLE: &str = "VESTAL_COMPLETE";

/// Shells complete what all proposals have in common. Of a part of the names that would be wrong: where there are more than these, nothing is
/// proposed until more is typed.
const MOST: u32 = 1_000;

/// Answers, if a shell is asking: its script sets the variable, and puts what was typed so far behind a `--`. The variable alone, as one that
/// somebody has exported, asks for nothing.
pub(crate) fn answered() -> bool {
    let mut said = std::env::args_os();
    let program = said.next();
    if said.next().is_none_or(|first| first != "--") {
        return false;
    }
    let mut words: Vec<OsString> = said.collect();
    let mut bash = bash::Typed::default();
    if Environment::of_process().get(VARIABLE).is_some_and(|shell| shell == "bash") {
        let [line, piece] =
            [0, 1].map(|at| words.get(at).map(|text| text.to_string_lossy()).unwrap_or_default());
        bash = bash::Typed::read(&line, &piece);
        words = bash.words.iter().map(OsString::from).collect();
    }
    let config = named(words.iter());
    let shells: [&dyn EnvCompleter; 5] = [&bash, &Elvish, &Fish, &Powershell, &Zsh];
    let asked = CompleteEnv::with_factory(|| proposing(Cli::command(), config.as_deref()))
        .var(VARIABLE)
        .shells(Shells(&shells));
    let folder = std::env::current_dir().ok();
    let words = program.into_iter().chain([OsString::from("--")]).chain(words);
    asked.try_complete(words, folder.as_deref()).unwrap_or(true)
}

/// The script that has a shell ask.
pub(crate) fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &bash::Typed::default(),
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
fn proposing(command: Command, config: Option<&Path>) -> Command {
    command
        .mut_args(|argument| match source_of(&argument) {
            Some(source) => {
                let config = config.map(Path::to_owned);
                argument.add(ArgValueCompleter::new(move |typed: &OsStr| {
                    proposals(source, typed, config.as_deref())
                }))
            }
            None => argument,
        })
        .mut_subcommands(|verb| proposing(verb, config))
}

/// Where the values of an argument come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Connections,
    Clients,
    Providers,
}

fn source_of(argument: &Arg) -> Option<Source> {
    let is_name = argument.get_value_parser().type_id() == TypeId::of::<ConnectionName>();
    match argument.get_id().as_str() {
        "client" => Some(Source::Clients),
        "provider" => Some(Source::Providers),
        // Those of `run` may name a variable, too.
        "wanted" => Some(Source::Connections),
        _ => is_name.then_some(Source::Connections),
    }
}

fn proposals(source: Source, typed: &OsStr, config: Option<&Path>) -> Vec<CompletionCandidate> {
    let config = Config::load(&Environment::of_process(), config).ok();
    let stored = |names: fn(&Path, &str, u32) -> Result<Vec<String>, StoreError>| {
        let found = names(&config.as_ref()?.store, typed.to_str()?, MOST + 1).ok()?;
        Some(found).filter(|names| names.len() <= MOST as usize)
    };
    let words = match source {
        Source::Connections => stored(vestal_store::connection_names),
        Source::Clients => stored(vestal_store::client_names),
        Source::Providers => {
            let own = config.and_then(|config| config.catalogue().ok());
            let mut ids = own.unwrap_or_else(Catalogue::builtin).ids();
            ids.retain(|id| id.starts_with(&*typed.to_string_lossy()));
            Some(ids)
        }
    };
    words.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}

/// The configuration that is named among the words typed so far.
fn named<'a>(typed: impl Iterator<Item = &'a OsString>) -> Option<PathBuf> {
    let mut typed =
        typed.skip_while(|word| *word != "--config" && !word.as_encoded_bytes().starts_with(b"--config="));
    let flag = typed.next()?;
    match flag.to_str()?.split_once('=') {
        Some((_, path)) => Some(path.into()),
        None => typed.next().map(PathBuf::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_that_is_being_typed_counts() {
        let named = |typed: &str| named(typed.split(' ').map(OsString::from).collect::<Vec<_>>().iter());
        assert_eq!(named("vestal token --config a.toml sh"), Some("a.toml".into()));
        assert_eq!(named("vestal --config=b.toml token"), Some("b.toml".into()));
        assert_eq!(named("vestal token --config"), None);
        assert_eq!(named("vestal token sh"), None);
    }

    #[test]
    fn every_connection_s_name_is_completed() {
        let vestal = proposing(Cli::command(), None);
        for verb in ["token", "status", "explain", "set", "run", "pause", "connect", "refresh"] {
            let mut arguments = vestal.find_subcommand(verb).unwrap().get_arguments();
            assert!(arguments.any(|argument| argument.get::<ArgValueCompleter>().is_some()), "{verb}");
        }
    }
}
