//! The lives of the two refresh tokens, drawn against the days.

use jiff::Timestamp;

use super::calendar::Calendar;
use super::text::Line;
use crate::output::Tone;

/// A column is three hours of the demo's calendar.
const COLUMNS_A_DAY: i128 = 8;
/// What stays free to the right of the present: the life of an unused refresh token, and a little.
const FUTURE_COLUMNS: i128 = super::IDLE_LIMIT_DAYS as i128 * COLUMNS_A_DAY + 3;
/// The names before the tracks.
pub(crate) const LABEL_COLUMNS: usize = 14;

/// The life of one connection's refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    /// Whose it is.
    pub(crate) label: String,
    /// When it was issued.
    pub(crate) born: Timestamp,
    /// When it was used since.
    pub(crate) used: Vec<Timestamp>,
    /// When it dies, or died, unused.
    pub(crate) dies: Option<Timestamp>,
}

/// The days, a line for each track, and what the signs mean. Scrolls when the present comes near the edge.
pub(crate) fn draw(calendar: &Calendar, now: Timestamp, tracks: &[Track], width: usize) -> Vec<Line> {
    let columns = width.saturating_sub(LABEL_COLUMNS);
    let view = View {
        first: (calendar.parts(now, COLUMNS_A_DAY) + FUTURE_COLUMNS
            - i128::try_from(columns).unwrap_or(i128::MAX))
        .max(0),
        columns,
        calendar,
        now,
    };
    let mut lines = vec![view.days()];
    lines.extend(tracks.iter().map(|track| view.track(track)));
    lines.push(
        Line::default().pad(LABEL_COLUMNS).and(Tone::Faint, "● refreshed  ┄ until it dies unused  ✕ dies"),
    );
    lines
}

struct View<'a> {
    first: i128,
    columns: usize,
    calendar: &'a Calendar,
    now: Timestamp,
}

impl View<'_> {
    /// The column of a time, which may lie outside.
    fn column(&self, at: Timestamp) -> i128 {
        self.calendar.parts(at, COLUMNS_A_DAY) - self.first
    }

    fn days(&self) -> Line {
        let mut line = Line::default().pad(LABEL_COLUMNS);
        let first_day = (self.first + COLUMNS_A_DAY - 1).div_euclid(COLUMNS_A_DAY);
        for day in first_day.. {
            let Ok(column) = usize::try_from(day * COLUMNS_A_DAY - self.first) else { break };
            let text = format!("day {day}");
            if column + text.len() > self.columns {
                break;
            }
            line = line.pad(LABEL_COLUMNS + column).and(Tone::Faint, text);
        }
        line
    }

    fn track(&self, track: &Track) -> Line {
        let born = self.column(track.born);
        let now = self.column(self.now);
        let dies = track.dies.map(|at| self.column(at));
        let dead = track.dies.is_some_and(|at| at <= self.now);
        let lived_until = dies.filter(|_| dead).unwrap_or(now);
        let used: Vec<i128> = track.used.iter().map(|at| self.column(*at)).collect();

        let label: String = track.label.chars().take(LABEL_COLUMNS - 1).collect();
        let mut line = Line::default().and(Tone::Plain, label).pad(LABEL_COLUMNS);
        for column in 0..i128::try_from(self.columns).unwrap_or(i128::MAX) {
            let living = if dead { Tone::Bad } else { Tone::Good };
            line = if dies == Some(column) {
                line.and(if dead { Tone::Bad } else { Tone::Warning }, "✕")
            } else if column == now && !dead {
                line.and(Tone::Strong, "┃")
            } else if column == born || used.contains(&column) {
                line.and(living, "●")
            } else if (born..lived_until).contains(&column) {
                line.and(living, "─")
            } else if !dead && column > now && dies.is_some_and(|dies| column < dies) {
                line.and(Tone::Faint, "┄")
            } else {
                line.and(Tone::Plain, " ")
            };
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn drawn(now_ms: i64, width: usize) -> Vec<String> {
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000_000 + ms).unwrap();
        let calendar = Calendar::new(at(0), Duration::from_secs(4));
        let used: Vec<i64> = (1..).map(|n| n * 1_900).take_while(|ms| *ms <= now_ms).collect();
        let last = used.last().copied().unwrap_or(0);
        let tracks = [
            Track {
                label: "shop".into(),
                born: at(0),
                used: used.into_iter().map(at).collect(),
                dies: Some(at(last + 12_000)),
            },
            Track { label: "left alone".into(), born: at(0), used: vec![], dies: Some(at(12_010)) },
        ];
        draw(&calendar, at(now_ms), &tracks, width).iter().map(Line::plain).collect()
    }

    #[test]
    fn the_end_moves_away_from_who_is_refreshed() {
        assert_eq!(
            drawn(9_000, 70),
            [
                "              day 0   day 1   day 2   day 3   day 4   day 5   day 6",
                "shop          ●──●───●───●───●──┃┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄✕",
                "left alone    ●─────────────────┃┄┄┄┄┄✕",
                "              ● refreshed  ┄ until it dies unused  ✕ dies",
            ]
        );
    }

    #[test]
    fn the_dead_stay_dead_and_the_view_scrolls() {
        assert_eq!(
            drawn(20_000, 60),
            [
                "                 day 3   day 4   day 5   day 6   day 7",
                "shop          ─●───●───●───●───●─┃┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄✕",
                "left alone    ───✕",
                "              ● refreshed  ┄ until it dies unused  ✕ dies",
            ]
        );
    }

    #[test]
    fn no_width_is_too_small() {
        for width in 0..20 {
            drawn(100_000, width);
        }
    }
}
