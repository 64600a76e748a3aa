//! What the schedule says: starts what is due, and knows when to look again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::event::Trigger;
use vestal_core::id::ConnectionId;
use vestal_core::token::saturating_add;

use crate::attempt::Purpose;
use crate::replan::ClockWatch;
use crate::{Engine, Error};

/// The schedule is looked at at least this often: no timer is trusted across a suspend.
pub const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(30);

/// The shortest time between two looks, so that what cannot be started does not keep a core busy.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// One look at the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// How many refreshes were started.
    pub started: usize,
    /// When to look again, at the latest.
    pub next: Timestamp,
}

impl Engine {
    /// Starts what is due at `now`, nearest death first, and returns without waiting for it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. Nothing was started then.
    pub async fn run_once(&self, now: Timestamp) -> Result<Pass, Error> {
        let inner = &self.inner;
        let room = inner.limits.flights.saturating_sub(inner.flights.count());
        let mut started = 0;
        if room > 0 {
            // Those under way are due until they land, and must not crowd out the others.
            let limit = room.saturating_add(inner.flights.count()).saturating_add(inner.ailing.count());
            let uptime = inner.clock.uptime();
            let well = |id: &ConnectionId| !inner.flights.is_running(*id) && !inner.ailing.waits(*id, uptime);
            let due = inner.store.due(now, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
            for id in due.into_iter().filter(well).take(room) {
                let purpose = Purpose { trigger: Trigger::Schedule, generation: None };
                let engine = Arc::clone(inner);
                // Nobody watches this flight: its outcome is in the store and its history.
                drop(inner.flights.join_or_start(id, || async move {
                    let outcome = Arc::clone(&engine).fly(id, purpose).await;
                    match &outcome {
                        Ok(_) => engine.ailing.forget(id),
                        Err(error) => {
                            engine.ailing.note(id, engine.clock.uptime());
                            tracing::error!(connection = %id, %error, "a scheduled refresh could not be tried");
                        }
                    }
                    outcome
                }));
                started += 1;
            }
        }
        let latest = saturating_add(now, LOOK_AT_LEAST_EVERY);
        let earliest = saturating_add(now, LOOK_AT_MOST_EVERY);
        let next = inner.store.next_due().await?.map_or(latest, |due| due.clamp(earliest, latest));
        Ok(Pass { started, next })
    }

    /// Keeps to the schedule until `stop` completes; then waits for what is under way.
    ///
    /// A store that fails is looked at again: nothing that goes wrong ends this.
    pub async fn serve(&self, stop: impl Future<Output = ()>) {
        let inner = &self.inner;
        tokio::pin!(stop);
        let mut watch = ClockWatch::new(&*inner.clock);
        let mut landings = inner.flights.landings();
        loop {
            // Before looking: what lands from here on is noticed, also while the schedule is being read.
            landings.borrow_and_update();
            let now = inner.clock.now();
            if let Some(jump) = watch.look(&*inner.clock) {
                tracing::warn!(seconds = jump, "the clock was set; every plan is made anew");
                if let Err(error) = inner.replan().await {
                    tracing::error!(%error, "not every plan could be made anew");
                }
            }
            let next = match self.run_once(now).await {
                Ok(pass) => pass.next,
                Err(error) => {
                    tracing::error!(%error, "the schedule could not be read; trying again");
                    saturating_add(now, Duration::from_secs(1))
                }
            };
            let wait = Duration::try_from(next.duration_since(inner.clock.now())).unwrap_or(Duration::ZERO);
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = inner.clock.sleep(wait.clamp(LOOK_AT_MOST_EVERY, LOOK_AT_LEAST_EVERY)) => {}
                // What has landed may be due again soon, and has made room.
                _ = landings.changed() => inner.clock.sleep(LOOK_AT_MOST_EVERY).await,
            }
        }
        self.drain().await;
    }
}
