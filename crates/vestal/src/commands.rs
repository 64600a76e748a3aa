//! The verbs, one file each.

use std::path::Path;
use std::time::Duration;

use crate::cli::Command;
use crate::context::Context;
use crate::failure::Failure;
use crate::successor::Successor;

pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod connect;
#[cfg(feature = "demo")]
pub(crate) mod demo;
pub(crate) mod disconnect;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod master_key;
pub(crate) mod pause;
pub(crate) mod providers;
pub(crate) mod refresh;
mod registration;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod set;
pub(crate) mod status;
pub(crate) mod token;

/// Does what was asked. Returns what this process is to become then, if anything.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Option<Successor>, Failure> {
    let done = match command {
        Command::Run(args) => return Box::pin(run::run(args, context)).await.map(Some),
        #[cfg(feature = "demo")]
        Command::Demo(args) => Box::pin(demo::run(args, context)).await,
        Command::Init(args) => Box::pin(init::run(args, context)).await,
        Command::Connect(args) => Box::pin(connect::run(*args, context)).await,
        Command::Client(args) => Box::pin(client::run(args, context)).await,
        Command::Token(args) => Box::pin(token::run(args, context)).await,
        Command::Refresh(args) => Box::pin(refresh::run(args, context)).await,
        Command::Serve(args) => Box::pin(serve::run(args, context)).await,
        Command::Status(args) => Box::pin(status::run(args, context)).await,
        Command::List(args) => Box::pin(list::run(args, context)).await,
        Command::Explain(args) => Box::pin(explain::run(args, context)).await,
        Command::Events(args) => Box::pin(events::run(args, context)).await,
        Command::Import(args) => Box::pin(import::run(*args, context)).await,
        Command::Export(args) => Box::pin(export::run(args, context)).await,
        Command::Set(args) => Box::pin(set::run(args, context)).await,
        Command::Pause(args) => Box::pin(pause::pause(args, context)).await,
        Command::Resume(args) => Box::pin(pause::resume(args, context)).await,
        Command::Disconnect(args) => Box::pin(disconnect::run(args, context)).await,
        Command::MasterKey(args) => Box::pin(master_key::run(args, context)).await,
        Command::Doctor(args) => Box::pin(doctor::run(args, context)).await,
        Command::Providers(args) => Box::pin(providers::run(args, context)).await,
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
    };
    done.map(|()| None)
}

/// A tag on the command line.
fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a tag is written as NAME=VALUE".to_owned()),
    }
}

/// The file that something is written into; none for `-`, which is stdout.
fn written_file(named: Option<&Path>) -> Option<&Path> {
    named.filter(|path| *path != Path::new("-"))
}

/// A length of time on the command line.
fn length(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; a length of time is written as 90s, 5m or 12h"))
}
