//! The table: one line for each provider.

use std::time::Duration;

use vestal_core::provider::{IdleLimit, Provider, catalogue};

use crate::lives::{Outcome, in_days};

/// All lives of one provider.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its identifier.
    pub provider: String,
    /// What ends a connection to it.
    pub killers: String,
    /// What became of each of its lives.
    pub outcomes: Vec<Outcome>,
    /// How many facts of its file nobody has verified.
    pub unverified: usize,
}

impl Row {
    /// A provider's lives.
    pub fn new(provider: &Provider, outcomes: Vec<Outcome>) -> Self {
        let text = catalogue::text(&provider.id).unwrap_or_default();
        Self {
            provider: provider.id.clone(),
            killers: killers(provider),
            outcomes,
            unverified: text.matches("unverified = true").count(),
        }
    }

    /// How many connections were lost that could have been kept, or ended without a warning in time, or whatever else
    /// must not happen.
    pub fn violations(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.violations.len()).sum()
    }

    fn cells(&self) -> [String; 7] {
        let ends: Vec<_> = self.outcomes.iter().flat_map(|outcome| &outcome.ends).collect();
        let told = ends.iter().map(|end| end.warned_before.unwrap_or_default()).min();
        let told = told
            .map_or_else(|| "none".to_owned(), |told| format!("{}, told {} before", ends.len(), days(told)));
        let lost = self
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.violations)
            .filter(|it| it.rule == "kept")
            .count();
        [
            self.provider.clone(),
            self.killers.clone(),
            self.outcomes.len().to_string(),
            self.refreshes(),
            told,
            lost.to_string(),
            self.unverified.to_string(),
        ]
    }

    /// Refreshes a year of each connection, over all lives.
    fn refreshes(&self) -> String {
        let of = |account: usize| {
            let all = self.outcomes.iter().map(|outcome| outcome.refreshes_a_year[account]);
            let (least, most) =
                all.fold((f64::MAX, 0.0f64), |(least, most), it| (least.min(it), most.max(it)));
            match (least.round(), most.round()) {
                (least, most) if (most - least).abs() <= most * 0.02 + 1.0 => format!("{most}"),
                (least, most) => format!("{least}–{most}"),
            }
        };
        [0, 1, 2, 3].map(of).join(" / ")
    }
}

/// What ends a connection that has no known end.
const NOTHING: &str = "nothing that is known";

/// What ends a connection to a provider, in a few words.
pub fn killers(provider: &Provider) -> String {
    if !provider.issues_refresh_tokens() {
        let is_renewed = provider.exchange.renew.is_some();
        return match provider.access_token_life() {
            Some(life) if is_renewed => format!("{} after it was issued, unless it is exchanged", days(life)),
            Some(life) => format!("{} after the consent", days(life)),
            None => NOTHING.to_owned(),
        };
    }
    let idle = match provider.idle_limit() {
        IdleLimit::After { limit, .. } => Some(format!("{} of disuse", days(limit))),
        IdleLimit::Endless => None,
        IdleLimit::Unknown => Some("disuse: unknown, 7 d assumed".to_owned()),
    };
    let absolute = provider.absolute_life().map(|known| format!("{} after the consent", days(known.life)));
    let killers: Vec<_> = idle.into_iter().chain(absolute).collect();
    if killers.is_empty() { NOTHING.to_owned() } else { killers.join("; ") }
}

fn days(length: Duration) -> String {
    let days = in_days(length);
    if days >= 1.0 { format!("{days:.0} d") } else { format!("{:.0} h", days * 24.0) }
}

const HEAD: [&str; 7] = [
    "provider",
    "what ends it",
    "lives",
    "refreshes a year: read / unread / on-demand / always",
    "ends that no refresh moves",
    "lost",
    "unverified",
];

/// The table, in Markdown that can also be read as it is.
pub fn markdown(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: [usize; 7] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    lines.insert(1, widths.map(|width| "-".repeat(width)));
    let line = |cells: &[String; 7]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    lines.iter().map(line).collect()
}
