//! `vestal refresh`: now.

use std::time::Duration;

use vestal_api::{Code, RefreshView};
use vestal_core::connection::ConnectionName;
use vestal_engine::Rejection;

use super::length;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::heartbeat::{Signs, Tally};
use crate::{tidying, token_files};

/// What is past its time is removed in so many batches of each kind at most: the next run goes on.
const TIDIED: usize = 100;

mod left;
mod many;
mod queue;

pub(crate) use left::{first_in, names};
use many::many;
use queue::Which;

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
  vestal refresh --due --within 12h      in a crontab: 7 */6 * * *
  vestal refresh --all"
)]
pub(crate) struct Args {
    /// The connection
    #[arg(group = "which")]
    name: Option<ConnectionName>,

    /// With a name: the API answered 401 to this generation. Refreshes only if it is still the current one
    #[arg(long, value_name = "GENERATION", conflicts_with_all = ["due", "all"])]
    rejected: Option<u64>,

    /// Those that are due
    #[arg(long, group = "which")]
    due: bool,

    /// With --due: those too that fall due within this time
    #[arg(long, value_name = "TIME", value_parser = length, conflicts_with_all = ["name", "all"])]
    within: Option<Duration>,

    /// All that can be refreshed
    #[arg(long, group = "which")]
    all: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let refreshed = match args.name.clone() {
        Some(name) => one(&vestal, name, args.rejected, context).await,
        None => {
            let which = if args.all { Which::All } else { Which::Due(args.within.unwrap_or_default()) };
            let done = context.or_interrupted(Box::pin(many(&vestal, which, context))).await?;
            if let Which::Due(_) = which {
                beat(&vestal, done.is_ok(), context).await;
                // Where no daemon runs, nobody else does.
                context.or_interrupted(tidying::tidy(&vestal.engine, TIDIED)).await?;
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
        Err(error) => return Err(vestal.failure(error, &name).await),
    };
    let output = context.output;
    if output.json {
        let (generation, expires_at) = (Some(refreshed.generation), refreshed.expires_at);
        output.json(&RefreshView { name, generation, expires_at, error: None })?;
    } else {
        let ends = match refreshed.expires_at {
            Some(at) => format!("the access token ends {}", context.calendar().moment_and_away(at)),
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
