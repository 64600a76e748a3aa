//! What is written of attempts at a refresh, from their beginning to their end.

use std::time::Duration;

use jiff::Timestamp;

use crate::connection::{Attempt, Connection};
use crate::event::Event;
use crate::id::{AttemptId, ConnectionId};
use crate::schedule::Plan;
use crate::state::State;
use crate::token::{Candidate, TokenSet};

/// What became of extending a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It is held on.
    Done,
    /// Somebody else holds the lease, or nobody.
    Lost,
}

/// What became of storing an attempt's outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// It was stored.
    Done,
    /// Somebody wrote in between; this is what is stored now. Decide anew.
    Moved(Box<Connection>),
    /// It had been stored before: nothing was done.
    Already,
    /// The connection does not exist any more.
    Gone,
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStatus {
    /// Written down, and its outcome is not.
    Open,
    /// Given up by another node, since its outcome was not written in time. Its answer may still come.
    Abandoned,
    /// Its outcome is stored.
    Finished,
}

/// The start of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// The connection.
    pub id: ConnectionId,
    /// The revision this was decided on.
    pub expected: u64,
    /// The attempt.
    pub attempt: Attempt,
    /// How long the lease is to last.
    pub lease_for: Duration,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The connection.
    pub id: ConnectionId,
    /// The revision this was decided on.
    pub expected: u64,
    /// The attempt.
    pub attempt: AttemptId,
    /// When it ended.
    pub at: Timestamp,
    /// What it brought.
    pub brought: Brought,
    /// The connection's state from now on.
    pub state: State,
    /// When it is due from now on.
    pub plan: Plan,
    /// What to write into its history.
    pub events: Vec<Event>,
}

/// What an attempt brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Brought {
    /// Nothing to keep.
    Nothing,
    /// Nobody knows: the attempt is given up, and its answer may still come and be stored.
    Unknown,
    /// The connection's next token set, within the current grant. The one before is kept; older ones, and
    /// those of earlier grants, go: that this one came proves that they are no longer needed.
    Tokens(Box<TokenSet>),
    /// An answer to keep aside.
    Candidate(Box<Candidate>),
}
