//! One attempt at a refresh. Its order is the product's promise (README, "What is promised"):
//!
//! 1. Take the lease and write the attempt down, durably, having decided on what is stored now (`take.rs`).
//! 2. Send one request, begun within [`SEND_WITHIN`] of taking the lease, and gone within [`DEPART_WITHIN`]. Nothing below this line ever sends a second one, but for a proof that lacked a nonce (`dpop.rs`).
//! 3. Store the answer, durably, before anybody is given the new access token (`save.rs`).
//! 4. Close the attempt and release the lease, in the same write.

use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::id::{AttemptId, ClientId, ConnectionId};
use vestal_core::journal::JournalError;
use vestal_core::outcome::{Reply, first_use};
use vestal_core::provider::Provider;
use vestal_core::secret::SecretString;
use vestal_core::store::StoreError;
use vestal_oauth::departure::Departure;
use vestal_oauth::http::{Answer, Exchange};
use vestal_oauth::read::read_token_answer_of;
use vestal_oauth::sent;

use crate::flight::Landing;
use crate::gate::Health;
use crate::hosts::Slot;
use crate::learn::Lesson;
use crate::save::{Precious, Saving};
use crate::take::{Purpose, Take, Taken, lease_for, wait_within_grace};
use crate::{Error, Inner};

/// A request is sent within this time of taking the lease, by a clock that goes on while the machine sleeps: whoever
/// wakes up later starts over, since another node may hold the lease by then.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(2);

/// The first byte leaves within this time of taking the lease, or never: a connection takes its time.
const DEPART_WITHIN: Duration = Duration::from_secs(7);

/// Attempts in one flight: a first one, and some that follow a lost answer at once or within a grace.
const ATTEMPTS_PER_FLIGHT: usize = 4;

/// What one attempt came to.
enum Step {
    Landed(Landing),
    /// The next try belongs to the same flight, after this time.
    Again(Duration),
    /// Taking the lease took so long that nothing was sent.
    TooLate,
    /// The access token of this connection is needed first, to be exchanged.
    Needs(ConnectionId),
}

impl Inner {
    /// Refreshes a connection once, and at once again where the outcome asks for it. A flight of the schedule comes with
    /// its slot, and with what was read just now.
    pub(crate) async fn fly(
        self: Arc<Self>,
        id: ConnectionId,
        client: ClientId,
        purpose: Purpose,
        scheduled: Option<(Slot, Option<Box<Connection>>)>,
    ) -> Result<Landing, Error> {
        // The slot comes first: who waits for one holds no lease meanwhile.
        let (mut slot, mut stored) = match scheduled {
            Some(scheduled) => scheduled,
            None => (self.slot(id, client).await?, None),
        };
        let mut too_late = false;
        let mut subject = None;
        for _ in 0..ATTEMPTS_PER_FLIGHT {
            match self.attempt(id, client, purpose, &slot, stored.take(), subject.as_ref()).await? {
                Step::Landed(landing) => return Ok(landing),
                Step::Needs(from) => {
                    // That one may need a slot of the same host.
                    drop(slot);
                    subject = Some(Arc::clone(&self).subject(from).await);
                    slot = self.slot(id, client).await?;
                }
                Step::TooLate => too_late = true,
                Step::Again(wait) => {
                    too_late = false;
                    if !wait.is_zero() {
                        // Others use it meanwhile.
                        drop(slot);
                        self.clock.sleep(wait).await;
                        slot = self.slot(id, client).await?;
                    }
                }
            }
        }
        if too_late {
            let detail =
                format!("it takes more than {} s to write that a refresh starts", SEND_WITHIN.as_secs());
            return Err(StoreError::Unavailable { detail }.into());
        }
        Ok(Landing::Done)
    }

    /// Waits for a slot of a connection's host.
    async fn slot(&self, id: ConnectionId, client: ClientId) -> Result<Slot, Error> {
        let host = self.host_for(id, client).await?;
        Ok(self.hosts.slot(&host, self.clock.uptime()).await)
    }

    async fn attempt(
        self: &Arc<Self>,
        id: ConnectionId,
        client: ClientId,
        purpose: Purpose,
        slot: &Slot,
        stored: Option<Box<Connection>>,
        subject: Option<&Result<SecretString, String>>,
    ) -> Result<Step, Error> {
        let client = self.open_client(client).await?;
        self.replay_before(id).await?;
        // No request is sent whose answer could not be saved.
        let _room = match self.journal.reserve().await {
            Ok(room) => room,
            Err(error) => return Err(self.why_nothing_is_saved(error).await),
        };
        let taken = match self.take(id, purpose, &client, stored, subject).await? {
            Take::Taken(taken) => *taken,
            Take::Not(landing) => return Ok(Step::Landed(landing)),
            Take::Later(wait) => return Ok(Step::Again(wait)),
            Take::Needs(from) => return Ok(Step::Needs(from)),
        };
        let Taken { connection, attempt, cargo, request, proof_key, at, deadline } = taken;
        if self.clock.uptime().saturating_sub(at) > SEND_WITHIN {
            self.give_back(connection, &attempt).await?;
            return Ok(Step::TooLate);
        }

        let sent = request.as_ref().map(sent::redactor).unwrap_or_default();
        let leaves_by = at + DEPART_WITHIN.min(lease_for(deadline) / 2);
        let unsendable = request.is_err();
        let exchange = match request {
            Ok(request) => self.send(self.departing(request, leaves_by), proof_key.as_ref(), deadline).await,
            Err(detail) => Exchange::NotSent { detail },
        };
        // What kept it from being sent may be ours, as a machine that slept: that says nothing of the host.
        let too_late = matches!(exchange, Exchange::NotSent { .. }) && self.clock.uptime() > leaves_by;
        let answer = match &exchange {
            Exchange::Answered(answer) => Some(answer.clone()),
            Exchange::NotSent { .. } | Exchange::ClientUnfit { .. } | Exchange::NoAnswer { .. } => None,
        };
        let shape = cargo.provider.answers.to_refresh();
        let reading = read_token_answer_of(exchange, attempt.started_at, &sent, shape);
        let may_hold_tokens = reading.raw.is_some() || matches!(reading.reply, Reply::Tokens(_));
        let precious = answer.filter(|_| may_hold_tokens).map(|answer| {
            let body = reading.raw.clone().unwrap_or_else(|| answer.body.clone());
            Precious { attempt: attempt.clone(), answer: Answer { body, ..answer } }
        });
        let saving = Saving::answer(precious, self.clock.uptime());
        let first_use = first_use(&connection);
        let after = self.conclude(connection, &attempt, &reading, &cargo, purpose.trigger(), saving).await?;
        if after.state.failing().is_some() {
            self.doings.note_failure();
        }
        let lesson = Lesson {
            reading: &reading,
            cargo: &cargo,
            attempt: &attempt,
            health: Health::of(&reading.reply).filter(|_| !unsendable && !too_late),
            begun_at: at,
            first_use,
            after: &after,
        };
        Box::pin(self.learn(lesson, slot)).await;
        self.look_up_after(&after, &reading.reply, &cargo);
        Ok(self.again(&after, &cargo.provider))
    }

    /// Has a request leave in time, or not at all: the lease must hold when its first byte is sent.
    fn departing(
        &self,
        mut request: http::Request<bytes::Bytes>,
        leaves_by: Duration,
    ) -> http::Request<bytes::Bytes> {
        let clock = Arc::clone(&self.clock);
        request.extensions_mut().insert(Departure::new(move || clock.uptime() <= leaves_by));
        request
    }

    /// Where the store takes nothing either, that is what has to be mended first.
    async fn why_nothing_is_saved(&self, error: JournalError) -> Error {
        let nobodys = AttemptId::new(self.clock.now(), &*self.entropy);
        match self.store.renew_lease(nobodys, Duration::ZERO).await {
            Err(StoreError::ReadOnly { detail }) => StoreError::ReadOnly { detail }.into(),
            _ => error.into(),
        }
    }

    /// Whether the next try belongs to this flight: where it is due at once, or has to be made within a grace.
    fn again(&self, after: &Connection, provider: &Provider) -> Step {
        let now = self.clock.now();
        match after.state.failing() {
            Some(failing) if failing.next <= now => Step::Again(Duration::ZERO),
            _ => match wait_within_grace(after, provider, now) {
                Some(wait) => Step::Again(wait),
                None => Step::Landed(Landing::Done),
            },
        }
    }
}
