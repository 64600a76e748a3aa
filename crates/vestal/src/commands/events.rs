//! `vestal events`: a connection's history.

use vestal_api::EventView;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{StoredEvent, Trigger, What};

use crate::context::{Context, Vestal};
use crate::failure::{Failure, Lost, cause_of, reason_of};
use crate::output::Tone;
use crate::reasons;
use crate::text::wrap;
use crate::when::Calendar;

/// How many events are read at once.
const PAGE: u32 = 500;

/// Show what happened to a connection
///
/// The last 100 events of 90 days are kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal events shop
  vestal events shop --limit 5 --json")]
pub(crate) struct Args {
    /// The connection
    name: ConnectionName,

    /// Only the last so many
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let connection = vestal.connection(&args.name).await?;
    let events = last(&vestal, &connection, args.limit).await?;
    let output = context.output;
    if output.json {
        return Ok(output.array(events.into_iter().map(EventView::from))?);
    }
    for stored in &events {
        let at = calendar.moment(stored.event.at);
        output.labelled(&at, Tone::Faint, &sentence(&stored.event.what, &calendar), 4)?;
    }
    let candidates = vestal.engine.store().candidates(connection.id, reasons::CANDIDATES_COUNTED).await?;
    // What goes on now, beside what happened.
    let lost = Lost::of(&connection).map(|lost| lost.sentences("the provider", &calendar));
    for text in lost.into_iter().chain(reasons::candidates(&candidates, &calendar)) {
        for line in wrap(&text, output.width, 0, 0) {
            output.line(line)?;
        }
    }
    Ok(())
}

async fn last(vestal: &Vestal, connection: &Connection, limit: usize) -> Result<Vec<StoredEvent>, Failure> {
    let store = vestal.engine.store();
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = store.events(Some(connection.id), after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        events.extend(page);
        // The store keeps few of each connection: this many are already more than it should.
        if is_last || events.len() > 100 * PAGE as usize {
            break;
        }
    }
    let superfluous = events.len().saturating_sub(limit);
    events.drain(..superfluous);
    Ok(events)
}

/// What happened, in words.
pub(super) fn sentence(what: &What, calendar: &Calendar) -> String {
    let ends = |at: &Option<jiff::Timestamp>| match at {
        Some(at) => format!("ends {}", calendar.moment(*at)),
        None => "nobody says when it ends".to_owned(),
    };
    match what {
        What::Created => "created".to_owned(),
        What::ConsentAsked { until } => format!("consent is asked for, until {}", calendar.moment(*until)),
        What::Consented { generation, refresh_token, scope, .. } => {
            let with = if *refresh_token { "with" } else { "WITHOUT" };
            let scope = scope.as_ref().map(|scope| format!(", for {scope}")).unwrap_or_default();
            format!("consented: generation {generation}, {with} a refresh token{scope}")
        }
        What::Imported { generation, refresh_token, .. } => {
            let without = if *refresh_token { "" } else { ", without a refresh token" };
            format!("imported as generation {generation}{without}")
        }
        What::Refreshed { generation, rotated, expires_at, trigger, .. } => {
            let why = match trigger {
                Trigger::Schedule => "by schedule",
                Trigger::Read => "for a reader",
                Trigger::Request => "on request",
                Trigger::Journal => "from the journal",
            };
            let rotated = if *rotated { "; the refresh token was replaced" } else { "" };
            format!("refreshed {why}: generation {generation}, {}{rotated}", ends(expires_at))
        }
        What::Rejected { generation } => {
            format!("the API did not accept the access token of generation {generation}: it is refreshed")
        }
        What::Failed { why, next, .. } => {
            format!("failed: {}; next try {}", cause_of(why, "the provider"), calendar.moment(*next))
        }
        What::Abandoned { .. } => "an attempt was found whose outcome nobody wrote down".to_owned(),
        What::CandidateKept { why, .. } => {
            let why = reasons::kept_aside(*why);
            format!("an answer was kept aside: {why}")
        }
        What::NeedsReauth { why } => format!("needs re-authorization: {}", reason_of(why, "the provider")),
        What::ClientRefused { client, detail } => {
            format!(
                "the provider refuses the client {client:?}: {detail}; its connections wait, and this one goes on trying"
            )
        }
        What::ClientAccepted { client } => format!("the provider accepts the client {client:?} again"),
        What::EndsSoon { at, unused: true } => {
            format!("WARNING: it dies of disuse {}, unless it can be refreshed before", calendar.moment(*at))
        }
        What::EndsSoon { at, unused: false } => {
            format!(
                "WARNING: it ends {}, and no refresh moves that; connect it again before",
                calendar.moment(*at)
            )
        }
        What::Contradiction { found } => {
            format!("what the provider's file says does not fit: {}", reasons::contradiction(*found))
        }
        What::Paused => "paused".to_owned(),
        What::Resumed => "resumed".to_owned(),
        What::PolicySet { policy } => format!("its policy is {policy} from now on"),
        What::Disconnecting => "disconnecting began".to_owned(),
    }
}
