//! What is promised of warnings, as the checker reads it: not a line of it is the engine's.

use std::time::Duration;

use crate::time::DAY;

/// A warning may be late by this much: a daemon may have been restarted just then.
pub(crate) const LATE_BY: Duration = Duration::from_secs(1800);

/// How long before an end a person is to be told: 30, 14, 7, 3 and 1 days, and ½, ¼, … of the whole life where that is
/// less.
pub(crate) fn notices(life: Duration) -> [Duration; 5] {
    let days = [30, 14, 7, 3, 1];
    std::array::from_fn(|index| {
        let share = life / 2u32.pow(u32::try_from(index).unwrap_or(0) + 1);
        share.min(DAY * days[index])
    })
}

/// The notices that were not given of a life that ended at `end`; `given` are the times of those that were.
pub(crate) fn missed(life: Duration, end: Duration, given: &[Duration]) -> Vec<Duration> {
    let was_given = |notice: &Duration| {
        let due = end.saturating_sub(*notice);
        given.iter().any(|at| due.saturating_sub(LATE_BY) <= *at && *at <= due + LATE_BY)
    };
    notices(life).into_iter().filter(|notice| !was_given(notice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lives_are_warned_of_in_shares() {
        assert_eq!(notices(365 * DAY), [30, 14, 7, 3, 1].map(|days| DAY * days));
        assert_eq!(notices(8 * DAY), [4 * DAY, 2 * DAY, DAY, DAY / 2, DAY / 4]);
    }

    #[test]
    fn what_was_not_said_is_missed() {
        let end = 100 * DAY;
        let given: Vec<Duration> = [70, 86, 93, 97].map(|day| DAY * day).into();
        assert_eq!(missed(end, end, &given), [DAY]);
        assert_eq!(missed(end, end, &[]).len(), 5);
    }
}
