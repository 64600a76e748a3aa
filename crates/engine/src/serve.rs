//! Keeping to the schedule: for as long as a service runs, or until all that is due is done.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::store::Held;
use vestal_core::token::saturating_add;

use crate::held_back::LOOK_EVERY;
use crate::look::LOOK_AT_MOST_EVERY;
use crate::quotas::MEASURED_EVERY;
use crate::take::LONGEST_WAIT_IN_FLIGHT;
use crate::time::{ClockWatch, Start};
use crate::{Engine, Error};

/// How often journals are looked at, and how often while answers of this process wait in one.
const REPLAY_EVERY: Duration = Duration::from_secs(30);
const REPLAY_OWN_EVERY: Duration = Duration::from_secs(1);

/// How long a flight's place may stay empty, so that several are filled together. A busy node lands ten flights in each
/// millisecond: a longer wait would leave it with little to do.
const FILL_UP_AT_MOST_EVERY: Duration = Duration::from_millis(2);

/// When something was done last that is done now and then, in the clock's uptime.
struct Last(Option<Duration>);

impl Last {
    /// Whether so long has passed since, or it was never done: it is being done now.
    fn is_over(&mut self, every: Duration, uptime: Duration) -> bool {
        let is_over = self.0.is_none_or(|at| uptime.saturating_sub(at) >= every);
        if is_over {
            self.0 = Some(uptime);
        }
        is_over
    }
}

impl Engine {
    /// Until when [`Engine::run_due`] looks ahead: an answer that another process lost may have to be asked for within its
    /// grace, in a few seconds, and nobody else may come before that is over.
    pub fn soon(&self) -> Timestamp {
        saturating_add(self.inner.clock.now(), LONGEST_WAIT_IN_FLIGHT)
    }

    /// Does everything that is due now, and waits for it: also for lost answers to be asked for again within their grace,
    /// and for the attempts of processes that live, and may be stopped, to have had their time. Returns how many refreshes
    /// were started.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. What was started goes on ([`Engine::drain`]).
    pub async fn run_due(&self) -> Result<usize, Error> {
        let inner = &self.inner;
        if self.look_back().await.replan
            && let Err(error) = Box::pin(inner.replan()).await
        {
            inner.time.end_replanning(false);
            tracing::error!(%error, "not every plan could be made anew; that is tried again at the next start");
        }
        if let Err(error) = Box::pin(inner.replay(None)).await {
            tracing::error!(%error, "what lies in journals cannot be read");
        }
        // What is not to be refreshed before its time is looked at, and left alone.
        let soon = self.soon();
        if inner.store.next_due(Timestamp::MIN, soon, &Held::default()).await?.is_some() {
            Box::pin(self.measure_quotas()).await?;
        }
        let mut landings = inner.flights.landings();
        let mut started = 0;
        loop {
            landings.borrow_and_update();
            let pass = self.run_once(soon).await?;
            started += pass.started;
            // Where nothing of it all could be started, looking again at once would not end.
            if pass.more && pass.started > 0 {
                inner.clock.sleep(LOOK_AT_MOST_EVERY).await;
                continue;
            }
            if inner.flights.running().is_empty() && !landings.has_changed().unwrap_or(false) {
                if let Some(left) = inner.overdue_for() {
                    inner.clock.sleep(left.max(LOOK_AT_MOST_EVERY)).await;
                    continue;
                }
                self.warn_held_back().await;
                if let Err(error) = inner.note_time(true).await {
                    tracing::debug!(%error, "the time was not noted");
                }
                return Ok(started);
            }
            // The sender lives as long as the engine.
            let _ = landings.changed().await;
            // What is not due yet would be started and put off, again and again.
            let now = inner.clock.now();
            let next = inner.store.next_due(Timestamp::MIN, soon, &Held::default()).await?;
            if let Some(wait) = next.and_then(|at| Duration::try_from(at.duration_since(now)).ok()) {
                inner.clock.sleep(wait.clamp(LOOK_AT_MOST_EVERY, LONGEST_WAIT_IN_FLIGHT)).await;
            }
        }
    }

    /// Keeps to the schedule until `stop` completes; then waits for what is under way.
    ///
    /// A store that fails is looked at again: nothing that goes wrong ends this.
    pub async fn serve(&self, stop: impl Future<Output = ()>) {
        let inner = &self.inner;
        tokio::pin!(stop);
        let mut watch = ClockWatch::new(&*inner.clock);
        let mut landings = inner.flights.landings();
        if self.look_back().await.replan {
            self.replan_aside();
        }
        let (mut replayed, mut warned, mut measured) =
            (Last(None), Last(Some(inner.clock.uptime())), Last(None));
        let mut readable = true;
        loop {
            // Before looking: what lands from here on is noticed, also while the schedule is being read.
            landings.borrow_and_update();
            if let Some(jump) = watch.look(&*inner.clock) {
                tracing::warn!(
                    seconds = jump,
                    "the clock was set; every plan is made anew, and refreshes go one at a time until a provider's clock agrees"
                );
                inner.time.doubt(inner.clock.uptime());
                self.replan_aside();
            }
            // A store that is locked by somebody takes its time; what is cut off stays in the journal.
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.replay_now_and_then(&mut replayed) => {}
            }
            // Also where the store cannot be read: whoever waits for it holds answers that nobody else has.
            inner.doings.note_look(inner.clock.uptime());
            let now = inner.clock.now();
            let next = match self.run_once(now).await {
                Ok(pass) => {
                    if !std::mem::replace(&mut readable, true) {
                        tracing::info!("the schedule can be read again");
                    }
                    pass.next
                }
                Err(error) => {
                    // Told once: a disk that is full must not be filled with that.
                    if std::mem::replace(&mut readable, false) {
                        tracing::error!(%error, "the schedule cannot be read; that is tried again every second");
                    }
                    saturating_add(now, Duration::from_secs(1))
                }
            };
            let uptime = inner.clock.uptime();
            if warned.is_over(LOOK_EVERY, uptime) {
                self.warn_held_back_aside();
            }
            if measured.is_over(MEASURED_EVERY, uptime) {
                self.measure_quotas_aside();
            }
            if let Err(error) = inner.note_time(false).await {
                tracing::debug!(%error, "the time was not noted");
            }
            let wait = Duration::try_from(next.duration_since(inner.clock.now())).unwrap_or(Duration::ZERO);
            let longest = if inner.waits_in_journal() { REPLAY_OWN_EVERY } else { inner.limits.look };
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = inner.clock.sleep(wait.clamp(LOOK_AT_MOST_EVERY, longest.max(LOOK_AT_MOST_EVERY))) => {}
                // What has landed may be due again soon, and has made room.
                _ = landings.changed() => inner.clock.sleep(FILL_UP_AT_MOST_EVERY).await,
            }
        }
        self.drain().await;
        if let Err(error) = inner.note_time(true).await {
            tracing::debug!(%error, "the time was not noted");
        }
    }

    /// At the start: compares the clock and the facts with what was noted last.
    async fn look_back(&self) -> Start {
        let inner = &self.inner;
        let mark = match inner.store.mark().await {
            Ok(mark) => mark,
            Err(error) => {
                // So that it is not noted either that plans were made by these facts.
                inner.time.end_replanning(false);
                tracing::error!(%error, "what was noted of the time cannot be read");
                return Start { doubted: false, replan: false };
            }
        };
        let start = Start::after(mark.as_ref(), inner.clock.now(), &inner.catalogue.fingerprint());
        if start.doubted {
            let noted = mark.map(|mark| mark.at.to_string()).unwrap_or_default();
            tracing::warn!(
                noted,
                "the clock shows quite another time than when it was noted last; refreshes go one at a time until a provider's clock agrees"
            );
            inner.time.doubt(inner.clock.uptime());
        }
        start
    }

    /// Puts into the store what lies in journals, unless that was done just now.
    async fn replay_now_and_then(&self, replayed: &mut Last) {
        let inner = &self.inner;
        let every = if inner.waits_in_journal() { REPLAY_OWN_EVERY } else { REPLAY_EVERY };
        if !replayed.is_over(every, inner.clock.uptime()) {
            return;
        }
        if let Err(error) = Box::pin(inner.replay(None)).await {
            tracing::error!(%error, "what lies in journals cannot be read");
        }
    }
}
