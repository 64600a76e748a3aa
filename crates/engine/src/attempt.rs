//! One attempt at a refresh. Its order is the product's promise (README, "What is promised"):
//!
//! 1. Take the lease and write the attempt down, durably, having decided on what is stored now.
//! 2. Send one request, begun within [`SEND_WITHIN`] of taking the lease, and gone within [`DEPART_WITHIN`]. Nothing below this line ever sends a second one.
//! 3. Store the answer, durably, before anybody is given the new access token (`save.rs`).
//! 4. Close the attempt and release the lease, in the same write.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Attempt, Connection, Lease};
use vestal_core::event::Trigger;
use vestal_core::id::{AttemptId, ClientId, ConnectionId};
use vestal_core::journal::JournalError;
use vestal_core::outcome::{Reply, first_use, judged_anew};
use vestal_core::provider::{Grace, Provider, Reuse};
use vestal_core::schedule::{Hold, min_ttl};
use vestal_core::secret::SecretString;
use vestal_core::state::State;
use vestal_core::store::{AttemptStatus, Begin, StoreError, Write};
use vestal_core::token::{Renewal, saturating_add};
use vestal_oauth::departure::Departure;
use vestal_oauth::http::{Answer, Exchange};
use vestal_oauth::read::read_token_answer;
use vestal_oauth::{UnsendableUrl, client_credentials, refresh_token, sent};

use crate::flight::Landing;
use crate::gate::Health;
use crate::holds::host_of;
use crate::hosts::Slot;
use crate::learn::Lesson;
use crate::open_clients::OpenClient;
use crate::save::{Precious, Saving};
use crate::settle::{PutOff, Standing};
use crate::{Error, Inner};

/// A request is sent within this time of taking the lease, by a clock that goes on while the machine sleeps: whoever
/// wakes up later starts over, since another node may hold the lease by then.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(2);

/// The first byte leaves within this time of taking the lease, or never: a connection takes its time.
const DEPART_WITHIN: Duration = Duration::from_secs(7);

/// Attempts in one flight: a first one, and some that follow a lost answer at once or within a grace.
const ATTEMPTS_PER_FLIGHT: usize = 4;

/// A flight waits no longer for its own next try.
const LONGEST_WAIT_IN_FLIGHT: Duration = Duration::from_secs(10);

/// How often somebody else may write in between before we give up.
pub(crate) const CONTENTION_TRIES: usize = 64;

/// What a flight is for. Where somebody wants it, with the generation that is not good enough any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the plan says.
    Schedule,
    /// A reader wants a fresh access token.
    Read { generation: u64 },
    /// Somebody asks for a refresh.
    Request { generation: u64 },
}

impl Purpose {
    fn trigger(self) -> Trigger {
        match self {
            Self::Schedule => Trigger::Schedule,
            Self::Read { .. } => Trigger::Read,
            Self::Request { .. } => Trigger::Request,
        }
    }

    /// Whether somebody else has brought what was wanted.
    fn is_met_by(self, stored: u64) -> bool {
        match self {
            Self::Schedule => false,
            Self::Read { generation } | Self::Request { generation } => generation != stored,
        }
    }
}

/// What one attempt came to.
enum Step {
    Landed(Landing),
    /// The next try belongs to the same flight, after this time.
    Again(Duration),
    /// Taking the lease took so long that nothing was sent.
    TooLate,
}

/// What an answer is read with, opened before the lease is taken.
pub(crate) struct Cargo {
    pub(crate) client: Arc<Client>,
    pub(crate) provider: Arc<Provider>,
    /// The refresh token that is sent.
    pub(crate) refresh_token: Option<SecretString>,
}

/// Everything that is needed to send.
struct Taken {
    connection: Connection,
    attempt: Attempt,
    cargo: Cargo,
    request: Result<http::Request<bytes::Bytes>, UnsendableUrl>,
    /// When the lease was taken, in the clock's uptime.
    at: Duration,
    /// How long the provider may take to answer.
    deadline: Duration,
}

/// What came of trying to take the lease.
enum Take {
    Taken(Box<Taken>),
    Not(Landing),
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
            None => (self.slot(client).await?, None),
        };
        let mut too_late = false;
        for _ in 0..ATTEMPTS_PER_FLIGHT {
            match self.attempt(id, client, purpose, &slot, stored.take()).await? {
                Step::Landed(landing) => return Ok(landing),
                Step::TooLate => too_late = true,
                Step::Again(wait) => {
                    too_late = false;
                    if !wait.is_zero() {
                        // Others use it meanwhile.
                        drop(slot);
                        self.clock.sleep(wait).await;
                        slot = self.slot(client).await?;
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

    /// Waits for a slot of a client's host.
    async fn slot(&self, client: ClientId) -> Result<Slot, Error> {
        let host = host_of(&self.open_client(client).await?.client);
        Ok(self.hosts.slot(&host).await)
    }

    async fn attempt(
        &self,
        id: ConnectionId,
        client: ClientId,
        purpose: Purpose,
        slot: &Slot,
        stored: Option<Box<Connection>>,
    ) -> Result<Step, Error> {
        let client = self.open_client(client).await?;
        self.replay_before(id).await?;
        // No request is sent whose answer could not be saved.
        let _room = match self.journal.reserve().await {
            Ok(room) => room,
            Err(error) => return Err(self.why_nothing_is_saved(error).await),
        };
        let taken = match self.take(id, purpose, &client, stored).await? {
            Take::Taken(taken) => *taken,
            Take::Not(landing) => return Ok(Step::Landed(landing)),
        };
        let Taken { connection, attempt, cargo, request, at, deadline } = taken;
        if self.clock.uptime().saturating_sub(at) > SEND_WITHIN {
            self.give_back(connection, &attempt).await?;
            return Ok(Step::TooLate);
        }

        let sent = request.as_ref().map(sent::redactor).unwrap_or_default();
        let leaves_by = at + DEPART_WITHIN.min(lease_for(deadline) / 2);
        let unsendable = request.is_err();
        let exchange = match request {
            Ok(request) => self.http.send(self.departing(request, leaves_by), deadline).await,
            Err(unsendable) => Exchange::from(unsendable),
        };
        // What kept it from being sent is ours: the host was not even asked.
        let too_late = matches!(exchange, Exchange::NotSent { .. }) && self.clock.uptime() > leaves_by;
        let answer = match &exchange {
            Exchange::Answered(answer) => Some(answer.clone()),
            Exchange::NotSent { .. } | Exchange::NoAnswer { .. } => None,
        };
        let reading = read_token_answer(exchange, attempt.started_at, &sent);
        let may_hold_tokens = reading.raw.is_some() || matches!(reading.reply, Reply::Tokens(_));
        let precious = answer.filter(|_| may_hold_tokens).map(|answer| {
            let body = reading.raw.clone().unwrap_or_else(|| answer.body.clone());
            Precious { attempt: attempt.clone(), answer: Answer { body, ..answer } }
        });
        let saving = Saving::answer(precious, self.clock.uptime());
        let first_use = first_use(&connection);
        let after = self.conclude(connection, &attempt, &reading, &cargo, purpose.trigger(), saving).await?;
        let lesson = Lesson {
            reading: &reading,
            cargo: &cargo,
            attempt: &attempt,
            health: (!unsendable && !too_late).then(|| Health::of(&reading.reply)),
            sent_at: at,
            first_use,
            after: &after,
        };
        Box::pin(self.learn(lesson, slot)).await;
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

    /// Whether the next try belongs to this flight: where it is due at once, and where an answer was lost that has to be
    /// asked for again within a grace. Nobody else may look in time, and a command would end.
    fn again(&self, after: &Connection, provider: &Provider) -> Step {
        let Some(failing) = after.state.failing() else { return Step::Landed(Landing::Done) };
        let wait =
            Duration::try_from(failing.next.duration_since(self.clock.now())).unwrap_or(Duration::ZERO);
        let lost = failing.cause.is_outcome_unknown();
        match provider.grace() {
            _ if wait.is_zero() => Step::Again(wait),
            Grace::For(grace) if lost && wait < grace && wait <= LONGEST_WAIT_IN_FLIGHT => Step::Again(wait),
            _ => Step::Landed(Landing::Done),
        }
    }

    /// Step 1: decides on what is stored, takes the lease and writes the attempt down. Should the connection have changed
    /// since it was read, nothing is written, and it is decided anew.
    async fn take(
        &self,
        id: ConnectionId,
        purpose: Purpose,
        opened: &OpenClient,
        stored: Option<Box<Connection>>,
    ) -> Result<Take, Error> {
        let OpenClient { client, provider, .. } = opened;
        // A lease is judged by what is stored now.
        let mut connection = match stored.filter(|stored| stored.lease.is_none()) {
            Some(stored) => *stored,
            None => match self.store.connection(id).await? {
                Some(connection) => connection,
                None => return Ok(Take::Not(Landing::Done)),
            },
        };
        for _ in 0..CONTENTION_TRIES {
            let now = self.clock.now();
            if let Some(lease) = &connection.lease {
                // Whatever the plan says, an attempt that was given up is looked at first: it may have to be held.
                match self.standing(lease) {
                    Standing::Held => return Ok(Take::Not(Landing::HeldElsewhere)),
                    Standing::Ended => Box::pin(self.settle(&connection, &lease.attempt, provider)).await?,
                }
                match self.store.connection(id).await? {
                    Some(current) => connection = current,
                    None => return Ok(Take::Not(Landing::Done)),
                }
                continue;
            }
            if !matches!(purpose, Purpose::Request { .. })
                && self.must_not_judge_a_hold(&connection, client, provider)
            {
                return Ok(Take::Not(not_now(purpose)));
            }
            if let Some(state) = judged_anew(&connection, provider, now, self.seed) {
                match self.move_to(&connection, state, provider).await? {
                    Some(current) => connection = *current,
                    None => return Ok(Take::Not(Landing::Done)),
                }
                continue;
            }
            if !self.is_to_be_refreshed(&connection, provider, purpose, now) {
                match self.put_off(&connection, provider, purpose).await? {
                    PutOff::Done => return Ok(Take::Not(Landing::Done)),
                    PutOff::StaysDue => return Ok(Take::Not(not_now(purpose))),
                    PutOff::Moved(current) => connection = *current,
                }
                continue;
            }
            if matches!(purpose, Purpose::Read { .. })
                && let Some(objection) = self.objection(client, id, &connection.name)
            {
                return Err(objection);
            }

            let (cargo, request) = self.load(&connection, opened)?;
            let Some(grant) = &connection.grant else { return Ok(Take::Not(Landing::Done)) };
            let attempt = Attempt {
                id: AttemptId::new(now, &*self.entropy),
                node: self.node,
                grant: grant.id,
                generation: grant.tokens.generation,
                fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
                started_at: now,
            };
            let deadline = self.deadline(client)?;
            let begin = Begin {
                id,
                expected: connection.revision,
                attempt: attempt.clone(),
                lease_for: lease_for(deadline),
            };
            self.nodes.announce();
            let at = self.clock.uptime();
            match self.begin(&begin).await? {
                Write::Gone => return Ok(Take::Not(Landing::Done)),
                Write::Moved(current) => connection = *current,
                Write::Done => {
                    connection.revision += 1;
                    let until = saturating_add(now, begin.lease_for);
                    connection.lease = Some(Lease { attempt: attempt.clone(), until, valid: true });
                    return Ok(Take::Taken(Box::new(Taken {
                        connection,
                        attempt,
                        cargo,
                        request,
                        at,
                        deadline,
                    })));
                }
            }
        }
        Err(Error::Contended { name: connection.name })
    }

    fn deadline(&self, client: &Client) -> Result<Duration, Error> {
        Ok(deadline(&*self.catalogue.get(&client.provider)?, self.limits.answer))
    }

    /// Whether an unknown outcome is held, and this clock cannot tell how long: it has jumped, or the provider says that it
    /// is wrong; and trying the refresh token too early would be punished.
    fn must_not_judge_a_hold(&self, connection: &Connection, client: &Client, provider: &Provider) -> bool {
        let unknown = connection.state.failing().is_some_and(|failing| failing.cause.is_outcome_unknown());
        let punished = provider.reuse() == Reuse::Punished && !matches!(provider.grace(), Grace::For(_));
        let wrong = || self.time.is_doubted(self.clock.uptime()) || self.time.is_far_from(&host_of(client));
        unknown && punished && wrong()
    }

    /// Writes the start of an attempt, and finds out what became of a write whose outcome is unknown.
    async fn begin(&self, begin: &Begin) -> Result<Write, Error> {
        match self.store.begin_attempt(begin).await {
            Err(StoreError::OutcomeUnknown { detail }) => match self.store.attempt(begin.attempt.id).await? {
                Some(AttemptStatus::Open) => Ok(Write::Done),
                Some(AttemptStatus::Abandoned | AttemptStatus::Finished) | None => {
                    Err(StoreError::Unavailable { detail }.into())
                }
            },
            outcome => Ok(outcome?),
        }
    }

    /// Whether to refresh a connection, as it is stored now, that nobody is refreshing. Pure.
    fn is_to_be_refreshed(
        &self,
        connection: &Connection,
        provider: &Provider,
        purpose: Purpose,
        now: Timestamp,
    ) -> bool {
        let Some(grant) = &connection.grant else { return false };
        if grant.renewal == Renewal::None || purpose.is_met_by(connection.generation()) {
            return false;
        }
        match (&connection.state, purpose) {
            (State::Pending | State::Disconnecting | State::Paused { .. }, _) => return false,
            (State::NeedsReauth { .. }, Purpose::Schedule | Purpose::Read { .. }) => return false,
            _ => {}
        }
        let schedule = self.schedule(connection, provider, now);
        let mut held = schedule.floors.iter().filter(|floor| floor.at > now);
        match purpose {
            Purpose::Schedule => schedule.plan().due_at.is_some_and(|due_at| due_at <= now),
            Purpose::Read { .. } => held.next().is_none(),
            // Somebody who asks may try before the time, but not put a token that still serves at risk.
            Purpose::Request { .. } => !held.any(|floor| floor.why == Hold::OutcomeUnknown),
        }
    }

    /// Opens everything that is needed to send. Fails before any lease is taken.
    fn load(
        &self,
        connection: &Connection,
        opened: &OpenClient,
    ) -> Result<(Cargo, Result<http::Request<bytes::Bytes>, UnsendableUrl>), Error> {
        let OpenClient { client, provider, .. } = opened;
        let credentials = opened.credentials.as_ref().map_err(Clone::clone)?;
        let Some(grant) = &connection.grant else {
            return Err(Error::Pending { name: connection.name.clone() });
        };
        let (endpoints, requests) = (&client.endpoints, &provider.requests);
        let refresh_token = self.refresh_token(connection, grant, client)?;
        let request = match (grant.renewal, &refresh_token) {
            (Renewal::RefreshToken, Some(token)) => {
                refresh_token::token_request(endpoints.for_refreshes(), credentials, token, requests)
            }
            (Renewal::ClientCredentials, _) => {
                client_credentials::token_request(&endpoints.token, credentials, &client.scopes, requests)
            }
            (Renewal::RefreshToken | Renewal::None, _) => return Err(self.why_not(connection)),
        };
        let (client, provider) = (Arc::clone(client), Arc::clone(provider));
        Ok((Cargo { client, provider, refresh_token }, request))
    }
}

/// How long a provider may take to answer: short enough that a lost answer can be asked for again within the grace that
/// its file states. What was seen of it does not shorten that: a refusal may have had another reason.
fn deadline(file: &Provider, longest: Duration) -> Duration {
    match file.grace() {
        Grace::For(grace) => longest.min(grace / 3),
        _ => longest,
    }
}

/// How long a lease lasts: it outlives the request, and ends early enough for somebody else to ask within the grace.
fn lease_for(deadline: Duration) -> Duration {
    (deadline * 3 / 2).max(SEND_WITHIN + deadline)
}

/// What is due, and cannot be done now: the schedule comes back to it later.
fn not_now(purpose: Purpose) -> Landing {
    match purpose {
        Purpose::Schedule => Landing::HeldElsewhere,
        Purpose::Read { .. } | Purpose::Request { .. } => Landing::Done,
    }
}

/// Whether an access token lives long enough for a reader, at this time.
pub(crate) fn is_fresh(connection: &Connection, wanted: Option<Duration>, now: Timestamp) -> bool {
    let Some(grant) = &connection.grant else { return false };
    let tokens = &grant.tokens;
    let wanted = min_ttl(wanted, tokens.life()).effective;
    !tokens.is_from_the_future(now) && tokens.expires_at.is_none_or(|end| end > saturating_add(now, wanted))
}
