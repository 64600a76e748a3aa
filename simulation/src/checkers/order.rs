//! No superseded refresh token is ever written over a newer one.

use crate::ledger::{Books, Stored};

const RULE: &str = "order";

/// A token set is about to become a connection's current one.
pub(crate) fn at_a_write(books: &mut Books, account: usize, after: &Stored) {
    let Some(before) = books.accounts[account].stored.clone() else { return };
    if after.generation <= before.generation {
        let what = format!("c{account}: generation {} follows {}", after.generation, before.generation);
        books.violation(RULE, what);
    }
    // Grants are numbered as they begin, and refresh tokens as they are issued.
    let age = |token: usize| (books.tokens[token].grant, token);
    match (before.token, after.token) {
        (Some(before), Some(after)) if age(after) < age(before) => {
            let what = format!("c{account}: refresh token {after} is written over {before}, which is newer");
            books.violation(RULE, what);
        }
        (Some(before), None) => {
            books.violation(RULE, format!("c{account}: a token set without {before}, or any, is stored"));
        }
        (_, Some(after)) if books.tokens[after].connection != account => {
            let whose = books.tokens[after].connection;
            books.violation(RULE, format!("c{account}: the refresh token of c{whose} is stored"));
        }
        _ => {}
    }
}
