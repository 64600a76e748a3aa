//! Compares the times of two whole processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::{line, text};

const WARM_UPS: usize = 10;
const RUNS: usize = 300;

/// The medians of two commands.
pub(crate) struct Measured {
    pub(crate) baseline: Duration,
    pub(crate) subject: Duration,
}

/// Runs both commands in turn and compares the medians of their wall time. Each must succeed every time, and print something.
pub(crate) fn compare(baseline: &mut Command, subject: &mut Command) -> Result<Measured> {
    for command in [&mut *baseline, &mut *subject] {
        if text(command)?.trim().is_empty() {
            return Err(format!("`{}` printed nothing: is it the right command?", line(command)));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    let mut times = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    for run in 0..WARM_UPS + RUNS {
        // Who goes first changes, so that neither always finds the caches as the other left them.
        let pair = if run % 2 == 0 {
            let baseline = wall_time(baseline)?;
            (baseline, wall_time(subject)?)
        } else {
            let subject = wall_time(subject)?;
            (wall_time(baseline)?, subject)
        };
        if run >= WARM_UPS {
            times.0.push(pair.0);
            times.1.push(pair.1);
        }
    }
    Ok(Measured { baseline: median(times.0), subject: median(times.1) })
}

fn wall_time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.status();
    let elapsed = start.elapsed();
    match status {
        Ok(status) if status.success() => Ok(elapsed),
        Ok(status) => Err(format!("`{}` failed ({status}) while it was measured", line(command))),
        Err(error) => Err(format!("`{}`: {error}", line(command))),
    }
}

/// The upper median. Empty input has none, so zero.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_an_outlier() {
        let times = [9, 1, 3, 2, 700].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Duration::from_millis(3));
    }

    #[test]
    fn a_command_that_fails_or_says_nothing_is_not_measured() {
        for (subject, complaint) in [("true", "printed nothing"), ("false", "failed")] {
            let measured = compare(Command::new("echo").arg("here"), &mut Command::new(subject));
            assert!(measured.is_err_and(|error| error.contains(complaint)), "{subject}");
        }
    }
}
