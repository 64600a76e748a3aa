//! The proofs that are end-to-end tests: each prints one line of the table.

use super::table::Row;
use crate::Result;
use crate::process::{cargo, hear};

/// What the line of a proof starts with, wherever in a line of the test runner it is.
const PREFIX: &str = "PROOF | ";

/// What a proof says of itself that did not hold.
const FAILED: &str = "FAILED";

/// They wait for processes and for tokens to end; but the machine is not to be so busy that answers are late.
const TEST_THREADS: &str = "2";

/// Runs the tests whose names contain `filter`, in full.
pub(super) fn prove(filter: &str) -> Result<Vec<Row>> {
    let mut command = cargo(&["test", "--locked", "--package=vestal", "--test=e2e", "--", "--nocapture"]);
    command.arg(format!("--test-threads={TEST_THREADS}")).arg(filter).env("VESTAL_PROOFS", "full");
    let (status, said) = hear(&mut command)?;
    let rows: Vec<Row> = said.lines().filter_map(row).collect();
    let all_hold = rows.iter().all(|row| row.holds);
    if rows.is_empty() || (all_hold && !status.success()) {
        return Err(format!("the tests {filter} ended with {status}, and told {} proofs", rows.len()));
    }
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    let (_, told) = line.split_once(PREFIX)?;
    let mut cells = told.split(" | ").map(|cell| cell.trim().to_owned());
    let (what, often, result, time) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    Some(Row { holds: result != FAILED, what, often, result, time })
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn a_line_is_found_wherever_the_runner_put_it() {
        let told = row("test proofs::x ... PROOF | a race | 100 rounds | 0 lost | 2 min").unwrap();
        assert_eq!((&*told.what, &*told.often, &*told.time), ("a race", "100 rounds", "2 min"));
        assert!(told.holds);
        assert!(!row("PROOF | a race |  | FAILED | 7 s").unwrap().holds);
        assert_eq!(row("test proofs::x ... ok"), None);
    }
}
