//! What is in the way at present: outages of providers, troubles of the store, how much the network loses.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::dice::Dice;
use crate::lock;

/// What goes wrong with a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StoreTrouble {
    /// It is refused.
    Down,
    /// It is not written, and nobody knows.
    Vanished,
    /// It is written, and nobody hears of it.
    Unheard,
    /// It is written this much later.
    SlowBefore(Duration),
    /// It is written, and heard of this much later.
    SlowAfter(Duration),
}

/// How the store is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StoreWeather {
    /// As it should be.
    Fine,
    /// Nothing works.
    Down,
    /// This share of the writes goes wrong.
    Flaky(f64),
}

/// What is in the way.
pub(crate) struct Weather {
    now: Mutex<Now>,
    /// How often the store or a stopped process was in somebody's way.
    troubles: AtomicU64,
}

struct Now {
    dice: Dice,
    store: StoreWeather,
    outages: Vec<bool>,
    network_faults: f64,
}

impl Weather {
    pub(crate) fn fine(places: usize, dice: Dice) -> Self {
        let now = Now { dice, store: StoreWeather::Fine, outages: vec![false; places], network_faults: 0.0 };
        Self { now: Mutex::new(now), troubles: AtomicU64::new(0) }
    }

    pub(crate) fn set_store(&self, store: StoreWeather) {
        lock(&self.now).store = store;
    }

    pub(crate) fn set_outage(&self, place: usize, out: bool) {
        lock(&self.now).outages[place] = out;
    }

    pub(crate) fn set_network_faults(&self, share: f64) {
        lock(&self.now).network_faults = share;
    }

    /// Everything works again.
    pub(crate) fn clear(&self) {
        let mut now = lock(&self.now);
        now.store = StoreWeather::Fine;
        now.outages.fill(false);
        now.network_faults = 0.0;
    }

    pub(crate) fn is_out(&self, place: usize) -> bool {
        lock(&self.now).outages[place]
    }

    pub(crate) fn network_faults(&self) -> f64 {
        lock(&self.now).network_faults
    }

    /// Why a read fails, if it does.
    pub(crate) fn store_read(&self) -> Option<String> {
        let down = lock(&self.now).store == StoreWeather::Down;
        down.then(|| {
            self.trouble();
            "planted".to_owned()
        })
    }

    /// What goes wrong with a write, if anything.
    pub(crate) fn store_write(&self) -> Option<StoreTrouble> {
        let now = &mut *lock(&self.now);
        let trouble = match now.store {
            StoreWeather::Fine => None,
            StoreWeather::Down => Some(StoreTrouble::Down),
            StoreWeather::Flaky(share) if now.dice.chance(share) => {
                let delay = now.dice.between(Duration::from_millis(50), Duration::from_secs(40));
                Some(match now.dice.below(5) {
                    0 => StoreTrouble::Down,
                    1 => StoreTrouble::Vanished,
                    2 => StoreTrouble::Unheard,
                    3 => StoreTrouble::SlowBefore(delay),
                    _ => StoreTrouble::SlowAfter(delay),
                })
            }
            StoreWeather::Flaky(_) => None,
        };
        if trouble.is_some() {
            self.trouble();
        }
        trouble
    }

    pub(crate) fn trouble(&self) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn troubles(&self) -> u64 {
        self.troubles.load(Ordering::Relaxed)
    }
}
