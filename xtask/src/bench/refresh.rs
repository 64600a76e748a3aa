//! How much a node refreshes against bare token requests, and whether that is slower with many connections.
//!
//! `vestal-bench` measures; this says what it means.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Allowed, Figure};
use crate::process::text;
use crate::{Result, vestal};

/// Bytes of memory at a million connections, in MB.
const MEMORY_AIM_MB: f64 = 300.0;

/// From the start of a node to its first refresh.
const FIRST_AIM_MS: f64 = 2000.0;

pub(super) fn measure() -> Result<Vec<Figure>> {
    let vestal = vestal::build("release")?;
    let bench = vestal::build_program("vestal-bench", "release")?;
    let said = text(Command::new(bench).arg("refresh").arg(vestal).stdin(Stdio::null()))?;
    let report: Value = serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
    figures(&report)
}

fn figures(report: &Value) -> Result<Vec<Figure>> {
    let number = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| format!("the report has no {pointer}"))
    };
    let (bare, few, many) =
        (number("/bare_per_second")?, number("/few/per_second")?, number("/many/per_second")?);
    let (cpu_few, cpu_many) = (number("/few/cpu_us")?, number("/many/cpu_us")?);
    let (memory, first) = (number("/many/memory_mb")?, number("/many/first_ms")?);
    let fsync = number("/fsync_ms")?;
    // Each is the median of the rounds' own, and so not quite that of the figures beside it.
    let for_each_request = number("/refreshes_for_each_request")?;
    let (time_with_many, cpu_with_many) = (number("/time_with_many")?, number("/cpu_with_many")?);
    Ok(vec![
        Figure {
            what: format!("durable refreshes of 64 hosts / bare token requests (fsync: {fsync:.2} ms)"),
            baseline: format!("{bare:.0}/s"),
            measured: format!("{few:.0}/s"),
            ratio: for_each_request,
            allowed: Allowed::AtLeast(0.5),
        },
        Figure {
            what: "time of a refresh: with 1,000,000 connections / with 10,000".to_owned(),
            baseline: format!("{:.0} µs", 1e6 / few),
            measured: format!("{:.0} µs", 1e6 / many),
            ratio: time_with_many,
            allowed: Allowed::AtMost(1.2),
        },
        Figure {
            what: "processor time of a refresh: with 1,000,000 connections / with 10,000".to_owned(),
            baseline: format!("{cpu_few:.0} µs"),
            measured: format!("{cpu_many:.0} µs"),
            ratio: cpu_with_many,
            allowed: Allowed::Anything,
        },
        Figure {
            what: "memory of a node with 1,000,000 connections / what is aimed at".to_owned(),
            baseline: format!("{MEMORY_AIM_MB:.0} MB"),
            measured: format!("{memory:.0} MB"),
            ratio: memory / MEMORY_AIM_MB,
            allowed: Allowed::Anything,
        },
        Figure {
            what: "from its start to its first refresh / what is aimed at".to_owned(),
            baseline: format!("{FIRST_AIM_MS:.0} ms"),
            measured: format!("{first:.0} ms"),
            ratio: first / FIRST_AIM_MS,
            allowed: Allowed::Anything,
        },
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_judged() {
        let one = |per_second: f64| json!({ "per_second": per_second, "cpu_us": 100, "memory_mb": 70, "first_ms": 90 });
        let mut report = json!({ "fsync_ms": 1.5, "bare_per_second": 4000, "few": one(2000.0), "many": one(1700.0),
                "refreshes_for_each_request": 0.5, "time_with_many": 1.2, "cpu_with_many": 1.1 });
        let met: Vec<bool> = figures(&report).unwrap().iter().map(Figure::is_met).collect();
        assert_eq!(met, [true; 5]);
        report["refreshes_for_each_request"] = json!(0.49);
        report["time_with_many"] = json!(1.21);
        let met: Vec<bool> = figures(&report).unwrap().iter().map(Figure::is_met).collect();
        assert_eq!(met, [false, false, true, true, true]);
        assert!(figures(&json!({})).is_err());
    }
}
