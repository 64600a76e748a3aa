//! What is noted of the time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was noted of the time and of how connections were planned, so that the next process notices what changed
/// meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What the clock showed.
    pub at: Timestamp,
    /// What tells the facts apart by which every connection was planned; empty when they are being planned anew.
    pub facts: String,
    /// How far the clock was from a provider's, as measured last.
    pub skew: Option<Skew>,
}

/// How far our clock is from a provider's (its `Date` header, RFC 9110 §6.6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// By how many seconds ours is ahead.
    pub ahead_s: i64,
    /// The provider's host.
    pub host: String,
    /// When it was measured, by our clock.
    pub at: Timestamp,
}
