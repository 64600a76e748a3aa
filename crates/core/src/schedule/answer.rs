//! What the schedule says: when, and everything that was weighed.

use std::time::Duration;

use jiff::Timestamp;

use super::{AbsoluteEnd, Basis, IdleEnd};

/// What a store keeps of a schedule, to find what is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// When the next refresh is due; `None` for never.
    pub due_at: Option<Timestamp>,
    /// When the refresh token dies if nothing is done: what is nearest to its death goes first.
    pub dies_at: Option<Timestamp>,
    /// Up to when it has been said that an end comes which no refresh moves; `None` when nothing was said yet.
    pub warned_at: Option<Timestamp>,
}

/// What a provider's quotas leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuotaPlan {
    /// No request before this time.
    pub not_before: Option<Timestamp>,
    /// Freshness intervals are this many times longer, at least 1. Keep-alive is never stretched.
    pub stretch: f64,
}

impl QuotaPlan {
    /// No quota in the way.
    pub const AMPLE: Self = Self { not_before: None, stretch: 1.0 };

    /// The plan for a fleet under a quota, all in refreshes a day: keep-alive comes first, and freshness is
    /// stretched into what is left.
    pub fn for_fleet(quota: f64, keep_alive: f64, freshness: f64) -> Self {
        let left = (quota - keep_alive).max(quota * 0.01);
        Self { not_before: None, stretch: (freshness / left).max(1.0) }
    }
}

/// The answer: when, and everything that was weighed.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// When to refresh.
    pub next: Next,
    /// The times at which a refresh would be good, jitter applied.
    pub wishes: Vec<Wish>,
    /// The times before which it would be bad.
    pub floors: Vec<Floor>,
    /// When the refresh token dies if it is not used; or the access token, if that itself has to be exchanged before.
    pub idle_end: Option<IdleEnd>,
    /// When it dies whatever is done.
    pub absolute_end: Option<AbsoluteEnd>,
}

/// When to refresh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// At this time.
    At {
        /// The time.
        at: Timestamp,
        /// The wish behind it.
        why: Why,
        /// The floor that moved it, if one did.
        held_by: Option<Hold>,
    },
    /// Not at all.
    Never(WhyNever),
}

/// A time at which a refresh would be good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// The time.
    pub at: Timestamp,
    /// Why then.
    pub why: Why,
}

/// Why a refresh would be good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// Half of the access token's life is over.
    HalfLife {
        /// Its whole life.
        life: Duration,
        /// How much the interval was stretched by a quota; 1 for not at all.
        stretch: f64,
    },
    /// The access token is short-lived and nobody reads it: once a day, so that a dead grant is known within a day.
    Daily {
        /// Its whole life.
        life: Duration,
        /// How much the interval was stretched by a quota; 1 for not at all.
        stretch: f64,
    },
    /// Half of the time is over after which the refresh token dies of disuse.
    KeepAlive {
        /// That time.
        limit: Duration,
        /// Who says so.
        basis: Basis,
    },
    /// Half of the life of an access token is over which itself is exchanged for a newer one, while it lives.
    Exchange {
        /// Its whole life.
        life: Duration,
    },
    /// The access token is a short-lived one, as a consent brings it, and a long-lived one is to be had for it.
    Lengthen {
        /// Its whole life.
        life: Duration,
    },
    /// The provider wants each access token renewed within this time, and nine tenths of that are over.
    WithinTime {
        /// The time.
        within: Duration,
    },
    /// The last try failed.
    Retry,
    /// Imported, and nobody knows whether it works.
    Verify,
}

/// A time before which a refresh would be bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// The time.
    pub at: Timestamp,
    /// Why not before.
    pub why: Hold,
}

/// Why a refresh has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Back-off after a failure, or as long as the provider asked for (`Retry-After`).
    AfterFailure,
    /// An answer was lost, and trying the same refresh token again could do harm.
    OutcomeUnknown,
    /// A quota is used up.
    Quota,
    /// The provider refreshes only what is old enough.
    MinimumAge,
    /// Not more often than [`SHORTEST_INTERVAL`](super::SHORTEST_INTERVAL).
    ShortestInterval,
}

/// Why there is no next refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNever {
    /// A person has not consented yet.
    WaitingForConsent,
    /// Only a person can help.
    NeedsReauth,
    /// Somebody paused it.
    Paused,
    /// It is being taken apart.
    Disconnecting,
    /// There is no refresh token, and no other way.
    NothingToRenewWith,
    /// It is refreshed when somebody asks, and needs nothing to stay alive.
    OnDemand,
    /// When the access token is rejected, since nobody knows how long it lives or the provider wants it so; and
    /// nothing has to be kept alive.
    OnRejection,
}

impl Schedule {
    /// What a store keeps of it.
    pub fn plan(&self) -> Plan {
        let due_at = match self.next {
            Next::At { at, .. } => Some(at),
            Next::Never(_) => None,
        };
        let idle = self.idle_end.map(|end| end.at);
        let absolute = self.absolute_end.map(|end| end.at);
        Plan { due_at, dies_at: idle.into_iter().chain(absolute).min(), warned_at: None }
    }
}
