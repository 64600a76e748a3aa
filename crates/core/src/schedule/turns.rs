//! Taking turns: what is imported or resumed together is not refreshed all at once.

use std::time::Duration;

use jiff::Timestamp;

use crate::token::saturating_add;

/// From one of them to the next. Few are all tried within seconds, so that a person sees at once what works; a million
/// come evenly over a day.
const APART: Duration = Duration::from_millis(100);

/// The last of them is tried no later; where that is too short for all, they go round again.
pub const LONGEST_SPREAD: Duration = Duration::from_secs(24 * 3600);

/// When it is the turn of the `position`th, counted from 0, of those that are imported or resumed together `now`.
pub fn turn(now: Timestamp, position: u64) -> Timestamp {
    let turns = LONGEST_SPREAD.as_millis() / APART.as_millis();
    let round = u128::from(position) % turns;
    saturating_add(now, APART * u32::try_from(round).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_at_once_and_a_million_evenly() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(turn(now, 0), now);
        assert_eq!(turn(now, 10), "1970-01-01T00:00:01Z".parse().unwrap());
        let mut hours = [0_u32; 24];
        for position in 0..1_000_000 {
            let at = turn(now, position);
            hours[usize::try_from(at.as_second() / 3600).unwrap()] += 1;
        }
        let (fewest, most) = (hours.iter().min().unwrap(), hours.iter().max().unwrap());
        assert!((36_000..=72_000).contains(fewest) && *most <= 72_000, "{hours:?}");
        assert!(turn(now, u64::MAX) < saturating_add(now, LONGEST_SPREAD));
    }
}
