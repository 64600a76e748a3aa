//! A still valid token is served to readers while its refresh is in flight, failing or stuck.

use std::time::Duration;

use crate::ledger::Books;

const RULE: &str = "reader";

/// A reader whose token serves waits this long at most for a better one: what the engine grants, and the store's time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// What a reader who named no `min_ttl` came away with.
pub(crate) struct Read {
    pub(crate) account: usize,
    /// Whether an access token was stored that served, before and after.
    pub(crate) served: bool,
    pub(crate) took: Duration,
    /// The access token's number, or why there was none.
    pub(crate) got: Result<u64, String>,
    /// Whether something was in the reader's own way.
    pub(crate) disturbed: bool,
}

pub(crate) fn at_a_read(books: &mut Books, read: &Read) {
    let Read { account, served, took, got, disturbed } = read;
    if let Ok(generation) = got {
        let stored = books.accounts[*account].stored.as_ref().map_or(0, |stored| stored.generation);
        let durable = stored.max(books.accounts[*account].journalled);
        if *generation > durable {
            let what =
                format!("c{account}: generation {generation} is given out, and {durable} is what is stored");
            books.violation(RULE, what);
        }
    }
    if !served || *disturbed {
        return;
    }
    match got {
        Err(why) => books.violation(RULE, format!("c{account}: a valid token was not served: {why}")),
        Ok(_) if *took > PATIENCE => {
            books.violation(RULE, format!("c{account}: a valid token was served after {took:?}"));
        }
        Ok(_) => {}
    }
}
