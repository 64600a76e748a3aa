//! A fresh access token, for whoever asks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::{Connection, ConnectionName, Policy};
use vestal_core::provider::Provider;
use vestal_core::schedule::{MinTtl, READ_RECENTLY, min_ttl};
use vestal_core::secret::SecretString;
use vestal_core::state::{Failing, State};
use vestal_core::token::{Grant, Renewal, saturating_add};

use crate::dpop::{BoundKey, is_bound};
use crate::flight::Landing;
use crate::take::Purpose;
use crate::{Engine, Error, Inner};

/// A read is noted once in this time, so that reading seldom writes.
const READ_NOTED_EVERY: Duration = Duration::from_secs(3600);

/// A reader waits at most this long for the note: a store that is busy writing does not hold up who only reads.
const NOTE_WITHIN: Duration = Duration::from_millis(100);

/// How long a reader who named no `min_ttl`, and whose token still serves, waits for a better one.
const PATIENCE_WITH_A_VALID_TOKEN: Duration = Duration::from_secs(2);

/// The waits between looks at a connection that another node is refreshing.
pub(crate) const FIRST_LOOK: Duration = Duration::from_millis(20);
pub(crate) const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// What a reader wants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want {
    /// How long the access token must still live; by default min(60 s, a tenth of its life).
    pub min_ttl: Option<Duration>,
    /// Whether the further fields are wanted too, which cost an opening.
    pub extra: bool,
}

/// An access token to use.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub access_token: SecretString,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// When it ends; `None` when unknown.
    pub expires_at: Option<Timestamp>,
    /// The scopes granted, where the provider said.
    pub scope: Option<String>,
    /// Its number.
    pub generation: u64,
    /// How long it had to live, and whether that was cut.
    pub min_ttl: MinTtl,
    /// It does not live that long, but still serves: it could not be renewed just now.
    pub short: bool,
    /// The last try to renew it failed.
    pub trouble: Option<Failing>,
    /// What else the provider said with it, and on the redirect, where that was wanted.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Of how many that it is good for what its API said is one, with `extra`; 0 where that was said of the grant before.
    pub found_among: Option<u32>,
    /// The key that it is bound to (RFC 9449), for [`Engine::proof`].
    pub bound_to: Option<BoundKey>,
}

impl IssuedToken {
    /// The scheme that it is sent with in an `Authorization` header (RFC 6750 §2.1).
    pub fn scheme(&self) -> &str {
        match self.token_type.as_str() {
            // Schemes are compared without case (RFC 9110 §11.1), but not by every server.
            bearer if bearer.eq_ignore_ascii_case("bearer") => "Bearer",
            other => other,
        }
    }
}

impl Engine {
    /// A fresh access token. Refreshes first where it must, with everybody else who wants the same; serves a
    /// token that is still valid while its refresh is failing or stuck.
    ///
    /// # Errors
    ///
    /// When there is no token that serves; see [`Error`].
    pub async fn issue_token(&self, name: &ConnectionName, want: Want) -> Result<IssuedToken, Error> {
        let inner = &self.inner;
        let mut started = inner.clock.uptime();
        let mut look = FIRST_LOOK;
        let mut flown = false;
        loop {
            let connection = inner.named(name).await?;
            let now = inner.clock.now();
            if is_fresh(&connection, want.min_ttl, now) {
                return inner.serve(&connection, want, now).await;
            }
            let serves = is_valid(&connection, now);
            let limit = match want.min_ttl {
                None if serves => PATIENCE_WITH_A_VALID_TOKEN,
                _ => inner.limits.reader,
            };
            let left = limit.saturating_sub(inner.clock.uptime().saturating_sub(started));
            let in_flight = connection.lease.as_ref().is_some_and(|lease| lease.valid);
            let at_once =
                serves && (in_flight || connection.state.failing().is_some()) && want.min_ttl.is_none();
            if flown || left.is_zero() || at_once || !may_refresh(&connection) {
                return inner.serve(&connection, want, now).await;
            }
            let generation = connection.generation();
            let flight = match self.fly(&connection, Purpose::Read { generation }, left).await {
                Ok(flight) => flight,
                // Its new token is as safe as in the store.
                Err(Error::Journalled { .. }) if !flown && inner.journalled_named(name).is_some() => {
                    flown = true;
                    continue;
                }
                Err(_) if serves => return inner.serve(&connection, want, now).await,
                Err(error) => return Err(error),
            };
            match flight.landing {
                // A flight that somebody else started may have had another purpose.
                Some(Landing::Done) => flown = flight.ours,
                Some(Landing::StaysDue) => {
                    if !serves && inner.is_overdue(&connection) {
                        started = inner.clock.uptime();
                    }
                    inner.clock.sleep(look.min(left)).await;
                    look = (look * 3 / 2).min(LONGEST_LOOK);
                }
                None => {}
            }
        }
    }

    /// Joins or starts a flight.
    pub(crate) async fn fly(
        &self,
        connection: &Connection,
        purpose: Purpose,
        patience: Duration,
    ) -> Result<Flown, Error> {
        let inner = &self.inner;
        let id = connection.id;
        let client = connection.client;
        let seat = inner.flights.join_or_start(id, || Arc::clone(inner).fly(id, client, purpose, None));
        let ours = seat.ours;
        let landing = inner.within(patience, seat.landing()).await.transpose()?;
        Ok(Flown { landing, ours })
    }
}

/// What is known of a flight that was waited for.
pub(crate) struct Flown {
    /// How it ended; `None` when it took longer than there was patience.
    pub(crate) landing: Option<Landing>,
    /// Whether it was started for whoever waits.
    pub(crate) ours: bool,
}

impl Inner {
    pub(crate) async fn named(&self, name: &ConnectionName) -> Result<Connection, Error> {
        let journalled = self.journalled_named(name);
        let stored = match (self.store.connection_named(name).await, journalled) {
            // The store takes nothing, and may not be there at all: what is in the journal is as safe.
            (Ok(Some(stored)), Some(newer)) if newer.generation() > stored.generation() => Some(newer),
            (Err(_), Some(newer)) => Some(newer),
            (stored, _) => stored?,
        };
        stored.ok_or_else(|| Error::NoSuchConnection { name: name.to_string() })
    }

    /// Serves the access token if it is valid, and says why not otherwise.
    async fn serve(&self, connection: &Connection, want: Want, now: Timestamp) -> Result<IssuedToken, Error> {
        let grant = match &connection.grant {
            Some(grant) if is_valid(connection, now) => grant,
            _ => return Err(self.why_not(connection).await),
        };
        let Some(access_token) = self.access_token(connection, grant)? else {
            return Err(self.why_not(connection).await);
        };
        let issued = IssuedToken {
            access_token,
            token_type: grant.tokens.token_type.clone(),
            expires_at: grant.tokens.expires_at,
            scope: grant.tokens.scope.clone(),
            generation: grant.tokens.generation,
            min_ttl: min_ttl(want.min_ttl, grant.tokens.life()),
            short: !is_fresh(connection, want.min_ttl, now),
            trouble: connection.state.failing().cloned(),
            found_among: grant.about.found.as_ref().filter(|_| want.extra).map(|found| found.among),
            extra: if want.extra { self.all_extra(connection, grant) } else { Default::default() },
            bound_to: self.bound_to(connection, grant).await?,
        };
        self.note_read(connection, now).await;
        Ok(issued)
    }

    /// The key that the current access token is bound to.
    async fn bound_to(&self, connection: &Connection, grant: &Grant) -> Result<Option<BoundKey>, Error> {
        if !is_bound(&grant.tokens.token_type) || grant.means.is_none() {
            return Ok(None);
        }
        let opened = self.open_client(connection.client).await?;
        let client = self.open_at_site_of(&opened, Some(grant))?;
        let key = self.means(connection, grant, &client)?.signing_key();
        Ok(key.map(|key| BoundKey(Arc::new(key))))
    }

    /// What came with the tokens, and with the redirect before, or what the API said: what a use of it needs besides.
    fn all_extra(
        &self,
        connection: &Connection,
        grant: &Grant,
    ) -> serde_json::Map<String, serde_json::Value> {
        let found = grant.about.found.iter().flat_map(|found| &found.values);
        let kept = grant.about.redirect.iter().chain(found);
        let mut extra: serde_json::Map<_, _> =
            kept.map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        extra.extend(self.open_extra(connection.id, grant.id, &grant.tokens).unwrap_or_default());
        extra
    }

    /// Notes that the token is being read, at most once an hour: under [`Policy::Auto`] that keeps it fresh. What
    /// goes wrong here is not the reader's concern.
    async fn note_read(&self, connection: &Connection, now: Timestamp) {
        let noted = connection.last_read_at;
        if noted.is_some_and(|at| at <= now && saturating_add(at, READ_NOTED_EVERY) > now) {
            return;
        }
        let mut read = connection.clone();
        read.last_read_at = Some(now);
        let was_read = noted.is_some_and(|at| saturating_add(at, READ_RECENTLY) >= now);
        // Only where the reading changes what is due does the provider's file have to be opened.
        let plan = match connection.policy {
            Policy::Auto if !was_read => match self.provider_of(connection).await {
                Ok(provider) => self.plan(&read, &provider, now),
                Err(_) => connection.plan,
            },
            _ => connection.plan,
        };
        let (store, id, revision) = (Arc::clone(&self.store), connection.id, connection.revision);
        let under_way = Arc::clone(&self.notes).read_owned().await;
        let noting = tokio::spawn(async move {
            if let Err(error) = store.mark_read(id, revision, now, &plan).await {
                tracing::debug!(connection = %id, %error, "a read was not noted");
            }
            drop(under_way);
        });
        // It goes on when this reader does not wait for its end; `drain` does.
        let _ = self.within(NOTE_WITHIN, noting).await;
    }

    /// Why a connection has no token to serve.
    pub(crate) async fn why_not(&self, connection: &Connection) -> Error {
        let exchanged = connection.grant.as_ref().is_some_and(|grant| grant.renewal == Renewal::Exchange);
        // Only for those does it take the provider's file to know whether they can be renewed.
        let provider = if exchanged { self.provider_of(connection).await.ok() } else { None };
        self.why_not_by(connection, provider.as_deref())
    }

    /// The same, where the provider's file is at hand.
    pub(crate) fn why_not_by(&self, connection: &Connection, provider: Option<&Provider>) -> Error {
        let is_final = |grant: &Grant| match provider {
            Some(provider) => provider.cannot_renew(grant),
            None => grant.renewal == Renewal::None,
        };
        let name = connection.name.clone();
        match &connection.state {
            State::Pending => Error::Pending { name },
            State::Disconnecting => Error::Disconnecting { name },
            State::Paused { .. } => Error::Paused { name },
            State::NeedsReauth { reason, since } => Error::NeedsReauth {
                name,
                reason: reason.clone(),
                since: *since,
                last_issued_at: connection.grant.as_ref().map(|grant| grant.tokens.issued_at),
            },
            State::Failing(failing) => {
                Error::Failing { name, cause: failing.cause.clone(), next: failing.next }
            }
            State::Unverified { .. } | State::Active => match &connection.grant {
                None => Error::Pending { name },
                Some(grant) if is_final(grant) => Error::NeedsReauth {
                    name,
                    reason: vestal_core::state::Reason::NothingToRenewWith,
                    since: grant.tokens.expires_at.unwrap_or(grant.tokens.issued_at),
                    last_issued_at: Some(grant.tokens.issued_at),
                },
                Some(_) => Error::Busy { name },
            },
        }
    }
}

/// Whether an access token lives long enough for a reader, at this time.
pub(crate) fn is_fresh(connection: &Connection, wanted: Option<Duration>, now: Timestamp) -> bool {
    let Some(grant) = &connection.grant else { return false };
    let tokens = &grant.tokens;
    let wanted = min_ttl(wanted, tokens.life()).effective;
    let is_there = tokens.access_token.is_some() && !tokens.is_from_the_future(now);
    is_there && tokens.expires_at.is_none_or(|end| end > saturating_add(now, wanted))
}

/// Whether the access token serves at all, at this time.
fn is_valid(connection: &Connection, now: Timestamp) -> bool {
    connection.state != State::Disconnecting && is_fresh(connection, Some(Duration::ZERO), now)
}

/// Whether a refresh could help a reader.
fn may_refresh(connection: &Connection) -> bool {
    let renewable = connection.grant.as_ref().is_some_and(|grant| grant.renewal != Renewal::None);
    renewable && matches!(connection.state, State::Active | State::Unverified { .. } | State::Failing(_))
}
