//! The live view: one moment, drawn as lines.

use vestal_core::connection::ConnectionName;
use vestal_core::event::Event;

use super::detail::Detail;
use super::overview::Overview;
use crate::commands::{events, list};
use crate::output::Palette;
use crate::table;
use crate::text::{cut, pad};
use crate::when::Calendar;

/// How many of the latest happenings are shown, at most.
const HAPPENINGS: usize = 8;

/// Everything that is known at one moment.
pub(super) struct Watched {
    pub(super) subject: Subject,
    /// What happened last, the latest last, each with the name of its connection where there are several.
    pub(super) happenings: Vec<(Option<ConnectionName>, Event)>,
}

/// What is looked at.
pub(super) enum Subject {
    /// All connections, and the first of them as rows of `vestal list`.
    All(Overview, Vec<Vec<String>>),
    /// One of them.
    One(Box<Detail>),
}

/// The view, in at most `height` lines of at most `width` columns.
pub(super) fn draw(
    watched: &Watched,
    (width, height): (usize, usize),
    calendar: &Calendar,
    palette: Palette,
) -> Vec<String> {
    let mut lines = vec![head(width, calendar, palette)];
    let rows = match &watched.subject {
        Subject::All(overview, rows) => {
            lines.extend(overview.lines(calendar, width, palette));
            rows.as_slice()
        }
        Subject::One(detail) => {
            lines.extend(detail.lines(calendar, width, palette));
            &[]
        }
    };
    // What happened has a third of what is left, or all that the connections do not need.
    let left = height.saturating_sub(lines.len());
    let wanted = if rows.is_empty() { 0 } else { rows.len() + 2 };
    let room = (left / 3).max(left.saturating_sub(wanted)).saturating_sub(1).min(HAPPENINGS);
    let shown = watched.happenings.len().min(room);
    let fit = left.saturating_sub(if shown > 0 { shown + 1 } else { 0 }).saturating_sub(2).min(rows.len());
    if fit > 0 {
        let tint = |title: &str, text| list::tint(title, text, palette);
        lines.push(String::new());
        lines.extend(table::draw(&list::COLUMNS, &rows[..fit], width, palette, tint));
    }
    if shown > 0 {
        lines.push(String::new());
        let latest = &watched.happenings[watched.happenings.len() - shown..];
        lines.extend(latest.iter().map(|happening| told(happening, width, calendar, palette)));
    }
    lines.truncate(height);
    lines
}

fn head(width: usize, calendar: &Calendar, palette: Palette) -> String {
    let now = calendar.clock();
    let left = width.saturating_sub(now.len());
    match ["vestal status", "vestal", ""].into_iter().find(|title| title.len() + 2 <= left) {
        Some(title) => format!("{}{}", palette.strong(pad(title, left)), palette.faint(now)),
        None => palette.faint(cut(&now, width)),
    }
}

fn told(
    (name, event): &(Option<ConnectionName>, Event),
    width: usize,
    calendar: &Calendar,
    palette: Palette,
) -> String {
    let at = calendar.short(event.at);
    let name = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let text = cut(&format!("{at}  {name}{}", events::sentence(&event.what, calendar)), width);
    match text.strip_prefix(&at) {
        Some(rest) => format!("{}{rest}", palette.faint(&at)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use unicode_width::UnicodeWidthStr as _;
    use vestal_api::StatusView;
    use vestal_core::clock::Clock as _;
    use vestal_core::event::What;
    use vestal_core::id::ConnectionId;

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;

    fn calendar() -> Calendar {
        Calendar::utc("2026-11-03T14:05:09Z".parse().unwrap())
    }

    fn row(cells: [&str; 6]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    fn happening(name: &str, at: &str, what: What) -> (Option<ConnectionName>, Event) {
        let connection = ConnectionId::new(SystemClock.now(), &SystemEntropy);
        (Some(name.parse().unwrap()), Event { connection, at: at.parse().unwrap(), what })
    }

    fn watched() -> Watched {
        let view = StatusView {
            connections: 12,
            states: BTreeMap::from([("active".to_owned(), 11), ("needs_reauth".to_owned(), 1)]),
            needs_reauth: vec!["crm".parse().unwrap()],
            failing: vec![],
            next_refresh_at: Some("2026-11-03T14:05:49Z".parse().unwrap()),
            overdue_since: None,
            warnings: None,
        };
        let mut rows = vec![
            row(["crm", "needs_reauth", "2 h ago", "-", "google", "invalid_grant"]),
            row(["店舗一号店", "active", "in 23 h", "in 40 s", "custom", ""]),
        ];
        rows.extend(
            (1..=10).map(|n| row([&format!("shop-{n:02}"), "active", "in 23 h", "in 11 h", "custom", ""])),
        );
        let happenings = vec![
            happening("shop-01", "2026-11-03T14:04:00Z", What::Paused),
            happening("shop-01", "2026-11-03T14:05:00Z", What::Resumed),
        ];
        Watched { subject: Subject::All(Overview { view, failing: vec![] }, rows), happenings }
    }

    fn drawn(size: (usize, usize)) -> Vec<String> {
        draw(&watched(), size, &calendar(), Palette::PLAIN)
    }

    #[test]
    fn all_that_there_is_where_there_is_room() {
        let lines = drawn((72, 24));
        assert_eq!(
            lines[..8],
            [
                "vestal status                                       3 Nov 2026, 14:05:09",
                "12 connections: 11 active, 1 needs_reauth",
                "  needs re-authorization  crm",
                "  next refresh  3 Nov 2026, 14:05 (in 40 s)",
                "",
                "NAME        STATE         EXPIRES  REFRESH  CLIENT  WHY",
                "crm         needs_reauth  2 h ago  -        google  invalid_grant",
                "店舗一号店  active        in 23 h  in 40 s  custom  ",
            ]
        );
        assert_eq!(lines[18..], ["", "14:04:00  shop-01: paused", "14:05:00  shop-01: resumed"]);
    }

    #[test]
    fn what_needs_somebody_is_seen_on_the_smallest_terminal() {
        assert_eq!(
            drawn((28, 9)),
            [
                "vestal  3 Nov 2026, 14:05:09",
                "12 connections: 11 active, 1",
                "  needs_reauth",
                "  needs re-authorization",
                "    crm",
                "  next refresh  3 Nov 2026,",
                "    14:05 (in 40 s)",
            ]
        );
    }

    #[test]
    fn no_view_is_larger_than_its_terminal() {
        for width in 20..100 {
            for height in 1..40 {
                let lines = drawn((width, height));
                assert!(lines.len() <= height, "{width} x {height}: {lines:#?}");
                let widest = lines.iter().map(|line| line.width()).max();
                assert!(widest <= Some(width), "{width} x {height}: {lines:#?}");
            }
        }
    }

    #[test]
    fn colours_change_nothing_else() {
        let coloured = draw(&watched(), (72, 24), &calendar(), Palette::new(true));
        let plain: Vec<String> = coloured
            .iter()
            .map(|line| {
                let mut parts = line.split('\u{1b}');
                let first = parts.next().unwrap().to_owned();
                first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
            })
            .collect();
        assert!(coloured != plain);
        assert_eq!(plain, drawn((72, 24)));
    }
}
