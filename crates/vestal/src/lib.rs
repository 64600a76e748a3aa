//! Vestal keeps OAuth 2.0 tokens alive: the program, and, for Rust programs, [`Keeper`], which hands out fresh access tokens
//! from the same store.
//!
//! ```standalone_crate
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/harness/stage.rs"));
//! # fn main() -> std::process::ExitCode { on_stage(async |_| {
//! let keeper = vestal::Keeper::open("vestal.db")?;
//! let token = keeper.token("shop").await?;
//! # assert!(token.generation() == 1 && !token.expose().is_empty());
//! # keeper.close().await;
//! # Ok(()) }) }
//! ```

mod cli;
mod clock;
mod commands;
mod completion;
mod config;
mod context;
mod daemon;
#[cfg(feature = "demo")]
mod demo;
mod entropy;
mod failure;
mod hardening;
mod heartbeat;
mod keeper;
mod keys;
mod lazy_http;
mod logging;
mod loopback;
mod node;
mod open_files;
mod output;
mod overdue;
mod pending;
mod progress;
mod reasons;
mod screen;
mod signals;
mod successor;
mod supervisor;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod text;
mod tidying;
mod timeline;
mod token_file;
mod token_files;
mod warnings;
mod when;

use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;
use vestal_api::ErrorView;

use cli::{Cli, Command};
use config::Environment;
use context::Context;
use failure::Failure;
use logging::Level;
use output::Output;
use signals::Signals;

#[cfg(feature = "reqwest-middleware")]
pub use keeper::Authorize;
pub use keeper::{Error, Keeper, Token};
pub use vestal_api::Code;

/// What the program does: its arguments and its environment are the process's.
#[doc(hidden)]
pub fn main() -> ExitCode {
    hardening::protect_memory();
    if completion::answered() {
        return ExitCode::SUCCESS;
    }
    let environment = Environment::of_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return helped(&error, &environment),
        Err(error) => return misunderstood(&error),
    };
    let outlives_readers = cli.command.changes_something();
    let output = Output { outlives_readers, ..Output::new(cli.global.json, &environment) };
    start(cli, environment, output).unwrap_or_else(|failure| told(failure, output))
}

fn start(cli: Cli, environment: Environment, output: Output) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let asked = logging::asked_for(global.level(), &environment)?;
    let context = Context {
        environment,
        config_flag: global.config,
        log: asked,
        output,
        signals: Signals::default(),
        opened: OnceLock::new(),
    };
    // Whatever is done once, and shown at once, needs no times; `serve` begins its own log.
    if !matches!(command, Command::Serve(_)) {
        logging::start(asked.unwrap_or(Level::Warn), output, false);
    }
    let open_files = open_files::enough()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("the program cannot be started").why(error))?;
    let ended = runtime.block_on(async {
        signals::outlive_the_longest_file();
        let outcome = commands::run(command, &context).await;
        let tell = |failure| told(failure, output);
        if output.json {
            // The last line is a program's, whatever is said of what is waited for.
            context.end().await;
            return outcome.map_err(tell);
        }
        let ended = outcome.map_err(tell);
        context.end().await;
        ended
    });
    // Nothing is under way any more that has to be waited for.
    runtime.shutdown_background();
    match ended {
        Err(code) => Ok(code),
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(_)) if context.signals.came() => Err(Failure::interrupted()),
        Ok(Some(successor)) => {
            open_files.restore();
            Err(successor.begin())
        }
    }
}

/// Tells a failure.
fn told(failure: Failure, output: Output) -> ExitCode {
    let code = failure.exit_code();
    if let Some(view) = failure.view() {
        tell(&view, output);
    }
    code.into()
}

/// The command line asks for help, or for the version.
fn helped(help: &clap::Error, environment: &Environment) -> ExitCode {
    match help.print() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => told(error.into(), Output::new(wants_json(), environment)),
    }
}

/// Whether errors are to be told in JSON, as far as that can be seen where the command line is not read to its end.
fn wants_json() -> bool {
    // What comes after `--` is another program's.
    std::env::args_os().take_while(|it| it != "--").any(|it| it == "--json")
}

/// The command line cannot be understood.
fn misunderstood(error: &clap::Error) -> ExitCode {
    if wants_json() {
        let text = error.render().to_string();
        // A sentence, then tips and the usage, then where to read more.
        let mut paragraphs = text.trim().split("\n\n").map(str::trim);
        let first = paragraphs.next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        let view = ErrorView {
            // What is missing, or could be said instead, stands on lines of its own.
            error: first.split_whitespace().collect::<Vec<_>>().join(" "),
            why: None,
            next: paragraphs.next().map(str::to_owned),
            code: Code::Usage,
        };
        tell_json(&view);
    } else {
        // Whoever does not read it does not want it.
        let _ = error.print();
    }
    Code::Usage.exit_code().into()
}

fn tell(view: &ErrorView, output: Output) {
    if output.json {
        tell_json(view);
    } else {
        let _ = write!(std::io::stderr().lock(), "{}", failure::render(view, output.error_palette));
    }
}

fn tell_json(view: &ErrorView) {
    let mut stderr = std::io::stderr().lock();
    let _ = serde_json::to_writer(&mut stderr, view);
    let _ = writeln!(stderr);
}
