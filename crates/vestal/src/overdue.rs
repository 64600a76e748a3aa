//! Whether what is due is left undone, since nobody keeps to the schedule.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::Connection;
use vestal_core::schedule::{IdleEnd, idle_end};
use vestal_core::state::State;
use vestal_core::store::{Held, StoreError};
use vestal_core::token::{LARGEST_SKEW, saturating_add};

use crate::context::Vestal;

/// What is due was left for longer by nobody who looks every twelve hours, as a line for cron may have it.
const PATIENCE: Duration = Duration::from_secs(13 * 3600);

/// What dies of disuse is due once half of its life is over, at the latest. Once this share more is, it was left.
const SHARE: u32 = 10;

/// As many of those that are due are looked at, which are those that die first.
const LOOKED_AT: u32 = 100;

/// What to ask oneself then.
pub(crate) const WHO_KEEPS: &str = "is vestal serve running, or its line for cron? see: vestal doctor";

/// Since when something is due that was left undone. `first`: when the first one is due.
pub(crate) async fn of_all(
    vestal: &Vestal,
    first: Option<Timestamp>,
) -> Result<Option<Timestamp>, StoreError> {
    let (store, now) = (vestal.engine.store(), vestal.engine.now());
    let Some(first) = first.filter(|first| *first < now) else { return Ok(None) };
    let looked_at = looked_at(vestal).await?;
    if is_overdue(first, None, looked_at, now) {
        return Ok(Some(first));
    }
    let due = store.due(now, LOOKED_AT, &Held::default()).await?;
    let ids: Vec<_> = due.iter().map(|due| due.connection).collect();
    let (connections, clients) = (store.connections_by_id(&ids).await?, store.clients().await?.clients);
    let left = connections.iter().filter_map(|connection| {
        let client = clients.iter().find(|client| client.id == connection.client)?;
        left(connection, unused(vestal, connection, &client.provider), looked_at, now)
    });
    Ok(left.min())
}

/// Since when a connection is due that was left undone.
pub(crate) async fn of_one(
    vestal: &Vestal,
    connection: &Connection,
    provider: &str,
) -> Result<Option<Timestamp>, StoreError> {
    let (dies, now) = (unused(vestal, connection, provider), vestal.engine.now());
    // That somebody has looked only puts it off.
    if left(connection, dies, None, now).is_none() {
        return Ok(None);
    }
    Ok(left(connection, dies, looked_at(vestal).await?, now))
}

/// When the schedule was looked at to be kept to, by whichever process.
async fn looked_at(vestal: &Vestal) -> Result<Option<Timestamp>, StoreError> {
    let (mark, latest) =
        (vestal.engine.store().mark().await?, saturating_add(vestal.engine.now(), LARGEST_SKEW));
    // A clock that was set back since does not hide for long that nobody does.
    Ok(mark.map(|mark| mark.at).filter(|at| *at <= latest))
}

/// When a connection that works dies, if nobody refreshes it.
pub(crate) fn unused(vestal: &Vestal, connection: &Connection, provider: &str) -> Option<IdleEnd> {
    // What fails is told as failing, and tried again at times of its own.
    let works = matches!(connection.state, State::Active | State::Unverified { .. });
    let (grant, provider) =
        connection.grant.as_ref().filter(|_| works).zip(vestal.engine.catalogue().get(provider).ok())?;
    idle_end(grant, &provider, vestal.engine.now())
}

fn left(
    connection: &Connection,
    dies: Option<IdleEnd>,
    looked_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let under_way = connection.lease.as_ref().is_some_and(|lease| lease.valid);
    let due_at = connection.plan.due_at.filter(|_| connection.state.is_refreshed() && !under_way)?;
    is_overdue(due_at, dies, looked_at, now).then_some(due_at)
}

/// Whether it was left undone: neither was it done in time, nor did anybody look after it was due who may be at it, or have reasons to
/// leave it. Where a life is short, time is.
fn is_overdue(
    due_at: Timestamp,
    dies: Option<IdleEnd>,
    looked_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let looked_at = looked_at.unwrap_or(Timestamp::MIN);
    let by = saturating_add(due_at.max(looked_at), PATIENCE);
    let soon = dies.map(|end| {
        let half = end.at.checked_sub(end.limit / 2).unwrap_or(Timestamp::MIN);
        saturating_add(due_at.max(looked_at).max(half), end.limit / SHARE)
    });
    soon.into_iter().chain([by]).min().is_some_and(|by| by < now)
}

#[cfg(test)]
mod tests {
    use vestal_core::schedule::Basis;

    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    /// Issued at 0.
    fn overdue(due_at: i64, life: Option<i64>, looked_at: Option<i64>, now: i64) -> bool {
        let at = |second| Timestamp::from_second(second).unwrap();
        let dies = life.map(|life| IdleEnd {
            at: at(life),
            limit: Duration::from_secs(life.unsigned_abs()),
            basis: Basis::Assumed,
        });
        is_overdue(at(due_at), dies, looked_at.map(at), at(now))
    }

    #[test]
    fn what_was_left_is_overdue_long_before_it_dies() {
        for (due_at, life, looked_at, now, is) in [
            // Nobody was ever there.
            (12 * HOUR, Some(180 * DAY), None, 25 * HOUR, false),
            (12 * HOUR, Some(180 * DAY), None, 25 * HOUR + 1, true),
            (12 * HOUR, None, None, 25 * HOUR + 1, true),
            (90 * DAY, Some(180 * DAY), None, 90 * DAY + 13 * HOUR + 1, true),
            // What lives shortly is due at half of its life, and has a tenth more.
            (15, Some(30), None, 18, false),
            (15, Some(30), None, 19, true),
            (15, Some(30), None, 31, true),
            // Its access token is due earlier: that is a matter of freshness.
            (HOUR / 2, Some(10 * HOUR), None, 6 * HOUR, false),
            (HOUR / 2, Some(10 * HOUR), None, 6 * HOUR + 1, true),
            // It was imported when most of its life was over.
            (20 * HOUR, Some(DAY), None, 22 * HOUR, false),
            (20 * HOUR, Some(DAY), None, 23 * HOUR, true),
            // Somebody came back, and catches up; and was gone again.
            (HOUR, None, Some(5 * DAY - 300), 5 * DAY, false),
            (HOUR, Some(30 * DAY), Some(5 * DAY - 300), 5 * DAY, false),
            (HOUR, None, Some(5 * DAY), 5 * DAY + 13 * HOUR + 1, true),
            (15, Some(30), Some(20), 24, true),
        ] {
            assert_eq!(overdue(due_at, life, looked_at, now), is, "{due_at} {life:?} {looked_at:?} {now}");
        }
    }

    #[test]
    fn whoever_looks_every_twelve_hours_or_oftener_leaves_nothing() {
        for every in [HOUR, 6 * HOUR, 12 * HOUR] {
            for life in [None, Some(DAY), Some(7 * DAY), Some(180 * DAY)] {
                let (mut refreshed_at, mut looked_at) = (0, None);
                // Access tokens of an hour, of a day, and those that are refreshed for their refresh token's sake alone.
                for due_in in [HOUR / 2, 12 * HOUR, life.unwrap_or(DAY) / 2] {
                    for minute in 0..(30 * DAY / 60) {
                        let now = minute * 60;
                        if now % every == 0 {
                            let is_due = refreshed_at + due_in <= now + 12 * HOUR;
                            (refreshed_at, looked_at) = (if is_due { now } else { refreshed_at }, Some(now));
                        }
                        let since = |at: i64| at - refreshed_at;
                        let told =
                            since(now) > due_in && overdue(due_in, life, looked_at.map(since), since(now));
                        assert!(!told, "every {every}, life {life:?}, due in {due_in}, after {}", since(now));
                    }
                    refreshed_at = 0;
                }
            }
        }
    }
}
