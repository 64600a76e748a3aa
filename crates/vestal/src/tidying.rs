//! Removing what is past its time: by a daemon now and then, and by each run of `vestal refresh --due`.

use std::time::Duration;

use vestal_core::clock::Clock as _;
use vestal_core::event::PENDING_KEPT_DAYS;
use vestal_engine::Engine;

use crate::clock::SystemClock;

/// The wait between two batches, so that tidying up keeps nobody waiting.
const BETWEEN_BATCHES: Duration = Duration::from_millis(100);

/// Removes what is past its time, in so many batches of each kind at most.
pub(crate) async fn tidy(engine: &Engine, batches: usize) {
    if !engine.doubts_the_clock() {
        prune(engine, batches).await;
        remove_abandoned(engine, batches).await;
    }
}

/// Removes connections that nobody ever consented to, once they are old.
async fn remove_abandoned(engine: &Engine, batches: usize) {
    for _ in 0..batches {
        match engine.remove_abandoned().await {
            Ok(names) if names.is_empty() => return,
            Ok(names) => {
                for name in names {
                    tracing::info!(connection = %name, days = PENDING_KEPT_DAYS, "removed a connection that nobody consented to");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "connections that nobody consented to stay for now");
                return;
            }
        }
        SystemClock.sleep(BETWEEN_BATCHES).await;
    }
}

async fn prune(engine: &Engine, batches: usize) {
    let mut pruned = 0;
    for _ in 0..batches {
        match engine.store().prune(engine.now()).await {
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
