//! What happens in the store, and in journals.

use super::{Attempt, Lease, Ledger, Saved, Stored, short};
use crate::checkers::{alive, answers, attempts, leases};
use crate::lock;
use jiff::Timestamp;
use vestal_core::clock::Clock;
use vestal_core::connection::Connection;
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::journal::Entry;
use vestal_core::store::{Begin, Brought, Finish, Finished, Update, Write};

impl Ledger {
    /// When a connection is due was written, and nothing else.
    pub(crate) fn planned(&self, id: ConnectionId, due_at: Option<Timestamp>) {
        let mut books = lock(&self.books);
        if let Some(account) = books.account(id) {
            books.accounts[account].due_at = due_at;
        }
        drop(books);
        self.tell();
    }

    pub(crate) fn added(&self, connection: &Connection) {
        let mut books = lock(&self.books);
        let account = books.accounts.iter_mut().find(|account| account.name == connection.name.as_str());
        if let Some(account) = account {
            account.id = Some(connection.id);
        }
    }

    /// A connection was read: what was written must be there.
    pub(crate) fn read(&self, connection: &Connection) {
        let mut books = lock(&self.books);
        if let Some(account) = books.account(connection.id) {
            answers::at_a_read(&mut books, account, connection);
        }
    }

    pub(crate) fn began(&self, begin: &Begin, until: Timestamp, write: &Write) {
        if *write != Write::Done {
            return;
        }
        self.tell();
        let mut books = lock(&self.books);
        let Some(account) = books.account(begin.id) else { return };
        let node = begin.attempt.node;
        books
            .note(|| format!("c{account}: {} takes the lease for attempt {}", short(node), begin.attempt.id));
        leases::at_a_begin(&mut books, account, begin);
        let token = begin.attempt.fingerprint.and_then(|fingerprint| books.with_fingerprint(fingerprint));
        attempts::at_a_begin(&mut books, account, token);
        let taken = books.now();
        let attempt = Attempt {
            connection: account,
            token,
            open: true,
            concluded: false,
            given_up: false,
            begun: taken,
            sent: None,
        };
        books.attempts.insert(begin.attempt.id, attempt);
        books.accounts[account].lease = Some(Lease { attempt: begin.attempt.id, node, until, taken });
    }

    pub(crate) fn renewed(&self, attempt: AttemptId, until: Timestamp) {
        let mut books = lock(&self.books);
        let Some(connection) = books.attempts.get(&attempt).map(|attempt| attempt.connection) else { return };
        if let Some(lease) = &mut books.accounts[connection].lease
            && lease.attempt == attempt
        {
            lease.until = until;
        }
    }

    pub(crate) fn released(&self, node: NodeId, gone: bool) {
        let mut books = lock(&self.books);
        books.note(|| format!("the leases of {} are released", short(node)));
        leases::at_a_release(&mut books, node, gone);
        let now = books.store_clock.now();
        for account in &mut books.accounts {
            if let Some(lease) =
                account.lease.as_mut().filter(|lease| lease.node == node && lease.until > now)
            {
                lease.until = now;
            }
        }
    }

    pub(crate) fn finished(&self, finish: &Finish, finished: &Finished) {
        if *finished != Finished::Done {
            return;
        }
        self.tell();
        let mut books = lock(&self.books);
        let Some(account) = books.account(finish.id) else { return };
        books.note(|| {
            let brought = match &finish.brought {
                Brought::Nothing => "nothing".to_owned(),
                Brought::Unknown => "nobody knows what".to_owned(),
                Brought::Tokens(tokens) => format!("generation {}", tokens.generation),
                Brought::Candidate(candidate) => format!("a candidate ({:?})", candidate.why),
            };
            format!("c{account}: attempt {} brought {brought}; {:?}", finish.attempt, finish.state)
        });
        match &finish.brought {
            Brought::Tokens(tokens) => {
                let sent = books.attempts.get(&finish.attempt).and_then(|attempt| attempt.sent);
                let since = sent.map_or(books.now(), |sent| books.sent[sent].at);
                let token = tokens.refresh_token.as_ref().map(|token| token.fingerprint);
                let token = token.and_then(|fingerprint| books.with_fingerprint(fingerprint));
                let stored = Stored { generation: tokens.generation, token, since, life: tokens.life() };
                books.store(account, stored);
            }
            Brought::Candidate(candidate) => books.candidate(account, candidate),
            Brought::Nothing | Brought::Unknown => {}
        }
        answers::at_a_finish(&mut books, finish);
        let unknown = finish.brought == Brought::Unknown;
        if let Some(attempt) = books.attempts.get_mut(&finish.attempt) {
            attempt.open = false;
            attempt.concluded |= !unknown;
            attempt.given_up |= unknown;
            if let (false, Some(sent)) = (unknown, attempt.sent) {
                books.sent[sent].saved = Saved::InStore;
                books.unsaved.retain(|unsaved| *unsaved != sent);
            }
        }
        let index = account;
        let account = &mut books.accounts[index];
        if account.lease.as_ref().is_some_and(|lease| lease.attempt == finish.attempt) {
            account.lease = None;
        }
        books.told(finish.id, &finish.events);
        books.accounts[index].due_at = finish.plan.due_at;
        books.state(finish.id, &finish.state);
    }

    pub(crate) fn updated(&self, update: &Update, write: &Write) {
        if *write != Write::Done {
            return;
        }
        self.tell();
        let mut books = lock(&self.books);
        let Some(account) = books.account(update.id) else { return };
        books.note(|| {
            let grant = update.grant.as_ref().map(|grant| grant.tokens.generation);
            let plan = &update.plan;
            format!("c{account}: written, generation {grant:?}, {plan:?}; {:?}", update.state)
        });
        if let Some(grant) = &update.grant {
            let stored = books.stored(grant);
            books.store(account, stored);
            books.accounts[account].warned = None;
        }
        books.told(update.id, &update.events);
        books.accounts[account].due_at = update.plan.due_at;
        books.state(update.id, &update.state);
    }

    /// An answer was written into a journal.
    pub(crate) fn journalled(&self, node: NodeId, entry: &Entry) {
        let mut books = lock(&self.books);
        books.count("answers written into a journal");
        let Some(attempt) = books.attempts.get(&entry.attempt.id).cloned() else { return };
        let account = attempt.connection;
        books.note(|| format!("c{account}: {} journals the answer to {}", short(node), entry.attempt.id));
        books.in_journals += 1;
        books.accounts[account].journalled = entry.attempt.generation + 1;
        if let Some(sent) = attempt.sent {
            books.unsaved.retain(|unsaved| *unsaved != sent);
            if books.sent[sent].saved == Saved::Nowhere {
                books.sent[sent].saved = Saved::InJournal;
            }
        }
    }

    /// An answer was taken out of a journal.
    pub(crate) fn settled(&self, attempt: AttemptId) {
        let mut books = lock(&self.books);
        books.in_journals -= 1;
        answers::at_a_settlement(&mut books, attempt);
    }

    /// The world has come to its end, and nothing was in the way for a while.
    pub(crate) fn finale(&self, connections: &[Connection], journalled: &[AttemptId]) {
        let mut books = lock(&self.books);
        answers::at_the_end(&mut books, journalled);
        for connection in connections {
            if let Some(account) = books.account(connection.id) {
                alive::at_the_end(&mut books, account, connection);
            }
        }
    }
}
