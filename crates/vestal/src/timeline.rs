//! The life of a token, drawn: a bar from its beginning to its end, with marks.

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use crate::output::Palette;
use crate::text::{cut, pad};
use crate::when::Calendar;

/// The names before the bars.
const LABEL: usize = 15;

/// Wider than this, a drawing tells nothing more.
const WIDEST: usize = 100;

/// What a mark means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The present.
    Now,
    /// The next refresh.
    Next,
    /// A try that is left, should those before it fail.
    Try,
}

impl Mark {
    fn sign(self) -> char {
        match self {
            Self::Now => '┃',
            Self::Next => '▲',
            Self::Try => '△',
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Next => "next refresh",
            Self::Try => "tries that are left, should refreshes fail",
        }
    }
}

/// The signs of some bars, explained.
pub(crate) fn legend(bars: &[Bar]) -> String {
    let is_used = |sign: &Mark| {
        *sign == Mark::Now || bars.iter().flat_map(|bar| &bar.marks).any(|(mark, _)| mark == sign)
    };
    let used = [Mark::Now, Mark::Next, Mark::Try].into_iter().filter(is_used);
    used.map(|mark| format!("{} {}", mark.sign(), mark.meaning())).collect::<Vec<_>>().join("  ")
}

/// A life.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// What lives.
    pub(crate) label: &'static str,
    /// Its beginning.
    pub(crate) from: Timestamp,
    /// Its end.
    pub(crate) to: Timestamp,
    /// What happens meanwhile; what lies outside is not drawn.
    pub(crate) marks: Vec<(Mark, Timestamp)>,
}

impl Bar {
    /// The bar, and below it its beginning and its end.
    pub(crate) fn draw(&self, calendar: &Calendar, width: usize, palette: Palette) -> [String; 2] {
        let columns = width.min(WIDEST).saturating_sub(LABEL).max(2);
        let now = self.column(calendar.now(), columns);
        let mut marks: Vec<(usize, Mark)> = self
            .marks
            .iter()
            .filter(|(_, at)| (self.from..=self.to).contains(at))
            .map(|(mark, at)| (self.column(*at, columns), *mark))
            .collect();
        marks.push((now, Mark::Now));
        let mut bar = String::new();
        for column in 0..columns {
            // The present covers the rest.
            let mark = marks.iter().filter(|(at, _)| *at == column).map(|(_, mark)| *mark).min();
            match mark {
                Some(Mark::Now) => bar.push_str(&palette.strong(Mark::Now.sign())),
                Some(mark) => bar.push_str(&palette.good(mark.sign())),
                None if column == 0 => bar.push('├'),
                None if column == columns - 1 => bar.push('┤'),
                None if column < now => bar.push('─'),
                None => bar.push_str(&palette.faint('┄')),
            }
        }
        let (from, to) = (calendar.short(self.from), calendar.short(self.to));
        let left = columns.saturating_sub(to.width() + 1);
        let ends = format!("{} {to}", pad(&cut(&from, left), left));
        let label = pad(self.label, LABEL);
        [format!("{label}{bar}"), format!("{}{}", " ".repeat(LABEL), palette.faint(ends))]
    }

    /// Where a time is among so many columns. What lies outside is at an end.
    fn column(&self, at: Timestamp, columns: usize) -> usize {
        let ms =
            |from: Timestamp, to: Timestamp| to.as_millisecond().saturating_sub(from.as_millisecond()).max(0);
        let last = i128::try_from(columns - 1).unwrap_or(0);
        let whole = i128::from(ms(self.from, self.to).max(1));
        let part = i128::from(ms(self.from, at)).min(whole);
        usize::try_from(part * last / whole).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_793_700_000 + hour * 3_600).unwrap()
    }

    fn drawn(now: i64, width: usize) -> [String; 2] {
        let bar = Bar {
            label: "access token",
            from: at(0),
            to: at(24),
            marks: vec![(Mark::Next, at(12)), (Mark::Try, at(30))],
        };
        bar.draw(&Calendar::utc(at(now)), width, Palette::PLAIN)
    }

    #[test]
    fn a_life_from_its_beginning_to_its_end() {
        let [bar, ends] = drawn(6, 40);
        assert_eq!(bar, "access token   ├─────┃┄┄┄┄┄▲┄┄┄┄┄┄┄┄┄┄┄┤");
        assert_eq!(ends, "               10:00:00         10:00:00");
    }

    #[test]
    fn it_fits_and_the_present_stays_on_the_bar() {
        for width in [40, 80, 120, usize::MAX] {
            for now in [-5, 0, 12, 24, 300] {
                let [bar, ends] = drawn(now, width);
                assert!(
                    bar.width() <= width.min(WIDEST) && ends.width() <= width.min(WIDEST),
                    "{bar}\n{ends}"
                );
                assert_eq!(bar.matches('┃').count(), 1, "{bar}");
            }
        }
    }
}
