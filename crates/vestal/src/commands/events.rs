//! `vestal events`: a connection's history.

use vestal_api::EventView;
use vestal_core::connection::ConnectionName;
use vestal_core::event::{StoredEvent, Trigger, What};
use vestal_core::token::WhyCandidate;

use crate::context::{Context, Vestal};
use crate::failure::{Failure, cause_of, reason_of};
use crate::output::JsonArray;
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
    let events = last(&vestal, &args, &calendar).await?;
    let output = context.output;
    if output.json {
        let mut array = JsonArray::begin(std::io::stdout().lock())?;
        events.into_iter().try_for_each(|event| array.push(&EventView::from(event)))?;
        array.end()?;
        return Ok(());
    }
    for stored in &events {
        let at = output.palette.faint(calendar.moment(stored.event.at));
        output.line(format_args!("{at}  {}", sentence(&stored.event.what, &calendar)))?;
    }
    Ok(())
}

async fn last(vestal: &Vestal, args: &Args, calendar: &Calendar) -> Result<Vec<StoredEvent>, Failure> {
    let store = vestal.engine.store();
    let connection = store.connection_named(&args.name).await?.ok_or_else(|| {
        Failure::of(vestal_engine::Error::NoSuchConnection { name: args.name.to_string() }, None, calendar)
    })?;
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
    let superfluous = events.len().saturating_sub(args.limit);
    events.drain(..superfluous);
    Ok(events)
}

fn sentence(what: &What, calendar: &Calendar) -> String {
    let ends = |at: &Option<jiff::Timestamp>| match at {
        Some(at) => format!("ends {}", calendar.moment(*at)),
        None => "nobody says when it ends".to_owned(),
    };
    match what {
        What::Created => "created".to_owned(),
        What::Consented { generation, refresh_token, scope, .. } => {
            let with = if *refresh_token { "with" } else { "WITHOUT" };
            let scope = scope.as_ref().map(|scope| format!(", for {scope}")).unwrap_or_default();
            format!("consented: generation {generation}, {with} a refresh token{scope}")
        }
        What::Refreshed { generation, rotated, expires_at, trigger, .. } => {
            let why = match trigger {
                Trigger::Schedule => "by schedule",
                Trigger::Read => "for a reader",
                Trigger::Request => "on request",
            };
            let rotated = if *rotated { "; the refresh token was replaced" } else { "" };
            format!("refreshed {why}: generation {generation}, {}{rotated}", ends(expires_at))
        }
        What::Failed { why, next, .. } => {
            format!("failed: {}; next try {}", cause_of(why, "the provider"), calendar.moment(*next))
        }
        What::Abandoned { .. } => "an attempt was found whose outcome nobody wrote down".to_owned(),
        What::CandidateKept { why, .. } => {
            let why = match why {
                WhyCandidate::NewerGrant => "there is a newer consent",
                WhyCandidate::AnotherRefreshToken => "another refresh token is stored",
                WhyCandidate::Unreadable => "it could not be read",
                WhyCandidate::AnotherAccount => "it speaks of another account",
            };
            format!("an answer was kept aside: {why}")
        }
        What::NeedsReauth { why } => format!("needs re-authorization: {}", reason_of(why, "the provider")),
        What::Paused => "paused".to_owned(),
        What::Resumed => "resumed".to_owned(),
        What::PolicySet { policy } => format!("its policy is {policy} from now on"),
        What::Disconnecting => "disconnecting began".to_owned(),
    }
}
