//! `cargo xtask bench`: each figure is a ratio to a baseline measured in the same run, so that it means the same on every machine.

mod cli;
mod oidc_agent;
mod processes;
mod provider;
mod refresh;
mod token;

use std::time::Duration;

use crate::table::table;
use crate::{Failure, Result};

/// Figures that are measured together.
pub(crate) struct Bench {
    name: &'static str,
    measure: fn() -> Result<Vec<Figure>>,
}

/// One line of the table.
struct Figure {
    /// What is measured against what.
    what: String,
    baseline: String,
    measured: String,
    /// Measured by baseline.
    ratio: f64,
    allowed: Allowed,
}

/// What a ratio may be.
#[derive(Clone, Copy)]
enum Allowed {
    AtMost(f64),
    AtLeast(f64),
    /// It depends on the machine, so that the baseline is an aim.
    Anything,
}

impl Figure {
    fn is_met(&self) -> bool {
        match self.allowed {
            Allowed::AtMost(most) => self.ratio <= most,
            Allowed::AtLeast(least) => self.ratio >= least,
            Allowed::Anything => true,
        }
    }
}

pub(crate) const ALL: &[Bench] = &[
    Bench { name: "token", measure: token::measure },
    Bench { name: "cli", measure: cli::measure },
    Bench { name: "refresh", measure: refresh::measure },
];

/// The bench of this name.
pub(crate) fn named(name: &str) -> std::result::Result<&'static Bench, Failure> {
    ALL.iter().find(|bench| bench.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|bench| bench.name).collect();
        Failure::Usage(format!("there is no bench `{name}`; there are: {}", known.join(", ")))
    })
}

/// Runs these, and prints the table.
pub(crate) fn run(chosen: &[Bench]) -> std::result::Result<(), Failure> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut missed = Vec::new();
    for bench in chosen {
        let figures = (bench.measure)().map_err(|error| format!("bench {}: {error}", bench.name))?;
        if !figures.iter().all(Figure::is_met) {
            missed.push(bench.name);
        }
        rows.extend(figures.iter().map(|figure| row(bench.name, figure)));
    }
    println!("{}", table(&rows));
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("missed its figure: {}", missed.join(", "))))
    }
}

const HEAD: [&str; 7] = ["name", "what", "baseline", "measured", "ratio", "allowed", ""];

fn row(name: &str, figure: &Figure) -> [String; 7] {
    let (allowed, verdict) = match figure.allowed {
        Allowed::AtMost(most) => (format!("≤ {most:.2}"), if figure.is_met() { "ok" } else { "MISSED" }),
        Allowed::AtLeast(least) => (format!("≥ {least:.2}"), if figure.is_met() { "ok" } else { "MISSED" }),
        Allowed::Anything => (String::new(), ""),
    };
    [
        name.to_owned(),
        figure.what.clone(),
        figure.baseline.clone(),
        figure.measured.clone(),
        format!("{:.2}", figure.ratio),
        allowed,
        verdict.to_owned(),
    ]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(allowed: Allowed) -> Figure {
        Figure {
            what: "this / that".to_owned(),
            baseline: milliseconds(Duration::from_millis(2)),
            measured: milliseconds(Duration::from_millis(7)),
            ratio: 3.5,
            allowed,
        }
    }

    #[test]
    fn a_ratio_that_is_not_allowed_is_missed() {
        for (allowed, told) in [
            (Allowed::AtMost(3.5), ["3.50", "≤ 3.50", "ok"]),
            (Allowed::AtMost(3.0), ["3.50", "≤ 3.00", "MISSED"]),
            (Allowed::AtLeast(3.5), ["3.50", "≥ 3.50", "ok"]),
            (Allowed::AtLeast(4.0), ["3.50", "≥ 4.00", "MISSED"]),
            (Allowed::Anything, ["3.50", "", ""]),
        ] {
            assert_eq!(row("token", &figure(allowed))[4..], told);
        }
    }

    #[test]
    fn columns_line_up() {
        let table = table(&[HEAD.map(str::to_owned), row("token", &figure(Allowed::AtMost(3.5)))]);
        assert_eq!(
            table,
            "name   what         baseline  measured  ratio  allowed\n\
             token  this / that  2.00 ms   7.00 ms   3.50   ≤ 3.50   ok"
        );
    }
}
