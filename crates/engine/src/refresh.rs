//! A refresh that somebody asked for.

use jiff::Timestamp;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::state::State;

use crate::flight::Landing;
use crate::issue_token::{FIRST_LOOK, LONGEST_LOOK};
use crate::take::Purpose;
use crate::{Engine, Error};

/// What came of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The number of the new token set.
    pub generation: u64,
    /// When its access token ends; `None` when unknown.
    pub expires_at: Option<Timestamp>,
}

impl Refreshed {
    /// The token set that a connection has got since it was `before`. One that was imported meanwhile is none: nobody knows yet
    /// whether it works.
    pub fn since(before: &Connection, after: &Connection) -> Option<Self> {
        let tokens = &after.grant.as_ref()?.tokens;
        let (generation, expires_at) = (tokens.generation, tokens.expires_at);
        let is_served = !after.state.is_unverified() && after.state != State::Disconnecting;
        (generation > before.generation() && is_served).then_some(Self { generation, expires_at })
    }
}

impl Engine {
    /// Refreshes a connection now, before its time and also where only a person was thought to be of help.
    ///
    /// Where somebody else is refreshing it, their token set is taken. A token that is imported meanwhile is refreshed in turn.
    ///
    /// # Errors
    ///
    /// When there is no new token set; see [`Error`].
    pub async fn refresh(&self, name: &ConnectionName) -> Result<Refreshed, Error> {
        let inner = &self.inner;
        let mut before = inner.named(name).await?;
        let mut started = inner.clock.uptime();
        let mut look = FIRST_LOOK;
        loop {
            let left = inner.limits.reader.saturating_sub(inner.clock.uptime().saturating_sub(started));
            let wanted = Purpose::Request { generation: before.generation() };
            let flight = self.fly(&before, wanted, left).await?;
            let after = inner.named(name).await?;
            if let Some(refreshed) = Refreshed::since(&before, &after) {
                return Ok(refreshed);
            }
            if after.generation() > before.generation() && after.state.is_unverified() {
                before = after;
                continue;
            }
            match flight.landing {
                // A flight that somebody else started may have had another purpose.
                Some(Landing::Done) if !flight.ours && !left.is_zero() => {}
                Some(Landing::StaysDue) => {
                    if inner.is_overdue(&after) {
                        started = inner.clock.uptime();
                    }
                    inner.clock.sleep(look.min(left)).await;
                    look = (look * 3 / 2).min(LONGEST_LOOK);
                }
                Some(Landing::Done) => return Err(inner.why_not(&after).await),
                None => return Err(Error::Busy { name: name.clone() }),
            }
        }
    }
}
