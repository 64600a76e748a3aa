//! What happened, as far as the checker knows it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use vestal_sandbox::GrantId;

use crate::ledger::Violation;
use crate::lives::{End, Habit};
use crate::lock;
use crate::time::Timeline;

/// So many violations are enough.
const ENOUGH: usize = 20;

/// The books of a life.
pub(crate) struct Ledger {
    timeline: Timeline,
    books: Mutex<Books>,
}

/// What is in them.
pub(crate) struct Books {
    pub(crate) accounts: Vec<Account>,
    /// Grants whose end has been judged.
    pub(crate) judged: BTreeSet<GrantId>,
    pub(crate) ends: Vec<End>,
    pub(crate) reads: u64,
    pub(crate) lost_answers: u64,
    /// The last event that was looked at.
    pub(crate) cursor: u64,
    pub(crate) violations: Vec<Violation>,
    pub(crate) trace: Vec<String>,
    traced: bool,
}

/// One connection.
pub(crate) struct Account {
    /// When it was said that its end comes, and when that is.
    pub(crate) warnings: Vec<Warning>,
    /// When its token set was issued last, as its history tells.
    pub(crate) issued_at: Option<Duration>,
    /// When somebody asked for a token last.
    pub(crate) read_at: Option<Duration>,
    /// When a reader was told last, by what came of a rejection, that a person is needed.
    pub(crate) told_at: Option<Duration>,
    /// Its last refresh failed.
    pub(crate) fails: bool,
    /// A violation that lasts is told once.
    pub(crate) is_told: bool,
}

impl Account {
    /// Whether a reader was told that a person is needed, at this time or later.
    pub(crate) fn was_told_since(&self, at: Duration) -> bool {
        self.told_at.is_some_and(|told_at| told_at >= at)
    }
}

/// A person was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warning {
    pub(crate) at: Duration,
    pub(crate) end: Duration,
}

impl Ledger {
    pub(crate) fn new(timeline: Timeline, traced: bool) -> Self {
        let account = |_| Account {
            warnings: Vec::new(),
            issued_at: None,
            read_at: None,
            told_at: None,
            fails: false,
            is_told: false,
        };
        let books = Books {
            accounts: Habit::ALL.map(account).into(),
            judged: BTreeSet::new(),
            ends: Vec::new(),
            reads: 0,
            lost_answers: 0,
            cursor: 0,
            violations: Vec::new(),
            trace: Vec::new(),
            traced,
        };
        Self { timeline, books: Mutex::new(books) }
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        change(&mut lock(&self.books))
    }

    /// Writes down what happened, where somebody wants to read it.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let at = self.timeline.elapsed();
        self.with(|books| books.note(at, what));
    }

    /// Something happened that must not.
    pub(crate) fn violation(&self, rule: &'static str, what: String) {
        let at = self.timeline.elapsed();
        self.with(|books| {
            books.note(at, || format!("VIOLATION ({rule}) {what}"));
            if books.violations.len() < ENOUGH {
                books.violations.push(Violation { rule, at, what });
            }
        });
    }
}

impl Books {
    pub(crate) fn note(&mut self, at: Duration, what: impl FnOnce() -> String) {
        if self.traced {
            let (days, seconds) = (at.as_secs() / 86_400, at.as_secs() % 86_400);
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            self.trace.push(format!("day {days:>4} {hours:02}:{minutes:02}:{:02}  {}", seconds % 60, what()));
        }
    }
}
