//! The demo's own calendar, whose days last seconds.

use std::time::Duration;

use jiff::Timestamp;

const MINUTES_A_DAY: i128 = 24 * 60;

/// Counts days from the beginning of the demo, which is day 0, 00:00.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    start: Timestamp,
    day: Duration,
}

impl Calendar {
    /// A calendar whose days last `day`.
    pub(crate) fn new(start: Timestamp, day: Duration) -> Self {
        Self { start, day }
    }

    /// How long a day lasts.
    pub(crate) fn day(&self) -> Duration {
        self.day
    }

    /// When day 0 began.
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// The real time since the beginning, which may be negative, in milliseconds.
    pub(crate) fn elapsed_ms(&self, at: Timestamp) -> i128 {
        at.duration_since(self.start).as_millis()
    }

    /// `day 3, 14:20`.
    pub(crate) fn date(&self, at: Timestamp) -> String {
        let minutes = self.parts(at, MINUTES_A_DAY);
        let (day, minute) = (minutes.div_euclid(MINUTES_A_DAY), minutes.rem_euclid(MINUTES_A_DAY));
        format!("day {day}, {:02}:{:02}", minute / 60, minute % 60)
    }

    /// The day that a time lies in.
    pub(crate) fn day_of(&self, at: Timestamp) -> i128 {
        self.parts(at, 1)
    }

    /// How many parts of a day have begun since the beginning, if each day has `a_day` of them.
    pub(crate) fn parts(&self, at: Timestamp, a_day: i128) -> i128 {
        (self.elapsed_ms(at) * a_day).div_euclid(self.day_ms())
    }

    /// A real length of time in the demo's days, hours or minutes, whichever come out even.
    pub(crate) fn length(&self, real: Duration) -> String {
        let minutes = i128::try_from(real.as_millis()).unwrap_or(i128::MAX).saturating_mul(MINUTES_A_DAY)
            / self.day_ms();
        let (count, unit) = if minutes % MINUTES_A_DAY == 0 {
            (minutes / MINUTES_A_DAY, "day")
        } else if minutes % 60 == 0 {
            (minutes / 60, "hour")
        } else {
            (minutes, "minute")
        };
        format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
    }

    fn day_ms(&self) -> i128 {
        i128::try_from(self.day.as_millis()).unwrap_or(i128::MAX).max(1)
    }
}

/// `2.4 s`: a real length of time, or 0 where it is over.
pub(crate) fn seconds(length_ms: i128) -> String {
    let tenths = length_ms.max(0) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_seconds_are_a_day() {
        let start = Timestamp::from_second(1_000_000).unwrap();
        let calendar = Calendar::new(start, Duration::from_secs(4));
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000_000 + ms).unwrap();
        for (ms, date) in [
            (0, "day 0, 00:00"),
            (2_000, "day 0, 12:00"),
            (3_999, "day 0, 23:59"),
            (4_000, "day 1, 00:00"),
            (14_390, "day 3, 14:20"),
            (-4_000, "day -1, 00:00"),
        ] {
            assert_eq!(calendar.date(at(ms)), date);
        }
        assert_eq!(calendar.day_of(at(11_999)), 2);
        assert_eq!(calendar.parts(at(1_500), 8), 3);
        for (ms, length) in [(12_000, "3 days"), (4_000, "1 day"), (2_000, "12 hours"), (333, "119 minutes")]
        {
            assert_eq!(calendar.length(Duration::from_millis(ms)), length);
        }
    }

    #[test]
    fn real_seconds_have_one_decimal_and_no_sign() {
        assert_eq!(seconds(2_490), "2.4 s");
        assert_eq!(seconds(-5), "0.0 s");
    }
}
