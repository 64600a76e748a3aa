//! Tables that fit the terminal: columns that matter less go first, then the widest are cut.

use unicode_width::UnicodeWidthStr;

use crate::output::Palette;
use crate::text::{cut, pad, shown};

/// The space between two columns.
const GAP: usize = 2;

/// No column is cut below this, which is the longest state: half a word is none.
const NARROWEST: usize = "disconnecting".len();

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) title: &'static str,
    /// How much it matters: the one with the lowest number goes first where there is no room.
    pub(crate) matters: u8,
}

/// The lines of a table that is at most `width` columns wide. `tint` colours a cell: its column's title, its text,
/// padded.
pub(crate) fn draw(
    columns: &[Column],
    rows: &[Vec<String>],
    width: usize,
    palette: Palette,
    tint: impl Fn(&str, String) -> String,
) -> Vec<String> {
    let widths = fit(columns, rows, width);
    let shown: Vec<usize> = (0..columns.len()).filter(|index| widths[*index] > 0).collect();
    let last = shown.last().copied();
    let line = |cell: &dyn Fn(usize) -> (String, bool)| {
        let cells: Vec<String> = shown
            .iter()
            .map(|&index| {
                let (text, is_title) = cell(index);
                let text = cut(&text, widths[index]);
                let text = if Some(index) == last { text } else { pad(&text, widths[index]) };
                if is_title { palette.faint(text) } else { tint(columns[index].title, text) }
            })
            .collect();
        cells.join(&" ".repeat(GAP))
    };
    let titles = line(&|index| (columns[index].title.to_owned(), true));
    let rows = rows.iter().map(|row| line(&|index| (row[index].clone(), false)));
    std::iter::once(titles).chain(rows).collect()
}

/// The width of each column; 0 for one that is left out.
fn fit(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = (0..columns.len())
        .map(|index| match rows.iter().map(|row| shown(&row[index]).width()).max() {
            // Nothing in it.
            Some(0) => 0,
            widest => widest.unwrap_or(0).max(columns[index].title.width()),
        })
        .collect();
    let total = |widths: &[usize]| {
        let shown = widths.iter().filter(|width| **width > 0).count();
        widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
    };
    // Leave out what matters least while even cut columns do not fit.
    loop {
        let least: Vec<usize> = widths.iter().map(|width| (*width).min(NARROWEST)).collect();
        let shown = (0..columns.len()).filter(|index| widths[*index] > 0);
        match shown.clone().min_by_key(|index| columns[*index].matters) {
            Some(index) if total(&least) > width && shown.count() > 1 => widths[index] = 0,
            _ => break,
        }
    }
    // Cut the widest, one column at a time.
    while total(&widths) > width {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else { break };
        *widest -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "NAME", matters: 9 },
        Column { title: "STATE", matters: 5 },
        Column { title: "CLIENT", matters: 1 },
    ];

    fn drawn(rows: &[[&str; 3]], width: usize) -> Vec<String> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect();
        draw(&COLUMNS, &rows, width, Palette::PLAIN, |_, text| text)
    }

    #[test]
    fn columns_stand_under_each_other_also_where_characters_are_wide() {
        assert_eq!(
            drawn(&[["shop", "active", "google"], ["店舗", "failing", "okta"]], usize::MAX),
            ["NAME  STATE    CLIENT", "shop  active   google", "店舗  failing  okta"]
        );
    }

    #[test]
    fn columns_stand_under_each_other_from_right_to_left_too() {
        let lines = drawn(
            &[["חנות", "active", "okta"], ["متجر", "paused", "okta"], ["cafe\u{301}", "active", "okta"]],
            80,
        );
        let before_state = |line: &String| line.split("  ").next().unwrap().width();
        assert_eq!(lines.iter().map(before_state).collect::<Vec<_>>(), [4; 4]);
        assert!(lines[1..].iter().all(|line| line.width() == "shop  active  okta".len()), "{lines:#?}");
    }

    #[test]
    fn there_is_room_for_what_stands_in_place_of_a_character() {
        assert_eq!(
            drawn(&[["turned\u{202e}", "active", "okta"]], usize::MAX),
            ["NAME     STATE   CLIENT", "turned\u{fffd}  active  okta"]
        );
    }

    #[test]
    fn a_column_with_nothing_in_it_is_left_out() {
        assert_eq!(
            drawn(&[["shop", "active", ""], ["café", "", ""]], 80),
            ["NAME  STATE", "shop  active", "café  "]
        );
        assert_eq!(drawn(&[], 80), ["NAME  STATE  CLIENT"]);
    }

    #[test]
    fn what_matters_least_goes_first_and_the_widest_is_cut() {
        let rows = [["a-rather-long-name-of-a-shop", "needs_reauth", "constant-contact"]];
        for width in [18, 20, 30, 40, 50, 60] {
            for line in drawn(&rows, width) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        assert_eq!(drawn(&rows, 20), ["NAME", "a-rather-long-name-…"]);
        assert_eq!(drawn(&rows, 30), ["NAME              STATE", "a-rather-long-n…  needs_reauth"]);
    }
}
