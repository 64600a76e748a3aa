//! What the tests share: a home for `vestal`, providers for it to talk to, and a record of all it says.

mod browser;
mod connect;
mod dice;
mod home;
pub(crate) mod page;
mod peer;
mod ports;
mod process;
mod record;
mod sandbox;
mod tap;
mod terminal;
mod wire;

pub(crate) use browser::{Answer, Browser, get_with};
pub(crate) use dice::Dice;
pub(crate) use home::Home;
pub(crate) use peer::Peer;
pub(crate) use ports::free_port;
pub(crate) use process::{Ended, Running};
pub(crate) use record::{Emission, Kind, Record, Secret, find_leaks};
pub(crate) use sandbox::{CLIENT_ID, CLIENT_SECRET, Provider, intervals};
pub(crate) use terminal::Terminal;
pub(crate) use wire::{Exchange, Family};

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Raises a flag when it goes: also when the test has failed, so that nobody works on for ever.
pub(crate) struct Raises<'a>(pub(crate) &'a AtomicBool);

impl Drop for Raises<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// No wait of these tests is longer, but for those that say so. Two cores run eight tests at once, and may have other work beside.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Between two reads of a reader who never stops: it leaves the other tests something of the machine.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Looks every few milliseconds until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// Looks every few milliseconds until there is something to see, for at most so long.
#[track_caller]
pub(crate) fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
