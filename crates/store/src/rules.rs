//! What every store holds to in the same way.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vestal_core::event::{ATTEMPTS_KEPT_DAYS, KEPT_DAYS};
use vestal_core::id::ConnectionId;
use vestal_core::store::StoreError;
use vestal_core::token::{WhyCandidate, saturating_add};

/// How many rows of one kind are pruned in one go, so that nobody waits long behind it.
pub(crate) const PRUNED_AT_ONCE: u32 = 500;

/// Of a connection's answers that could not be read, and in which no token was seen, so many of the oldest and of the newest
/// are kept: a page that comes again at every try fills no disk, and neither the answer that was lost first nor the last word
/// is dropped for it.
const UNREADABLE_KEPT_AT_EACH_END: usize = 4;

/// As many token sets that were refused for what they are, as another account's, which come again every few hours.
const REFUSED_KEPT_AT_EACH_END: usize = 16;

/// How many candidates that were kept for this reason are left of the oldest, and how many of the newest; `None` where all
/// are: any of them may hold the connection's only refresh token, and none comes again for ever.
pub(crate) fn kept_at_each_end(why: WhyCandidate) -> Option<usize> {
    match why {
        WhyCandidate::Unreadable => Some(UNREADABLE_KEPT_AT_EACH_END),
        WhyCandidate::AnotherAccount | WhyCandidate::RefusedConsent | WhyCandidate::UnbelievableIdToken => {
            Some(REFUSED_KEPT_AT_EACH_END)
        }
        WhyCandidate::NewerGrant
        | WhyCandidate::NewerTokens
        | WhyCandidate::AnotherRefreshToken
        | WhyCandidate::HoldsTokens => None,
    }
}

/// A time as it is kept: in whole milliseconds. Times inside of a state or an event keep their precision.
pub(crate) fn kept(at: Timestamp) -> Timestamp {
    from_ms(at.as_millisecond()).unwrap_or(at)
}

/// The time that many milliseconds after 1970, if there is one. Unlike jiff's own constructor, it takes every
/// time's milliseconds, also those of the last second there is.
pub(crate) fn from_ms(ms: i64) -> Option<Timestamp> {
    let nanos = i32::try_from(ms.rem_euclid(1000)).ok()? * 1_000_000;
    Timestamp::new(ms.div_euclid(1000), nanos).ok()
}

/// When a lease that is taken now ends.
pub(crate) fn lease_end(now: Timestamp, lease_for: Duration) -> Timestamp {
    kept(saturating_add(now, lease_for))
}

/// Whether a lease that lasts `until` has not ended.
pub(crate) fn lease_valid(until: Timestamp, now: Timestamp) -> bool {
    until > now
}

/// Events from before this time are pruned.
pub(crate) fn oldest_event(now: Timestamp) -> Timestamp {
    days_before(now, KEPT_DAYS)
}

/// Attempts that were closed before this time are pruned.
pub(crate) fn oldest_closed_attempt(now: Timestamp) -> Timestamp {
    days_before(now, ATTEMPTS_KEPT_DAYS)
}

fn days_before(now: Timestamp, days: i64) -> Timestamp {
    kept(now.checked_sub(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MIN))
}

/// The generation of a connection only grows: a token set that would overwrite or undercut another is refused.
pub(crate) fn check_grows(connection: ConnectionId, before: u64, after: u64) -> Result<(), StoreError> {
    if after > before { Ok(()) } else { Err(outgrown(connection, before, after)) }
}

pub(crate) fn outgrown(connection: ConnectionId, before: u64, after: u64) -> StoreError {
    damaged(format!(
        "token_sets of connection {connection}: generation {after} was to be stored after generation {before}"
    ))
}

/// There is nothing that a new token set could follow.
pub(crate) fn no_grant(connection: ConnectionId) -> StoreError {
    damaged(format!("connection {connection} has no grant to refresh"))
}

/// A write refers to a row that is not there, or to one that is there already.
pub(crate) fn damaged(what: String) -> StoreError {
    StoreError::Corrupt { what }
}

/// Something is to be noted in a store that nobody has claimed.
pub(crate) fn unclaimed() -> StoreError {
    damaged("the store has no identity yet, and so no place for a mark".to_owned())
}

/// What every method of a closed store returns.
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable { detail: "it has been closed".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_milliseconds() {
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(kept(at).as_millisecond(), at.as_millisecond());
        }
        assert_eq!(from_ms(-1), Some("1969-12-31T23:59:59.999Z".parse().unwrap()));
        assert_eq!((from_ms(i64::MIN), from_ms(i64::MAX)), (None, None));
    }
}
