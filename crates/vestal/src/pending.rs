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
    /// When it is removed, if nothing happens to it.
    removed_at: Timestamp,
}

/// What a connection waits for; `None` where somebody has consented.
pub(crate) async fn of(vestal: &Vestal, connection: &Connection) -> Result<Option<Pending>, Failure> {
    if connection.state != State::Pending || connection.grant.is_some() {
        return Ok(None);
    }
    let events = vestal.engine.store().events(Some(connection.id), 0, KEPT_PER_CONNECTION).await?;
    Ok(Some(Pending::of(connection, &events)))
}

impl Pending {
    fn of(connection: &Connection, events: &[StoredEvent]) -> Self {
        let asked = events.iter().rev().find_map(|stored| match stored.event.what {
            What::ConsentAsked { until } => Some(until),
            _ => None,
        });
        let newest = events.last().map_or(connection.created_at, |stored| stored.event.at);
        let kept = SignedDuration::from_hours(PENDING_KEPT_DAYS * 24);
        Self { asked_until: asked, removed_at: newest.checked_add(kept).unwrap_or(Timestamp::MAX) }
    }

    /// Until when somebody is being asked.
    fn is_asked(&self, now: Timestamp) -> Option<Timestamp> {
        self.asked_until.filter(|until| *until > now)
    }

    /// What there is to say of it.
    pub(crate) fn in_a_sentence(&self, calendar: &Calendar) -> String {
        match self.is_asked(calendar.now()) {
            Some(until) => format!("consent is asked for, until {}", calendar.moment_and_away(until)),
            None => format!(
                "nobody consented, and nobody is asked any more; it is removed {}, unless somebody connects it",
                calendar.moment_and_away(self.removed_at)
            ),
        }
    }

    /// The same, where there is little room.
    pub(crate) fn in_short(&self, calendar: &Calendar) -> &'static str {
        match self.is_asked(calendar.now()) {
            Some(_) => "consent is asked for",
            None => "nobody consented",
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
            let (pending, calendar) = (Pending::of(&connection, events), Calendar::utc(at(now)));
            (pending.in_short(&calendar), pending.in_a_sentence(&calendar))
        };
        let (short, whole) = told(&events, "2026-11-05T08:10:00Z");
        assert_eq!(short, "consent is asked for");
        assert!(whole.contains("until 5 Nov 2026, 08:15"), "{whole}");
        let (short, whole) = told(&events, "2026-11-05T09:00:00Z");
        assert_eq!(short, "nobody consented");
        assert!(whole.contains("removed 5 Dec 2026, 08:00"), "{whole}");
        let (_, whole) = told(&[], "2026-11-05T09:00:00Z");
        assert!(whole.contains("removed 3 Dec 2026, 08:00"), "an older version wrote nothing down: {whole}");
    }
}
