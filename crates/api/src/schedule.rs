use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::connection::{Connection, ConnectionName, Policy};
use vestal_core::schedule::{Basis, Floor, Hold, Next, Schedule, Why, WhyNever, Wish};

use crate::{EvidenceView, StateView};

/// When a connection is refreshed, and everything that was weighed: next = max(floors, min(wishes)).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The wish behind that, or why it is never.
    pub why: WhyView,
    /// The floor that moved it; `null` where none did.
    pub held_by: Option<FloorName>,
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WishView {
    /// The time.
    pub at: Timestamp,
    /// Why then.
    pub why: WishName,
    /// The whole life it was reckoned from: the access token's, or how long the refresh token may lie unused, or within
    /// which time the provider wants a renewal; `null` for `retry` and `verify`.
    pub life_seconds: Option<u64>,
    /// Who says how long the refresh token may lie unused; `null` but for `keep_alive`.
    pub basis: Option<BasisView>,
    /// How much a quota stretched the interval: 1 for not at all.
    pub stretch: f64,
}

/// A time before which a refresh would be bad.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorView {
    /// The time.
    pub at: Timestamp,
    /// Why not before.
    pub why: FloorName,
}

/// Why a connection is refreshed when it is, or why it never is.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WhyView {
    /// The wish behind it.
    Wish(WishName),
    /// Why it is never.
    Never(NeverName),
}

/// Why a refresh would be good at a time.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishName {
    /// Half of the access token's life is over, or more where a quota stretches that.
    HalfLife,
    /// The access token is short-lived and nobody reads it: once a day, so that a dead grant is known within a day.
    Daily,
    /// Half of the time is over after which the refresh token dies of disuse.
    KeepAlive,
    /// Half of the life of an access token is over that is exchanged itself, while it lives.
    Exchange,
    /// The access token is a short-lived one, as a consent brings it, and a long-lived one is to be had for it.
    Lengthen,
    /// The provider wants each access token renewed within some time, and nine tenths of that are over.
    WithinTime,
    /// The last try failed.
    Retry,
    /// It was imported, and nobody knows yet whether it works.
    Verify,
}

/// Why a refresh would be bad before a time.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FloorName {
    /// The last try failed, or the provider said when to come again (`Retry-After`).
    AfterFailure,
    /// An answer was lost, and to try the same refresh token again could do harm.
    OutcomeUnknown,
    /// A quota is used up.
    Quota,
    /// The provider refreshes only what is old enough.
    MinimumAge,
    /// The last one was a moment ago.
    ShortestInterval,
}

/// Why a connection is never refreshed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeverName {
    /// Nobody has consented yet.
    WaitingForConsent,
    /// Only a person can help.
    NeedsReauth,
    /// It is paused.
    Paused,
    /// It is being taken apart.
    Disconnecting,
    /// There is nothing to renew the access token with.
    NothingToRenewWith,
    /// It is refreshed when somebody asks for a token, and needs nothing to stay alive.
    OnDemand,
    /// It is refreshed when its access token is rejected: nobody knows how long that lives, or the provider wants it so.
    OnRejection,
}

/// When a refresh token dies of disuse.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
            Next::At { why, held_by, .. } => (WhyView::Wish(why.into()), held_by.map(FloorName::from)),
            Next::Never(why) => (WhyView::Never(why.into()), None),
        };
        Self {
            name: connection.name.clone(),
            state: StateView::from(&connection.state),
            policy: connection.policy,
            generation: connection.generation(),
            issued_at: tokens.map(|tokens| tokens.issued_at),
            expires_at: tokens.and_then(|tokens| tokens.expires_at),
            next_refresh_at: schedule.plan().due_at,
            why,
            held_by,
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
            why: wish.why.into(),
            life_seconds: life.as_ref().map(Duration::as_secs),
            basis: basis.map(BasisView::from),
            stretch,
        }
    }
}

impl From<&Floor> for FloorView {
    fn from(floor: &Floor) -> Self {
        Self { at: floor.at, why: floor.why.into() }
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

impl From<Why> for WishName {
    fn from(why: Why) -> Self {
        match why {
            Why::HalfLife { .. } => Self::HalfLife,
            Why::Daily { .. } => Self::Daily,
            Why::KeepAlive { .. } => Self::KeepAlive,
            Why::Exchange { .. } => Self::Exchange,
            Why::Lengthen { .. } => Self::Lengthen,
            Why::WithinTime { .. } => Self::WithinTime,
            Why::Retry => Self::Retry,
            Why::Verify => Self::Verify,
        }
    }
}

impl From<Hold> for FloorName {
    fn from(hold: Hold) -> Self {
        match hold {
            Hold::AfterFailure => Self::AfterFailure,
            Hold::OutcomeUnknown => Self::OutcomeUnknown,
            Hold::Quota => Self::Quota,
            Hold::MinimumAge => Self::MinimumAge,
            Hold::ShortestInterval => Self::ShortestInterval,
        }
    }
}

impl From<WhyNever> for NeverName {
    fn from(why: WhyNever) -> Self {
        match why {
            WhyNever::WaitingForConsent => Self::WaitingForConsent,
            WhyNever::NeedsReauth => Self::NeedsReauth,
            WhyNever::Paused => Self::Paused,
            WhyNever::Disconnecting => Self::Disconnecting,
            WhyNever::NothingToRenewWith => Self::NothingToRenewWith,
            WhyNever::OnDemand => Self::OnDemand,
            WhyNever::OnRejection => Self::OnRejection,
        }
    }
}
