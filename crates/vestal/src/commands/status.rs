//! `vestal status`: how it is going, at a glance.

use jiff::Timestamp;
use vestal_api::{Code, ConnectionView, StatusView};
use vestal_core::connection::ConnectionName;
use vestal_core::state::State;
use vestal_core::store::Held;
use vestal_engine::Error;

use super::refresh::{first_in, names};
use crate::context::{Context, Vestal};
use crate::failure::{Failure, Lost, cause_of, reason_of, word};
use crate::reasons;
use crate::text::{pad, wrap};
use crate::warnings;
use crate::when::Calendar;

/// Show how all connections are, or one
///
/// With --exit-code it ends with 3 where a connection needs a person, and with 4 where one is failing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal status
  vestal status shop --json
  vestal status --exit-code || echo 'vestal needs you' | mail me@example.com")]
pub(crate) struct Args {
    /// One connection
    name: Option<ConnectionName>,

    /// Tell by the exit code, too
    #[arg(long)]
    exit_code: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let code = match args.name {
        Some(name) => one(&vestal, &name, context, &calendar).await?,
        None => all(&vestal, context, &calendar).await?,
    };
    match code.filter(|_| args.exit_code) {
        Some(code) => Err(Failure::Quiet(code)),
        None => Ok(()),
    }
}

async fn all(vestal: &Vestal, context: &Context, calendar: &Calendar) -> Result<Option<Code>, Failure> {
    let store = vestal.engine.store();
    let counts = store.count_states(None).await?;
    let (needs_reauth, needing) = names(first_in(vestal, "needs_reauth").await?);
    let (first_failing, failing_count) = first_in(vestal, "failing").await?;
    let code = match (needing, failing_count) {
        (1.., _) => Some(Code::NeedsReauth),
        (_, 1..) => Some(Code::TemporarilyUnavailable),
        _ => None,
    };
    let view = StatusView {
        connections: counts.iter().map(|(_, count)| count).sum(),
        states: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        needs_reauth,
        failing: first_failing.iter().map(|connection| connection.name.clone()).collect(),
        next_refresh_at: store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await?,
    };
    let output = context.output;
    if output.json {
        output.json(&view)?;
        return Ok(code);
    }
    let states: Vec<String> = view.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let connections = if view.connections == 1 { "connection" } else { "connections" };
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    output.line(format_args!("{} {connections}{states}", view.connections))?;
    let some = |names: &[ConnectionName], count: u64| {
        let more = count.saturating_sub(names.len() as u64);
        let names: Vec<&str> = names.iter().map(ConnectionName::as_str).collect();
        format!("{}{}", names.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
    };
    let palette = output.palette;
    if needing > 0 {
        let title = palette.bad("needs re-authorization");
        output.line(format_args!("  {title}  {}", some(&view.needs_reauth, needing)))?;
    }
    if failing_count > 0 {
        let title = palette.warning("failing");
        output.line(format_args!("  {title}  {}", some(&view.failing, failing_count)))?;
    }
    for lost in first_failing.iter().filter_map(Lost::of) {
        output.line(format_args!("    {}: {}", lost.name, lost.in_short(calendar)))?;
    }
    if let Some(at) = view.next_refresh_at {
        output.line(format_args!("  next refresh  {}", calendar.moment_and_away(at)))?;
    }
    Ok(code)
}

async fn one(
    vestal: &Vestal,
    name: &ConnectionName,
    context: &Context,
    calendar: &Calendar,
) -> Result<Option<Code>, Failure> {
    let failed = |error| Failure::of(error, None, calendar);
    let store = vestal.engine.store();
    let connection = store.connection_named(name).await?;
    let connection = connection.ok_or_else(|| failed(Error::NoSuchConnection { name: name.to_string() }))?;
    let client = store.client(connection.client).await?;
    let client = client.ok_or_else(|| failed(Error::NoSuchClient { name: connection.client.to_string() }))?;
    let code = match &connection.state {
        State::NeedsReauth { .. } | State::Pending => Some(Code::NeedsReauth),
        State::Failing(_) => Some(Code::TemporarilyUnavailable),
        _ => None,
    };
    let view = ConnectionView::new(&connection, &client);
    let output = context.output;
    if output.json {
        output.json(&view)?;
        return Ok(code);
    }
    let provider = vestal.engine.catalogue().get(&client.provider).map_err(|error| failed(error.into()))?;
    let state = match &connection.state {
        State::Active => output.palette.good(&view.state.state),
        State::NeedsReauth { .. } => output.palette.bad(&view.state.state),
        _ => output.palette.warning(&view.state.state),
    };
    output.line(format_args!("{}: {state}", output.palette.strong(name)))?;
    let field = |title: &str, text: String| {
        let text = format!("{}{text}", pad(title, 15));
        wrap(&text, output.width, 2, 17).into_iter().try_for_each(|line| output.line(line))
    };
    if let Some(why) = trouble(&connection.state, &provider.name) {
        let since = view.state.since.map(|since| format!(", since {}", calendar.moment_and_away(since)));
        field("why", format!("{why}{}", since.unwrap_or_default()))?;
    }
    if let Some(lost) = Lost::of(&connection) {
        field("meaning", lost.sentences(&provider.name, calendar))?;
    }
    field("client", format!("{} ({})", client.name, provider.name))?;
    for (what, said) in view.site.iter().chain(&view.redirect) {
        field(what, said.clone())?;
    }
    if let Some(scope) = &view.scope {
        field("scopes", scope.clone())?;
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
    )?;
    let schedule = vestal.engine.schedule(&connection, &provider);
    field(
        "refresh token",
        match (view.refresh_token, schedule.idle_end) {
            (false, _) => "none".to_owned(),
            (true, None) => "there is one".to_owned(),
            (true, Some(end)) => format!("dies {} if it is not used", calendar.moment_and_away(end.at)),
        },
    )?;
    field("next", reasons::next(&schedule, calendar))?;
    if matches!(connection.state, State::NeedsReauth { .. } | State::Pending) {
        field("do", format!("vestal connect {}", word(name.as_str())))?;
    }
    for told in warnings::of_client(vestal, &client, None).await? {
        told.say(output);
    }
    Ok(code)
}

fn trouble(state: &State, provider: &str) -> Option<String> {
    match state {
        State::Failing(failing) => Some(cause_of(&failing.cause, provider)),
        State::NeedsReauth { reason, .. } => Some(reason_of(reason, provider)),
        State::Paused { prior } => trouble(prior, provider),
        _ => None,
    }
}
