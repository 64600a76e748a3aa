//! Lengths of time, numbers and lists, as people write them.

use std::time::Duration;

/// A length of time, exactly: in the largest unit of which it is some tenths, and one at least.
pub(crate) fn span(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    let seconds = length.as_secs();
    // 24 h and 365 days are how people say it.
    let units =
        [(YEAR, YEAR + 1, "years"), (DAY, DAY + 1, "days"), (HOUR, HOUR, "h"), (MINUTE, MINUTE, "min")];
    let fits =
        |(unit, least, _): &(u64, u64, &str)| seconds >= *least && (seconds * 10).is_multiple_of(*unit);
    match units.into_iter().find(fits) {
        Some((unit, _, name)) => match seconds * 10 / unit % 10 {
            0 => format!("{} {name}", seconds / unit),
            tenths => format!("{}.{tenths} {name}", seconds / unit),
        },
        None => format!("{seconds} s"),
    }
}

/// How often that is.
pub(crate) fn each(length: Duration) -> String {
    match span(length).as_str() {
        "1 h" => "every hour".to_owned(),
        "1 min" => "every minute".to_owned(),
        span => format!("every {span}"),
    }
}

/// A number that people can read.
pub(crate) fn count(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Some things, as a sentence lists them.
pub(crate) fn list(all: &[String]) -> String {
    match all {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        all => all.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact() {
        for (seconds, said) in [
            (10, "10 s"),
            (1_800, "30 min"),
            (150, "2.5 min"),
            (100, "100 s"),
            (3_600, "1 h"),
            (86_400, "24 h"),
            (90_000, "25 h"),
            (302_400, "3.5 days"),
            (544_320, "6.3 days"),
            (172_800, "2 days"),
            (31_536_000, "365 days"),
            (47_260_800, "547 days"),
            (157_680_000, "5 years"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
        assert_eq!(each(Duration::from_secs(3_600)), "every hour");
    }

    #[test]
    fn numbers_and_lists_read_as_people_write_them() {
        assert_eq!([4, 600, 5_000, 47_304_000].map(count), ["4", "600", "5,000", "47,304,000"]);
        let some = |names: &[&str]| list(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!([some(&["a"]), some(&["a", "b"]), some(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
    }
}
