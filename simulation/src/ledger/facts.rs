//! What is known of tokens, leases, attempts and requests.

use jiff::Timestamp;
use std::time::Duration;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_sandbox::GrantId;

/// Something that must never happen, and did.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// When, since the world began.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// A refresh token that a provider issued.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) value: String,
    pub(crate) connection: usize,
    pub(crate) grant: GrantId,
    /// Requests with it so far, as numbers in [`Books::sent`].
    pub(super) sent: Vec<usize>,
}

/// What the store holds of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) generation: u64,
    pub(crate) token: Option<usize>,
    /// When its request was sent, and how long its access token is said to live.
    pub(crate) since: Duration,
    pub(crate) life: Option<Duration>,
}

/// The right to talk to a provider about a connection.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) attempt: AttemptId,
    pub(crate) node: NodeId,
    pub(crate) until: Timestamp,
    pub(crate) taken: Duration,
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) id: Option<ConnectionId>,
    pub(crate) place: usize,
    pub(crate) stored: Option<Stored>,
    pub(crate) lease: Option<Lease>,
    pub(crate) dead: bool,
    /// When it is due, as it is stored.
    pub(crate) due_at: Option<Timestamp>,
    /// The newest generation that was written into a journal.
    pub(crate) journalled: u64,
    /// When somebody asked for a refresh by hand last.
    pub(crate) asked: Option<Duration>,
    /// When its users were told first, of this grant, that an end comes which no refresh moves.
    pub(crate) warned: Option<Duration>,
    /// The newest generation of which somebody said that its access token is rejected.
    pub(crate) rejected: u64,
}

/// An attempt, as it was written down.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) connection: usize,
    pub(crate) token: Option<usize>,
    pub(crate) open: bool,
    /// What came of it was written down.
    pub(crate) concluded: bool,
    /// Somebody gave it up, since nothing was written down in time.
    pub(crate) given_up: bool,
    pub(crate) begun: Duration,
    pub(crate) sent: Option<usize>,
}

/// What became of a request, for whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It waits.
    NotYet,
    /// The tokens.
    Tokens,
    /// Something that may be tokens, in an answer that says success.
    Unreadable,
    /// Nothing, or something that does not tell whether it was processed.
    Nothing,
    /// That it was not processed.
    Unprocessed,
    /// `invalid_grant`.
    InvalidGrant,
}

/// Where an answer is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It is in a process's memory, or was.
    Nowhere,
    /// In a journal.
    InJournal,
    /// In the store.
    InStore,
}

/// A request with a refresh token on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) connection: usize,
    pub(crate) token: usize,
    pub(crate) node: NodeId,
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) at: Duration,
    pub(crate) heard: Heard,
    pub(crate) heard_at: Duration,
    /// The refresh token that the provider answered with, whether or not that was heard.
    pub(crate) brought: Option<usize>,
    /// Where its answer is safe.
    pub(crate) saved: Saved,
    /// Whoever sent it is no more.
    pub(crate) orphaned: Option<Duration>,
}

impl Sent {
    /// Whether the provider may have used the refresh token up, for all that anybody knows who is left.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self.heard {
            Heard::Nothing | Heard::Unreadable | Heard::NotYet => true,
            // In a journal it may lie on another machine.
            Heard::Tokens => self.saved != Saved::InStore,
            Heard::Unprocessed | Heard::InvalidGrant => false,
        }
    }
}
