//! What is due, read ahead.
//!
//! Where much is due, as after a long downtime, finding out what dies first is a walk through all of it: too much for each
//! few that can start. So many are read at once, and those that cannot start yet stay here. Whoever starts one looks at
//! the connection itself, and so may find that it is not due any more.

use std::collections::VecDeque;
use std::time::Duration;

use vestal_core::store::Due;

/// How many are read at once: some seconds' work of a node, and a megabyte. A test has more than it reads at once sooner.
pub(crate) const READ_AHEAD: u32 = if cfg!(test) { 1_024 } else { 32_768 };

/// What is due, those that die first in front.
#[derive(Default)]
pub(crate) struct Agenda {
    due: VecDeque<Due>,
    /// In the clock's uptime.
    read_at: Duration,
    /// When others were looked for behind those that cannot start yet.
    added_at: Option<Duration>,
}

/// What is to become of one that is due.
pub(crate) enum Choice {
    /// It goes: it starts, or is not to be tried before it is read again.
    Take,
    /// It stays.
    Later,
    /// It stays, and so do all behind it.
    Enough,
}

impl Agenda {
    /// Whether to begin anew: nothing is left, or what has become due since may be more urgent.
    pub(crate) fn is_over(&self, uptime: Duration, lasts: Duration) -> bool {
        self.due.is_empty() || uptime.saturating_sub(self.read_at) >= lasts
    }

    pub(crate) fn begin(due: Vec<Due>, read_at: Duration) -> Self {
        Self { due: due.into(), read_at, added_at: None }
    }

    /// Puts others behind those that cannot start yet. Of these as many stay as are read at once.
    pub(crate) fn add(&mut self, due: Vec<Due>, at: Duration) {
        self.added_at = Some(at);
        self.due.truncate(READ_AHEAD as usize);
        self.due.extend(due);
    }

    /// How long until others may be looked for again; `None`: now.
    pub(crate) fn behind_again_in(&self, uptime: Duration, every: Duration) -> Option<Duration> {
        let again = self.added_at?.saturating_add(every);
        again.checked_sub(uptime).filter(|left| !left.is_zero())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.due.len()
    }

    pub(crate) fn any(&self, wanted: impl FnMut(&Due) -> bool) -> bool {
        self.due.iter().any(wanted)
    }

    /// Goes through them from the front.
    pub(crate) fn choose(&mut self, mut choice: impl FnMut(Due) -> Choice) {
        let mut passed = Vec::new();
        while let Some(due) = self.due.pop_front() {
            match choice(due) {
                Choice::Take => {}
                Choice::Later => passed.push(due),
                Choice::Enough => {
                    self.due.push_front(due);
                    break;
                }
            }
        }
        for due in passed.into_iter().rev() {
            self.due.push_front(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;
    use vestal_core::id::{ClientId, ConnectionId};

    fn due(number: u128) -> Due {
        let id = Uuid::from_u128(number);
        Due { connection: ConnectionId::from_uuid(id), client: ClientId::from_uuid(id) }
    }

    fn numbers(agenda: &Agenda) -> Vec<u128> {
        agenda.due.iter().map(|due| due.connection.as_uuid().as_u128()).collect()
    }

    #[test]
    fn what_is_passed_by_stays_in_its_order() {
        let mut agenda = Agenda::begin((1..=9).map(due).collect(), Duration::ZERO);
        agenda.choose(|one| match one.connection.as_uuid().as_u128() {
            7 => Choice::Enough,
            number if number % 2 == 0 => Choice::Take,
            _ => Choice::Later,
        });
        assert_eq!(numbers(&agenda), [1, 3, 5, 7, 8, 9]);
        agenda.add(vec![due(20)], Duration::ZERO);
        assert_eq!(numbers(&agenda), [1, 3, 5, 7, 8, 9, 20]);
        assert!(agenda.any(|one| one == &due(20)));
    }

    #[test]
    fn it_lasts_for_a_time_and_holds_so_many() {
        let lasts = Duration::from_secs(10);
        let many = || (0..u128::from(READ_AHEAD)).map(due).collect();
        let mut agenda = Agenda::begin(many(), lasts);
        assert!(!agenda.is_over(lasts * 2 - Duration::from_millis(1), lasts));
        assert!(agenda.is_over(lasts * 2, lasts));
        for _ in 0..3 {
            agenda.add(many(), lasts);
        }
        assert_eq!(agenda.behind_again_in(lasts, lasts), Some(lasts));
        assert_eq!(agenda.behind_again_in(lasts * 2, lasts), None);
        assert_eq!(agenda.len(), 2 * READ_AHEAD as usize);
        assert!(Agenda::default().is_over(Duration::ZERO, lasts));
    }
}
