//! What an answer means for a connection: what is stored, and what is written into its history. No I/O.

use jiff::Timestamp;
use vestal_core::connection::{Attempt, Connection};
use vestal_core::event::{Event, Trigger, What};
use vestal_core::id::AttemptId;
use vestal_core::outcome::{Class, Reply, Verdict, classify, judge, quarantine};
use vestal_core::seal::Field;
use vestal_core::secret::ExposeSecret;
use vestal_core::state::{Reason, State, Transition};
use vestal_core::store::Brought;
use vestal_core::token::{Candidate, CandidateAnswer, Renewal, TokenAnswer, TokenSet, WhyCandidate};
use vestal_oauth::id_token::subject;

use crate::Inner;
use crate::secrets::{Destination, place};
use crate::take::Cargo;

impl Inner {
    /// What an answer means for what is stored now. No I/O.
    pub(crate) fn decide(
        &self,
        connection: &Connection,
        attempt: &Attempt,
        reply: &Reply,
        cargo: &Cargo,
        trigger: Trigger,
    ) -> Decision {
        let now = self.clock.now();
        let mut decision = Decision { after: connection.clone(), brought: Brought::Nothing, events: vec![] };
        let verdict = match (judge(connection, attempt, reply, &cargo.provider, now, self.seed), reply) {
            (Verdict::Apply, Reply::Tokens(answer)) if loses_refresh_token(connection, answer, cargo) => {
                Verdict::Keep(WhyCandidate::AnotherRefreshToken)
            }
            (verdict, _) => verdict,
        };
        match (verdict, reply) {
            (Verdict::Apply, Reply::Tokens(answer)) if self.is_another_account(connection, answer) => {
                let tokens = self.tokens_for(connection, attempt, answer, cargo, attempt.generation + 1);
                let rotated = answer_rotates(&tokens, attempt);
                let answer = CandidateAnswer::Tokens(Box::new(tokens));
                decision.keep(connection, attempt, now, WhyCandidate::AnotherAccount, answer);
                let transition = quarantine(connection, &cargo.provider, rotated, now, self.seed);
                decision.shift(connection, attempt, transition, now);
            }
            (Verdict::Apply, Reply::Tokens(answer)) => {
                let generation = connection.generation() + 1;
                let tokens = self.tokens_for(connection, attempt, answer, cargo, generation);
                decision.apply(connection, attempt, tokens, trigger, now);
            }
            (Verdict::Keep(why), Reply::Tokens(answer)) => {
                let tokens = self.tokens_for(connection, attempt, answer, cargo, attempt.generation + 1);
                let answer = CandidateAnswer::Tokens(Box::new(tokens));
                decision.keep(connection, attempt, now, why, answer);
            }
            (Verdict::Move(transition), _) => decision.shift(connection, attempt, transition, now),
            (Verdict::Void, reply)
                if connection.state == State::Disconnecting
                    && classify(reply, &cargo.provider) == Class::Permanent =>
            {
                decision.note_death(connection, reply, now);
            }
            _ => {}
        }
        decision
    }

    /// Whether the id token speaks of another account than the one before. Where either is missing, nobody knows.
    pub(crate) fn is_another_account(&self, connection: &Connection, answer: &TokenAnswer) -> bool {
        let before = connection.grant.as_ref().and_then(|grant| {
            let sealed = grant.tokens.id_token.as_ref()?;
            let place = place(connection.id, Field::IdToken, grant.id, grant.tokens.generation);
            subject(self.vault.open_text(&place, sealed).ok()?.expose_secret())
        });
        let now = answer.id_token.as_ref().and_then(|token| subject(token.expose_secret()));
        before.zip(now).is_some_and(|(before, now)| before != now)
    }

    fn tokens_for(
        &self,
        connection: &Connection,
        attempt: &Attempt,
        answer: &TokenAnswer,
        cargo: &Cargo,
        generation: u64,
    ) -> TokenSet {
        let to = Destination {
            connection: connection.id,
            client: &cargo.client,
            grant: attempt.grant,
            generation,
            issued_at: attempt.started_at,
            default_life: cargo.provider.access_token_life(),
        };
        let grant = connection.grant.as_ref().filter(|grant| grant.id == attempt.grant);
        let refresh_token = cargo.refresh_token.as_ref();
        // Without the refresh token that it was got with, a token set says nothing of the one that follows it.
        let known = grant
            .filter(|grant| grant.renewal != Renewal::RefreshToken || refresh_token.is_some())
            .map(|grant| (&grant.tokens, refresh_token));
        self.seal_tokens(answer, to, known)
    }
}

/// Whether an answer leaves a refresh token in place that is not at hand, as where one from a journal fits only since the
/// one before it was stored: a token set without a refresh token must not take the place of one that has it.
fn loses_refresh_token(connection: &Connection, answer: &TokenAnswer, cargo: &Cargo) -> bool {
    let renewal = connection.grant.as_ref().map(|grant| grant.renewal);
    renewal == Some(Renewal::RefreshToken) && answer.refresh_token.is_none() && cargo.refresh_token.is_none()
}

/// Whether a token set brought another refresh token than the one it was got with.
fn answer_rotates(tokens: &TokenSet, attempt: &Attempt) -> bool {
    tokens.refresh_token.as_ref().map(|token| token.fingerprint) != attempt.fingerprint
}

/// What becomes of a connection.
pub(crate) struct Decision {
    pub(crate) after: Connection,
    pub(crate) brought: Brought,
    pub(crate) events: Vec<Event>,
}

impl Decision {
    /// The provider's words, where a connection is to die of them that lived `before`.
    pub(crate) fn refusal(&self, before: &Connection) -> Option<String> {
        match &self.after.state {
            State::NeedsReauth { reason: Reason::InvalidGrant { detail }, .. }
                if self.after.state != before.state =>
            {
                Some(detail.clone())
            }
            _ => None,
        }
    }

    /// Says that it may have died since an attempt came late.
    pub(crate) fn blame(&mut self, attempt: AttemptId, detail: &str) {
        let detail = format!("an attempt before was given up, and may have come late; then: {detail}");
        let why = Reason::OutcomeUnknown { attempt, detail };
        if let State::NeedsReauth { reason, .. } = &mut self.after.state {
            reason.clone_from(&why);
        }
        for event in &mut self.events {
            if let What::NeedsReauth { why: told } = &mut event.what {
                told.clone_from(&why);
            }
        }
    }

    fn apply(
        &mut self,
        connection: &Connection,
        attempt: &Attempt,
        tokens: TokenSet,
        trigger: Trigger,
        now: Timestamp,
    ) {
        let what = What::Refreshed {
            attempt: attempt.id,
            generation: tokens.generation,
            rotated: answer_rotates(&tokens, attempt),
            expires_at: tokens.expires_at,
            trigger,
        };
        self.events.push(Event { connection: connection.id, at: now, what });
        // A connection that is being taken apart stays so; its newest refresh token is what has to be revoked.
        if let Ok(state) = connection.state.clone().apply(Transition::Succeed, now) {
            self.after.state = state;
        }
        if let Some(grant) = &mut self.after.grant {
            grant.tokens = tokens.clone();
        }
        self.brought = Brought::Tokens(Box::new(tokens));
    }

    pub(crate) fn keep(
        &mut self,
        connection: &Connection,
        attempt: &Attempt,
        now: Timestamp,
        why: WhyCandidate,
        answer: CandidateAnswer,
    ) {
        let what = What::CandidateKept { attempt: attempt.id, why };
        self.events.push(Event { connection: connection.id, at: now, what });
        self.brought = Brought::Candidate(Box::new(Candidate {
            attempt: attempt.id,
            kept_at: now,
            why,
            sealed_for: Some((attempt.grant, attempt.generation)),
            answer,
        }));
    }

    /// What is being taken apart stays so; that its grant was dead before is for its history.
    fn note_death(&mut self, connection: &Connection, reply: &Reply, now: Timestamp) {
        let (detail, _) = reply.words();
        let what = What::NeedsReauth { why: Reason::InvalidGrant { detail } };
        self.events.push(Event { connection: connection.id, at: now, what });
    }

    fn shift(&mut self, connection: &Connection, attempt: &Attempt, transition: Transition, now: Timestamp) {
        let what = match &transition {
            Transition::Fail { cause, next } => {
                What::Failed { attempt: attempt.id, why: cause.clone(), next: *next }
            }
            Transition::Die { reason } => What::NeedsReauth { why: reason.clone() },
            _ => return,
        };
        let Ok(state) = connection.state.clone().apply(transition, now) else { return };
        // What is known to be dead stays dead, and has said so.
        if state == connection.state {
            return;
        }
        self.after.state = state;
        self.events.push(Event { connection: connection.id, at: now, what });
    }
}
