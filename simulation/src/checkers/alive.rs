//! A connection whose provider answers within its limits is alive.

use vestal_core::clock::Clock;
use vestal_core::connection::Connection;
use vestal_core::state::{Cause, State};
use vestal_sandbox::DeathReason;

use crate::ledger::Books;

const RULE: &str = "alive";

/// Nothing was in the way for a while.
pub(crate) fn at_the_end(books: &mut Books, account: usize, connection: &Connection) {
    let Some(token) = books.accounts[account].stored.as_ref().and_then(|stored| stored.token) else { return };
    let place = books.place(account);
    let death = place.grant(books.tokens[token].grant, books.timeline).and_then(|facts| facts.death);
    let accepted = place.accepts(&books.tokens[token].value, books.timeline);
    let what = match (&connection.state, death.map(|death| death.reason)) {
        // Why it is so was judged when it came to be.
        (State::NeedsReauth { .. } | State::Paused { .. } | State::Disconnecting | State::Pending, _) => {
            return;
        }
        (_, Some(DeathReason::RevokedByUser | DeathReason::AbsoluteEnd)) => return,
        // It may be held. Where nothing can have been lost, there is nothing to hold.
        (State::Failing(failing), _)
            if matches!(failing.cause, Cause::OutcomeUnknown { .. }) && !place.kind.loses_nothing() =>
        {
            return;
        }
        // Sent twice, and the first answer came after all: only the next refresh can tell.
        (State::Active | State::Unverified { .. }, Some(DeathReason::RefreshTokenReused))
            if connection.plan.due_at.is_some_and(|due_at| due_at > books.store_clock.now()) =>
        {
            return;
        }
        (_, Some(death)) => format!("its grant is dead ({death:?})"),
        (State::Active | State::Unverified { .. }, None) if accepted => return,
        (State::Active | State::Unverified { .. }, None) => {
            "its refresh token is not accepted any more".to_owned()
        }
        (State::Failing(failing), None) => format!("it still fails: {failing:?}"),
    };
    books.violation(RULE, format!("c{account} is {}, and {what}", connection.state.name()));
}
