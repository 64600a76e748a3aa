//! Connections that wait for a first consent: whether anybody is still asked for it.

use jiff::{SignedDuration, Timestamp};
use vestal_core::connection::Connection;
use vestal_core::event::{KEPT_PER_CONNECTION, PENDING_KEPT_DAYS, StoredEvent, What};
use vestal_core::state::State;

use crate::context::Vestal;
use crate::failure::Failure;
use crate::when::Calendar;

/// What a connection waits for that nobody ever consented to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Until when consent is, or was, asked for; `None` where it never was.
    pub(crate) asked_until: Option<Timestamp>,
    /// From when on it is removed, if nothing happens to it; `None` where something is kept for it, and it stays.
    removed_from: Option<Timestamp>,
}

/// Whether nobody ever consented to a connection.
pub(crate) fn waits_for_the_first(connection: &Connection) -> bool {
    connection.state == State::Pending && connection.grant.is_none()
}

/// What a connection waits for; `None` where somebody has consented.
pub(crate) async fn of(vestal: &Vestal, connection: &Connection) -> Result<Option<Pending>, Failure> {
    if !waits_for_the_first(connection) {
        return Ok(None);
    }
    let store = vestal.engine.store();
    let events = store.events(Some(connection.id), 0, KEPT_PER_CONNECTION).await?;
    let keeps_something = !store.candidates(connection.id, 1).await?.is_empty();
    Ok(Some(Pending::of(connection, &events, keeps_something)))
}

impl Pending {
    fn of(connection: &Connection, events: &[StoredEvent], keeps_something: bool) -> Self {
        let asked = events.iter().rev().find_map(|stored| match stored.event.what {
            What::ConsentAsked { until } => Some(until),
            _ => None,
        });
        let newest = events.last().map_or(connection.created_at, |stored| stored.event.at);
        let kept = SignedDuration::from_hours(PENDING_KEPT_DAYS * 24);
        let removed_from = newest.checked_add(kept).ok().filter(|_| !keeps_something);
        Self { asked_until: asked, removed_from }
    }

    /// What there is to say of it.
    pub(crate) fn in_a_sentence(&self, calendar: &Calendar) -> String {
        if let Some(until) = self.asked_until.filter(|until| *until > calendar.now()) {
            return format!(
                "nobody has consented yet; consent is taken until {}, if the vestal connect that asked for it still waits",
                calendar.moment_and_away(until)
            );
        }
        let nobody = "nobody consented, and nobody is asked any more";
        match self.removed_from {
            Some(from) => format!(
                "{nobody}; from {} on it is removed by vestal serve or vestal refresh --due, unless somebody connects it",
                calendar.moment_and_away(from)
            ),
            None => format!("{nobody}; it stays, since an answer is kept for it that could not be used"),
        }
    }
}

#[cfg(test)]
mod tests {
    use vestal_core::event::Event;
    use vestal_core::id::{ClientId, ConnectionId};

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use vestal_core::clock::Clock as _;

    #[test]
    fn who_is_asked_is_told_from_who_went_away() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let created = at("2026-11-03T08:00:00Z");
        let id = ConnectionId::new(SystemClock.now(), &SystemEntropy);
        let client = ClientId::new(SystemClock.now(), &SystemEntropy);
        let connection = Connection::pending(id, "shop".parse().unwrap(), client, created);
        let event = |at, what| StoredEvent { seq: 1, event: Event { connection: id, at, what } };
        let until = at("2026-11-05T08:15:00Z");
        let events =
            [event(created, What::Created), event(at("2026-11-05T08:00:00Z"), What::ConsentAsked { until })];
        let told = |events: &[StoredEvent], now: &str| {
            Pending::of(&connection, events, false).in_a_sentence(&Calendar::utc(at(now)))
        };
        let asked = told(&events, "2026-11-05T08:10:00Z");
        assert!(
            asked.contains("is taken until 5 Nov 2026, 08:15") && asked.contains("if the vestal connect"),
            "{asked}"
        );
        let gone = told(&events, "2026-11-05T09:00:00Z");
        assert!(gone.contains("nobody consented") && gone.contains("from 5 Dec 2026, 08:00"), "{gone}");
        let old = told(&[], "2026-11-05T09:00:00Z");
        assert!(old.contains("from 3 Dec 2026, 08:00"), "an older version wrote nothing down: {old}");
        let late = told(&events, "2027-01-01T00:00:00Z");
        assert!(late.contains("from 5 Dec 2026, 08:00") && late.contains("on it is removed by"), "{late}");
        let stays = Pending::of(&connection, &events, true);
        let stays = stays.in_a_sentence(&Calendar::utc(at("2027-01-01T00:00:00Z")));
        assert!(stays.contains("nobody consented") && stays.contains("it stays"), "{stays}");
        assert!(!stays.contains("removed"), "{stays}");
    }
}
