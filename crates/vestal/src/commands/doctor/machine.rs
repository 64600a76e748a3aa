//! The machine: its clock and its memory.

use jiff::Timestamp;
use vestal_api::{Finding, Trouble};
use vestal_core::clock::Clock;

use super::finding::{fail, ok, warn};
use crate::hardening;

/// The program was not there before this day.
const FIRST_DAY: &str = "2026-01-01T00:00:00Z";

pub(super) fn look(clock: &dyn Clock) -> Vec<Finding> {
    vec![time(clock.now()), memory(hardening::dumps_core())]
}

fn time(now: Timestamp) -> Finding {
    let said = format!("it is {} (UTC)", now.strftime("%-d %b %Y, %H:%M"));
    match FIRST_DAY.parse::<Timestamp>() {
        Ok(first) if now < first => fail(
            Trouble::ClockWrong,
            format!("{said}, which is before this program was made"),
            "set the clock",
        ),
        _ => ok("clock", said),
    }
}

fn memory(dumps_core: bool) -> Finding {
    match dumps_core {
        false => ok("memory", "a crash writes nothing of it to the disk"),
        true => warn(
            Trouble::CoreDumps,
            "core dumps cannot be turned off: a crash may write secrets to the disk",
            "ulimit -c 0",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_reset_is_noticed() {
        assert_eq!(time(Timestamp::UNIX_EPOCH).trouble, Some(Trouble::ClockWrong));
        assert_eq!(time("2026-11-03T00:00:00Z".parse().unwrap()).trouble, None);
    }

    #[test]
    fn memory_that_a_crash_would_write_down_is_told_of() {
        assert_eq!(memory(true).trouble, Some(Trouble::CoreDumps));
        assert_eq!(memory(false).trouble, None);
    }
}
