//! What happens at the provider and on the wire.

use super::{Heard, Ledger, Saved, Sent, Token, short};
use crate::checkers::{attempts, wire};
use crate::lock;
use vestal_core::id::NodeId;
use vestal_sandbox::GrantId;

impl Ledger {
    /// The provider issued a refresh token: the first one of a grant, or one for another one.
    pub(crate) fn issued(&self, value: &str, account: usize, grant: GrantId, by: Option<usize>) {
        let mut books = lock(&self.books);
        let token = books.token(value).unwrap_or_else(|| {
            let index = books.tokens.len();
            let fingerprint = *books.vault.fingerprint(value).as_bytes();
            let value = value.to_owned();
            books.by_value.insert(value.clone(), index);
            books.by_fingerprint.insert(fingerprint, index);
            books.tokens.push(Token { value, connection: account, grant, sent: vec![] });
            index
        });
        if let Some(sent) = by {
            books.processed(sent, token);
        }
    }

    /// The provider answered with tokens, none of which is a refresh token.
    pub(crate) fn kept(&self, sent: usize) {
        let mut books = lock(&self.books);
        let token = books.sent[sent].token;
        books.processed(sent, token);
    }

    /// A request with a refresh token leaves. `None`: nobody knows that token.
    pub(crate) fn sent(&self, node: NodeId, value: &str) -> Option<usize> {
        self.sends.notify_waiters();
        let mut books = lock(&self.books);
        let Some(token) = books.token(value) else {
            books.violation("wire", format!("{} sends a refresh token that nobody issued", short(node)));
            return None;
        };
        let connection = books.tokens[token].connection;
        let lease = books.accounts[connection].lease.clone();
        let lease = lease.filter(|lease| {
            lease.node == node && books.attempts.get(&lease.attempt).is_some_and(|attempt| attempt.open)
        });
        books.note(|| {
            let attempt = lease.as_ref().map(|lease| lease.attempt.to_string());
            format!("c{connection}: {} sends token {token} (attempt {attempt:?})", short(node))
        });
        attempts::at_a_send(&mut books, connection, token, lease.as_ref(), node);
        wire::at_a_send(&mut books, connection, token);

        let index = books.sent.len();
        let at = books.now();
        let attempt = lease.map(|lease| lease.attempt);
        if let Some(attempt) = attempt.and_then(|id| books.attempts.get_mut(&id)) {
            attempt.sent = Some(index);
        }
        books.tokens[token].sent.push(index);
        books.sent.push(Sent {
            connection,
            token,
            node,
            attempt,
            at,
            heard: Heard::NotYet,
            heard_at: at,
            brought: None,
            saved: Saved::Nowhere,
            orphaned: None,
        });
        Some(index)
    }

    /// What whoever sent it hears of it.
    pub(crate) fn heard(&self, sent: usize, heard: Heard) {
        let mut books = lock(&self.books);
        let now = books.now();
        let Sent { connection, node, .. } = books.sent[sent];
        books.note(|| format!("c{connection}: {} hears {heard:?}", short(node)));
        if matches!(heard, Heard::Tokens | Heard::Unreadable) {
            books.unsaved.push(sent);
        }
        let sent = &mut books.sent[sent];
        (sent.heard, sent.heard_at) = (heard, now);
    }
}
