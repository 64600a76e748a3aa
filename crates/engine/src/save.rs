//! What an answer means for a connection, and storing it before anybody hears of it.

use std::time::Duration;

use vestal_core::backoff::Backoff;
use vestal_core::connection::{Attempt, Connection, ConnectionName};
use vestal_core::event::{Event, Trigger, What};
use vestal_core::outcome::{Reply, Verdict, judge, quarantine};
use vestal_core::schedule::jitter;
use vestal_core::seal::Field;
use vestal_core::secret::ExposeSecret;
use vestal_core::state::{State, Transition};
use vestal_core::store::{Brought, Finish, Finished, StoreError};
use vestal_core::token::{Candidate, CandidateAnswer, TokenAnswer, TokenSet, WhyCandidate};
use vestal_oauth::http::Exchange;
use vestal_oauth::id_token::subject;
use vestal_oauth::read::read_token_answer;

use crate::attempt::{CONTENTION_TRIES, Cargo};
use crate::secrets::{Destination, place};
use crate::{Error, Inner};

/// The waits between tries to store an answer.
pub(crate) const SAVE_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };

/// What a log line about an outcome belongs to: a command tells its own outcome, and leaves these out.
const OUTCOME: &str = "vestal_engine::outcome";

/// By how much the lease is extended while an answer is unsaved.
const UNSAVED_LEASE: Duration = Duration::from_secs(30);

impl Inner {
    /// Reads what came back, decides what it means for what is stored now, and stores that. Returns the connection as
    /// it then is.
    pub(crate) async fn conclude(
        &self,
        mut connection: Connection,
        attempt: &Attempt,
        exchange: Exchange,
        cargo: &Cargo,
        trigger: Trigger,
    ) -> Result<Connection, Error> {
        let reading = read_token_answer(exchange, attempt.started_at);
        // Before anything else may fail: from here on the answer is safe to keep.
        let raw = reading.raw.map(|bytes| {
            let place = place(connection.id, Field::RawAnswer, attempt.grant, attempt.generation);
            self.vault.seal(&place, &bytes, &*self.entropy)
        });
        for _ in 0..CONTENTION_TRIES {
            let now = self.clock.now();
            let mut decision = self.decide(&connection, attempt, &reading.reply, cargo, trigger);
            if let (Brought::Nothing, Some(raw)) = (&decision.brought, &raw) {
                let answer = CandidateAnswer::Raw(raw.clone());
                decision.keep(&connection, attempt, now, WhyCandidate::Unreadable, answer);
            }
            let finish = Finish {
                id: connection.id,
                expected: connection.revision,
                attempt: attempt.id,
                at: now,
                plan: self.plan(&decision.after, &cargo.provider, now),
                state: decision.after.state.clone(),
                brought: decision.brought,
                events: decision.events,
            };
            match self.save(&connection.name, &finish).await? {
                None => {
                    log(&decision.after, &finish.events);
                    return Ok(decision.after);
                }
                Some(current) => connection = *current,
            }
        }
        Err(Error::Contended { name: connection.name })
    }

    /// What an answer means for what is stored now. No I/O.
    fn decide(
        &self,
        connection: &Connection,
        attempt: &Attempt,
        reply: &Reply,
        cargo: &Cargo,
        trigger: Trigger,
    ) -> Decision {
        let now = self.clock.now();
        let mut decision = Decision { after: connection.clone(), brought: Brought::Nothing, events: vec![] };
        match (judge(connection, attempt, reply, &cargo.provider, now, self.seed), reply) {
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
            _ => {}
        }
        decision
    }

    /// Whether the id token speaks of another account than the one before. Where either is missing, nobody knows.
    fn is_another_account(&self, connection: &Connection, answer: &TokenAnswer) -> bool {
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
        let before = grant.map(|grant| &grant.tokens).zip(cargo.refresh_token.as_ref());
        self.seal_tokens(answer, to, before)
    }

    /// Stores an outcome, and tries again for as long as the store does not take it. `Some`: somebody wrote in
    /// between, decide anew.
    pub(crate) async fn save(
        &self,
        name: &ConnectionName,
        finish: &Finish,
    ) -> Result<Option<Box<Connection>>, Error> {
        let started = self.clock.uptime();
        let mut tries = 0;
        loop {
            let error = match self.store.finish_attempt(finish).await {
                Ok(Finished::Done | Finished::Gone) => return Ok(None),
                Ok(Finished::Already) => {
                    // Our own write, whose outcome was unknown, or else nobody's who may write this.
                    if tries == 0 {
                        tracing::error!(connection = %name, attempt = %finish.attempt, "an outcome was stored before by somebody else");
                    }
                    return Ok(None);
                }
                Ok(Finished::Moved(current)) => return Ok(Some(current)),
                Err(error) => error,
            };
            tries += 1;
            let worth_keeping = matches!(finish.brought, Brought::Tokens(_) | Brought::Candidate(_));
            let passes = matches!(error, StoreError::Unavailable { .. } | StoreError::OutcomeUnknown { .. });
            let patient = self.clock.uptime().saturating_sub(started) < self.limits.save;
            if !patient || !(passes || worth_keeping) {
                let detail = error.to_string();
                return Err(if worth_keeping {
                    tracing::error!(connection = %name, %detail, "a new token set could not be stored and is lost");
                    Error::Unsaved { name: name.clone(), detail }
                } else {
                    error.into()
                });
            }
            tracing::warn!(connection = %name, tries, detail = %error, "the store did not take an outcome; trying again");
            // Whoever else wants this connection must not send the same refresh token meanwhile.
            let _ = self.store.renew_lease(finish.attempt, UNSAVED_LEASE).await;
            self.clock.sleep(SAVE_BACKOFF.after(tries, jitter(self.seed, finish.id, u64::from(tries)))).await;
        }
    }
}

/// Tells an operator what was stored.
fn log(connection: &Connection, events: &[Event]) {
    let name = &connection.name;
    for event in events {
        match &event.what {
            What::Refreshed { generation, rotated, .. } => {
                tracing::info!(target: OUTCOME, connection = %name, generation, rotated, "refreshed");
            }
            What::Failed { why, next, .. } => {
                tracing::warn!(target: OUTCOME, connection = %name, ?why, %next, "a refresh failed; it is tried again");
            }
            What::NeedsReauth { why } => {
                tracing::error!(target: OUTCOME, connection = %name, ?why, "only a person can help: connect it again");
            }
            What::CandidateKept { why, .. } => {
                tracing::warn!(target: OUTCOME, connection = %name, ?why, "an answer could not be used and was kept, sealed");
            }
            _ => {}
        }
    }
}

/// Whether a token set brought another refresh token than the one it was got with.
fn answer_rotates(tokens: &TokenSet, attempt: &Attempt) -> bool {
    tokens.refresh_token.as_ref().map(|token| token.fingerprint) != attempt.fingerprint
}

/// What becomes of a connection.
struct Decision {
    after: Connection,
    brought: Brought,
    events: Vec<Event>,
}

impl Decision {
    fn apply(
        &mut self,
        connection: &Connection,
        attempt: &Attempt,
        tokens: TokenSet,
        trigger: Trigger,
        now: jiff::Timestamp,
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

    fn keep(
        &mut self,
        connection: &Connection,
        attempt: &Attempt,
        now: jiff::Timestamp,
        why: WhyCandidate,
        answer: CandidateAnswer,
    ) {
        let what = What::CandidateKept { attempt: attempt.id, why };
        self.events.push(Event { connection: connection.id, at: now, what });
        self.brought =
            Brought::Candidate(Box::new(Candidate { attempt: attempt.id, kept_at: now, why, answer }));
    }

    fn shift(
        &mut self,
        connection: &Connection,
        attempt: &Attempt,
        transition: Transition,
        now: jiff::Timestamp,
    ) {
        let what = match &transition {
            Transition::Fail { cause, next } => {
                What::Failed { attempt: attempt.id, why: cause.clone(), next: *next }
            }
            Transition::Die { reason } => What::NeedsReauth { why: reason.clone() },
            _ => return,
        };
        let Ok(state) = connection.state.clone().apply(transition, now) else { return };
        // What is known to be dead stays dead, and says so once.
        if matches!(connection.state, State::NeedsReauth { .. }) && matches!(what, What::NeedsReauth { .. }) {
            return;
        }
        self.after.state = state;
        self.events.push(Event { connection: connection.id, at: now, what });
    }
}
