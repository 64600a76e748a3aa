//! `cargo xtask bench`: each figure is a ratio to a baseline measured in the same run, so that it means the same on every machine.

mod processes;
mod token;

use std::time::Duration;

use crate::{Failure, Result};

struct Bench {
    name: &'static str,
    /// What is measured against what.
    what: &'static str,
    /// The ratio that must not be exceeded.
    figure: f64,
    measure: fn() -> Result<Measured>,
}

impl Bench {
    fn is_met_by(&self, measured: &Measured) -> bool {
        measured.ratio() <= self.figure
    }
}

/// The medians of one bench.
struct Measured {
    baseline: Duration,
    subject: Duration,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.subject.as_secs_f64() / self.baseline.as_secs_f64()
    }
}

const BENCHES: &[Bench] = &[Bench {
    name: "token",
    what: "`vestal token` on a fresh token / `vestal --version`, whole processes",
    figure: 3.0,
    measure: token::measure,
}];

/// Runs the bench called `name`, or all, and prints the table.
pub(crate) fn run(name: Option<&str>) -> std::result::Result<(), Failure> {
    let chosen: Vec<&Bench> =
        BENCHES.iter().filter(|bench| name.is_none_or(|name| name == bench.name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        let name = name.unwrap_or_default();
        return Err(Failure::Usage(format!("there is no bench `{name}`; there are: {}", known.join(", "))));
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    let mut missed = Vec::new();
    for bench in chosen {
        let measured = (bench.measure)().map_err(|error| format!("bench {}: {error}", bench.name))?;
        if !bench.is_met_by(&measured) {
            missed.push(bench.name);
        }
        rows.push(row(bench, &measured));
    }
    println!("{}", table(&rows));
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!("missed its figure: {}", missed.join(", "))))
    }
}

const HEAD: [&str; 7] = ["name", "what", "baseline", "measured", "ratio", "allowed", ""];

fn row(bench: &Bench, measured: &Measured) -> [String; 7] {
    let ratio = measured.ratio();
    let verdict = if bench.is_met_by(measured) { "ok" } else { "MISSED" };
    [
        bench.name.to_owned(),
        bench.what.to_owned(),
        milliseconds(measured.baseline),
        milliseconds(measured.subject),
        format!("{ratio:.2}"),
        format!("≤ {:.2}", bench.figure),
        verdict.to_owned(),
    ]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(figure: f64) -> Bench {
        Bench { name: "token", what: "this / that", figure, measure: || Err(String::new()) }
    }

    #[test]
    fn a_ratio_above_the_figure_is_missed() {
        let measured = Measured { baseline: Duration::from_millis(2), subject: Duration::from_millis(7) };
        assert_eq!(row(&bench(3.5), &measured)[4..], ["3.50", "≤ 3.50", "ok"]);
        assert_eq!(row(&bench(3.0), &measured)[4..], ["3.50", "≤ 3.00", "MISSED"]);
    }

    #[test]
    fn columns_line_up() {
        let measured = Measured { baseline: Duration::from_micros(1500), subject: Duration::from_millis(3) };
        let table = table(&[HEAD.map(str::to_owned), row(&bench(3.0), &measured)]);
        assert_eq!(
            table,
            "name   what         baseline  measured  ratio  allowed\n\
             token  this / that  1.50 ms   3.00 ms   2.00   ≤ 3.00   ok"
        );
    }
}
