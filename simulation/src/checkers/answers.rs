//! An answer that was received is never gone, unless the process died before any durable write could finish.

use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::id::{AttemptId, NodeId};
use vestal_core::store::{Brought, Finish};

use crate::ledger::{Books, Heard, Saved, short};

const RULE: &str = "answer";

/// In this time an answer is stored where nothing is in the way.
const SAVED_WITHIN: Duration = Duration::from_secs(2);

/// An outcome was stored.
pub(crate) fn at_a_finish(books: &mut Books, finish: &Finish) {
    let Some(attempt) = books.attempts.get(&finish.attempt).cloned() else { return };
    let Some(sent) = attempt.sent.map(|sent| books.sent[sent].clone()) else { return };
    let account = attempt.connection;
    let heard_something = matches!(sent.heard, Heard::Tokens | Heard::Unreadable);
    if finish.brought == Brought::Nothing && heard_something && sent.saved == Saved::Nowhere {
        books.violation(RULE, format!("c{account}: the answer to token {} is thrown away", sent.token));
    }
    if let (Brought::Tokens(tokens), Some(brought)) = (&finish.brought, sent.brought) {
        let stored =
            tokens.refresh_token.as_ref().and_then(|token| books.with_fingerprint(token.fingerprint));
        if stored != Some(brought) {
            let what = format!("c{account}: {stored:?} is stored, and the answer held {brought}");
            books.violation(RULE, what);
        }
    }
}

/// A connection was read.
pub(crate) fn at_a_read(books: &mut Books, account: usize, read: &Connection) {
    let Some(stored) = books.accounts[account].stored.clone() else { return };
    if read.generation() < stored.generation {
        let (read, written) = (read.generation(), stored.generation);
        // Said once: it is the store's again from here on.
        if let Some(stored) = &mut books.accounts[account].stored {
            stored.generation = read;
        }
        let what = format!("c{account}: generation {written} was stored, and {read} is read");
        books.violation(RULE, what);
    }
}

/// An answer was taken out of a journal.
pub(crate) fn at_a_settlement(books: &mut Books, attempt: AttemptId) {
    let Some(sent) = books.attempts.get(&attempt).and_then(|attempt| attempt.sent) else { return };
    if books.sent[sent].saved != Saved::InStore {
        let account = books.sent[sent].connection;
        let what =
            format!("c{account}: the answer to {attempt} is taken out of the journal, and not in the store");
        books.violation(RULE, what);
    }
}

/// A process was killed.
pub(crate) fn after_a_kill(books: &mut Books, node: NodeId) {
    let now = books.now();
    for sent in unsaved(books, node) {
        let (account, since) = (books.sent[sent].connection, books.sent[sent].heard_at);
        let was_time = now.saturating_sub(since) > SAVED_WITHIN;
        if was_time && !books.was_disturbed(since, now) {
            let (token, lay) = (books.sent[sent].token, now - since);
            let what = format!(
                "c{account}: the answer to token {token} lay unsaved for {lay:?} until {} was killed",
                short(node)
            );
            books.violation(RULE, what);
        } else {
            books.count("answers lost with their process");
        }
        books.unsaved.retain(|unsaved| *unsaved != sent);
    }
}

/// A process ended by itself.
pub(crate) fn after_an_end(books: &mut Books, node: NodeId) {
    for sent in unsaved(books, node) {
        let (account, token) = (books.sent[sent].connection, books.sent[sent].token);
        let what = format!("c{account}: {} ends, and the answer to token {token} is nowhere", short(node));
        books.violation(RULE, what);
        books.unsaved.retain(|unsaved| *unsaved != sent);
    }
}

/// Nothing was in the way for a while.
pub(crate) fn at_the_end(books: &mut Books, journalled: &[AttemptId]) {
    for attempt in journalled {
        books.violation(RULE, format!("the answer to {attempt} still lies in a journal"));
    }
    for sent in std::mem::take(&mut books.unsaved) {
        let (account, token) = (books.sent[sent].connection, books.sent[sent].token);
        books.violation(RULE, format!("c{account}: the answer to token {token} was never saved"));
    }
}

fn unsaved(books: &Books, node: NodeId) -> Vec<usize> {
    books.unsaved.iter().copied().filter(|sent| books.sent[*sent].node == node).collect()
}
