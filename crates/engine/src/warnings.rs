//! When a person is to be told that a connection will end and no refresh will help. Pure.

use jiff::Timestamp;
use vestal_core::connection::Connection;
use vestal_core::schedule::{AbsoluteEnd, Schedule};
use vestal_core::state::State;

/// A warning to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    /// When to give it.
    pub(crate) give_at: Timestamp,
    /// What it is about.
    pub(crate) end: Timestamp,
    /// Why it comes.
    pub(crate) why: Why,
}

/// Why an end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing uses it while it is paused.
    Paused,
    /// Nothing uses it while its refreshes fail.
    Failing,
    /// Whatever is done.
    Age,
}

impl Why {
    /// What there is to say.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Paused => "its end by disuse comes while it is paused: resume it before",
            Self::Failing => {
                "its end by disuse comes while its refreshes fail: mend that before, or connect it again"
            }
            Self::Age => "its end comes, and no refresh moves it: connect it again before",
        }
    }
}

/// The next warning, after the one that was given at `warned_at`.
pub(crate) fn next(
    connection: &Connection,
    schedule: &Schedule,
    warned_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Warning> {
    nexts(connection, schedule, warned_at, now).into_iter().flatten().min_by_key(|warning| warning.give_at)
}

/// The warning that is to be given now. Of several that were missed, the one of the nearest end is enough.
pub(crate) fn due(connection: &Connection, schedule: &Schedule, now: Timestamp) -> Option<Warning> {
    let nexts = nexts(connection, schedule, connection.plan.warned_at, now).into_iter().flatten();
    nexts.filter(|warning| warning.give_at <= now).min_by_key(|warning| warning.end)
}

/// The next warning of each end: where a connection fails, the end that comes by disuse hides none of the other.
fn nexts(
    connection: &Connection,
    schedule: &Schedule,
    warned_at: Option<Timestamp>,
    now: Timestamp,
) -> [Option<Warning>; 2] {
    // What was said in the future was said by a wrong clock.
    let warned_at = warned_at.filter(|warned_at| *warned_at <= now);
    let due = |give_at: &Timestamp| warned_at.is_none_or(|warned_at| *give_at > warned_at);
    ends_of(connection, schedule).map(|end| {
        let (end, why) = end?;
        let give_at = end.warnings().into_iter().find(due)?;
        Some(Warning { give_at, end: end.at, why })
    })
}

/// The ends that come although Vestal does what it can: the refresh token's absolute one, and that by disuse where nothing
/// uses it.
fn ends_of(connection: &Connection, schedule: &Schedule) -> [Option<(AbsoluteEnd, Why)>; 2] {
    let is_paused = matches!(connection.state, State::Paused { .. });
    let unused = match connection.state.behind_pause() {
        State::Pending | State::NeedsReauth { .. } | State::Disconnecting => return [None, None],
        State::Failing(_) => true,
        State::Paused { .. } | State::Unverified { .. } | State::Active => is_paused,
    };
    let from = connection.grant.as_ref().map(|grant| grant.tokens.issued_at);
    let idle = schedule.idle_end.zip(from).filter(|_| unused);
    let idle = idle.map(|(end, from)| AbsoluteEnd { at: end.at, from, basis: end.basis });
    let why = if is_paused { Why::Paused } else { Why::Failing };
    [idle.map(|end| (end, why)), schedule.absolute_end.map(|end| (end, Why::Age))]
}
