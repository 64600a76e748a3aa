//! The books: everything that happened, and what is asked of it.

use super::{Account, Attempt, Sent, Stored, Token, Violation, clock_face};
use crate::checkers::{death, order};
use crate::provider::{Place, Places};
use crate::time::{Timeline, WallClock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use vestal_core::event::{Event, What};
use vestal_core::id::{AttemptId, ConnectionId, NodeId};
use vestal_core::seal::{Fingerprint, Vault};
use vestal_core::state::{Reason, State};
use vestal_core::token::{Candidate, CandidateAnswer, Grant};

/// A time in which a machine's clock disagreed with the others.
pub(crate) struct Skew {
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    pub(crate) by: Duration,
}

/// What was written down, and everything needed to judge it.
pub(crate) struct Books {
    pub(crate) timeline: Timeline,
    pub(crate) store_clock: Arc<WallClock>,
    pub(crate) places: Places,
    pub(crate) accounts: Vec<Account>,
    pub(crate) tokens: Vec<Token>,
    pub(super) by_value: BTreeMap<String, usize>,
    pub(super) by_fingerprint: BTreeMap<[u8; 32], usize>,
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) sent: Vec<Sent>,
    /// Those in `sent` whose answer was heard and is not durable yet.
    pub(crate) unsaved: Vec<usize>,
    /// When something was in the way: nodes, the store or a provider.
    pub(crate) spells: Vec<(Duration, Duration)>,
    /// When some machine's clock was far off.
    pub(crate) jumps: Vec<(Duration, Duration)>,
    /// From when to when the machines' clocks disagreed, and by how much.
    pub(crate) skews: Vec<Skew>,
    /// How many answers lie in journals.
    pub(super) in_journals: usize,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) violations: Vec<Violation>,
    pub(super) trace: VecDeque<String>,
    pub(super) trace_lines: usize,
    pub(super) enough: usize,
    pub(super) vault: Arc<Vault>,
    pub(super) full: Arc<Notify>,
}

impl Books {
    pub(super) fn is_full(&self) -> bool {
        self.violations.len() >= self.enough
    }

    pub(crate) fn now(&self) -> Duration {
        self.timeline.elapsed()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace_lines == 0 {
            return;
        }
        if self.trace.len() >= self.trace_lines {
            self.trace.pop_front();
        }
        let line = format!("{} {}", clock_face(self.now()), line());
        self.trace.push_back(line);
    }

    pub(crate) fn violation(&mut self, rule: &'static str, what: String) {
        let at = self.now();
        self.note(|| format!("VIOLATION ({rule}): {what}"));
        // A daemon without rest is one, however often it is started.
        let again = rule == "idle" && self.violations.iter().any(|violation| violation.rule == rule);
        if !self.is_full() && !again {
            self.violations.push(Violation { rule, at, what });
        }
        if self.is_full() {
            self.full.notify_one();
        }
    }

    pub(crate) fn place(&self, account: usize) -> &Place {
        &self.places[self.accounts[account].place]
    }

    pub(crate) fn account(&self, id: ConnectionId) -> Option<usize> {
        self.accounts.iter().position(|account| account.id == Some(id))
    }

    pub(crate) fn token(&self, value: &str) -> Option<usize> {
        self.by_value.get(value).copied()
    }

    pub(crate) fn with_fingerprint(&self, fingerprint: Fingerprint) -> Option<usize> {
        self.by_fingerprint.get(fingerprint.as_bytes()).copied()
    }

    /// Whether something was in the way at any time between the two.
    pub(crate) fn was_disturbed(&self, from: Duration, to: Duration) -> bool {
        self.spells.iter().any(|(begin, end)| *begin <= to && *end >= from)
    }

    /// Requests with this refresh token so far.
    pub(crate) fn sent_with(&self, token: usize) -> impl DoubleEndedIterator<Item = &Sent> {
        self.tokens[token].sent.iter().map(|sent| &self.sent[*sent])
    }

    pub(super) fn processed(&mut self, sent: usize, brought: usize) {
        let used = self.sent[sent].token;
        self.sent[sent].brought = Some(brought);
        let connection = self.sent[sent].connection;
        self.note(|| format!("c{connection}: the provider takes token {used} and gives {brought}"));
    }

    pub(super) fn orphan(&mut self, node: NodeId) {
        let now = self.now();
        for sent in self.sent.iter_mut().rev().take(1000).filter(|sent| sent.node == node) {
            sent.orphaned.get_or_insert(now);
        }
    }

    pub(super) fn stored(&self, grant: &Grant) -> Stored {
        let token = grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint);
        Stored {
            generation: grant.tokens.generation,
            token: token.and_then(|fingerprint| self.with_fingerprint(fingerprint)),
            since: self.now(),
            life: grant.tokens.life(),
        }
    }

    pub(super) fn store(&mut self, account: usize, stored: Stored) {
        order::at_a_write(self, account, &stored);
        self.accounts[account].stored = Some(stored);
    }

    pub(super) fn candidate(&mut self, account: usize, candidate: &Candidate) {
        self.count(match candidate.answer {
            CandidateAnswer::Tokens(_) => "answers kept as candidates",
            CandidateAnswer::Raw(_) => "unreadable answers kept",
        });
        let _ = account;
    }

    pub(super) fn told(&mut self, id: ConnectionId, events: &[Event]) {
        let warned = events.iter().any(|event| matches!(event.what, What::EndsSoon { .. }));
        if let Some(account) = self.account(id).filter(|_| warned) {
            self.note(|| format!("c{account}: its end is told"));
            let now = self.now();
            self.accounts[account].warned.get_or_insert(now);
            self.count("warnings of an end");
        }
    }

    pub(super) fn state(&mut self, id: ConnectionId, state: &State) {
        let Some(account) = self.account(id) else { return };
        let reason = reason(state);
        let was = std::mem::replace(&mut self.accounts[account].dead, reason.is_some());
        if let (false, Some(reason)) = (was, reason) {
            death::at_a_death(self, account, &reason.clone());
        }
    }
}

/// Why only a person can help, where that is so.
fn reason(state: &State) -> Option<&Reason> {
    match state {
        State::NeedsReauth { reason, .. } => Some(reason),
        State::Paused { prior } => reason(prior),
        _ => None,
    }
}
