//! `vestal demo`: the main job, with nothing set up.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use vestal_api::Code;

use super::length;
use crate::clock::SystemClock;
use crate::context::Context;
use crate::demo::{self, Options, Outside};
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::lazy_http::{HttpSettings, LazyHttp};

/// The shortest day: refreshes are half a day apart, and never less than a second.
const SHORTEST_DAY: Duration = Duration::from_secs(2);
/// The longest day: the demo is to show something.
const LONGEST_DAY: Duration = Duration::from_secs(3600);

/// See it work: a connection kept alive, and another one left alone
///
/// Runs an authorization server on this machine whose day lasts seconds, and all else it needs, in a temporary
/// folder that is gone afterwards. Reads no configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal demo
  vestal demo --for 30s
  vestal demo --for 30s --json      the summary on stdout, the rest on stderr")]
pub(crate) struct Args {
    /// How long a day lasts, in whole seconds
    #[arg(long, value_name = "TIME", value_parser = day, default_value = "4s")]
    day: Duration,

    /// How long it runs [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    run_for: Option<Duration>,

    /// Write the last frame into a file, as SVG
    #[arg(long, value_name = "FILE", hide = true)]
    picture: Option<PathBuf>,
}

fn day(text: &str) -> Result<Duration, String> {
    let day = length(text)?;
    if day.subsec_nanos() != 0 || !(SHORTEST_DAY..=LONGEST_DAY).contains(&day) {
        return Err("a day lasts whole seconds, from 2s to 1h".to_owned());
    }
    Ok(day)
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut signals = context.signals.listen()?;
    let output = context.output;
    let palette = if output.json { output.error_palette } else { output.palette };
    let options = Options {
        day: args.day,
        run_for: args.run_for,
        on_stderr: output.json,
        can_draw: context.environment.can_draw(),
        palette,
        picture: args.picture,
    };
    let outside = Outside {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        http: Arc::new(LazyHttp::new(HttpSettings::default())),
    };
    let summary = demo::run(&options, outside, signals.first()).await.map_err(|error| failure(&error))?;
    if output.json {
        output.json(&summary)?;
    }
    match summary.lost + summary.failed_reads {
        0 => Ok(()),
        // The summary tells.
        _ => Err(Failure::Quiet(Code::Failed)),
    }
}

fn failure(error: &anyhow::Error) -> Failure {
    match error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::failed("the demo cannot go on").why(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_whole_seconds() {
        assert_eq!(day("4s"), Ok(Duration::from_secs(4)));
        assert_eq!(day("1h"), Ok(LONGEST_DAY));
        for unfit in ["1s", "2500ms", "61m", "soon"] {
            assert!(day(unfit).is_err(), "{unfit}");
        }
    }
}
