//! `vestal serve`: keeps to the schedule, until it is told to stop.

use jiff::Timestamp;
use vestal_core::store::Held;

use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::{daemon, logging, supervisor};

/// Keep everything alive, until stopped
///
/// The first SIGINT, SIGTERM, SIGHUP or SIGQUIT lets the refreshes finish that are under way; another one,
/// a second later or more, does not. With --json, each line of its log is an object.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal serve
  vestal serve --log debug")]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    if config.is_blank() {
        // Nothing is made up for a daemon: who starts one means a configuration that exists.
        return Err(Failure::failed("nothing is set up yet")
            .why(format!(
                "there is no configuration at {}, no master key and no store",
                config.path.display()
            ))
            .next("vestal init; or: vestal connect NAME --provider P"));
    }
    logging::start(context.log.unwrap_or(config.serve_log), context.output, true);
    let mut signals = context.signals.listen()?;
    let vestal = context.open_or_create(daemon::patient(config)).await?;
    daemon::begin(&vestal).await;
    say_hello(&vestal).await?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let keeping = daemon::keep(&vestal, async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    });
    tokio::pin!(keeping);
    tokio::select! {
        () = &mut keeping => {}
        () = supervisor::watched(|| vestal.engine.is_looking()) => {}
        () = signals.first() => {}
    }
    supervisor::stopping();
    tracing::info!("stopping: the refreshes that are under way finish first");
    drop(stop);
    tokio::select! {
        biased;
        () = keeping => {}
        () = supervisor::more_time(|| vestal.engine.awaits_answers()) => {}
        () = signals.second() => {
            return Err(Failure::failed("stopped at once, with refreshes under way")
                .why("it was told to stop a second time")
                .next("nothing; what was not written down is found and looked at by the next process"));
        }
    }
    tracing::info!("stopped");
    Ok(())
}

async fn say_hello(vestal: &Vestal) -> Result<(), Failure> {
    let store = vestal.engine.store();
    let connections: u64 = store.count_states(None).await?.iter().map(|(_, count)| count).sum();
    let next =
        store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await?.map(|at| at.to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        store = %vestal.config.store.display(),
        connections,
        next = next.as_deref().unwrap_or("none"),
        "keeping connections alive"
    );
    if connections == 0 {
        tracing::warn!(
            "there is no connection yet: where there were some, look whether the disk of the store is mounted, and stop this first"
        );
    }
    supervisor::ready(connections);
    Ok(())
}
