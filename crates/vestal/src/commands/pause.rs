//! `vestal pause` and `vestal resume`: whether connections are refreshed.

use tokio::task::JoinSet;
use vestal_api::ChangedView;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::store::Filter;
use vestal_engine::{Engine, Error};

use super::list::Pages;
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::progress::Progress;

/// How many are written at once: a store commits together what comes together.
const AT_ONCE: usize = 64;

/// Have connections not be refreshed for a while
///
/// An access token that is still valid is served, and ends that come are told of. Whoever else keeps the same refresh token alive can do so meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal pause shop
  vestal pause --tag batch=7")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Have connections be refreshed again
///
/// Those that were imported and not tried yet are tried in turn, a few each second, so that a million that are cut over at once come evenly.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal resume shop
  vestal resume --tag batch=7            once the other keeper has stopped")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

/// Which connections.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The connection
    name: Option<ConnectionName>,

    /// All with this tag
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::tag)]
    tag: Option<(String, String)>,

    /// All that were made with this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Pause,
    Resume,
}

impl What {
    fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }

    /// What those are that need not be changed.
    fn already(self) -> &'static str {
        match self {
            Self::Pause => "paused already",
            Self::Resume => "not paused",
        }
    }
}

pub(crate) async fn pause(args: PauseArgs, context: &Context) -> Result<(), Failure> {
    run(args.which, What::Pause, context).await
}

pub(crate) async fn resume(args: ResumeArgs, context: &Context) -> Result<(), Failure> {
    run(args.which, What::Resume, context).await
}

async fn run(which: Which, what: What, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let Some(name) = which.name else {
        let none = match (&which.tag, &which.client) {
            (Some((name, value)), _) => format!("no connection has the tag {name}={value}"),
            (None, client) => {
                format!("no connection was made with the client {:?}", client.as_deref().unwrap_or_default())
            }
        };
        let client = vestal.client_id(which.client.as_deref()).await?;
        let filter = Filter { client, tag: which.tag, ..Filter::default() };
        if context.or_interrupted(Box::pin(many(&vestal, filter, what, context))).await?? == 0 {
            // A tag that was mistyped, more often than not: two keepers would go on with one refresh token.
            return Err(
                Failure::failed(none).next("see the tags and clients of all with: vestal list --json")
            );
        }
        return Ok(());
    };
    let connection = vestal.connection(&name).await?;
    let changed = match change(vestal.engine.clone(), connection, what, 0).await {
        Ok(changed) => changed,
        Err(error) => return Err(vestal.failure(error, &name).await),
    };
    let output = context.output;
    if output.json {
        output.json(&ChangedView { changed: changed.into(), unchanged: (!changed).into() })?;
    } else if changed {
        output.line(format_args!("{:?} is {}", name.as_str(), what.done()))?;
    } else {
        output.line(format_args!("{:?} is {}: nothing was changed", name.as_str(), what.already()))?;
    }
    Ok(())
}

async fn change(engine: Engine, connection: Connection, what: What, position: u64) -> Result<bool, Error> {
    match what {
        What::Pause => engine.pause(connection).await,
        What::Resume => engine.resume(connection, position).await,
    }
}

/// Pauses or resumes all of them. Returns how many there are.
async fn many(vestal: &Vestal, filter: Filter, what: What, context: &Context) -> Result<u64, Failure> {
    let output = context.output;
    let progress = Progress::new(output, None);
    let mut pages = Pages::new(vestal, filter);
    let mut writes = JoinSet::new();
    let (mut seen, mut view) = (0_u64, ChangedView::default());
    let mut failures = 0_u64;
    let mut note = |written: Option<Result<Result<bool, Error>, tokio::task::JoinError>>| match written {
        Some(Ok(Ok(true))) => view.changed += 1,
        Some(Ok(Ok(false))) => view.unchanged += 1,
        Some(Ok(Err(error))) => {
            failures += 1;
            // One that cannot be changed holds up no other.
            tracing::warn!(%error, "a connection stays as it is");
        }
        Some(Err(error)) => {
            failures += 1;
            tracing::error!(%error, "a connection may stay as it is");
        }
        None => {}
    };
    while let Some(page) = pages.next().await? {
        for connection in page {
            writes.spawn(change(vestal.engine.clone(), connection, what, seen));
            seen += 1;
            if writes.len() >= AT_ONCE {
                note(writes.join_next().await);
            }
        }
        progress.show(seen, None);
    }
    while !writes.is_empty() {
        note(writes.join_next().await);
    }
    progress.end();
    if seen == 0 {
        return pages.damage().map(|()| 0);
    }
    if output.json {
        output.json(&view)?;
    } else {
        let (done, already) = (what.done(), what.already());
        output.line(format_args!("{} {done}, {} {already}", view.changed, view.unchanged))?;
    }
    pages.damage()?;
    match failures {
        0 => Ok(seen),
        failures => Err(Failure::failed(format!("{failures} connections stay as they are"))
            .why("each has been told of above")
            .next("run the same command again")),
    }
}
