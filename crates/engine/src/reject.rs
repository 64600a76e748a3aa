//! A reader was told by the provider's API that its access token is not accepted (401, RFC 6750 §3.1).

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, KEPT_PER_CONNECTION, What};
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

/// What a connection's history tells of rejections, whichever process they were reported to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rejected {
    /// The last one that led to a refresh.
    last: Option<(u64, Timestamp)>,
    /// The refresh that followed.
    followed: Option<(u64, Timestamp)>,
    /// How many tokens in a row were brought by such a refresh, and rejected while they were fresh.
    fresh_in_a_row: u32,
}

impl Rejected {
    fn by(history: impl IntoIterator<Item = Event>) -> Self {
        history.into_iter().fold(Self::default(), |before, event| match event.what {
            What::Rejected { generation } => before.and(generation, event.at),
            What::Refreshed { generation, .. } if before.followed.is_none() => {
                Self { followed: Some((generation, event.at)), ..before }
            }
            What::Consented { .. } | What::Imported { .. } => Self::default(),
            _ => before,
        })
    }

    /// After the token of this generation is rejected, too.
    fn and(self, generation: u64, at: Timestamp) -> Self {
        let was_fresh = |since| within(FRESH_FOR, since, at);
        let fresh_in_a_row = match (self.last, self.followed) {
            // The refresh that it was to lead to failed.
            (Some((last, _)), _) if last == generation => self.fresh_in_a_row,
            (Some(_), Some((brought, since))) if brought == generation && was_fresh(since) => {
                self.fresh_in_a_row + 1
            }
            _ => 0,
        };
        Self { last: Some((generation, at)), followed: None, fresh_in_a_row }
    }
}

/// Whether it was at most so long ago. What the clock was set back since is not.
fn within(limit: Duration, since: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|age| age < limit)
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
        let now = inner.clock.now();
        let history = inner.store.events(Some(id), 0, 2 * KEPT_PER_CONNECTION).await?;
        let before = Rejected::by(history.into_iter().map(|stored| stored.event));
        if before.and(generation, now).fresh_in_a_row >= FRESH_TOKENS {
            return Ok(Rejection::NotTheTokensAge);
        }
        // Also where another process refreshed it.
        let issued_at = connection.grant.as_ref().map(|grant| grant.tokens.issued_at);
        let just_now = issued_at.into_iter().chain(before.last.map(|(_, at)| at));
        if just_now.into_iter().any(|at| within(AT_MOST_EVERY, at, now)) {
            return Ok(Rejection::TooSoon);
        }
        // Before the refresh: one that fails is not tried again for each report.
        inner.tell(id, What::Rejected { generation }).await?;
        inner.end_by_rejection(connection, generation).await?;
        let refreshed = match self.refresh(name).await {
            Ok(refreshed) => refreshed,
            Err(error) => {
                // Should its answer be lost, nothing is held for the sake of a token that was rejected.
                inner.end_by_rejection(inner.named(name).await?, generation).await?;
                return Err(error);
            }
        };
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

#[cfg(test)]
mod tests {
    use vestal_core::event::Trigger;
    use vestal_core::id::{AttemptId, ConnectionId};

    use super::*;

    fn rejected(generation: u64) -> What {
        What::Rejected { generation }
    }

    fn refreshed(generation: u64) -> What {
        let attempt = AttemptId::from_uuid(uuid::Uuid::nil());
        What::Refreshed { attempt, generation, rotated: true, expires_at: None, trigger: Trigger::Request }
    }

    /// How many fresh ones in a row are rejected with the last of these, which are some minutes after one another.
    fn in_a_row(apart_minutes: i64, history: &[What]) -> u32 {
        let connection = ConnectionId::from_uuid(uuid::Uuid::nil());
        let at = |place: usize| Timestamp::from_second(place as i64 * apart_minutes * 60).unwrap();
        let events = history.iter().enumerate().map(|(place, what)| Event {
            connection,
            at: at(place),
            what: what.clone(),
        });
        Rejected::by(events).fresh_in_a_row
    }

    #[test]
    fn only_fresh_tokens_that_rejections_brought_are_counted() {
        for (apart_minutes, history, expected) in [
            (2, vec![rejected(1)], 0),
            (2, vec![refreshed(2), rejected(2)], 0),
            (2, vec![rejected(1), refreshed(2), rejected(2)], 1),
            (2, vec![rejected(1), refreshed(2), rejected(2), refreshed(3), rejected(3)], 2),
            (11, vec![rejected(1), refreshed(2), rejected(2), refreshed(3), rejected(3)], 0),
            (2, vec![rejected(1), refreshed(2), rejected(2), rejected(2), refreshed(3), rejected(3)], 2),
            (2, vec![rejected(1), refreshed(2), refreshed(3), rejected(3)], 0),
            (2, vec![rejected(1), What::Paused, refreshed(2), What::Resumed, rejected(2)], 1),
        ] {
            assert_eq!(in_a_row(apart_minutes, &history), expected, "{apart_minutes} {history:?}");
        }
    }
}
