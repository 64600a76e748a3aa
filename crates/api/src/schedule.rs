use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::connection::{Connection, ConnectionName, Policy};
use vestal_core::schedule::{Basis, Floor, Hold, Next, Schedule, Why, WhyNever, Wish};

use crate::{EvidenceView, StateView};

/// When a connection is refreshed, and everything that was weighed: next = max(floors, min(wishes)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleView {
    /// The connection.
    pub name: ConnectionName,
    /// What it is doing.
    #[serde(flatten)]
    pub state: StateView,
    /// Its policy.
    pub policy: Policy,
    /// The number of its token set; 0 before the first.
    pub generation: u64,
    /// When the access token was issued; `null` before the first.
    pub issued_at: Option<Timestamp>,
    /// When the access token ends; `null` where that is unknown, or there is none.
    pub expires_at: Option<Timestamp>,
    /// When it is refreshed next; `null` where it is not.
    pub next_refresh_at: Option<Timestamp>,
    /// The wish behind that (see [`WishView::why`]), or why it is never: `waiting_for_consent`, `needs_reauth`,
    /// `paused`, `disconnecting`, `nothing_to_renew_with`, `on_demand`, `on_rejection`.
    pub why: String,
    /// The floor that moved it (see [`FloorView::why`]); `null` where none did.
    pub held_by: Option<String>,
    /// The times at which a refresh would be good.
    pub wishes: Vec<WishView>,
    /// The times before which it would be bad.
    pub floors: Vec<FloorView>,
    /// When the refresh token, or an access token that is exchanged itself, dies if it is not used; `null` where it does not, or there is none.
    pub idle_end: Option<IdleEndView>,
    /// When it dies whatever is done; `null` where it does not, as far as is known.
    pub absolute_end: Option<AbsoluteEndView>,
    /// How many answers are kept aside because they could not be applied; 100 for that many or more.
    pub candidates: u64,
    /// What was seen of its provider through its client; `null` where nothing was.
    pub evidence: Option<EvidenceView>,
}

/// A time at which a refresh would be good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WishView {
    /// The time.
    pub at: Timestamp,
    /// `half_life`, `daily`, `exchange`, `lengthen` or `within_time` (of the access token), `keep_alive` (of the refresh
    /// token), `retry`, `verify`.
    pub why: String,
    /// The whole life it was reckoned from: the access token's, or how long the refresh token may lie unused, or within
    /// which time the provider wants a renewal; `null` for `retry` and `verify`.
    pub life_seconds: Option<u64>,
    /// Who says how long the refresh token may lie unused; `null` but for `keep_alive`.
    pub basis: Option<BasisView>,
    /// How much a quota stretched the interval: 1 for not at all.
    pub stretch: f64,
}

/// A time before which a refresh would be bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorView {
    /// The time.
    pub at: Timestamp,
    /// `after_failure`, `outcome_unknown`, `quota`, `minimum_age` or `shortest_interval`.
    pub why: String,
}

/// When a refresh token dies of disuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleEndView {
    /// The time.
    pub at: Timestamp,
    /// How long it may lie unused.
    pub limit_seconds: u64,
    /// Who says so.
    pub basis: BasisView,
}

/// When a refresh token dies whatever is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsoluteEndView {
    /// The time.
    pub at: Timestamp,
    /// Who says so.
    pub basis: BasisView,
    /// When a person is warned, in order of time.
    pub warnings: Vec<Timestamp>,
}

/// Who says how long something lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasisView {
    /// The provider, in a live answer.
    Answer,
    /// The provider's file, and somebody checked it.
    File,
    /// The provider's file, and nobody checked it.
    FileUnverified,
    /// Nobody: it is assumed.
    Assumed,
}

impl ScheduleView {
    /// The schedule of a connection, of which so many answers are kept aside, and what was seen of its provider.
    pub fn new(
        connection: &Connection,
        schedule: &Schedule,
        candidates: u64,
        evidence: Option<EvidenceView>,
    ) -> Self {
        let tokens = connection.grant.as_ref().map(|grant| &grant.tokens);
        let (why, held_by) = match schedule.next {
            Next::At { why, held_by, .. } => (wish_name(why), held_by.map(hold_name)),
            Next::Never(why) => (never_name(why), None),
        };
        Self {
            name: connection.name.clone(),
            state: StateView::from(&connection.state),
            policy: connection.policy,
            generation: connection.generation(),
            issued_at: tokens.map(|tokens| tokens.issued_at),
            expires_at: tokens.and_then(|tokens| tokens.expires_at),
            next_refresh_at: schedule.plan().due_at,
            why: why.to_owned(),
            held_by: held_by.map(str::to_owned),
            wishes: schedule.wishes.iter().map(WishView::from).collect(),
            floors: schedule.floors.iter().map(FloorView::from).collect(),
            idle_end: schedule.idle_end.map(|end| IdleEndView {
                at: end.at,
                limit_seconds: end.limit.as_secs(),
                basis: end.basis.into(),
            }),
            absolute_end: schedule.absolute_end.map(|end| AbsoluteEndView {
                at: end.at,
                basis: end.basis.into(),
                warnings: end.warnings().to_vec(),
            }),
            candidates,
            evidence,
        }
    }
}

impl From<&Wish> for WishView {
    fn from(wish: &Wish) -> Self {
        let (life, basis, stretch) = match wish.why {
            Why::HalfLife { life, stretch } | Why::Daily { life, stretch } => (Some(life), None, stretch),
            Why::KeepAlive { limit, basis } => (Some(limit), Some(basis), 1.0),
            Why::Exchange { life } | Why::Lengthen { life } => (Some(life), None, 1.0),
            Why::WithinTime { within } => (Some(within), None, 1.0),
            Why::Retry | Why::Verify => (None, None, 1.0),
        };
        Self {
            at: wish.at,
            why: wish_name(wish.why).to_owned(),
            life_seconds: life.as_ref().map(Duration::as_secs),
            basis: basis.map(BasisView::from),
            stretch,
        }
    }
}

impl From<&Floor> for FloorView {
    fn from(floor: &Floor) -> Self {
        Self { at: floor.at, why: hold_name(floor.why).to_owned() }
    }
}

impl From<Basis> for BasisView {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::Answer => Self::Answer,
            Basis::File { verified: true } => Self::File,
            Basis::File { verified: false } => Self::FileUnverified,
            Basis::Assumed => Self::Assumed,
        }
    }
}

fn wish_name(why: Why) -> &'static str {
    match why {
        Why::HalfLife { .. } => "half_life",
        Why::Daily { .. } => "daily",
        Why::KeepAlive { .. } => "keep_alive",
        Why::Exchange { .. } => "exchange",
        Why::Lengthen { .. } => "lengthen",
        Why::WithinTime { .. } => "within_time",
        Why::Retry => "retry",
        Why::Verify => "verify",
    }
}

fn hold_name(hold: Hold) -> &'static str {
    match hold {
        Hold::AfterFailure => "after_failure",
        Hold::OutcomeUnknown => "outcome_unknown",
        Hold::Quota => "quota",
        Hold::MinimumAge => "minimum_age",
        Hold::ShortestInterval => "shortest_interval",
    }
}

fn never_name(why: WhyNever) -> &'static str {
    match why {
        WhyNever::WaitingForConsent => "waiting_for_consent",
        WhyNever::NeedsReauth => "needs_reauth",
        WhyNever::Paused => "paused",
        WhyNever::Disconnecting => "disconnecting",
        WhyNever::NothingToRenewWith => "nothing_to_renew_with",
        WhyNever::OnDemand => "on_demand",
        WhyNever::OnRejection => "on_rejection",
    }
}
