//! When to refresh, and why.
//!
//! [`schedule`] is a pure function: it has no clock, no randomness and no I/O of its own. Its answer holds
//! every wish and every floor with its reason, so that whoever asks "why then?" gets the whole truth.
//!
//! next = max(floors, min(wishes))

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::backoff::LONGEST_RETRY_AFTER;
use crate::connection::{Connection, Policy};
use crate::id::ConnectionId;
use crate::provider::{ExchangeStep, IdleLimit, Provider};
use crate::state::{Cause, Failing, State};
use crate::token::{Grant, LARGEST_SKEW, RefreshEnd, Renewal, saturating_add};

mod answer;
mod ends;
mod min_ttl;
mod turns;
pub use answer::{Floor, Hold, Next, Plan, QuotaPlan, Schedule, Why, WhyNever, Wish};
pub use ends::{AbsoluteEnd, Basis, IdleEnd, absolute_end, idle_end};
pub use min_ttl::{MinTtl, min_ttl};
pub use turns::{LONGEST_SPREAD, turn};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest safety margin before an access token's end.
pub const MARGIN: Duration = Duration::from_secs(60);

/// An access token that was read within this time is wanted fresh.
pub const READ_RECENTLY: Duration = Duration::from_secs(7 * 24 * 3600);

/// Refreshes a day that [`Policy::Auto`] finds cheap whether or not the token is read.
const CHEAP_A_DAY: u32 = 4;

/// The idle limit that is assumed where nobody knows it.
pub const ASSUMED_IDLE_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Jitter moves a refresh earlier by less than this share of its interval.
const JITTER_SHARE: f64 = 0.1;

/// No connection is refreshed more often, whatever its provider says of lifetimes.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Decides when a connection is to be refreshed next.
///
/// `seed` is the store's: with the connection's id and generation it gives the jitter, which therefore is the
/// same after a restart.
pub fn schedule(
    connection: &Connection,
    provider: &Provider,
    quota: &QuotaPlan,
    now: Timestamp,
    seed: u64,
) -> Schedule {
    let stopped = match &connection.state {
        State::Pending => Some(WhyNever::WaitingForConsent),
        State::NeedsReauth { .. } => Some(WhyNever::NeedsReauth),
        State::Paused { .. } => Some(WhyNever::Paused),
        State::Disconnecting => Some(WhyNever::Disconnecting),
        State::Unverified { .. } | State::Active | State::Failing(_) => None,
    };
    let Some(grant) = &connection.grant else {
        return never(stopped.unwrap_or(WhyNever::WaitingForConsent));
    };
    let idle_end = idle_end(grant, provider, now);
    let absolute_end = absolute_end(grant, provider);
    let rest = |wishes, floors, next| Schedule { next, wishes, floors, idle_end, absolute_end };
    let renewable = match grant.renewal {
        Renewal::RefreshToken => grant.tokens.refresh_token.is_some(),
        _ => !provider.cannot_renew(grant),
    };
    if let Some(why) = stopped.or((!renewable).then_some(WhyNever::NothingToRenewWith)) {
        return rest(vec![], vec![], Next::Never(why));
    }

    // A clock that was set back must not put the next refresh off: a token cannot be younger than new.
    let issued_at = grant.tokens.issued_at.min(now);
    let jitter = share(seed, connection.id, grant.tokens.generation);
    let wishes: Vec<Wish> = [
        freshness(connection, grant, provider, quota, now),
        idle_end.map(|end| keep_alive(end, provider.exchange_step(grant), issued_at)),
        provider.renew_within().map(|within| Wish {
            at: saturating_add(issued_at, within - within / 10),
            why: Why::WithinTime { within },
        }),
    ]
    .into_iter()
    .flatten()
    .map(|wish| Wish {
        // Where the age is not known, it may be any: what has an end in time is wished for now.
        at: if grant.tokens.is_from_the_future(now) { now } else { earlier(wish.at, issued_at, jitter) },
        ..wish
    })
    .chain(at_once(connection, now))
    .collect();

    let floors = floors(connection, grant, provider, quota, now);
    let next = match wishes.iter().min_by_key(|wish| wish.at) {
        None if connection.policy == Policy::OnDemand => Next::Never(WhyNever::OnDemand),
        None => Next::Never(WhyNever::OnRejection),
        Some(wish) => match floors.iter().max_by_key(|floor| floor.at) {
            Some(floor) if floor.at > wish.at => {
                Next::At { at: floor.at, why: wish.why, held_by: Some(floor.why) }
            }
            _ => Next::At { at: wish.at, why: wish.why, held_by: None },
        },
    };
    rest(wishes, floors, next)
}

/// The wish for what dies unless it is used: a refresh token, or an access token that is exchanged itself.
fn keep_alive(end: IdleEnd, step: Option<ExchangeStep>, issued_at: Timestamp) -> Wish {
    let half = saturating_add(issued_at, end.limit / 2);
    match step {
        None => Wish { at: half, why: Why::KeepAlive { limit: end.limit, basis: end.basis } },
        Some(ExchangeStep::Lengthen) => Wish { at: issued_at, why: Why::Lengthen { life: end.limit } },
        Some(ExchangeStep::Renew) => Wish { at: half, why: Why::Exchange { life: end.limit } },
    }
}

fn never(why: WhyNever) -> Schedule {
    let (wishes, floors) = (vec![], vec![]);
    Schedule { next: Next::Never(why), wishes, floors, idle_end: None, absolute_end: None }
}

/// The wish for an access token that is fresh whenever somebody needs it.
fn freshness(
    connection: &Connection,
    grant: &Grant,
    provider: &Provider,
    quota: &QuotaPlan,
    now: Timestamp,
) -> Option<Wish> {
    let exchanged = grant.renewal == Renewal::Exchange;
    if connection.policy == Policy::OnDemand || provider.prefers_refresh_on_rejection() || exchanged {
        return None;
    }
    let life = life(grant, provider)?;
    let issued_at = grant.tokens.issued_at.min(now);
    let stretch = quota.stretch.max(1.0);
    let half = life / 2;
    let cheap = half.saturating_mul(CHEAP_A_DAY) >= DAY;
    let read = connection.last_read_at.is_some_and(|at| saturating_add(at, READ_RECENTLY) >= now);
    if connection.policy == Policy::Auto && !cheap && !read {
        let why = Why::Daily { life, stretch };
        return Some(Wish { at: saturating_add(issued_at, stretched(DAY, stretch)), why });
    }
    // Half is always earlier than the end less min(margin, life/10).
    let why = Why::HalfLife { life, stretch };
    Some(Wish { at: saturating_add(issued_at, stretched(half, stretch)), why })
}

fn stretched(interval: Duration, stretch: f64) -> Duration {
    if stretch > 1.0 {
        Duration::try_from_secs_f64(interval.as_secs_f64() * stretch).unwrap_or(Duration::MAX)
    } else {
        interval
    }
}

/// The access token's whole life: what the answer said, or else the provider's file.
fn life(grant: &Grant, provider: &Provider) -> Option<Duration> {
    grant.tokens.life().or_else(|| provider.access_token_life()).filter(|life| !life.is_zero())
}

/// The wishes that have no interval to jitter in.
fn at_once(connection: &Connection, now: Timestamp) -> Option<Wish> {
    match &connection.state {
        State::Failing(failing) => Some(Wish { at: failing.since.min(now), why: Why::Retry }),
        // Further away than those that are imported together are spread, it was put down by a clock that was wrong.
        State::Unverified { verify_at }
            if *verify_at > saturating_add(now, LONGEST_SPREAD + LARGEST_SKEW) =>
        {
            Some(Wish { at: now, why: Why::Verify })
        }
        State::Unverified { verify_at } => Some(Wish { at: *verify_at, why: Why::Verify }),
        _ => None,
    }
}

fn floors(
    connection: &Connection,
    grant: &Grant,
    provider: &Provider,
    quota: &QuotaPlan,
    now: Timestamp,
) -> Vec<Floor> {
    let mut floors = Vec::new();
    if !grant.tokens.is_from_the_future(now) {
        let issued_at = grant.tokens.issued_at;
        // What was imported and not tried yet was not refreshed just now, whenever it was issued.
        let imported = matches!(connection.state, State::Unverified { .. });
        // Issued by a clock that is ahead, nobody knows that it is new; and a floor must not move along with the time.
        if !imported && issued_at <= saturating_add(now, SHORTEST_INTERVAL) {
            let at = saturating_add(issued_at, SHORTEST_INTERVAL);
            floors.push(Floor { at, why: Hold::ShortestInterval });
        }
        let is_short_lived = provider.exchange_step(grant) == Some(ExchangeStep::Lengthen);
        if let Some(age) = provider.minimum_age().filter(|_| !is_short_lived) {
            floors.push(Floor { at: saturating_add(issued_at, age), why: Hold::MinimumAge });
        }
    }
    if let Some(at) = quota.not_before {
        floors.push(Floor { at, why: Hold::Quota });
    }
    // What a clock that was wrong has judged is judged anew, at once.
    if let State::Failing(failing) = &connection.state
        && !failing.is_from_the_future(now)
    {
        let latest = saturating_add(now, longest_wait(failing, grant, provider, now));
        let mut held = vec![Floor { at: failing.next, why: Hold::AfterFailure }];
        if let Cause::OutcomeUnknown(unknown) = &failing.cause {
            held.push(Floor { at: unknown.hold_until, why: Hold::OutcomeUnknown });
        }
        // No wait is as long as that: the clock was set back since.
        floors.extend(held.into_iter().filter(|floor| floor.at <= latest));
    }
    floors
}

/// No failure is followed by a longer wait: an unknown outcome is held for an access token's life, or until the
/// refresh token is about to die of disuse.
fn longest_wait(failing: &Failing, grant: &Grant, provider: &Provider, now: Timestamp) -> Duration {
    let hold = match failing.cause {
        Cause::OutcomeUnknown { .. } => {
            let idle = idle_end(grant, provider, now).map(|end| end.limit);
            life(grant, provider).into_iter().chain(idle).max()
        }
        _ => None,
    };
    hold.map_or(LONGEST_RETRY_AFTER, |hold| hold.max(LONGEST_RETRY_AFTER))
}

/// `at`, moved earlier by a share of its distance from `from`.
fn earlier(at: Timestamp, from: Timestamp, share: f64) -> Timestamp {
    match Duration::try_from(at.duration_since(from)) {
        Ok(interval) => saturating_add(from, interval - interval.mul_f64(share * JITTER_SHARE)),
        Err(_) => at,
    }
}

/// A number in [0, 1) that is always the same for the same connection and try.
fn share(seed: u64, id: ConnectionId, attempt: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the lowest bits of a jitter do not matter")]
    let share = (jitter(seed, id, attempt) >> 11) as f64 / (1u64 << 53) as f64;
    share
}

/// Evenly spread bits that are always the same for the same connection and try.
pub fn jitter(seed: u64, id: ConnectionId, attempt: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(id.as_uuid().as_bytes());
    hash.update(attempt.to_be_bytes());
    let mut bits = [0; 8];
    bits.copy_from_slice(&hash.finalize()[..8]);
    u64::from_be_bytes(bits)
}

#[cfg(test)]
mod tests;
