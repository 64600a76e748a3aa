//! `vestal refresh`: now.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use vestal_api::{Code, RefreshView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::state::State;
use vestal_core::store::Filter;
use vestal_core::token::saturating_add;
use vestal_engine::Error;

use super::length;
use super::list::Pages;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::output::JsonArray;
use crate::when::Calendar;

/// How many refreshes are under way at once. The engine bounds them again, host by host.
const AT_ONCE: usize = 64;

/// How many names a sentence holds.
const NAMES: usize = 10;

/// Refresh connections now
///
/// --due is what cron calls: it does what is due, or falls due within a time, and is silent when all is well. Where a connection needs a person or is failing, that is told on every run, by name and exit code.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true),
    after_help = "\
Examples:
  vestal refresh shop
  vestal refresh --due --within 12h      in a crontab: 7 */12 * * *
  vestal refresh --all"
)]
pub(crate) struct Args {
    /// The connection
    #[arg(group = "which")]
    name: Option<ConnectionName>,

    /// Those that are due
    #[arg(long, group = "which")]
    due: bool,

    /// With --due: those too that fall due within this time
    #[arg(long, value_name = "TIME", value_parser = length, requires = "due")]
    within: Option<Duration>,

    /// All that can be refreshed
    #[arg(long, group = "which")]
    all: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    match args.name {
        Some(name) => one(&vestal, name, context, &calendar).await,
        None => {
            let which = if args.all { Which::All } else { Which::Due(args.within.unwrap_or_default()) };
            vestal.or_interrupted(many(&vestal, which, context, &calendar)).await?
        }
    }
}

async fn one(
    vestal: &Vestal,
    name: ConnectionName,
    context: &Context,
    calendar: &Calendar,
) -> Result<(), Failure> {
    let refreshed = match vestal.or_interrupted(vestal.engine.refresh(&name)).await? {
        Ok(refreshed) => refreshed,
        Err(error) => return Err(vestal.failure(error, Some(&name), calendar).await),
    };
    let output = context.output;
    if output.json {
        let (generation, expires_at) = (Some(refreshed.generation), refreshed.expires_at);
        output.json(&RefreshView { name, generation, expires_at, error: None })?;
    } else {
        let ends = match refreshed.expires_at {
            Some(at) => format!("the access token ends {}", calendar.moment_and_away(at)),
            None => "nobody says when the access token ends".to_owned(),
        };
        output.line(format_args!(
            "{:?} is refreshed: generation {}, {ends}",
            name.as_str(),
            refreshed.generation
        ))?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Which {
    Due(Duration),
    All,
}

/// What is to be refreshed, a batch at a time.
enum Batches<'a> {
    Due { vestal: &'a Vestal, horizon: Timestamp, seen: HashSet<vestal_core::id::ConnectionId> },
    All(Pages<'a>),
}

impl Batches<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Connection>>, Failure> {
        match self {
            Self::All(pages) => pages.next().await,
            Self::Due { vestal, horizon, seen } => {
                // What was refreshed and falls due again within the time is on top of the list once more. Asking for
                // twice as many each time keeps the number of questions small.
                let limit = u32::try_from(seen.len().saturating_mul(2).max(1_000)).unwrap_or(u32::MAX);
                let store = vestal.engine.store();
                let mut batch = Vec::new();
                for id in store.due(*horizon, limit).await? {
                    if seen.insert(id)
                        && let Some(connection) = store.connection(id).await?
                    {
                        batch.push(connection);
                    }
                }
                Ok(Some(batch).filter(|batch| !batch.is_empty()))
            }
        }
    }
}

async fn many(vestal: &Vestal, which: Which, context: &Context, calendar: &Calendar) -> Result<(), Failure> {
    let output = context.output;
    let mut batches = match which {
        Which::All => Batches::All(Pages::new(vestal, Filter::default())),
        Which::Due(within) => {
            vestal.node.release_gone(vestal.engine.store()).await;
            let horizon = saturating_add(vestal.engine.now(), within);
            Batches::Due { vestal, horizon, seen: HashSet::new() }
        }
    };
    let mut array = match output.json {
        true => Some(JsonArray::begin(std::io::stdout().lock())?),
        false => None,
    };
    let mut refreshed = 0_u64;
    let mut under_way: JoinSet<(ConnectionName, Result<vestal_engine::Refreshed, Error>)> = JoinSet::new();
    let mut batch = Vec::new().into_iter();
    loop {
        let next = match batch.next() {
            Some(connection) => Some(connection),
            None => match batches.next().await? {
                Some(fetched) => {
                    batch = fetched.into_iter();
                    continue;
                }
                None => None,
            },
        };
        let is_last = next.is_none();
        if let Some(connection) = next.filter(|connection| may_refresh(connection, calendar.now())) {
            let (engine, name) = (vestal.engine.clone(), connection.name);
            under_way.spawn(async move {
                let outcome = engine.refresh(&name).await;
                (name, outcome)
            });
        }
        while under_way.len() >= AT_ONCE || (is_last && !under_way.is_empty()) {
            let Some(Ok((name, outcome))) = under_way.join_next().await else { continue };
            let view = match outcome {
                Ok(done) => {
                    refreshed += 1;
                    RefreshView {
                        name,
                        generation: Some(done.generation),
                        expires_at: done.expires_at,
                        error: None,
                    }
                }
                Err(error) => {
                    let failure = vestal.failure(error, Some(&name), calendar).await;
                    RefreshView { name, generation: None, expires_at: None, error: failure.view() }
                }
            };
            if let Some(array) = &mut array {
                array.push(&view)?;
            }
        }
        if is_last {
            break;
        }
    }
    if let Some(array) = array {
        array.end()?;
    } else if matches!(which, Which::All) {
        output.line(format_args!("{refreshed} refreshed"))?;
    }
    attention(vestal).await
}

/// Whether somebody who asks for many may refresh this one: nobody asked for it by name, so back-off is respected.
fn may_refresh(connection: &Connection, now: Timestamp) -> bool {
    match &connection.state {
        State::Active | State::Unverified => connection.grant.is_some(),
        State::Failing(failing) => failing.next <= now,
        State::Pending | State::NeedsReauth { .. } | State::Paused { .. } | State::Disconnecting => false,
    }
}

/// Tells of those that need a person, or else are failing: also of those that have been for long.
async fn attention(vestal: &Vestal) -> Result<(), Failure> {
    let needing = named(vestal, "needs_reauth").await?;
    let failing = named(vestal, "failing").await?;
    let list = |(names, count): &(Vec<ConnectionName>, u64)| {
        let names: Vec<&str> = names.iter().map(ConnectionName::as_str).collect();
        let more = count.saturating_sub(names.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    };
    match (&needing, &failing) {
        ((needing_names, needing_count @ 1..), (_, failing_count)) => {
            let mut why = list(&needing);
            if *failing_count > 0 {
                why.push_str(&format!("\nand {failing_count} failing: {}", list(&failing)));
            }
            let first = needing_names.first().map_or("NAME", ConnectionName::as_str);
            let error = counted(*needing_count, "connection needs", "connections need");
            Err(Failure::new(Code::NeedsReauth, format!("{error} re-authorization"))
                .why(why)
                .next(format!("vestal connect {}", word(first))))
        }
        (_, (_, failing_count @ 1..)) => {
            let error = counted(*failing_count, "connection is", "connections are");
            Err(Failure::new(Code::TemporarilyUnavailable, format!("{error} failing"))
                .why(list(&failing))
                .next("nothing yet; they are tried again: vestal list --state failing"))
        }
        _ => Ok(()),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first connections in a state, by name, and how many there are in all.
pub(super) async fn named(vestal: &Vestal, state: &str) -> Result<(Vec<ConnectionName>, u64), Failure> {
    let store = vestal.engine.store();
    let counts = store.count_states().await?;
    let count = counts.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
    if count == 0 {
        return Ok((Vec::new(), 0));
    }
    let filter = Filter { state: Some(state.to_owned()), ..Filter::default() };
    let first = store.connections(&filter, None, NAMES as u32).await?;
    Ok((first.into_iter().map(|connection| connection.name).collect(), count))
}
