use serde::{Deserialize, Serialize};
use vestal_core::event::{Event, StoredEvent};

/// One line of a connection's history. Never a secret.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use vestal_core::event::What;

    use super::*;

    #[test]
    fn when_an_end_comes_is_not_when_that_was_told() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let connection = "00000000-0000-7000-8000-000000000000".parse().unwrap();
        let event = Event { connection, at: at(1), what: What::EndsSoon { at: at(2), unused: false } };
        let text = serde_json::to_string(&EventView::from(StoredEvent { seq: 7, event })).unwrap();
        let told: EventView = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (told.event.at, &told.event.what),
            (at(1), &What::EndsSoon { at: at(2), unused: false }),
            "{text}"
        );
    }
}
