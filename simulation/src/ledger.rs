//! What happened, as seen from outside of the engine: at the provider, on the wire and below the store's port.
//!
//! Whatever is written here is judged at once by the checkers.

mod books;
mod facts;
mod requests;
mod writes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use vestal_core::id::NodeId;
use vestal_core::seal::Vault;

use crate::checkers::answers;
use crate::lock;
use crate::provider::Places;
use crate::time::{Timeline, WallClock};
use crate::world::Plan;

pub(crate) use books::{Books, Skew};
pub use facts::Violation;
pub(crate) use facts::{Account, Attempt, Heard, Lease, Saved, Sent, Stored, Token};

/// The books of a world.
pub(crate) struct Ledger {
    books: Mutex<Books>,
    /// How many processes were killed.
    kills: AtomicU64,
    /// Somebody wrote to a connection, or a clock was set.
    news: Notify,
    /// A refresh token was sent.
    sends: Notify,
    full: Arc<Notify>,
}

impl Ledger {
    pub(crate) fn new(
        timeline: Timeline,
        store_clock: Arc<WallClock>,
        places: Places,
        accounts: Vec<Account>,
        vault: Arc<Vault>,
        plan: &Plan,
    ) -> Arc<Self> {
        let full = Arc::new(Notify::new());
        let books = Books {
            timeline,
            store_clock,
            places,
            accounts,
            tokens: Vec::new(),
            by_value: BTreeMap::new(),
            by_fingerprint: BTreeMap::new(),
            attempts: BTreeMap::new(),
            sent: Vec::new(),
            unsaved: Vec::new(),
            spells: Vec::new(),
            jumps: Vec::new(),
            skews: Vec::new(),
            in_journals: 0,
            counts: BTreeMap::new(),
            violations: Vec::new(),
            trace: VecDeque::new(),
            trace_lines: plan.trace_lines,
            enough: plan.violations,
            vault,
            full: Arc::clone(&full),
        };
        Arc::new(Self {
            books: Mutex::new(books),
            kills: AtomicU64::new(0),
            news: Notify::new(),
            sends: Notify::new(),
            full,
        })
    }

    /// Counts a fault, or something else that is worth a line in the summary.
    pub(crate) fn count(&self, what: &'static str) {
        lock(&self.books).count(what);
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }

    /// Something happened that a look at the schedule would find.
    pub(crate) fn tell(&self) {
        self.news.notify_waiters();
    }

    /// Waits for something to happen.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits until another node sends a refresh token of the connection for which this one sent one last.
    pub(crate) async fn rival(&self, node: NodeId) {
        let (connection, before) = {
            let books = lock(&self.books);
            let last = books.sent.iter().rev().find(|sent| sent.node == node);
            (last.map(|sent| sent.connection), books.sent.len())
        };
        let rival = |sent: &Sent| Some(sent.connection) == connection && sent.node != node;
        loop {
            self.sends.notified().await;
            if lock(&self.books).sent.iter().skip(before).any(rival) {
                return;
            }
        }
    }

    /// Whether a look before this time would find something.
    pub(crate) fn is_due_before(&self, at: Timestamp) -> bool {
        let books = lock(&self.books);
        let due = |account: &Account| account.lease.as_ref().map(|lease| lease.until).or(account.due_at);
        books.in_journals > 0 || books.accounts.iter().filter_map(due).any(|due| due < at)
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        lock(&self.books).note(line);
    }

    pub(crate) fn violation(&self, rule: &'static str, what: String) {
        lock(&self.books).violation(rule, what);
    }

    /// Notes that something is in the way from now on, for this long.
    pub(crate) fn spell(&self, duration: Duration) {
        let mut books = lock(&self.books);
        let now = books.now();
        books.spells.push((now, now.saturating_add(duration)));
    }

    /// Notes that the machines' clocks disagree by this much from now on, for this long.
    pub(crate) fn skew(&self, by: Duration, duration: Duration) {
        let mut books = lock(&self.books);
        let begin = books.now();
        books.skews.push(Skew { begin, end: begin.saturating_add(duration), by });
    }

    /// Notes that a clock is far off from now on, for this long.
    pub(crate) fn jump(&self, duration: Duration) {
        let mut books = lock(&self.books);
        let now = books.now();
        books.jumps.push((now, now.saturating_add(duration)));
    }

    /// Waits until this world has said enough.
    pub(crate) async fn full(&self) {
        while !self.is_full() {
            self.full.notified().await;
        }
    }

    /// Whether this world has said enough.
    pub(crate) fn is_full(&self) -> bool {
        lock(&self.books).is_full()
    }

    pub(crate) fn take(&self) -> (Vec<Violation>, BTreeMap<&'static str, u64>, Vec<String>) {
        let mut books = lock(&self.books);
        let trace = std::mem::take(&mut books.trace).into();
        (std::mem::take(&mut books.violations), std::mem::take(&mut books.counts), trace)
    }

    /// A look into the books.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut lock(&self.books))
    }
}

// What happens to processes.
impl Ledger {
    pub(crate) fn killed(&self, node: NodeId) {
        self.kills.fetch_add(1, Ordering::Relaxed);
        let mut books = lock(&self.books);
        books.note(|| format!("{} is killed", short(node)));
        books.orphan(node);
        answers::after_a_kill(&mut books, node);
    }

    pub(crate) fn ended(&self, node: NodeId) {
        let mut books = lock(&self.books);
        books.note(|| format!("{} ends", short(node)));
        answers::after_an_end(&mut books, node);
        books.orphan(node);
    }

    /// Somebody says that an access token is rejected.
    pub(crate) fn rejected(&self, account: usize, generation: u64) {
        let mut books = lock(&self.books);
        books.note(|| format!("c{account}: somebody says that generation {generation} is rejected"));
        let rejected = &mut books.accounts[account].rejected;
        *rejected = generation.max(*rejected);
    }

    pub(crate) fn asked(&self, account: usize) {
        let mut books = lock(&self.books);
        let now = books.now();
        books.accounts[account].asked = Some(now);
    }
}

/// A node's name in a trace.
pub(crate) fn short(node: NodeId) -> String {
    format!("n{}", node.as_uuid().as_u128() & 0xffff_ffff)
}

/// A time as `day 12 07:31:02.250`.
pub(crate) fn clock_face(at: Duration) -> String {
    let (s, ms) = (at.as_secs(), at.subsec_millis());
    let (days, h, m, s) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    format!("day {days} {h:02}:{m:02}:{s:02}.{ms:03}")
}
