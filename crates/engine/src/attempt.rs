//! One attempt at a refresh. Its order is the product's promise (README, "What is promised"):
//!
//! 1. Take the lease and write the attempt down, durably, having decided on what is stored now.
//! 2. Send one request, within [`SEND_WITHIN`] of taking the lease. Nothing below this line ever sends a second one.
//! 3. Store the answer, durably, before anybody is given the new access token (`save.rs`).
//! 4. Close the attempt and release the lease, in the same write.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Attempt, Connection, Lease};
use vestal_core::event::{Event, Trigger, What};
use vestal_core::id::{AttemptId, ConnectionId};
use vestal_core::outcome::judge_abandoned;
use vestal_core::provider::{Grace, Provider};
use vestal_core::schedule::{Hold, min_ttl};
use vestal_core::secret::SecretString;
use vestal_core::state::{Reason, State, Transition};
use vestal_core::store::{AttemptStatus, Begin, Brought, Finish, StoreError, Update, Write};
use vestal_core::token::{Renewal, saturating_add};
use vestal_oauth::http::Exchange;
use vestal_oauth::{UnsendableUrl, client_credentials, refresh_token};

use crate::flight::Landing;
use crate::{Error, Inner};

/// A request is sent within this time of taking the lease, by a clock that goes on while the machine sleeps: whoever
/// wakes up later starts over, since another node may hold the lease by then.
pub(crate) const SEND_WITHIN: Duration = Duration::from_secs(2);

/// Attempts in one flight: a first one, one at once after a lost answer, and one to spare.
const ATTEMPTS_PER_FLIGHT: usize = 3;

/// How often somebody else may write in between before we give up.
pub(crate) const CONTENTION_TRIES: usize = 64;

/// What a flight is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    pub(crate) trigger: Trigger,
    /// The generation that is not good enough any more; `None` where the plan alone decides.
    pub(crate) generation: Option<u64>,
}

/// What one attempt came to.
enum Step {
    Landed(Landing),
    /// The next try is due at once.
    Again,
}

/// Everything that is needed to send, opened before the lease is taken.
pub(crate) struct Cargo {
    pub(crate) client: Client,
    pub(crate) provider: Arc<Provider>,
    pub(crate) refresh_token: Option<SecretString>,
    request: Result<http::Request<bytes::Bytes>, UnsendableUrl>,
}

impl Inner {
    /// Refreshes a connection once, and at once again where the outcome asks for it.
    pub(crate) async fn fly(self: Arc<Self>, id: ConnectionId, purpose: Purpose) -> Result<Landing, Error> {
        for _ in 0..ATTEMPTS_PER_FLIGHT {
            match self.attempt(id, purpose).await? {
                Step::Landed(landing) => return Ok(landing),
                Step::Again => {}
            }
        }
        Ok(Landing::Done)
    }

    async fn attempt(&self, id: ConnectionId, purpose: Purpose) -> Result<Step, Error> {
        let Some(connection) = self.store.connection(id).await? else {
            return Ok(Step::Landed(Landing::Done));
        };
        let Some(client) = self.store.client(connection.client).await? else {
            let lacks = "does not exist any more".to_owned();
            return Err(Error::Client { client: connection.client.to_string(), lacks });
        };
        // The slot comes first: who waits for one holds no lease meanwhile.
        let somebody_waits = purpose.trigger != Trigger::Schedule;
        let host = client.endpoints.token.host_str().unwrap_or_default().to_owned();
        let _slot = self.hosts.slot(&host, somebody_waits).await;

        let provider = self.catalogue.get(&client.provider)?;
        let (connection, attempt, cargo, taken_at) = match self.take(id, purpose, client, provider).await? {
            Taken::Yes(taken) => *taken,
            Taken::No(landing) => return Ok(Step::Landed(landing)),
        };
        if self.clock.uptime().saturating_sub(taken_at) > SEND_WITHIN {
            self.give_back(connection, &attempt).await?;
            return Ok(Step::Again);
        }

        let deadline = deadline(&cargo.provider, self.limits.answer);
        let exchange = match cargo.request.clone() {
            Ok(request) => self.http.send(request, deadline).await,
            Err(unsendable) => Exchange::from(unsendable),
        };
        let after = self.conclude(connection, &attempt, exchange, &cargo, purpose.trigger).await?;
        let now = self.clock.now();
        match after.state.failing().map(|failing| failing.next) {
            Some(next) if next <= now => Ok(Step::Again),
            _ => Ok(Step::Landed(Landing::Done)),
        }
    }

    /// Step 1: decides on what is stored, takes the lease and writes the attempt down.
    async fn take(
        &self,
        id: ConnectionId,
        purpose: Purpose,
        client: Client,
        provider: Arc<Provider>,
    ) -> Result<Taken, Error> {
        let Some(mut connection) = self.store.connection(id).await? else {
            return Ok(Taken::No(Landing::Done));
        };
        for _ in 0..CONTENTION_TRIES {
            let now = self.clock.now();
            if let Some(lease) = &connection.lease {
                // Whatever the plan says, an attempt that was given up is looked at first: it may have to be held.
                if !lease.valid {
                    self.settle(&connection, &lease.attempt, &provider).await?;
                } else if self.nodes.is_gone(lease.attempt.node) {
                    self.store.release_node(lease.attempt.node).await?;
                } else {
                    return Ok(Taken::No(Landing::HeldElsewhere));
                }
                match self.store.connection(id).await? {
                    Some(current) => connection = current,
                    None => return Ok(Taken::No(Landing::Done)),
                }
                continue;
            }
            if !self.is_to_be_refreshed(&connection, &provider, purpose, now) {
                match self.put_off(&connection, &provider, purpose).await? {
                    None => return Ok(Taken::No(Landing::Done)),
                    Some(current) => connection = *current,
                }
                continue;
            }

            let cargo = self.load(&connection, &client, Arc::clone(&provider))?;
            let Some(grant) = &connection.grant else { return Ok(Taken::No(Landing::Done)) };
            let attempt = Attempt {
                id: AttemptId::new(now, &*self.entropy),
                node: self.node,
                grant: grant.id,
                generation: grant.tokens.generation,
                fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
                started_at: now,
            };
            let begin = Begin {
                id,
                expected: connection.revision,
                attempt: attempt.clone(),
                lease_for: lease_for(&provider, self.limits.answer),
                state: connection.state.clone(),
                events: vec![],
            };
            self.nodes.announce();
            let taken_at = self.clock.uptime();
            match self.begin(&begin).await? {
                Write::Gone => return Ok(Taken::No(Landing::Done)),
                Write::Moved(current) => connection = *current,
                Write::Done => {
                    connection.revision += 1;
                    let until = saturating_add(now, begin.lease_for);
                    connection.lease = Some(Lease { attempt: attempt.clone(), until, valid: true });
                    return Ok(Taken::Yes(Box::new((connection, attempt, cargo, taken_at))));
                }
            }
        }
        Err(Error::Contended { name: connection.name })
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
        let moved = purpose.generation.is_some_and(|generation| generation != connection.generation());
        if grant.renewal == Renewal::None || moved {
            return false;
        }
        match (&connection.state, purpose.trigger) {
            (State::Pending | State::Disconnecting | State::Paused { .. }, _) => return false,
            (State::NeedsReauth { .. }, Trigger::Schedule | Trigger::Read) => return false,
            _ => {}
        }
        let schedule = self.schedule(connection, provider, now);
        let mut held = schedule.floors.iter().filter(|floor| floor.at > now);
        match purpose.trigger {
            Trigger::Schedule => schedule.plan().due_at.is_some_and(|due_at| due_at <= now),
            Trigger::Read => held.next().is_none(),
            // Somebody who asks may try before the time, but not put a token that still serves at risk.
            Trigger::Request => !held.any(|floor| floor.why == Hold::OutcomeUnknown),
        }
    }

    /// Gives an abandoned attempt up, and writes down what that means: whoever comes next decides on it.
    async fn settle(
        &self,
        connection: &Connection,
        abandoned: &Attempt,
        provider: &Provider,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut after = connection.clone();
        after.lease = None;
        if let Some(transition) = judge_abandoned(connection, abandoned, provider, now, self.seed)
            && let Ok(state) = connection.state.clone().apply(transition, now)
        {
            after.state = state;
        }
        let what = What::Abandoned { attempt: abandoned.id, node: abandoned.node };
        let finish = Finish {
            id: connection.id,
            expected: connection.revision,
            attempt: abandoned.id,
            at: now,
            brought: Brought::Unknown,
            plan: self.plan(&after, provider, now),
            state: after.state,
            events: vec![Event { connection: connection.id, at: now, what }],
        };
        // Where somebody wrote in between, the caller reads what.
        self.save(&connection.name, &finish).await.map(|_| ())
    }

    /// Writes the plan down under which a connection is not to be refreshed now: otherwise it would stay due. `Some`:
    /// somebody wrote in between.
    async fn put_off(
        &self,
        connection: &Connection,
        provider: &Provider,
        purpose: Purpose,
    ) -> Result<Option<Box<Connection>>, Error> {
        let now = self.clock.now();
        if purpose.trigger != Trigger::Schedule {
            return Ok(None);
        }
        let mut after = connection.clone();
        let mut events = Vec::new();
        if crate::cannot_be_renewed(connection) && !is_fresh(connection, Some(Duration::ZERO), now) {
            let reason = Reason::NothingToRenewWith;
            let what = What::NeedsReauth { why: reason.clone() };
            if let Ok(state) = connection.state.clone().apply(Transition::Die { reason }, now) {
                after.state = state;
                events.push(Event { connection: connection.id, at: now, what });
            }
        }
        after.plan = self.plan(&after, provider, now);
        if after == *connection {
            return Ok(None);
        }
        let update = Update {
            id: after.id,
            expected: after.revision,
            state: after.state,
            plan: after.plan,
            policy: after.policy,
            grant: None,
            events,
        };
        match self.store.update_connection(&update).await? {
            Write::Done | Write::Gone => Ok(None),
            Write::Moved(current) => Ok(Some(current)),
        }
    }

    /// Opens everything that is needed to send. Fails before any lease is taken.
    fn load(
        &self,
        connection: &Connection,
        client: &Client,
        provider: Arc<Provider>,
    ) -> Result<Cargo, Error> {
        let credentials = self.credentials(client)?;
        let Some(grant) = &connection.grant else {
            return Err(Error::Pending { name: connection.name.clone() });
        };
        let token_endpoint = &client.endpoints.token;
        let refresh_token = self.refresh_token(connection, grant, client)?;
        let request = match (grant.renewal, &refresh_token) {
            (Renewal::RefreshToken, Some(token)) => {
                refresh_token::token_request(token_endpoint, &credentials, token)
            }
            (Renewal::ClientCredentials, _) => {
                client_credentials::token_request(token_endpoint, &credentials, &client.scopes)
            }
            (Renewal::RefreshToken | Renewal::None, _) => return Err(self.why_not(connection)),
        };
        Ok(Cargo { client: client.clone(), provider, refresh_token, request })
    }

    /// Closes an attempt that was not sent.
    async fn give_back(&self, mut connection: Connection, attempt: &Attempt) -> Result<(), Error> {
        for _ in 0..CONTENTION_TRIES {
            let finish = Finish {
                id: connection.id,
                expected: connection.revision,
                attempt: attempt.id,
                at: self.clock.now(),
                brought: Brought::Nothing,
                state: connection.state.clone(),
                plan: connection.plan,
                events: vec![],
            };
            match self.save(&connection.name, &finish).await? {
                None => return Ok(()),
                Some(current) => connection = *current,
            }
        }
        Err(Error::Contended { name: connection.name })
    }
}

/// What came of trying to take the lease.
enum Taken {
    Yes(Box<(Connection, Attempt, Cargo, Duration)>),
    No(Landing),
}

/// How long a provider may take to answer: short enough that a lost answer can be asked for again within its grace.
fn deadline(provider: &Provider, longest: Duration) -> Duration {
    match provider.grace() {
        Grace::For(grace) => longest.min(grace / 3),
        _ => longest,
    }
}

/// How long a lease lasts: it outlives the request, and ends early enough for somebody else to ask within the grace.
fn lease_for(provider: &Provider, longest: Duration) -> Duration {
    deadline(provider, longest) * 3 / 2
}

/// Whether an access token lives long enough for a reader, at this time.
pub(crate) fn is_fresh(connection: &Connection, wanted: Option<Duration>, now: Timestamp) -> bool {
    let Some(grant) = &connection.grant else { return false };
    let tokens = &grant.tokens;
    let wanted = min_ttl(wanted, tokens.life()).effective;
    !tokens.is_from_the_future(now) && tokens.expires_at.is_none_or(|end| end > saturating_add(now, wanted))
}
