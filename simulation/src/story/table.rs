//! The table, in Markdown that can also be read as it is: 100 columns are enough.

use std::time::Duration;

use crate::story::{Ending, FIVE_YEARS, Keeper, Noticed, Trouble, whole_days};
use crate::time::{HOUR, MINUTE};

const HEAD: [&str; 6] =
    ["refreshed by", "what goes wrong on day 400", "died", "who noticed, and when", "form", "lost"];

/// One line for each ending.
pub fn markdown(endings: &[Ending]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(endings.iter().map(cells));
    let widths: [usize; 6] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    lines.insert(1, widths.map(|width| "-".repeat(width)));
    let line = |cells: &[String; 6]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    lines.iter().map(line).collect()
}

fn cells(ending: &Ending) -> [String; 6] {
    let keeper = match ending.tale.keeper {
        Keeper::Use => "its use alone",
        Keeper::Cron => "a cron script",
        Keeper::Vestal => "Vestal",
    };
    let none = || "–".to_owned();
    [
        keeper.to_owned(),
        wrong(ending.tale.trouble),
        ending.died_at.map_or_else(none, |at| format!("day {}", whole_days(at))),
        noticed(ending).unwrap_or_else(none),
        if ending.works { "works" } else { "dead" }.to_owned(),
        ending.lost.to_string(),
    ]
}

fn wrong(trouble: Trouble) -> String {
    match trouble {
        Trouble::None => "nothing".to_owned(),
        Trouble::SecondCopy => "a second copy runs".to_owned(),
        Trouble::Killed => "killed before it saved".to_owned(),
        Trouble::Reboot => "not started after a reboot".to_owned(),
        Trouble::Withdrawn => "the consent is withdrawn".to_owned(),
        Trouble::SecretReplaced => "the secret is replaced".to_owned(),
        Trouble::Down(days) => format!("provider down for {days} days"),
    }
}

/// Who, and how long before or after the token died, or else after something went wrong.
fn noticed(ending: &Ending) -> Option<String> {
    let (who, at) = match ending.noticed {
        Noticed::Nothing => return None,
        Noticed::Operator(at) => ("operator", at),
        Noticed::Visitor => ("visitor", FIVE_YEARS),
    };
    let since = ending.died_at.unwrap_or(ending.went_wrong_at);
    Some(match at.checked_sub(since) {
        Some(after) if after < MINUTE => format!("{who}, at once"),
        Some(after) => format!("{who}, {} after", length(after)),
        None => format!("{who}, {} before", length(since - at)),
    })
}

fn length(length: Duration) -> String {
    let days = whole_days(length);
    let (count, unit) = match (days, length.as_secs() / HOUR.as_secs()) {
        (2.., _) => (days, "day"),
        (_, hours @ 1..) => (hours, "hour"),
        _ => (length.as_secs() / MINUTE.as_secs(), "minute"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", with_commas(count))
}

/// 1,645: what it counts stays below a million.
fn with_commas(count: u64) -> String {
    match (count / 1000, count % 1000) {
        (0, _) => count.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}
