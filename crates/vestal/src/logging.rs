//! Log lines on stderr, of Vestal's own crates alone: what libraries log may hold what they send.

use std::io;

use clap::ValueEnum;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::Environment;
use crate::failure::Failure;
use crate::output::Output;

mod json_lines;

use json_lines::JsonLines;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything, and still no secret.
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// What a flag or else a variable says.
pub(crate) fn asked_for(flag: Option<Level>, environment: &Environment) -> Result<Option<Level>, Failure> {
    let Some(text) = environment.get("VESTAL_LOG").filter(|_| flag.is_none()) else {
        return Ok(flag);
    };
    let text = text.to_string_lossy();
    Level::from_str(&text, true).map(Some).map_err(|_| {
        Failure::usage(format!("VESTAL_LOG={text} is no level"))
            .next("use one of off, error, warn, info, debug and trace")
    })
}

/// Begins to log.
pub(crate) fn start(level: Level, output: Output, with_time: bool) {
    // A target is meant together with all that begin like it: vestal_engine, vestal_oauth, …
    let mut ours = Targets::new().with_target("vestal", LevelFilter::from(level));
    if !with_time && level == Level::Warn {
        // A command tells what came of its requests itself.
        ours = ours.with_target("vestal_engine::outcome", LevelFilter::OFF);
    }
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(output.error_palette.is_coloured());
    let registry = tracing_subscriber::registry().with(ours);
    // The first one stays, should there be another.
    let _ = match (output.json, with_time) {
        (true, _) => registry.with(lines.event_format(JsonLines)).try_init(),
        (false, true) => registry.with(lines.compact()).try_init(),
        (false, false) => registry.with(lines.compact().without_time().with_target(false)).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_variable() {
        let environment = Environment::of(&[("VESTAL_LOG", "debug")]);
        assert_eq!(asked_for(None, &environment).unwrap(), Some(Level::Debug));
        assert_eq!(asked_for(Some(Level::Error), &environment).unwrap(), Some(Level::Error));
        assert_eq!(asked_for(None, &Environment::of(&[])).unwrap(), None);
        let failure = asked_for(None, &Environment::of(&[("VESTAL_LOG", "loud")])).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
    }
}
