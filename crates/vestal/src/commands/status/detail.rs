//! How one connection is.

use std::sync::Arc;

use jiff::Timestamp;
use vestal_api::{Code, ConnectionView};
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::provider::Provider;
use vestal_core::schedule::Schedule;
use vestal_core::state::State;

use crate::context::Vestal;
use crate::failure::{Failure, Lost, cause_of, reason_of, word};
use crate::output::Palette;
use crate::overdue;
use crate::pending::{self, Pending};
use crate::reasons;
use crate::text::{cut, one_of, pad, wrap};
use crate::when::Calendar;

/// What is known of one connection at one moment.
pub(super) struct Detail {
    connection: Connection,
    client: Client,
    provider: Arc<Provider>,
    schedule: Schedule,
    /// What it waits for, where nobody ever consented.
    pending: Option<Pending>,
    /// Since when it is due and was left.
    overdue_since: Option<Timestamp>,
}

/// What the exit code is to tell of a connection in this state, which is overdue or not.
pub(super) fn code(state: &State, is_overdue: bool) -> Option<Code> {
    match state {
        State::NeedsReauth { .. } | State::Pending => Some(Code::NeedsReauth),
        State::Failing(_) => Some(Code::TemporarilyUnavailable),
        _ => is_overdue.then_some(Code::TemporarilyUnavailable),
    }
}

impl Detail {
    pub(super) async fn look(
        vestal: &Vestal,
        connection: Connection,
        client: Client,
    ) -> Result<Self, Failure> {
        let provider = vestal.engine.catalogue().get(&client.provider)?;
        let schedule = vestal.engine.schedule(&connection, &provider);
        let pending = pending::of(vestal, &connection).await?;
        let overdue_since = overdue::of_one(vestal, &connection, &client.provider).await?;
        Ok(Self { connection, client, provider, schedule, pending, overdue_since })
    }

    /// What the exit code is to tell.
    pub(super) fn code(&self) -> Option<Code> {
        code(&self.connection.state, self.overdue_since.is_some())
    }

    pub(super) fn lines(&self, calendar: &Calendar, width: usize, palette: Palette) -> Vec<String> {
        let Self { connection, client, provider, schedule, pending, overdue_since } = self;
        let (name, view) = (&connection.name, ConnectionView::new(connection, client));
        let state = match &connection.state {
            State::Active => palette.good(view.state.state),
            State::NeedsReauth { .. } => palette.bad(view.state.state),
            _ => palette.warning(view.state.state),
        };
        let room = width.saturating_sub(2 + view.state.state.to_string().len());
        let mut lines = vec![format!("{}: {state}", palette.strong(cut(name.as_str(), room)))];
        let mut field = |title: &str, text: String| {
            lines.extend(wrap(&format!("{}{text}", pad(title, 15)), width, 2, 17));
        };
        if let Some(why) = trouble(&connection.state, &provider.name) {
            let since = view.state.since.map(|since| format!(", since {}", calendar.moment_and_away(since)));
            field("why", format!("{why}{}", since.unwrap_or_default()));
        }
        if let Some(pending) = pending {
            field("why", pending.in_a_sentence(calendar));
        }
        if let Some(lost) = Lost::of(connection) {
            field("meaning", lost.sentences(&provider.name, calendar));
        }
        field("client", format!("{} ({})", client.name, provider.name));
        for (what, said) in view.site.iter().chain(&view.redirect) {
            field(what, said.clone());
        }
        for (what, said) in &view.found {
            field(what, format!("{said}{}", one_of(view.found_among.unwrap_or(1))));
        }
        if let Some(scope) = &view.scope {
            field("scopes", scope.clone());
        }
        field(
            "access token",
            match (view.generation, view.expires_at) {
                _ if !view.access_token => "none yet".to_owned(),
                (generation, None) => format!("generation {generation}; nobody says when it ends"),
                (generation, Some(end)) => {
                    let verb = if end <= calendar.now() { "ended" } else { "ends" };
                    format!("generation {generation}, {verb} {}", calendar.moment_and_away(end))
                }
            },
        );
        field(
            "refresh token",
            match (view.refresh_token, &schedule.idle_end) {
                (false, _) => "none".to_owned(),
                // Nobody knows of it that it would live on.
                (true, _) if matches!(connection.state, State::NeedsReauth { .. }) => {
                    "there is one".to_owned()
                }
                (true, None) => "there is one".to_owned(),
                (true, Some(end)) if end.at <= calendar.now() => {
                    format!("may have died of disuse on {}", calendar.moment_and_away(end.at))
                }
                (true, Some(end)) if matches!(connection.state, State::Paused { .. }) => {
                    let at = calendar.moment_and_away(end.at);
                    format!(
                        "dies {at}, since nothing uses it while paused; before: vestal resume {}",
                        word(name.as_str())
                    )
                }
                (true, Some(end)) => format!("dies {} if it is not used", calendar.moment_and_away(end.at)),
            },
        );
        if let Some(end) = &schedule.absolute_end {
            field("grant", format!("ends {}, whatever is done", calendar.moment_and_away(end.at)));
        }
        field("next", reasons::next(schedule, calendar));
        if let Some(since) = overdue_since {
            let since = calendar.moment_and_away(*since);
            field(
                "overdue",
                format!("it was not refreshed, and is due since {since}: {}", overdue::WHO_KEEPS),
            );
        }
        if matches!(connection.state, State::NeedsReauth { .. } | State::Pending) {
            field("do", format!("vestal connect {}", word(name.as_str())));
        }
        lines
    }
}

fn trouble(state: &State, provider: &str) -> Option<String> {
    match state {
        State::Failing(failing) => Some(cause_of(&failing.cause, provider)),
        State::NeedsReauth { reason, .. } => Some(reason_of(reason, provider)),
        State::Paused { prior } => trouble(prior, provider),
        _ => None,
    }
}
