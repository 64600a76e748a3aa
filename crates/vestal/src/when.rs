//! Times as people read them: the day and the hour in their own zone, and how far away that is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Knows what time it is, and where.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    now: Timestamp,
    zone: TimeZone,
}

impl Calendar {
    /// In the machine's own time zone.
    pub(crate) fn local(now: Timestamp) -> Self {
        let zone = TimeZone::system();
        Self { now, zone }
    }

    #[cfg(test)]
    pub(crate) fn utc(now: Timestamp) -> Self {
        let zone = TimeZone::UTC;
        Self { now, zone }
    }

    /// The time that this speaks from.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// `3 Nov 2026`.
    pub(crate) fn day(&self, at: Timestamp) -> String {
        self.format(at, "%-d %b %Y")
    }

    /// `3 Nov 2026, 14:05`.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        self.format(at, "%-d %b %Y, %H:%M")
    }

    /// `3 Nov 14:05`, or `14:05:09` for what is less than a day away.
    pub(crate) fn short(&self, at: Timestamp) -> String {
        let near = self.now.duration_since(at).unsigned_abs().as_secs() < DAY;
        self.format(at, if near { "%H:%M:%S" } else { "%-d %b %H:%M" })
    }

    /// `3 Nov 2026, 14:05:09`: the time itself.
    pub(crate) fn clock(&self) -> String {
        self.format(self.now, "%-d %b %Y, %H:%M:%S")
    }

    /// `in 11 h`, `2 days ago`, `now`.
    pub(crate) fn away(&self, at: Timestamp) -> String {
        let distance = at.duration_since(self.now);
        let span = span(distance.unsigned_abs());
        match distance.as_secs() {
            0 => "now".to_owned(),
            1.. => format!("in {span}"),
            _ => format!("{span} ago"),
        }
    }

    /// `3 Nov 2026, 14:05 (in 11 h)`.
    pub(crate) fn moment_and_away(&self, at: Timestamp) -> String {
        format!("{} ({})", self.moment(at), self.away(at))
    }

    /// How long it is from one time to another: `181 days`.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> String {
        span(to.duration_since(from).unsigned_abs())
    }

    fn format(&self, at: Timestamp, format: &str) -> String {
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }
}

/// A length of time in its largest unit: `45 s`, `12 min`, `11 h`, `181 days`. What is left over is dropped, so
/// that nothing seems further away than it is.
pub(crate) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        _ if seconds < 2 * HOUR => format!("{} min", seconds / MINUTE),
        _ if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_their_largest_unit() {
        for (seconds, said) in [
            (0, "0 s"),
            (45, "45 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (DAY, "24 h"),
            (2 * DAY - 1, "47 h"),
            (2 * DAY, "2 days"),
            (181 * DAY + 5, "181 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn times_and_how_far_away_they_are() {
        let calendar = Calendar::utc("2026-11-03T14:05:09Z".parse().unwrap());
        for (at, moment, away) in [
            ("2026-11-04T01:05:09Z", "4 Nov 2026, 01:05", "in 11 h"),
            ("2026-11-01T14:05:09Z", "1 Nov 2026, 14:05", "2 days ago"),
            ("2026-11-03T14:05:09.4Z", "3 Nov 2026, 14:05", "now"),
            ("2026-11-03T14:05:18Z", "3 Nov 2026, 14:05", "in 9 s"),
        ] {
            let at = at.parse().unwrap();
            assert_eq!(calendar.moment(at), moment);
            assert_eq!(calendar.away(at), away);
        }
        assert_eq!(calendar.short("2026-11-03T15:00:00Z".parse().unwrap()), "15:00:00");
        assert_eq!(calendar.short("2026-11-30T15:00:00Z".parse().unwrap()), "30 Nov 15:00");
        assert_eq!(calendar.moment(Timestamp::MAX), "30 Dec 9999, 22:00", "the last time there is");
    }
}
