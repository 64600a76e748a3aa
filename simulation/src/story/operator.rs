//! Whoever runs the form: is told by Vestal, and sees to it a day later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use vestal_core::event::What;

use crate::lock;
use crate::story::vestal::House;
use crate::story::world::NEW_SECRET;
use crate::time::{DAY, sleep};

/// So many events are read at once; fewer are kept of a connection.
const EVENTS: u32 = 1_000;

/// How often somebody looks. What is told is told at once: this is how long it may lie there.
const LOOKS_EVERY: Duration = Duration::from_secs(6 * 3600);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Consent,
    EnterSecret,
}

/// Somebody who is told.
pub(super) struct Operator {
    house: Arc<House>,
    told_at: Mutex<Option<Duration>>,
}

impl Operator {
    /// When that was first.
    pub(super) fn told_at(&self) -> Option<Duration> {
        *lock(&self.told_at)
    }

    /// Reads what `vestal status`, `vestal refresh --due` and the daemon's log say, from where that comes from.
    async fn listen(self: Arc<Self>) {
        let mut cursor = 0;
        loop {
            sleep(LOOKS_EVERY).await;
            let events = self.house.store.events(None, cursor, EVENTS).await.expect("a store in memory");
            let mut tasks = Vec::new();
            for stored in events {
                cursor = stored.seq;
                let task = match stored.event.what {
                    What::NeedsReauth { .. } => Some(Task::Consent),
                    What::ClientRefused { .. } => Some(Task::EnterSecret),
                    // That nobody can be reached, or that an end comes: it is good to know.
                    What::Failed { .. } | What::EndsSoon { .. } => None,
                    _ => continue,
                };
                let ms = stored.event.at.as_millisecond().unsigned_abs();
                let at = self.house.world.since_begin(ms);
                lock(&self.told_at).get_or_insert(at);
                tasks.extend(task);
            }
            if let Some(task) = tasks.last() {
                sleep(DAY).await;
                self.see_to(*task).await;
            }
        }
    }

    async fn see_to(&self, task: Task) {
        match task {
            Task::Consent => self.house.consent().await.expect("a consent"),
            Task::EnterSecret => self.house.set_secret(NEW_SECRET).await,
        }
    }
}

/// Finds somebody.
pub(super) fn hire(house: &Arc<House>) -> Arc<Operator> {
    let operator = Arc::new(Operator { house: Arc::clone(house), told_at: Mutex::default() });
    tokio::spawn(Arc::clone(&operator).listen());
    operator
}
