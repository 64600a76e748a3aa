//! The requests that are under way to each host, and what each can take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::gate::{Gate, Health};

/// The slots of every host.
pub(crate) struct Hosts {
    slots: usize,
    for_schedule: usize,
    known: Mutex<Known>,
}

/// So many are not worth forgetting any.
const FEW: usize = 1_024;

/// The hosts that were heard of: with some providers each connection has one of its own.
#[derive(Default)]
struct Known {
    by_name: HashMap<String, Arc<Host>>,
    /// At how many those are forgotten next that nobody is at, and that are well.
    prune_at: usize,
}

struct Host {
    all: Arc<Semaphore>,
    state: Mutex<HostState>,
}

struct HostState {
    gate: Gate,
    /// Requests of the schedule that are under way.
    scheduled: usize,
}

/// The right to send to a host; given back when dropped.
pub(crate) struct Slot {
    host: Arc<Host>,
    scheduled: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Host {
    fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts {
    /// `kept_for_readers` of the `slots` are never taken by the schedule.
    pub(crate) fn new(slots: usize, kept_for_readers: usize) -> Self {
        let for_schedule = slots.saturating_sub(kept_for_readers).max(1);
        Self { slots, for_schedule, known: Mutex::default() }
    }

    /// A slot for the schedule, if there is one now.
    pub(crate) fn try_scheduled(&self, host: &str, uptime: Duration) -> Option<Slot> {
        let host = self.host(host, uptime);
        let mut state = host.state();
        if state.gate.room(state.scheduled, uptime) == 0 {
            return None;
        }
        let permit = Arc::clone(&host.all).try_acquire_owned().ok()?;
        state.scheduled += 1;
        drop(state);
        Some(Slot { host, scheduled: true, _permit: Some(permit) })
    }

    /// Waits for a slot: somebody waits for the answer.
    pub(crate) async fn slot(&self, host: &str, uptime: Duration) -> Slot {
        let host = self.host(host, uptime);
        // A semaphore that is never closed always gives its permit.
        let permit = Arc::clone(&host.all).acquire_owned().await.ok();
        Slot { host, scheduled: false, _permit: permit }
    }

    /// Whether the schedule may send anything to a host now.
    pub(crate) fn has_room(&self, host: &str, uptime: Duration) -> bool {
        let known = self.lock();
        known.by_name.get(host).is_none_or(|host| {
            let state = host.state();
            state.gate.room(state.scheduled, uptime) > 0 && host.all.available_permits() > 0
        })
    }

    /// For how long nothing is to be sent to a host, if its circuit is open.
    pub(crate) fn open_for(&self, host: &str, uptime: Duration) -> Option<Duration> {
        self.lock().by_name.get(host)?.state().gate.open_for(uptime)
    }

    /// How long until the next open circuit lets one request through.
    pub(crate) fn soonest(&self, uptime: Duration) -> Option<Duration> {
        self.lock().by_name.values().filter_map(|host| host.state().gate.open_for(uptime)).min()
    }

    fn host(&self, name: &str, uptime: Duration) -> Arc<Host> {
        let mut known = self.lock();
        if let Some(host) = known.by_name.get(name) {
            return Arc::clone(host);
        }
        if known.by_name.len() >= known.prune_at.max(FEW) {
            known.by_name.retain(|_, host| {
                Arc::strong_count(host) > 1 || host.state().gate.open_for(uptime).is_some()
            });
            known.prune_at = 2 * known.by_name.len();
        }
        let state = HostState { gate: Gate::new(self.for_schedule), scheduled: 0 };
        let host = Arc::new(Host { all: Arc::new(Semaphore::new(self.slots)), state: Mutex::new(state) });
        known.by_name.insert(name.to_owned(), Arc::clone(&host));
        host
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Takes note of how a request to this host ended.
    pub(crate) fn note(&self, health: Health, sent_at: Duration, uptime: Duration, jitter: u64) {
        self.host.state().gate.note(health, sent_at, uptime, jitter);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.scheduled {
            self.host.state().scheduled -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn of_ever_more_hosts_those_are_kept_that_somebody_is_at_or_that_are_down() {
        let hosts = Hosts::new(4, 1);
        let _under_way = hosts.try_scheduled("busy.example", NOW).unwrap();
        for _ in 0..3 {
            hosts.try_scheduled("down.example", NOW).unwrap().note(Health::Down, NOW, NOW, u64::MAX);
        }
        for number in 0..10_000 {
            drop(hosts.try_scheduled(&format!("shop-{number}.example"), NOW).unwrap());
            assert!(hosts.lock().by_name.len() <= FEW);
        }
        assert!(hosts.lock().by_name.contains_key("busy.example"));
        assert_eq!(hosts.soonest(NOW), Some(Duration::from_secs(1)));
    }
}
