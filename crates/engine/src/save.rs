//! Storing an answer before anybody hears of it: into the store, or, while that takes nothing, into the journal.

use std::time::Duration;

use vestal_core::backoff::Backoff;
use vestal_core::connection::{Attempt, Connection, ConnectionName};
use vestal_core::event::{Event, KEPT_PER_CONNECTION, Trigger, What};
use vestal_core::id::AttemptId;
use vestal_core::provider::Reuse;
use vestal_core::schedule::jitter;
use vestal_core::seal::Field;
use vestal_core::state::Cause;
use vestal_core::store::{Brought, Finish, Finished, StoreError};
use vestal_core::token::{CandidateAnswer, WhyCandidate};
use vestal_oauth::http::Answer;
use vestal_oauth::read::Reading;

use crate::change::CONTENTION_TRIES;
use crate::secrets::place;
use crate::take::Cargo;
use crate::{Error, Inner};

/// The waits between tries to store an answer.
pub(crate) const SAVE_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(2) };

/// For how long the store is tried again with what would not be lost: an answer that is in the journal, or an outcome that
/// brought nothing. After that, whoever comes next finds the one in the journal, and of the other that nobody wrote it
/// down.
const SAFE_PATIENCE: Duration = Duration::from_secs(5);

/// A store that takes longer may be locked by somebody: the journal is not.
const JOURNAL_AFTER: Duration = Duration::from_millis(500);

/// What a log line about an outcome belongs to: a command tells its own outcome, and leaves these out.
const OUTCOME: &str = "vestal_engine::outcome";

/// By how much the lease is extended while an answer is unsaved.
const UNSAVED_LEASE: Duration = Duration::from_secs(30);

/// An answer that may hold the only refresh token. It is sealed only where it goes into the journal.
pub(crate) struct Precious {
    pub(crate) attempt: Attempt,
    pub(crate) answer: Answer,
}

/// An answer on its way to where it is safe.
pub(crate) struct Saving {
    /// What goes into the journal where the store does not take it; `None` where nothing would be lost.
    precious: Option<Precious>,
    journalled: bool,
    /// It came from the journal, and stays there if the store does not take it.
    replayed: bool,
    started: Duration,
    tries: u32,
    /// From how many tries on it is told again that neither the store nor the journal takes it.
    tell_at: u32,
    /// When the lease was extended last.
    renewed_at: Option<Duration>,
}

impl Saving {
    /// What is not worth more than a few tries.
    pub(crate) fn nothing(started: Duration) -> Self {
        Self {
            precious: None,
            journalled: false,
            replayed: false,
            started,
            tries: 0,
            tell_at: 0,
            renewed_at: None,
        }
    }

    /// An answer, which may be precious.
    pub(crate) fn answer(precious: Option<Precious>, started: Duration) -> Self {
        Self { precious, ..Self::nothing(started) }
    }

    /// An answer that is in the journal.
    pub(crate) fn replayed(started: Duration) -> Self {
        Self { replayed: true, ..Self::nothing(started) }
    }

    /// It is in this process's memory only, and must not be lost.
    fn is_unsafe(&self) -> bool {
        self.precious.is_some() && !self.journalled
    }

    /// Whether to tell that the store did not take it. Ever more seldom: a disk that is full must not be filled with that.
    fn is_to_be_told(&self) -> bool {
        self.tries.is_power_of_two()
    }

    /// Whether to tell that the journal does not take it either, which is found out before a try and after it. As seldom.
    fn tell_of_danger(&mut self) -> bool {
        if self.tries < self.tell_at {
            return false;
        }
        self.tell_at = 2 * self.tries.max(1);
        true
    }
}

impl Inner {
    /// Decides what an answer means for what is stored now, and stores that. Returns the connection as it then is.
    pub(crate) async fn conclude(
        &self,
        mut connection: Connection,
        attempt: &Attempt,
        reading: &Reading,
        cargo: &Cargo,
        trigger: Trigger,
        mut saving: Saving,
    ) -> Result<Connection, Error> {
        // Anew for each try, which may be long after the first: with the key that seals then.
        let id = connection.id;
        let raw = || {
            let place = place(id, Field::RawAnswer, attempt.grant, attempt.generation);
            reading.raw.as_ref().map(|bytes| self.vault.seal(&place, bytes, &*self.entropy))
        };
        let mut moved = 0;
        loop {
            let now = self.clock.now();
            let mut decision = self.decide(&connection, attempt, &reading.reply, cargo, trigger);
            if let (Brought::Nothing, Some(raw)) = (&decision.brought, raw()) {
                let why = match reading.reply.holds_tokens() {
                    true => WhyCandidate::HoldsTokens,
                    false => WhyCandidate::Unreadable,
                };
                decision.keep(&connection, attempt, now, why, CandidateAnswer::Raw(raw));
            }
            if let Some(detail) = decision.refusal(&connection)
                && cargo.provider.reuse() != Reuse::Harmless
                && let Some(late) = self.late_attempt(&connection).await
            {
                decision.blame(late, &detail);
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
            let after = decision.after;
            match self.save(&after, &finish, &mut saving).await? {
                None => {
                    log(&after, &finish.events);
                    return Ok(after);
                }
                Some(current) => connection = *current,
            }
            moved += 1;
            if moved < CONTENTION_TRIES {
                continue;
            }
            // Renewing our lease moves it, too: whoever keeps trying to store an answer does not give up for that.
            let patient = self.clock.uptime().saturating_sub(saving.started) < self.limits.save;
            if !patient || (saving.tries == 0 && !saving.is_unsafe()) {
                return Err(self.contended(&after, &mut saving).await);
            }
            self.clock.sleep(SAVE_BACKOFF.first).await;
        }
    }

    /// Gives up an answer that could not be stored since others kept writing in between; `after` is the connection as it would
    /// be.
    async fn contended(&self, after: &Connection, saving: &mut Saving) -> Error {
        let (name, detail) = (after.name.clone(), "others kept writing in between".to_owned());
        let why = StoreError::Unavailable { detail: detail.clone() };
        self.write_into_journal(after, saving, &why).await;
        match saving.is_unsafe() {
            true => unsaved(name, detail),
            false if saving.journalled => Error::Journalled { name, detail },
            false => Error::Contended { name },
        }
    }

    /// An attempt with the refresh token before the current one that was given up: its request may have come late, or its
    /// answer, and that refresh token was sent twice, which some providers punish. What they say then is not the reason.
    /// Where the history cannot be read, they are believed: an outcome has to be stored, whatever its reason.
    async fn late_attempt(&self, connection: &Connection) -> Option<AttemptId> {
        let history = self.store.events(Some(connection.id), 0, 2 * KEPT_PER_CONNECTION).await;
        let history = history.unwrap_or_else(|error| {
            tracing::warn!(connection = %connection.name, %error, "whether an attempt came late cannot be read");
            Vec::new()
        });
        let (mut given_up, mut late) = (None, None);
        for stored in history {
            match stored.event.what {
                What::Abandoned { attempt, .. } => given_up = Some(attempt),
                What::Failed { why: Cause::OutcomeUnknown(unknown), .. } => given_up = Some(unknown.attempt),
                What::Refreshed { .. } => late = given_up.take(),
                What::Consented { .. } | What::Imported { .. } => (given_up, late) = (None, None),
                _ => {}
            }
        }
        late
    }

    /// Stores an outcome; `after` is the connection as it then is. Where the store does not take it, what must not be
    /// lost goes into the journal, and the store is tried again. `Some`: somebody wrote in between, decide anew.
    pub(crate) async fn save(
        &self,
        after: &Connection,
        finish: &Finish,
        saving: &mut Saving,
    ) -> Result<Option<Box<Connection>>, Error> {
        let name = &after.name;
        loop {
            let error = match self.finish(after, finish, saving).await {
                Ok(Finished::Moved(current)) => return Ok(Some(current)),
                Ok(Finished::Already) if saving.tries == 0 && !saving.replayed && !saving.journalled => {
                    tracing::error!(connection = %name, attempt = %finish.attempt, "an outcome was stored before by somebody else");
                    return Ok(None);
                }
                // Already: our own write, whose outcome was unknown; or another process found it in the journal.
                Ok(Finished::Done | Finished::Gone | Finished::Already) => {
                    if matches!(finish.brought, Brought::Tokens(_)) {
                        self.doings.note_refresh();
                    }
                    if saving.journalled {
                        self.is_in_the_store(after.id, finish.attempt).await;
                    }
                    return Ok(None);
                }
                Err(error) => error,
            };
            saving.tries += 1;
            if saving.replayed {
                return Err(error.into());
            }
            let worth_keeping = matches!(finish.brought, Brought::Tokens(_) | Brought::Candidate(_));
            if worth_keeping {
                self.write_into_journal(after, saving, &error).await;
            }
            let patience = match saving.journalled || !worth_keeping {
                true => SAFE_PATIENCE.min(self.limits.save),
                false => self.limits.save,
            };
            let patient = self.clock.uptime().saturating_sub(saving.started) < patience;
            if !patient || !(may_pass(&error) || worth_keeping) {
                let (name, detail) = (name.clone(), error.to_string());
                return Err(match (saving.journalled, worth_keeping) {
                    (true, _) => Error::Journalled { name, detail },
                    (false, true) => unsaved(name, detail),
                    (false, false) => error.into(),
                });
            }
            if saving.is_to_be_told() {
                tracing::warn!(connection = %name, tries = saving.tries, detail = %error, "the store did not take an outcome; trying again");
            }
            self.hold_on(finish, saving).await;
            let salt = jitter(self.seed, finish.id, u64::from(saving.tries));
            self.clock.sleep(SAVE_BACKOFF.after(saving.tries, salt)).await;
        }
    }

    /// Has the store take an outcome. While it takes its time, what must not be lost goes into the journal.
    async fn finish(
        &self,
        after: &Connection,
        finish: &Finish,
        saving: &mut Saving,
    ) -> Result<Finished, StoreError> {
        let finishing = self.store.finish_attempt(finish);
        tokio::pin!(finishing);
        if let Some(outcome) = self.within(JOURNAL_AFTER, &mut finishing).await {
            return outcome;
        }
        if matches!(finish.brought, Brought::Tokens(_) | Brought::Candidate(_)) {
            let why = StoreError::Unavailable { detail: "it takes its time".to_owned() };
            self.write_into_journal(after, saving, &why).await;
        }
        finishing.await
    }

    /// Extends the lease now and then: whoever else wants this connection must not send the same refresh token meanwhile.
    async fn hold_on(&self, finish: &Finish, saving: &mut Saving) {
        let uptime = self.clock.uptime();
        if saving.renewed_at.is_none_or(|at| uptime.saturating_sub(at) >= UNSAVED_LEASE / 3) {
            saving.renewed_at = Some(uptime);
            let _ = self.store.renew_lease(finish.attempt, UNSAVED_LEASE).await;
        }
    }

    /// Writes an answer into the journal, unless it is there.
    async fn write_into_journal(&self, after: &Connection, saving: &mut Saving, why: &StoreError) {
        let Some(precious) = saving.precious.as_ref().filter(|_| !saving.journalled) else { return };
        let name = &after.name;
        let entry = self.entry(after.id, &precious.attempt, &precious.answer);
        match self.journal.append(&entry).await {
            Ok(()) => {
                saving.journalled = true;
                tracing::warn!(connection = %name, %why, "the store did not take a new token set; it is in the journal");
                self.serve_from_journal(after.clone());
            }
            Err(error) if saving.tell_of_danger() => {
                tracing::error!(connection = %name, %why, %error, "NEITHER the store NOR the journal takes a new token set: it is in the memory of this process only, which must not end; make room, or give it back its disk");
            }
            Err(_) => {}
        }
    }
}

/// Whether trying again may help.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::OutcomeUnknown { .. })
}

pub(crate) fn unsaved(name: ConnectionName, detail: String) -> Error {
    tracing::error!(connection = %name, %detail, "a new token set could not be stored and is lost");
    Error::Unsaved { name, detail }
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
