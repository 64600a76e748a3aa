//! At most one valid lease a connection.

use vestal_core::clock::Clock;
use vestal_core::id::NodeId;
use vestal_core::store::Begin;

use crate::ledger::{Books, short};

const RULE: &str = "lease";

/// A lease was taken.
pub(crate) fn at_a_begin(books: &mut Books, account: usize, begin: &Begin) {
    let now = books.store_clock.now();
    if let Some(held) = books.accounts[account].lease.as_ref().filter(|lease| lease.until > now) {
        let (by, holder) = (short(begin.attempt.node), short(held.node));
        let what = format!("c{account}: {by} takes the lease that {holder} holds until {}", held.until);
        books.violation(RULE, what);
    }
}

/// The leases of a node were ended by another one.
pub(crate) fn at_a_release(books: &mut Books, node: NodeId, gone: bool) {
    let now = books.store_clock.now();
    let held = |lease: &crate::ledger::Lease| lease.node == node && lease.until > now;
    if !gone && books.accounts.iter().any(|account| account.lease.as_ref().is_some_and(held)) {
        books.violation(RULE, format!("the leases of {} are released, and it lives", short(node)));
    }
}
