//! Revoking a grant and forgetting the connection.

use std::time::Duration;

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::provider::RevokedToken;
use vestal_core::schedule::Plan;
use vestal_core::state::{State, Transition};

use crate::change::update_to;
use crate::issue_token::is_fresh;
use crate::settle::Standing;
use crate::take::Purpose;
use crate::{Engine, Error, Inner, Revocation};

/// The wait between looks at a connection whose refresh is under way.
const LOOK: Duration = Duration::from_millis(50);

/// More than are ever kept of one connection.
const ALL_EVENTS: u32 = 1_000;

/// Why a grant cannot be ended just now.
const NO_LIVE_TOKEN: &str =
    "it takes an access token that works; the last one has ended, and it could not be renewed";

/// What disconnecting came to.
#[derive(Clone, Debug)]
pub struct Disconnected {
    /// The connection, which is gone.
    pub name: ConnectionName,
    /// What became of the grant.
    pub revocation: Revocation,
}

impl Engine {
    /// Revokes the grant, unless it is to be kept, and removes the connection.
    ///
    /// A refresh that is under way ends first: what it brings has to be revoked. Where the provider cannot be reached,
    /// nothing is removed, and the same call goes on later. Where it cannot even be asked, nothing is begun.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchConnection`]; [`Error::Busy`]; [`Error::Journalled`]; [`Error::Untaken`];
    /// [`Error::NotRevoked`]; [`Error::Store`].
    pub async fn disconnect(&self, name: &ConnectionName, keep_grant: bool) -> Result<Disconnected, Error> {
        let inner = &self.inner;
        if !keep_grant {
            inner.take_from_journal(name).await?;
            inner.can_be_revoked(name).await?;
        }
        let needed_a_person = inner.begin_disconnecting(name).await?;
        let connection = inner.when_at_rest(name, keep_grant).await?;
        let id = connection.id;
        let revocation = match keep_grant {
            true => Revocation::Kept,
            false => self.end_grant(connection, needed_a_person).await?,
        };
        inner.store.remove_connection(id).await?;
        Ok(Disconnected { name: name.clone(), revocation })
    }

    /// Ends the grant. Where the file says how, and that takes an access token that works, and the last one has ended, the next one is got first:
    /// also where the connection was paused, or is being taken apart for longer than a token lives.
    async fn end_grant(
        &self,
        mut connection: Connection,
        needed_a_person: bool,
    ) -> Result<Revocation, Error> {
        let inner = &self.inner;
        let Some(grant) = &connection.grant else { return Ok(Revocation::NothingToRevoke) };
        let revoker = inner.revoker_of(&connection, grant).await?;
        let Some((asked, provider)) = revoker.stated() else {
            return inner.revoke(&connection, grant, &revoker).await;
        };
        let mut is_dead = needed_a_person || inner.is_known_dead(&connection).await?;
        if asked == RevokedToken::AccessToken {
            let lasts = |connection: &Connection, wanted| is_fresh(connection, wanted, inner.clock.now());
            let is_final = connection.grant.as_ref().is_none_or(|grant| provider.cannot_renew(grant));
            if !is_dead && !is_final && !lasts(&connection, None) {
                let purpose = Purpose::Disconnect { generation: connection.generation() };
                let flown = self.fly(&connection, purpose, inner.limits.reader).await;
                connection = inner.when_at_rest(&connection.name, false).await?;
                if !lasts(&connection, Some(Duration::ZERO)) {
                    flown?;
                    is_dead = inner.is_known_dead(&connection).await?;
                }
            }
            if !lasts(&connection, Some(Duration::ZERO)) {
                return match is_dead || is_final {
                    true => Ok(Revocation::NotOffered),
                    false => Err(revoker.not_done(&connection, NO_LIVE_TOKEN.to_owned(), true)),
                };
            }
        }
        let Some(grant) = &connection.grant else { return Ok(Revocation::NothingToRevoke) };
        match inner.revoke(&connection, grant, &revoker).await {
            // What the provider thinks of a dead grant's token says nothing new.
            Err(Error::NotRevoked { transient: false, .. }) if is_dead => Ok(Revocation::NotOffered),
            came => came,
        }
    }
}

impl Inner {
    /// An answer that cannot be taken from the journal stands in the way of revoking: a connection stays as it is for that.
    async fn take_from_journal(&self, name: &ConnectionName) -> Result<(), Error> {
        let connection = self.named(name).await?;
        // What is under way is waited for later.
        let under_way = self.flights.is_running(connection.id);
        if !under_way && connection.lease.as_ref().is_none_or(|lease| !lease.valid) {
            self.replay_of(&connection).await?;
        }
        Ok(())
    }

    /// Nor can a grant be ended that nothing could be sent for, as the provider's file has it: whoever corrects that, or keeps the
    /// grant, finds the connection as it was. What is dead needs no ending.
    async fn can_be_revoked(&self, name: &ConnectionName) -> Result<(), Error> {
        let connection = self.named(name).await?;
        let Some(grant) = &connection.grant else { return Ok(()) };
        let revoker = self.revoker_of(&connection, grant).await?;
        match self.check_request(&connection, grant, &revoker) {
            Err(Error::NotRevoked { .. })
                if connection.state.needs_reauth() || self.is_known_dead(&connection).await? =>
            {
                Ok(())
            }
            checked => checked,
        }
    }

    /// Returns whether only a person could help it before.
    async fn begin_disconnecting(&self, name: &ConnectionName) -> Result<bool, Error> {
        let connection = self.named(name).await?;
        let needed_a_person = connection.state.needs_reauth();
        let begin = |stored: &Connection| {
            if stored.state == State::Disconnecting {
                return Ok(None);
            }
            let now = self.clock.now();
            let state =
                stored.state.clone().apply(Transition::Disconnect, now).unwrap_or(State::Disconnecting);
            let after = Connection { state, plan: Plan::default(), ..stored.clone() };
            let what = What::Disconnecting;
            Ok(Some(update_to(&after, vec![Event { connection: after.id, at: now, what }])))
        };
        let changed = self.change_connection(connection, begin).await?;
        changed.to_one_that_exists(name)?;
        Ok(needed_a_person)
    }

    /// Whether the last that its history says of a connection's grant is that it is dead.
    async fn is_known_dead(&self, connection: &Connection) -> Result<bool, Error> {
        let events = self.store.events(Some(connection.id), 0, ALL_EVENTS).await?;
        let said = events.iter().rev().find_map(|stored| match stored.event.what {
            What::NeedsReauth { .. } => Some(true),
            What::Refreshed { .. } | What::Consented { .. } | What::Imported { .. } => Some(false),
            _ => None,
        });
        Ok(said.unwrap_or(false))
    }

    /// The connection once nobody is refreshing it, with what its last refresh brought.
    async fn when_at_rest(&self, name: &ConnectionName, keep_grant: bool) -> Result<Connection, Error> {
        let mut started = self.clock.uptime();
        loop {
            let stored = self.store.connection_named(name).await?;
            let connection = stored.ok_or_else(|| Error::NoSuchConnection { name: name.to_string() })?;
            match &connection.lease {
                Some(_) if self.flights.is_running(connection.id) => {}
                Some(lease) if matches!(self.standing(lease), Standing::Held) => {
                    if self.is_overdue(&connection) {
                        started = self.clock.uptime();
                    }
                }
                // Its answer may lie in a journal: the newest refresh token is the one to be revoked.
                _ => match self.replay_of(&connection).await {
                    Ok(true) => continue,
                    Err(error) if !keep_grant => return Err(error),
                    _ => return Ok(connection),
                },
            }
            if self.clock.uptime().saturating_sub(started) >= self.limits.reader {
                return Err(Error::Busy { name: name.clone() });
            }
            self.clock.sleep(LOOK).await;
        }
    }
}
