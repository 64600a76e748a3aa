//! Refreshing many, as the schedule has it and beyond.

use std::collections::HashSet;

use tokio::task::JoinSet;
use vestal_api::{ErrorView, RefreshView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::state::State;
use vestal_core::store::{Held, StoreError};
use vestal_core::token::{Grant, Renewal};
use vestal_engine::{Engine, Error, Refreshed};

use super::left::Left;
use super::queue::{Queue, Which};
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::output::JsonArray;

/// How many refreshes are under way at once. The engine bounds them again, host by host; who waits long for that gives
/// up, so they are not many more than a host takes.
const AT_ONCE: usize = 32;

/// Of how many that are due it is told what came of them. All are refreshed.
const TOLD_OF: u32 = 10_000;

/// Refreshes all of these; returns what is left to tell.
pub(super) async fn many(vestal: &Vestal, which: Which, context: &Context) -> Result<Left, Failure> {
    let output = context.output;
    let mut report = match output.json {
        true => Some(JsonArray::begin(output.stdout())?),
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
    let (outcomes, damage) = by_schedule(vestal).await?;
    for (name, outcome) in outcomes {
        tell(name, outcome)?;
    }
    let mut queue = Queue::new(vestal, which, damage);
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
            Err(error) => Err(vestal.failure(error, &name).await),
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
async fn by_schedule(vestal: &Vestal) -> Result<(Outcomes, Option<StoreError>), Failure> {
    let store = vestal.engine.store();
    let due = store.due(vestal.engine.soon(), TOLD_OF, &Held::default()).await?;
    let ids: Vec<_> = due.iter().map(|due| due.connection).collect();
    let mut unread: HashSet<_> = ids.iter().copied().collect();
    let before = store.connections_by_id(&ids).await?;
    vestal.engine.run_due().await?;
    vestal.engine.drain().await;
    let mut outcomes = Outcomes::new();
    for before in before {
        unread.remove(&before.id);
        if let Some(after) = store.connection(before.id).await? {
            let outcome = match (Refreshed::since(&before, &after), trouble(&after)) {
                (Some(refreshed), _) => Ok(refreshed),
                (None, Some(error)) => Err(vestal.failure(error, &after.name).await),
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
        Ok(now) => match now.and_then(|now| Refreshed::since(&listed, &now)) {
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
