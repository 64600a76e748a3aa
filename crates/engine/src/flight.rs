//! One refresh per connection in this process, however many want it.
//!
//! A flight runs in a task of its own: whoever asked for it may go away, the flight goes on.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use vestal_core::id::ConnectionId;

use crate::Error;

/// How a flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// What there was to do is done, well or badly: the connection's state tells.
    Done,
    /// Another node holds the lease, or it must not be done just now: it is looked at again.
    StaysDue,
}

type Result = std::result::Result<Landing, Error>;

/// The flights of this process.
#[derive(Default)]
pub(crate) struct Flights {
    running: Arc<Running>,
}

struct Running {
    by_connection: Mutex<HashMap<ConnectionId, watch::Receiver<Option<Result>>>>,
    count: watch::Sender<usize>,
    landings: watch::Sender<u64>,
}

impl Default for Running {
    fn default() -> Self {
        let (count, landings) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { by_connection: Mutex::default(), count, landings }
    }
}

/// Takes a flight off the list, also when its task is cancelled or panics.
struct Landed {
    running: Arc<Running>,
    id: ConnectionId,
}

impl Drop for Landed {
    fn drop(&mut self) {
        let mut by_connection = self.running.by_connection.lock().unwrap_or_else(PoisonError::into_inner);
        by_connection.remove(&self.id);
        self.running.count.send_replace(by_connection.len());
        self.running.landings.send_modify(|landings| *landings += 1);
    }
}

impl Flights {
    /// Starts a flight, unless one is under way for this connection.
    pub(crate) fn join_or_start<F>(&self, id: ConnectionId, flight: impl FnOnce() -> F) -> Seat
    where
        F: Future<Output = Result> + Send + 'static,
    {
        let mut by_connection = self.running.by_connection.lock().unwrap_or_else(PoisonError::into_inner);
        let vacant = match by_connection.entry(id) {
            Entry::Occupied(running) => return Seat { flight: running.get().clone(), ours: false },
            Entry::Vacant(vacant) => vacant,
        };
        let (sender, receiver) = watch::channel(None);
        vacant.insert(receiver.clone());
        self.running.count.send_replace(by_connection.len());
        drop(by_connection);

        let landed = Landed { running: Arc::clone(&self.running), id };
        let flight = flight();
        tokio::spawn(async move {
            let result = flight.await;
            // Off the list first: whoever hears of the end and still wants a refresh starts another flight.
            drop(landed);
            sender.send_replace(Some(result));
        });
        Seat { flight: receiver, ours: true }
    }

    /// Whether a flight is under way for this connection.
    pub(crate) fn is_running(&self, id: ConnectionId) -> bool {
        self.running.by_connection.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    /// The connections for which flights are under way.
    pub(crate) fn running(&self) -> HashSet<ConnectionId> {
        self.running.by_connection.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Changes with each flight that ends.
    pub(crate) fn landings(&self) -> watch::Receiver<u64> {
        self.running.landings.subscribe()
    }

    /// Waits until no flight is under way.
    pub(crate) async fn drain(&self) {
        let _ = self.running.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A place from which to see how a flight ends. Leaving it does not end the flight.
pub(crate) struct Seat {
    flight: watch::Receiver<Option<Result>>,
    /// Whether the flight was started for this seat.
    pub(crate) ours: bool,
}

impl Seat {
    /// Waits for the end of the flight.
    pub(crate) async fn landing(mut self) -> Result {
        match self.flight.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Err(Error::Ending)),
            Err(_) => Err(Error::Ending),
        }
    }
}
