//! No request without a durable attempt, and at most one request an attempt, sent soon after its lease was taken.

use std::time::Duration;

use vestal_core::clock::Clock;
use vestal_core::id::NodeId;

use crate::ledger::{Books, Lease, Skew, short};

const RULE: &str = "attempt";

/// §4: "Send within 2 s of taking the lease"; and what a connection takes, at most.
const SEND_WITHIN: Duration = Duration::from_secs(7);

/// An attempt was written down, to send this refresh token.
pub(crate) fn at_a_begin(books: &mut Books, account: usize, token: Option<usize>) {
    let stored = books.accounts[account].stored.as_ref().and_then(|stored| stored.token);
    if token != stored {
        books.violation(
            RULE,
            format!("c{account}: an attempt is for token {token:?}, and {stored:?} is stored"),
        );
    }
}

/// A refresh token is about to be sent; `lease` is the sender's, with an open attempt.
pub(crate) fn at_a_send(
    books: &mut Books,
    account: usize,
    token: usize,
    lease: Option<&Lease>,
    node: NodeId,
) {
    let who = short(node);
    let Some(lease) = lease else {
        books.violation(RULE, format!("c{account}: {who} sends token {token} without an open attempt"));
        return;
    };
    let Some(attempt) = books.attempts.get(&lease.attempt).cloned() else { return };
    if attempt.token != Some(token) {
        let what = format!("c{account}: {who} sends token {token}; its attempt names {:?}", attempt.token);
        books.violation(RULE, what);
    }
    if attempt.sent.is_some() {
        books.violation(RULE, format!("c{account}: {who} sends a second request for one attempt"));
    }
    // A store's clock that is set ends no lease of a process that goes on.
    let since = lease.taken..=books.now();
    let set = |skew: &Skew| since.contains(&skew.begin) || since.contains(&skew.end);
    if lease.until <= books.store_clock.now() && !books.skews.iter().any(set) {
        books.violation(RULE, format!("c{account}: {who} sends after its lease has ended"));
    }
    let late = books.now().saturating_sub(lease.taken);
    if late > SEND_WITHIN {
        books.violation(RULE, format!("c{account}: {who} sends {late:?} after taking the lease"));
    }
}
