//! Taking the lease: whether a connection is to be refreshed, as it is stored now, and what is needed for that.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Attempt, Connection, Lease};
use vestal_core::event::Trigger;
use vestal_core::id::{AttemptId, ConnectionId};
use vestal_core::outcome::judged_anew;
use vestal_core::provider::{Grace, Provider, Reuse};
use vestal_core::schedule::Hold;
use vestal_core::secret::SecretString;
use vestal_core::state::State;
use vestal_core::store::{AttemptStatus, Begin, StoreError, Write};
use vestal_core::token::{Grant, Renewal, saturating_add};
use vestal_oauth::client_auth::Credentials;
use vestal_oauth::jwt::SigningKey;
use vestal_oauth::{Unsendable, exchange, refresh_token};

use crate::attempt::SEND_WITHIN;
use crate::change::CONTENTION_TRIES;
use crate::flight::Landing;
use crate::holds::host_of;
use crate::open_clients::OpenClient;
use crate::settle::{PutOff, Standing};
use crate::{Error, Inner};

/// What a flight is for. Where somebody wants it, with the generation that is not good enough any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the plan says.
    Schedule,
    /// A reader wants a fresh access token.
    Read { generation: u64 },
    /// Somebody asks for a refresh.
    Request { generation: u64 },
    /// The grant ends only by an access token that works.
    Disconnect { generation: u64 },
}

impl Purpose {
    pub(crate) fn trigger(self) -> Trigger {
        match self {
            Self::Schedule => Trigger::Schedule,
            Self::Read { .. } => Trigger::Read,
            Self::Request { .. } | Self::Disconnect { .. } => Trigger::Request,
        }
    }

    /// Whether somebody else has brought what was wanted.
    fn is_met_by(self, stored: u64) -> bool {
        match self {
            Self::Schedule => false,
            Self::Read { generation } | Self::Request { generation } | Self::Disconnect { generation } => {
                generation != stored
            }
        }
    }
}

/// What an answer is read with, opened before the lease is taken.
pub(crate) struct Cargo {
    pub(crate) client: Arc<Client>,
    pub(crate) provider: Arc<Provider>,
    /// The refresh token that is sent.
    pub(crate) refresh_token: Option<SecretString>,
}

/// Everything that is needed to send.
pub(crate) struct Taken {
    pub(crate) connection: Connection,
    pub(crate) attempt: Attempt,
    pub(crate) cargo: Cargo,
    /// Or why it cannot be sent.
    pub(crate) request: Result<http::Request<bytes::Bytes>, String>,
    /// The key that its tokens are bound to.
    pub(crate) proof_key: Option<SigningKey>,
    /// When the lease was taken, in the clock's uptime.
    pub(crate) at: Duration,
    /// How long the provider may take to answer.
    pub(crate) deadline: Duration,
}

/// What came of opening what is needed to send.
enum Load {
    Whole(Box<Whole>),
    /// The access token of this connection is needed first, to be exchanged.
    Needs(ConnectionId),
}

struct Whole {
    cargo: Cargo,
    request: Result<http::Request<bytes::Bytes>, String>,
    proof_key: Option<SigningKey>,
}

/// What came of trying to take the lease.
pub(crate) enum Take {
    Taken(Box<Taken>),
    Not(Landing),
    /// An answer was lost, and is to be asked for again within its grace: after this time.
    Later(Duration),
    /// The access token of this connection is needed first, to be exchanged.
    Needs(ConnectionId),
}

impl Inner {
    /// Step 1: decides on what is stored, takes the lease and writes the attempt down. Should the connection have changed
    /// since it was read, nothing is written, and it is decided anew.
    pub(crate) async fn take(
        &self,
        id: ConnectionId,
        purpose: Purpose,
        opened: &OpenClient,
        stored: Option<Box<Connection>>,
        subject: Option<&Result<SecretString, String>>,
    ) -> Result<Take, Error> {
        let provider = &opened.provider;
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
                    Standing::Held => return Ok(Take::Not(Landing::StaysDue)),
                    Standing::Ended => Box::pin(self.settle(&connection, &lease.attempt, provider)).await?,
                }
                match self.store.connection(id).await? {
                    Some(current) => connection = current,
                    None => return Ok(Take::Not(Landing::Done)),
                }
                continue;
            }
            let client = self.open_at_site_of(opened, connection.grant.as_ref())?;
            if !matches!(purpose, Purpose::Request { .. })
                && self.must_not_judge_a_hold(&connection, &client, provider)
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
                if !purpose.is_met_by(connection.generation())
                    && let Some(wait) = wait_within_grace(&connection, provider, now)
                {
                    return Ok(Take::Later(wait));
                }
                match self.put_off(&connection, provider, purpose).await? {
                    PutOff::Done => return Ok(Take::Not(Landing::Done)),
                    PutOff::StaysDue => return Ok(Take::Not(not_now(purpose))),
                    PutOff::Moved(current) => connection = *current,
                }
                continue;
            }
            if matches!(purpose, Purpose::Read { .. })
                && let Some(objection) = self.objection(&client, id, &connection.name)
            {
                return Err(objection);
            }

            let load = self.load(&connection, opened, client, subject)?;
            let Whole { cargo, request, proof_key } = match load {
                Load::Whole(whole) => *whole,
                Load::Needs(from) => return Ok(Take::Needs(from)),
            };
            let Some(grant) = &connection.grant else { return Ok(Take::Not(Landing::Done)) };
            let attempt = Attempt {
                id: AttemptId::new(now, &*self.entropy),
                node: self.node,
                grant: grant.id,
                generation: grant.tokens.generation,
                fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
                started_at: now,
            };
            let deadline = self.deadline(&cargo.client)?;
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
                        proof_key,
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
        if provider.cannot_renew(grant) || purpose.is_met_by(connection.generation()) {
            return false;
        }
        match (&connection.state, purpose) {
            // Nothing is held for the sake of a token that is to end.
            (State::Disconnecting, Purpose::Disconnect { .. }) => return true,
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
            Purpose::Request { .. } | Purpose::Disconnect { .. } => {
                !held.any(|floor| floor.why == Hold::OutcomeUnknown)
            }
        }
    }

    /// Opens everything that is needed to send to where the connection's client is. Fails before any lease is taken.
    fn load(
        &self,
        connection: &Connection,
        opened: &OpenClient,
        client: Arc<Client>,
        subject: Option<&Result<SecretString, String>>,
    ) -> Result<Load, Error> {
        let known = opened.prover.as_ref().map_err(Clone::clone)?;
        let credentials = &match Arc::ptr_eq(&client, &opened.client) {
            true => self.credentials(&client, known)?,
            false => {
                let prover = self.prover_at(&opened.client, &client.endpoints, &opened.provider.client)?;
                self.credentials(&client, &prover)?
            }
        };
        let Some(grant) = &connection.grant else {
            return Err(Error::Pending { name: connection.name.clone() });
        };
        let provider = &opened.provider;
        let (endpoints, requests) = (&client.endpoints, &provider.requests);
        self.check_keys(connection, grant)?;
        let refresh_token = self.refresh_token(connection, grant, &client)?;
        let means = self.means(connection, grant, &client)?;
        let alone = |subject| {
            let request = self.request_alone(grant.renewal, &client, credentials, provider, &means, subject);
            Ok::<_, Error>(request?.map_err(|error| error.to_string()))
        };
        let request = match (grant.renewal, &refresh_token) {
            (Renewal::RefreshToken, Some(token)) => refresh_token::token_request(
                endpoints.for_refreshes(),
                credentials,
                token,
                client.sent_redirect_uri(),
                &endpoints.resources,
                requests,
            )
            .map_err(|error| error.to_string()),
            (Renewal::Exchange, _) => {
                match self.exchange_request(connection, grant, &client, provider, credentials)? {
                    Some(request) => request.map_err(|error| error.to_string()),
                    None => return Err(self.why_not_by(connection, Some(provider))),
                }
            }
            (Renewal::TokenExchange, _) => match (&means.exchange, subject) {
                (Some(exchange), None) => return Ok(Load::Needs(exchange.from)),
                (_, Some(Err(detail))) => Err(detail.clone()),
                (_, subject) => alone(subject.and_then(|subject| subject.as_ref().ok()))?,
            },
            (Renewal::ClientCredentials | Renewal::JwtBearer, _) => alone(None)?,
            (Renewal::RefreshToken | Renewal::None, _) => {
                return Err(self.why_not_by(connection, Some(provider)));
            }
        };
        let proof_key = means.signing_key();
        let cargo = Cargo { client, provider: Arc::clone(provider), refresh_token };
        Ok(Load::Whole(Box::new(Whole { cargo, request, proof_key })))
    }

    /// The request that exchanges the access token itself; `None` where it is not exchanged any more.
    fn exchange_request(
        &self,
        connection: &Connection,
        grant: &Grant,
        client: &Client,
        provider: &Provider,
        credentials: &Credentials,
    ) -> Result<Option<Result<http::Request<bytes::Bytes>, Unsendable>>, Error> {
        let Some(step) = provider.exchange_step(grant) else { return Ok(None) };
        let Some(asked) = provider.exchange.of(step) else { return Ok(None) };
        // Imported without one, there is nothing to exchange.
        let Some(access_token) = self.access_token(connection, grant)? else { return Ok(None) };
        let endpoint = client.endpoints.for_exchanges(step);
        let request =
            exchange::token_request(endpoint, credentials, &access_token, asked, &provider.requests);
        Ok(Some(request))
    }
}

/// A flight waits no longer for its own next try.
pub(crate) const LONGEST_WAIT_IN_FLIGHT: Duration = Duration::from_secs(10);

/// How long to wait with asking again for a lost answer, where that has to happen within a grace: it belongs to the flight
/// that finds out, since nobody else may look in time, and a command would end.
pub(crate) fn wait_within_grace(
    connection: &Connection,
    provider: &Provider,
    now: Timestamp,
) -> Option<Duration> {
    let State::Failing(failing) = &connection.state else { return None };
    let grace = match provider.grace() {
        Grace::For(grace) => grace,
        // Many have one that nobody knows of.
        Grace::Unknown => LONGEST_WAIT_IN_FLIGHT * 2,
        Grace::None | Grace::OldStaysValid | Grace::UntilSuccessorUsed => return None,
    };
    let wait = Duration::try_from(failing.next.duration_since(now)).ok().filter(|wait| !wait.is_zero())?;
    let in_time = wait < grace && wait <= LONGEST_WAIT_IN_FLIGHT;
    (failing.cause.is_outcome_unknown() && in_time).then_some(wait)
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
pub(crate) fn lease_for(deadline: Duration) -> Duration {
    (deadline * 3 / 2).max(SEND_WITHIN + deadline)
}

/// What is due, and cannot be done now: the schedule comes back to it later.
fn not_now(purpose: Purpose) -> Landing {
    match purpose {
        Purpose::Schedule => Landing::StaysDue,
        Purpose::Read { .. } | Purpose::Request { .. } | Purpose::Disconnect { .. } => Landing::Done,
    }
}
