//! Why the schedule wants the next refresh when it does, in the demo's own calendar.

use vestal_core::schedule::{Next, Why};

use super::calendar::Calendar;
use crate::reasons::{floor, never};

/// The reason of a time, as a sentence that follows "since"; or why there is no such time.
pub(crate) fn why(next: &Next, calendar: &Calendar) -> String {
    match next {
        Next::At { why, held_by: None, .. } => wish(why, calendar),
        Next::At { why, held_by: Some(hold), .. } => {
            format!("{}, but not sooner: {}", wish(why, calendar), floor(*hold))
        }
        Next::Never(why) => never(*why).to_owned(),
    }
}

fn wish(why: &Why, calendar: &Calendar) -> String {
    match why {
        Why::HalfLife { life, .. } => {
            format!("half of the access token's {} is over", calendar.length(*life))
        }
        Why::Daily { .. } => "a program that is not used wants one a real day".to_owned(),
        Why::KeepAlive { limit, .. } => {
            format!("half of the {} is over that it may lie unused", calendar.length(*limit))
        }
        Why::Exchange { .. } | Why::Lengthen { .. } | Why::WithinTime { .. } => {
            "its provider wants it so".to_owned()
        }
        Why::Retry => "the last try failed".to_owned(),
        Why::Verify => "nobody knows yet whether it works".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use vestal_core::schedule::{Hold, WhyNever};

    use super::*;

    #[test]
    fn reasons_speak_of_the_demos_days() {
        let calendar = Calendar::new(Timestamp::UNIX_EPOCH, Duration::from_secs(4));
        let said = |why_then, held_by| {
            let next = Next::At { at: Timestamp::UNIX_EPOCH, why: why_then, held_by };
            why(&next, &calendar)
        };
        let life = Duration::from_secs(4);
        assert_eq!(
            said(Why::HalfLife { life, stretch: 1.0 }, None),
            "half of the access token's 1 day is over"
        );
        assert_eq!(
            said(Why::Retry, Some(Hold::AfterFailure)),
            "the last try failed, but not sooner: the provider is left in peace after a failure"
        );
        assert_eq!(why(&Next::Never(WhyNever::NeedsReauth), &calendar), "a person has to consent anew");
    }
}
