//! Keeping everything alive, with what belongs to it: what `vestal serve` does, and `Keeper::keep_alive`.

use std::time::Duration;

use tokio::sync::oneshot;
use vestal_core::clock::Clock as _;
use vestal_engine::{Limits, Nodes as _};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::Vestal;
use crate::{tidying, token_files};

/// How often processes that are gone are looked for.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);

/// How often what is past its time is removed.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// After the start, before the first time.
const TIDY_FIRST: Duration = Duration::from_secs(10);

/// The configuration of a process that stays. Nobody waits for it: it never gives up an answer that the store does not take yet.
pub(crate) fn patient(config: Config) -> Config {
    let limits = Limits { save: Duration::MAX, ..config.limits };
    Config { limits, ..config }
}

/// Shows that this process lives, and takes over what others left that do not.
pub(crate) async fn begin(vestal: &Vestal) {
    vestal.node.announce();
    vestal.node.release_gone(vestal.engine.store()).await;
}

/// Keeps everything alive until `stop` completes; then waits for what is under way.
pub(crate) async fn keep(vestal: &Vestal, stop: impl Future<Output = ()>) {
    let (leave, left) = oneshot::channel::<()>();
    let serving = vestal.engine.serve(async {
        // A sender that is gone means the same.
        let _ = left.await;
    });
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return,
        () = take_over(vestal) => {}
        () = tidy(vestal) => {}
        () = heartbeat(vestal) => {}
        () = token_files::keep(vestal) => {}
        () = stop => {}
    }
    drop(leave);
    serving.await;
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
        tidying::tidy(&vestal.engine, usize::MAX).await;
        SystemClock.sleep(TIDY_EVERY).await;
    }
}
