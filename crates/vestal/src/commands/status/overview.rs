//! How all connections are.

use jiff::Timestamp;
use vestal_api::{Code, StatusView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::store::Held;

use crate::commands::refresh::{first_in, names};
use crate::context::Vestal;
use crate::failure::{Failure, Lost};
use crate::output::Palette;
use crate::overdue;
use crate::text::{counted, cut, some_of, wrap};
use crate::when::Calendar;

/// The states in which connections are refreshed.
const REFRESHED: [&str; 3] = ["unverified", "active", "failing"];

/// What is known of all connections at one moment.
pub(super) struct Overview {
    pub(super) view: StatusView,
    /// The first of those that are failing.
    pub(super) failing: Vec<Connection>,
}

impl Overview {
    pub(super) async fn look(vestal: &Vestal) -> Result<Self, Failure> {
        let store = vestal.engine.store();
        let counts = store.count_states(None).await?;
        let (needs_reauth, _) = names(first_in(vestal, "needs_reauth", &counts).await?);
        let (failing, _) = first_in(vestal, "failing", &counts).await?;
        // Of others, what comes next is a warning.
        let is_any_refreshed =
            counts.iter().any(|(state, count)| *count > 0 && REFRESHED.contains(&state.as_str()));
        let next = match is_any_refreshed {
            true => store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await?,
            false => None,
        };
        let view = StatusView {
            connections: counts.iter().map(|(_, count)| count).sum(),
            states: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
            needs_reauth,
            failing: failing.iter().map(|connection| connection.name.clone()).collect(),
            next_refresh_at: next,
            overdue_since: overdue::of_all(vestal, next).await?,
            warnings: None,
        };
        Ok(Self { view, failing })
    }

    pub(super) fn count(&self, state: &str) -> u64 {
        self.view.states.get(state).copied().unwrap_or(0)
    }

    /// What the exit code is to tell.
    pub(super) fn code(&self) -> Option<Code> {
        match (self.count("needs_reauth"), self.count("failing"), self.view.overdue_since) {
            (1.., ..) => Some(Code::NeedsReauth),
            (_, 1.., _) | (.., Some(_)) => Some(Code::TemporarilyUnavailable),
            _ => None,
        }
    }

    pub(super) fn lines(&self, calendar: &Calendar, width: usize, palette: Palette) -> Vec<String> {
        let view = &self.view;
        let states: Vec<String> =
            view.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let connections = counted(view.connections, "connection", "connections");
        let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
        let mut lines = wrap(&format!("{connections}{states}"), width, 0, 2);
        let mut some = |title: &str, painted: String, names: &[ConnectionName], count: u64| {
            if count > 0 {
                // No name is wider than a line.
                let names: Vec<String> =
                    names.iter().map(|name| cut(name.as_str(), width.saturating_sub(5))).collect();
                let told = format!("{title}  {}", some_of(&names, count));
                let told = wrap(&told, width, 2, 4).into_iter().enumerate();
                lines.extend(told.map(|(number, line)| match number {
                    0 => line.trim_end().replacen(title, &painted, 1),
                    _ => line,
                }));
            }
        };
        let title = "needs re-authorization";
        some(title, palette.bad(title), &view.needs_reauth, self.count("needs_reauth"));
        some("failing", palette.warning("failing"), &view.failing, self.count("failing"));
        for lost in self.failing.iter().filter_map(Lost::of) {
            lines.extend(wrap(&format!("{}: {}", lost.name, lost.in_short(calendar)), width, 4, 6));
        }
        if let Some(since) = view.overdue_since {
            let told = format!(
                "overdue  nothing was refreshed that is due since {}: {}",
                calendar.moment_and_away(since),
                overdue::WHO_KEEPS
            );
            let told = wrap(&told, width, 2, 4).into_iter();
            lines.extend(told.map(|line| line.replacen("overdue", &palette.bad("overdue"), 1)));
        } else if let Some(at) = view.next_refresh_at {
            lines.extend(wrap(&format!("next refresh  {}", calendar.moment_and_away(at)), width, 2, 4));
        }
        lines
    }
}
