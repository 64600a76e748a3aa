//! Simulated worlds, many of them, and some for years.

use std::time::Instant;

use super::table::Row;
use crate::Result;
use crate::process::{cargo, hear};

/// How many worlds, and for how many days each.
const WORLDS: [(&str, &str); 2] = [("10000", "90"), ("100", "1825")];

pub(super) fn prove() -> Result<Vec<Row>> {
    WORLDS.iter().map(|(seeds, days)| simulate(seeds, days)).collect()
}

fn simulate(seeds: &str, days: &str) -> Result<Row> {
    let started = Instant::now();
    let mut command = cargo(&["xtask", "simulate", "--seeds", seeds, "--days", days]);
    let (status, said) = hear(&mut command)?;
    let violations = figure(&said, "violations").ok_or_else(|| {
        format!("the simulation of {seeds} seeds ended with {status} before it told its violations")
    })?;
    let told = |name| figure(&said, name).unwrap_or("?");
    let seconds = started.elapsed().as_secs();
    Ok(Row {
        what: format!("simulated worlds of {days} days"),
        often: format!("{seeds} seeds, {} connection-years", told("connection-years")),
        result: format!("{violations} violations in {} refreshes", told("refreshes")),
        time: time(seconds),
        holds: status.success() && violations == "0",
    })
}

pub(super) fn time(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

/// The last figure of this name: `name: figure`.
pub(super) fn figure<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut figures = said.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
    figures.next_back().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figure_of_a_name_counts() {
        let said = "refreshes: 12\nrefreshes lost: 1\nviolations: 3\nviolations: 0\n";
        assert_eq!((figure(said, "violations"), figure(said, "refreshes")), (Some("0"), Some("12")));
        assert_eq!(figure(said, "seeds"), None);
    }
}
