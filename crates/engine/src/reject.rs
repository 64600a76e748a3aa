//! A reader was told by the provider's API that its access token is not accepted (401, RFC 6750 §3.1).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::id::ConnectionId;
use vestal_core::outcome::after_rejection;
use vestal_core::state::Transition;

use crate::change::update_to;
use crate::{Engine, Error, Inner, Refreshed, Want};

/// Refreshes because of rejections are not made more often.
const AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// A token that is rejected so long after the refresh which brought it was not rejected since it never served: it may have
/// ended, where nobody says how long tokens live.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// So many fresh tokens in a row that are rejected show that refreshing does not help.
const FRESH_TOKENS: u32 = 2;

/// Rejections of which this process knows.
#[derive(Default)]
pub(crate) struct Rejections {
    by_connection: Mutex<BTreeMap<ConnectionId, Rejected>>,
}

#[derive(Clone, Copy)]
struct Rejected {
    /// The generation that the refresh brought which followed.
    fresh: u64,
    /// How many in a row were rejected.
    in_a_row: u32,
    /// In the clock's uptime.
    at: Duration,
}

/// What came of a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is another token set than the one that was rejected.
    Newer(Refreshed),
    /// A refresh followed a rejection just now.
    TooSoon,
    /// No access token of this generation has been given out: the newest is of this one.
    Unknown {
        /// The newest generation.
        newest: u64,
    },
    /// Tokens were rejected as soon as they were fresh: it is not their age that is wrong.
    NotTheTokensAge,
}

impl Engine {
    /// Takes note that the access token of this generation was rejected, and refreshes it, if it is still the current one:
    /// once in a while, and not if fresh ones are rejected too.
    ///
    /// # Errors
    ///
    /// When there is no new token set; see [`Error`].
    pub async fn reject(&self, name: &ConnectionName, generation: u64) -> Result<Rejection, Error> {
        let inner = &self.inner;
        let connection = inner.named(name).await?;
        let id = connection.id;
        if generation > connection.generation() {
            return Ok(Rejection::Unknown { newest: connection.generation() });
        }
        if let Some(grant) = connection.grant.as_ref().filter(|_| connection.generation() != generation) {
            // One that was imported without an access token has none to try instead yet: it is had as any reader has it, however
            // often this is said.
            if grant.tokens.access_token.is_none() {
                let issued = self.issue_token(name, Want::default()).await?;
                let (generation, expires_at) = (issued.generation, issued.expires_at);
                return Ok(Rejection::Newer(Refreshed { generation, expires_at }));
            }
            let (generation, expires_at) = (grant.tokens.generation, grant.tokens.expires_at);
            return Ok(Rejection::Newer(Refreshed { generation, expires_at }));
        }
        let uptime = inner.clock.uptime();
        let before = inner.rejections.of(id, uptime);
        let in_a_row = match before {
            Some(before) if before.fresh == generation => before.in_a_row + 1,
            _ => 0,
        };
        if in_a_row >= FRESH_TOKENS {
            return Ok(Rejection::NotTheTokensAge);
        }
        // Also where another process refreshed it.
        let age =
            connection.grant.as_ref().map(|grant| inner.clock.now().duration_since(grant.tokens.issued_at));
        let young = age.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age < AT_MOST_EVERY);
        if young || before.is_some_and(|before| uptime.saturating_sub(before.at) < AT_MOST_EVERY) {
            return Ok(Rejection::TooSoon);
        }
        // Before the refresh: one that fails is not tried again for each report.
        inner.rejections.note(id, Rejected { fresh: generation, in_a_row, at: uptime });
        inner.end_by_rejection(connection, generation).await?;
        let refreshed = match self.refresh(name).await {
            Ok(refreshed) => refreshed,
            Err(error) => {
                // Should its answer be lost, nothing is held for the sake of a token that was rejected.
                inner.end_by_rejection(inner.named(name).await?, generation).await?;
                return Err(error);
            }
        };
        inner.rejections.note(id, Rejected { fresh: refreshed.generation, in_a_row, at: uptime });
        Ok(Rejection::Newer(refreshed))
    }
}

impl Inner {
    /// Ends what was for the sake of an access token that does not serve any more, while it is the current one: the hold of
    /// an unknown outcome, or a grant that nothing renews.
    async fn end_by_rejection(&self, connection: Connection, generation: u64) -> Result<(), Error> {
        let provider = self.provider_of(&connection).await?;
        let end = |stored: &Connection| {
            let now = self.clock.now();
            let transition = after_rejection(stored, &provider, now, self.seed)?;
            let told = match &transition {
                Transition::Die { reason } => Some(What::NeedsReauth { why: reason.clone() }),
                _ => None,
            };
            let state = stored.state.clone().apply(transition, now).ok()?;
            if stored.generation() != generation || state == stored.state {
                return None;
            }
            let mut after = Connection { state, ..stored.clone() };
            after.plan = self.plan(&after, &provider, now);
            let event = |what| Event { connection: stored.id, at: now, what };
            Some(update_to(&after, told.map(event).into_iter().collect()))
        };
        self.change_connection(connection, |stored| Ok(end(stored))).await.map(drop)
    }
}

impl Rejections {
    fn of(&self, id: ConnectionId, uptime: Duration) -> Option<Rejected> {
        self.lock().get(&id).copied().filter(|rejected| uptime.saturating_sub(rejected.at) < FRESH_FOR)
    }

    fn note(&self, id: ConnectionId, rejected: Rejected) {
        let mut by_connection = self.lock();
        by_connection.retain(|_, other| rejected.at.saturating_sub(other.at) < FRESH_FOR);
        by_connection.insert(id, rejected);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ConnectionId, Rejected>> {
        self.by_connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
