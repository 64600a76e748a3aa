//! `vestal serve`: keeps to the schedule, until it is told to stop.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::clock::Clock;
use vestal_core::store::{Held, Store};
use vestal_engine::{Limits, Nodes};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::{logging, supervisor, token_files};

/// How often processes that are gone are looked for.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);

/// How often what is past its time is removed.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// After the start, before the first time.
const TIDY_FIRST: Duration = Duration::from_secs(10);

/// The wait between two batches, so that tidying up keeps nobody waiting.
const BETWEEN_BATCHES: Duration = Duration::from_millis(100);

/// Keep everything alive, until stopped
///
/// The first SIGINT, SIGTERM, SIGHUP or SIGQUIT lets the refreshes finish that are under way; another one,
/// a second later or more, does not.
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
    let mut signals = context.signals.listen()?;
    // Nobody waits for a daemon: it never gives up an answer that the store does not take yet.
    let limits = Limits { save: Duration::MAX, ..config.limits };
    let vestal = context.open_or_create(Config { limits, ..config }).await?;
    vestal.node.announce();
    vestal.node.release_gone(vestal.engine.store()).await;
    say_hello(&vestal).await?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = vestal.engine.serve(async {
        // A sender that is gone means the same.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = take_over(&vestal) => {}
        () = tidy(&vestal) => {}
        () = heartbeat(&vestal) => {}
        () = supervisor::watched(|| vestal.engine.is_looking()) => {}
        () = token_files::keep(&vestal) => {}
        () = signals.first() => {}
    }
    supervisor::stopping();
    tracing::info!("stopping: the refreshes that are under way finish first");
    drop(stop);
    tokio::select! {
        biased;
        () = serving => {}
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
    supervisor::ready(connections);
    Ok(())
}

/// Tells whoever watches that connections are kept alive, for as long as it is polled.
async fn heartbeat(vestal: &Vestal) {
    match &vestal.config.heartbeat {
        Some(url) => url.beat_on(&vestal.engine, &*vestal.http).await,
        None => std::future::pending().await,
    }
}

/// Takes over, for as long as it is polled, what processes of this machine held that are gone.
async fn take_over(vestal: &Vestal) {
    loop {
        SystemClock.sleep(TAKE_OVER_EVERY).await;
        if vestal.node.release_gone(vestal.engine.store()).await == 0 {
            continue;
        }
        // At once: an answer that they lost may be had again within the provider's grace, and that may be short.
        if let Err(error) = vestal.engine.run_anew(vestal.engine.now()).await {
            tracing::warn!(%error, "what a process that is gone left behind has to wait for the schedule");
        }
    }
}

/// Removes what is past its time, for as long as it is polled.
async fn tidy(vestal: &Vestal) {
    SystemClock.sleep(TIDY_FIRST).await;
    loop {
        if !vestal.engine.doubts_the_clock() {
            prune(vestal.engine.store()).await;
        }
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
