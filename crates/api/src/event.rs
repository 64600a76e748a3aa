use serde::{Deserialize, Serialize};
use vestal_core::event::{Event, StoredEvent};

/// One line of a connection's history. Never a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    /// Grows with every event of the store: the cursor to read on from.
    pub seq: u64,
    /// The event: `connection` (its id), `at`, `event` (its name), and what belongs to an event of that name.
    #[serde(flatten)]
    pub event: Event,
}

impl From<StoredEvent> for EventView {
    fn from(stored: StoredEvent) -> Self {
        Self { seq: stored.seq, event: stored.event }
    }
}
