//! How often APIs are asked for what their calls need besides the token (`lookup.rs`): a few at once, and none in vain again and
//! again, however many connections there are.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vestal_core::id::{ClientId, ConnectionId};

/// How many are asked at once. Whoever finds no room is asked for after its next refresh.
const AT_ONCE: u32 = 4;

/// How long an API that did not say is left alone, for a connection.
pub(crate) const LEFT_ALONE: Duration = Duration::from_secs(24 * 60 * 60);

/// Of how many connections that is remembered. While it is of so many, nothing is asked for others.
const REMEMBERED: usize = 50_000;

/// What this process has asked.
pub(crate) struct Inquiries {
    room: Arc<Semaphore>,
    /// Connections that were asked for, and until when they are left alone, in the clock's uptime.
    asked: Mutex<HashMap<ConnectionId, Duration>>,
    /// Clients of which it was told that an API did not say.
    told: Mutex<HashSet<ClientId>>,
}

impl Default for Inquiries {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE as usize));
        Self { room, asked: Mutex::default(), told: Mutex::default() }
    }
}

impl Inquiries {
    /// A turn to ask for this connection, to be held until that is over; none where it was asked for in vain not long ago, or
    /// there is no room.
    pub(crate) fn begin(&self, id: ConnectionId, uptime: Duration) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let mut asked = self.asked();
        if asked.len() >= REMEMBERED {
            asked.retain(|_, until| *until > uptime);
        }
        let waits = asked.get(&id).is_some_and(|until| *until > uptime);
        if waits || asked.len() >= REMEMBERED {
            return None;
        }
        asked.insert(id, uptime + LEFT_ALONE);
        Some(turn)
    }

    /// It was not in vain.
    pub(crate) fn forget(&self, id: ConnectionId) {
        self.asked().remove(&id);
    }

    /// Whether it was not told yet of this client that an API did not say; it is now.
    pub(crate) fn is_news(&self, client: ClientId) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(client)
    }

    /// Waits until nothing is asked any more. Nothing new is, meanwhile.
    pub(crate) async fn drain(&self) {
        drop(self.room.acquire_many(AT_ONCE).await);
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<ConnectionId, Duration>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(number: u128) -> ConnectionId {
        ConnectionId::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_few_are_asked_at_once_and_none_in_vain_twice_a_day() {
        let inquiries = Inquiries::default();
        let begin = |number, uptime| inquiries.begin(connection(number), uptime);
        let turns: Vec<_> = (0..10).filter_map(|number| begin(number, Duration::ZERO)).collect();
        assert_eq!(turns.len(), 4);
        drop(turns);
        assert!(begin(0, LEFT_ALONE - Duration::from_secs(1)).is_none());
        assert!(begin(9, Duration::ZERO).is_some(), "there was no room, so it was not asked");
        assert!(begin(0, LEFT_ALONE).is_some());
        inquiries.forget(connection(1));
        assert!(begin(1, Duration::ZERO).is_some());
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let inquiries = Inquiries::default();
        let begin = |number, uptime| inquiries.begin(connection(number), uptime).is_some();
        let count = u128::try_from(REMEMBERED).unwrap();
        assert!((0..count).all(|number| begin(number, Duration::ZERO)));
        assert!(!begin(count, Duration::ZERO));
        assert!(begin(count, LEFT_ALONE));
        assert_eq!(inquiries.asked().len(), 1);
    }
}
