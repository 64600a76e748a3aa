//! `vestal serve`: keeps to the schedule, until it is told to stop.

use std::time::Duration;

use vestal_core::clock::Clock;
use vestal_core::store::Store;

use crate::clock::SystemClock;
use crate::context::{Context, Signals, Vestal};
use crate::failure::Failure;
use crate::logging;

/// How often what is past its time is removed, and processes that are gone are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// After the start, before the first time.
const TIDY_FIRST: Duration = Duration::from_secs(10);

/// The wait between two batches, so that tidying up keeps nobody waiting.
const BETWEEN_BATCHES: Duration = Duration::from_millis(100);

/// Keep everything alive, until stopped
///
/// The first SIGINT or SIGTERM lets the refreshes finish that are under way; the second one does not.
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
    logging::start(context.log.unwrap_or(config.serve_log), context.output.error_palette.is_coloured(), true);
    let mut signals = Signals::new()?;
    let vestal = context.open_or_create(config).await?;
    vestal.node.announce();
    say_hello(&vestal).await?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = vestal.engine.serve(async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    let tidying = tidy(&vestal);
    tokio::pin!(tidying);
    tokio::select! {
        () = &mut serving => {}
        () = &mut tidying => {}
        () = signals.next() => {}
    }
    tracing::info!("stopping: the refreshes that are under way finish first");
    drop(stop);
    tokio::select! {
        biased;
        () = serving => {}
        () = signals.next() => {
            return Err(Failure::failed("stopped at once, with refreshes under way")
                .why("it was told to stop a second time")
                .next("nothing; what was not written down is found and looked at by the next process"));
        }
    }
    vestal.engine.store().close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn say_hello(vestal: &Vestal) -> Result<(), Failure> {
    let store = vestal.engine.store();
    let connections: u64 = store.count_states().await?.iter().map(|(_, count)| count).sum();
    let next = store.next_due().await?.map(|at| at.to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        store = %vestal.config.store.display(),
        connections,
        next = next.as_deref().unwrap_or("none"),
        "keeping connections alive"
    );
    Ok(())
}

/// Never ends.
async fn tidy(vestal: &Vestal) {
    let store = vestal.engine.store();
    vestal.node.release_gone(store).await;
    SystemClock.sleep(TIDY_FIRST).await;
    loop {
        vestal.node.release_gone(store).await;
        prune(store).await;
        SystemClock.sleep(TIDY_EVERY).await;
    }
}

async fn prune(store: &dyn Store) {
    let mut pruned = 0;
    loop {
        match store.prune(SystemClock.now()).await {
            Ok(0) => break,
            Ok(rows) => pruned += rows,
            Err(error) => {
                tracing::warn!(%error, "what is past its time stays for now");
                break;
            }
        }
        SystemClock.sleep(BETWEEN_BATCHES).await;
    }
    if pruned > 0 {
        tracing::info!(rows = pruned, "removed what is past its time");
    }
}
