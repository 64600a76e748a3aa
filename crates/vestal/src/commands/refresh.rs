//! `vestal refresh`: now.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use vestal_api::{Code, ErrorView, RefreshView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ConnectionId;
use vestal_core::state::State;
use vestal_core::store::{Filter, Held, StoreError};
use vestal_core::token::{Grant, Renewal, saturating_add};
use vestal_engine::{Engine, Error, Refreshed, Rejection};

use super::length;
use super::list::Pages;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, Lost, word};
use crate::heartbeat::{Signs, Tally};
use crate::output::JsonArray;
use crate::text::some_of;
use crate::token_files;
use crate::when::Calendar;

/// How many refreshes are under way at once. The engine bounds them again, host by host; who waits long for that gives
/// up, so they are not many more than a host takes.
const AT_ONCE: usize = 32;

/// Of how many that are due it is told what came of them. All are refreshed.
const TOLD_OF: u32 = 10_000;

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
  vestal refresh shop --rejected 7       the API answered 401 to generation 7
  vestal refresh --due --within 12h      in a crontab: 7 */12 * * *
  vestal refresh --all"
)]
pub(crate) struct Args {
    /// The connection
    #[arg(group = "which")]
    name: Option<ConnectionName>,

    /// With a name: the API answered 401 to this generation. Refreshes only if it is still the current one
    #[arg(long, value_name = "GENERATION", requires = "name")]
    rejected: Option<u64>,

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
    let refreshed = match args.name.clone() {
        Some(name) => one(&vestal, name, args.rejected, context, &calendar).await,
        None => {
            let which = if args.all { Which::All } else { Which::Due(args.within.unwrap_or_default()) };
            let done = context.or_interrupted(Box::pin(many(&vestal, which, context, &calendar))).await?;
            if let Which::Due(_) = which {
                beat(&vestal, done.is_ok(), context).await;
            }
            match done {
                Ok(left) => left.told(&vestal, &calendar).await,
                Err(failure) => Err(failure),
            }
        }
    };
    let files = token_files::update_all(&vestal, args.name.as_ref());
    refreshed.and(context.or_interrupted(files).await?)
}

/// Tells whoever watches that refreshes really happen, by the daemon's rule. `looked`: the schedule was looked at to its end.
async fn beat(vestal: &Vestal, looked: bool, context: &Context) {
    if let Some(url) = &vestal.config.heartbeat
        && Signs::of(Tally::of(&vestal.engine), looked, &vestal.engine).await.show_life()
        && let Err(why) = url.beat(&*vestal.http).await
    {
        context.output.warn(format_args!("the heartbeat did not arrive: {why}"));
    }
}

async fn one(
    vestal: &Vestal,
    name: ConnectionName,
    rejected: Option<u64>,
    context: &Context,
    calendar: &Calendar,
) -> Result<(), Failure> {
    let refresh = async {
        match rejected {
            Some(generation) => vestal.engine.reject(&name, generation).await,
            None => vestal.engine.refresh(&name).await.map(Rejection::Newer),
        }
    };
    let refreshed = match context.or_interrupted(refresh).await? {
        Ok(Rejection::Newer(refreshed)) => refreshed,
        Ok(refused) => return Err(not_refreshed(&name, &refused)),
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

/// A rejected token was not replaced.
pub(crate) fn not_refreshed(name: &ConnectionName, refused: &Rejection) -> Failure {
    let error = format!("{:?} was not refreshed", name.as_str());
    match refused {
        Rejection::NotTheTokensAge => Failure::failed(error)
            .why("the API rejects its tokens as soon as they are fresh: their age is not what is wrong")
            .next("look at what the API says: a missing scope or privilege, another host, a deactivated account"),
        Rejection::Unknown { newest } => Failure::failed(error)
            .why(format!("its newest access token is of generation {newest}, so the one that was rejected is not its own"))
            .next(format!("vestal token --json {} names the generation with the token", word(name.as_str()))),
        Rejection::TooSoon | Rejection::Newer(_) => Failure::new(Code::TemporarilyUnavailable, error)
            .why("it was refreshed just now")
            .next("try again in a minute"),
    }
}

#[derive(Clone, Copy)]
enum Which {
    Due(Duration),
    All,
}

/// What is to be refreshed, one after the other.
struct Queue<'a> {
    vestal: &'a Vestal,
    source: Source<'a>,
    fetched: std::vec::IntoIter<Connection>,
    over: bool,
    /// What is wrong with the first that is damaged.
    damage: Option<StoreError>,
}

enum Source<'a> {
    Due { horizon: Timestamp, seen: HashSet<ConnectionId> },
    All(Pages<'a>),
}

impl<'a> Queue<'a> {
    fn new(vestal: &'a Vestal, which: Which) -> Self {
        let source = match which {
            Which::All => Source::All(Pages::new(vestal, Filter::default())),
            Which::Due(within) => {
                let horizon = saturating_add(vestal.engine.now(), within);
                Source::Due { horizon, seen: HashSet::new() }
            }
        };
        Self { vestal, source, fetched: Vec::new().into_iter(), over: false, damage: None }
    }

    async fn next(&mut self) -> Result<Option<Connection>, Failure> {
        loop {
            if let Some(connection) = self.fetched.next() {
                return Ok(Some(connection));
            }
            if self.over {
                return Ok(None);
            }
            let fetched = self.fetch().await?;
            self.over = fetched.is_empty();
            self.fetched = fetched.into_iter();
        }
    }

    async fn fetch(&mut self) -> Result<Vec<Connection>, Failure> {
        match &mut self.source {
            Source::All(pages) => Ok(pages.next().await?.unwrap_or_default()),
            Source::Due { horizon, seen } => {
                // What was refreshed and falls due again within the time is on top of the list once more. Asking for
                // twice as many each time keeps the number of questions small.
                let limit = u32::try_from(seen.len().saturating_mul(2).max(1_000)).unwrap_or(u32::MAX);
                let store = self.vestal.engine.store();
                let mut fetched = Vec::new();
                for due in store.due(*horizon, limit, &Held::default()).await? {
                    if !seen.insert(due.connection) {
                        continue;
                    }
                    match store.connection(due.connection).await {
                        Ok(connection) => fetched.extend(connection),
                        Err(damage @ StoreError::Corrupt { .. }) => {
                            self.damage.get_or_insert(damage);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(fetched)
            }
        }
    }

    /// What is wrong with the first that could not be read.
    fn damage(self) -> Result<(), Failure> {
        let listed = match self.source {
            Source::All(pages) => pages.damage(),
            Source::Due { .. } => Ok(()),
        };
        self.damage.map_or(listed, |damage| Err(damage.into()))
    }
}

/// What is left to tell when all that could be done is done.
struct Left {
    first_failure: Option<ErrorView>,
    damage: Result<(), Failure>,
}

impl Left {
    async fn told(self, vestal: &Vestal, calendar: &Calendar) -> Result<(), Failure> {
        attention(vestal, calendar).await?;
        // What no connection's state tells: a store or a journal that takes nothing.
        self.first_failure.map_or(Ok(()), |view| Err(Failure::Told(Box::new(view))))?;
        self.damage
    }
}

async fn many(
    vestal: &Vestal,
    which: Which,
    context: &Context,
    calendar: &Calendar,
) -> Result<Left, Failure> {
    let output = context.output;
    let mut report = match output.json {
        true => Some(JsonArray::begin(std::io::stdout().lock())?),
        false => None,
    };
    vestal.node.release_gone(vestal.engine.store()).await;
    let mut refreshed = 0_u64;
    let mut first_failure: Option<ErrorView> = None;
    let mut tell = |name, outcome: Result<Refreshed, Failure>| {
        refreshed += u64::from(outcome.is_ok());
        let (generation, expires_at, error) = match outcome {
            Ok(done) => (Some(done.generation), done.expires_at, None),
            Err(failure) => {
                let view = failure.view();
                first_failure = first_failure.take().or_else(|| view.clone());
                (None, None, view)
            }
        };
        match &mut report {
            Some(report) => report.push(&RefreshView { name, generation, expires_at, error }),
            None => Ok(()),
        }
    };
    let begun_at = vestal.engine.now();
    let (outcomes, damage) = by_schedule(vestal, calendar).await?;
    for (name, outcome) in outcomes {
        tell(name, outcome)?;
    }
    let mut queue = Queue { damage, ..Queue::new(vestal, which) };
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < AT_ONCE
            && let Some(connection) = queue.next().await?
        {
            let done = connection.grant.as_ref().is_some_and(|grant| grant.tokens.issued_at >= begun_at);
            if is_well(&connection) && !done {
                under_way.spawn(refresh_unless_done(vestal.engine.clone(), connection));
            }
        }
        let Some(landed) = under_way.join_next().await else { break };
        let (name, outcome) = landed.map_err(|error| Failure::failed("a refresh broke off").why(error))?;
        let outcome = match outcome {
            Ok(refreshed) => Ok(refreshed),
            Err(error) => Err(vestal.failure(error, Some(&name), calendar).await),
        };
        tell(name, outcome)?;
    }
    if let Some(report) = report {
        report.end()?;
    } else if matches!(which, Which::All) {
        output.line(format_args!("{refreshed} refreshed"))?;
    }
    Ok(Left { first_failure, damage: queue.damage() })
}

/// What came of refreshing some connections.
type Outcomes = Vec<(ConnectionName, Result<Refreshed, Failure>)>;

/// Does what is due now, as the daemon would: what a schedule holds back stays back, but for a lost answer that is to be
/// asked for again in a moment.
/// Returns also what is wrong with the first that is damaged.
async fn by_schedule(
    vestal: &Vestal,
    calendar: &Calendar,
) -> Result<(Outcomes, Option<StoreError>), Failure> {
    let store = vestal.engine.store();
    let due = store.due(vestal.engine.soon(), TOLD_OF, &Held::default()).await?;
    let ids: Vec<_> = due.iter().map(|due| due.connection).collect();
    let mut unread: HashSet<_> = ids.iter().copied().collect();
    let before = store.connections_by_id(&ids).await?;
    vestal.engine.run_due().await.map_err(|error| Failure::of(error, None, calendar))?;
    vestal.engine.drain().await;
    let mut outcomes = Outcomes::new();
    for before in before {
        unread.remove(&before.id);
        if let Some(after) = store.connection(before.id).await? {
            let outcome = match (refreshed_since(&before, &after), trouble(&after)) {
                (Some(refreshed), _) => Ok(refreshed),
                (None, Some(error)) => Err(vestal.failure(error, Some(&after.name), calendar).await),
                // Another process is at it, or its provider asked for patience.
                (None, None) => continue,
            };
            outcomes.push((after.name, outcome));
        }
    }
    // One that is damaged keeps none of the others from being refreshed, and is told of all the same.
    let mut damage = None;
    for id in unread {
        damage = damage.or(store.connection(id).await.err());
    }
    Ok((outcomes, damage))
}

/// The token set that a connection has got since.
fn refreshed_since(before: &Connection, after: &Connection) -> Option<Refreshed> {
    let tokens = &after.grant.as_ref()?.tokens;
    let (generation, expires_at) = (tokens.generation, tokens.expires_at);
    (generation > before.generation()).then_some(Refreshed { generation, expires_at })
}

/// What keeps a connection from being refreshed.
fn trouble(connection: &Connection) -> Option<Error> {
    let name = connection.name.clone();
    match &connection.state {
        State::NeedsReauth { reason, since } => Some(Error::NeedsReauth {
            name,
            reason: reason.clone(),
            since: *since,
            last_issued_at: connection.grant.as_ref().map(|grant| grant.tokens.issued_at),
        }),
        State::Failing(failing) => {
            Some(Error::Failing { name, cause: failing.cause.clone(), next: failing.next })
        }
        _ => None,
    }
}

/// Refreshes a connection before its time; where somebody else has done so since it was listed, that will do.
async fn refresh_unless_done(
    engine: Engine,
    listed: Connection,
) -> (ConnectionName, Result<Refreshed, Error>) {
    let outcome = match engine.store().connection(listed.id).await {
        Err(error) => Err(error.into()),
        Ok(now) => match now.and_then(|now| refreshed_since(&listed, &now)) {
            Some(refreshed) => Ok(refreshed),
            None => engine.refresh(&listed.name).await,
        },
    };
    (listed.name, outcome)
}

/// Whether to refresh a connection before its time that nobody asked for by name: not where something is wrong with it,
/// or somebody is at it. An access token that is exchanged itself is left to its schedule, which has all of half its life: it may
/// be too young, or have been exchanged for good.
fn is_well(connection: &Connection) -> bool {
    let before_its_time = |grant: &Grant| !matches!(grant.renewal, Renewal::None | Renewal::Exchange);
    connection.grant.as_ref().is_some_and(before_its_time)
        && connection.lease.is_none()
        && matches!(connection.state, State::Active | State::Unverified { .. })
}

/// Tells of those that need a person, or else are failing: also of those that have been for long.
async fn attention(vestal: &Vestal, calendar: &Calendar) -> Result<(), Failure> {
    let counts = vestal.engine.store().count_states(None).await?;
    let needing = names(first_in(vestal, "needs_reauth", &counts).await?);
    let failing = first_in(vestal, "failing", &counts).await?;
    let lost: Vec<String> = failing
        .0
        .iter()
        .filter_map(Lost::of)
        .map(|lost| format!("\n{}: {}", lost.name, lost.in_short(calendar)))
        .collect();
    let failing = names(failing);
    let list = |(names, count): &(Vec<ConnectionName>, u64)| {
        let names: Vec<&str> = names.iter().map(ConnectionName::as_str).collect();
        some_of(&names, *count)
    };
    match (&needing, &failing) {
        ((needing_names, needing_count @ 1..), (_, failing_count)) => {
            let mut why = list(&needing);
            if *failing_count > 0 {
                why.push_str(&format!("\nand {failing_count} failing: {}", list(&failing)));
                why.push_str(&lost.concat());
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
                .why(list(&failing) + &lost.concat())
                .next("nothing yet; they are tried again: vestal list --state failing"))
        }
        _ => Ok(()),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first connections in a state, by name, and how many there are in all: as many as were counted.
pub(super) async fn first_in(
    vestal: &Vestal,
    state: &str,
    counts: &[(String, u64)],
) -> Result<(Vec<Connection>, u64), Failure> {
    let count = counts.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
    if count == 0 {
        return Ok((Vec::new(), 0));
    }
    let filter = Filter { state: Some(state.to_owned()), ..Filter::default() };
    let page = vestal.engine.store().connections(&filter, None, NAMES as u32).await?;
    Ok((page.connections, count))
}

/// Their names alone.
pub(super) fn names((first, count): (Vec<Connection>, u64)) -> (Vec<ConnectionName>, u64) {
    (first.into_iter().map(|connection| connection.name).collect(), count)
}
