//! The states of a connection, and the one function that moves between them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::AttemptId;
use crate::token::{LARGEST_SKEW, saturating_add};

/// What a connection is doing. Each variant holds exactly its data.
///
/// A still-valid access token is served in every state but [`State::Disconnecting`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Waiting for a person to consent.
    Pending,
    /// Imported, and not refreshed yet: nobody knows whether it works.
    Unverified {
        /// When to find out: those that are imported together take turns.
        verify_at: Timestamp,
    },
    /// Working.
    Active,
    /// The last try failed; another follows.
    Failing(Failing),
    /// Only a person can help. The token sets are kept.
    NeedsReauth {
        /// The true reason.
        reason: Reason,
        /// Since when.
        since: Timestamp,
    },
    /// No refreshes until it is resumed. Warnings go on.
    Paused {
        /// What it goes back to.
        prior: Box<State>,
    },
    /// Being taken apart: nothing is served any more.
    Disconnecting,
}

/// What is known of a failure that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Why the last try failed.
    pub cause: Cause,
    /// When the first of these failures was.
    pub since: Timestamp,
    /// How many tries failed since.
    pub tries: u32,
    /// Not before this time is it tried again.
    pub next: Timestamp,
}

impl Failing {
    /// Whether this was written by a clock that was wrong, or is looked at by one: it cannot have failed in the future.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        let sent_at = match &self.cause {
            Cause::OutcomeUnknown(unknown) => unknown.sent_at,
            _ => self.since,
        };
        self.since.max(sent_at) > saturating_add(now, LARGEST_SKEW)
    }
}

/// Why a try failed. The `detail`s are the provider's own words, redacted.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Cause {
    /// The provider could not be reached, or said that it is busy: nothing was changed by the try.
    Transient {
        /// What happened.
        detail: String,
    },
    /// The provider does not accept the client (`invalid_client`): its secret is wrong, most likely.
    Client {
        /// What the provider said.
        detail: String,
    },
    /// The provider refused this request, for a reason that says nothing about the grant.
    Refused {
        /// What the provider said.
        detail: String,
    },
    /// `invalid_grant`, once, from a provider where a second try does no harm.
    Doubted {
        /// What the provider said.
        detail: String,
    },
    /// The provider may have rotated the refresh token, and the answer did not arrive.
    OutcomeUnknown(Box<OutcomeUnknown>),
}

/// What is known of an answer that was lost.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeUnknown {
    /// The first attempt with this refresh token whose outcome is unknown.
    pub attempt: AttemptId,
    /// When that attempt was started: a grace counts from here.
    pub sent_at: Timestamp,
    /// The same refresh token is not tried before this time, since trying could do harm.
    pub hold_until: Timestamp,
    /// What became of the answer; empty where nobody wrote it down.
    #[serde(default)]
    pub detail: String,
    /// What came of the last try since; none where there was none, or the same was said.
    #[serde(default)]
    pub last: Option<String>,
    /// The refresh token has not been looked at by the provider again since the last try that was not made at once: it may be
    /// tried once at once where there may be a grace.
    #[serde(default)]
    pub untried: bool,
    /// When the answer to the last try that the provider may have worked on was lost; with the first one, where nobody wrote
    /// it down.
    #[serde(default)]
    pub lost_at: Option<Timestamp>,
    /// The access token was rejected: nothing is held for its sake.
    #[serde(default)]
    pub rejected: bool,
    /// The last try since was refused for the client's sake: nobody looked at the refresh token, and it is to be tried as
    /// soon as the client is mended.
    #[serde(default)]
    pub client_refused: bool,
}

/// Why only a person can help.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The provider said `invalid_grant`: revoked, expired, or dead of disuse.
    InvalidGrant {
        /// What the provider said.
        detail: String,
    },
    /// An answer was lost, and the refresh token it may have replaced is no longer accepted.
    OutcomeUnknown {
        /// The attempt whose answer was lost.
        attempt: AttemptId,
        /// What became of the answer, and what the provider said of the refresh token then; empty where nobody wrote it
        /// down.
        #[serde(default)]
        detail: String,
    },
    /// A refresh brought the tokens of another account. They were kept aside, and the refresh token they came for is
    /// used up.
    AnotherAccount,
    /// The access token ended, or is rejected, and there is nothing to renew it with.
    NothingToRenewWith,
}

/// What can happen to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A new grant was stored.
    Consent,
    /// A grant was stored that another keeper had, and that is to be tried at `verify_at`.
    Import {
        /// The first try.
        verify_at: Timestamp,
    },
    /// A refresh was stored.
    Succeed,
    /// A try failed; the next one is not before `next`.
    Fail {
        /// Why.
        cause: Cause,
        /// The next try.
        next: Timestamp,
    },
    /// The access token was rejected: what was held for its sake is tried at `next`.
    Release {
        /// The next try.
        next: Timestamp,
    },
    /// Nothing but a new consent can help.
    Die {
        /// Why.
        reason: Reason,
    },
    /// Somebody wants no refreshes for a while.
    Pause,
    /// Somebody wants them again.
    Resume,
    /// Somebody wants it gone.
    Disconnect,
}

/// A transition that makes no sense in the state it was asked in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a connection that is {from} cannot {transition}")]
pub struct Illegal {
    /// The state's name.
    pub from: &'static str,
    /// The transition's name.
    pub transition: &'static str,
}

impl Cause {
    /// Whether an answer was lost, and with it perhaps the refresh token.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_))
    }

    /// Whether the last try was refused for the client's sake, also where an answer was lost before.
    pub fn is_client_refused(&self) -> bool {
        match self {
            Self::Client { .. } => true,
            Self::OutcomeUnknown(unknown) => unknown.client_refused,
            Self::Transient { .. } | Self::Refused { .. } | Self::Doubted { .. } => false,
        }
    }
}

impl State {
    /// Moves to the next state.
    ///
    /// # Errors
    ///
    /// When the transition makes no sense here: nothing happens to a connection that is being taken apart, and a
    /// refresh cannot end where no consent ever was.
    pub fn apply(self, transition: Transition, now: Timestamp) -> Result<Self, Illegal> {
        use Transition as T;
        let illegal = Illegal { from: self.name(), transition: transition.name() };
        Ok(match (self, transition) {
            (Self::Disconnecting, T::Disconnect) => Self::Disconnecting,
            (Self::Disconnecting, _) => return Err(illegal),
            (_, T::Disconnect) => Self::Disconnecting,

            (paused @ Self::Paused { .. }, T::Pause) => paused,
            (Self::Paused { prior }, T::Resume) => *prior,
            // Whoever paused it has the last word; what happens meanwhile shows when it is resumed.
            (Self::Paused { prior }, transition) => {
                Self::Paused { prior: Box::new(prior.apply(transition, now)?) }
            }
            (prior, T::Pause) => Self::Paused { prior: Box::new(prior) },
            (state, T::Resume) => state,

            (_, T::Consent) => Self::Active,
            (_, T::Import { verify_at }) => Self::Unverified { verify_at },
            (Self::Pending, _) => return Err(illegal),
            (_, T::Succeed) => Self::Active,

            (Self::Failing(before), T::Fail { cause, next }) => Self::Failing(Failing {
                cause,
                since: before.since,
                tries: before.tries.saturating_add(1),
                next,
            }),
            (Self::Failing(before), T::Release { next }) => match before.cause {
                Cause::OutcomeUnknown(unknown) => {
                    let unknown = OutcomeUnknown { hold_until: next, rejected: true, ..*unknown };
                    Self::Failing(Failing { cause: Cause::OutcomeUnknown(Box::new(unknown)), next, ..before })
                }
                _ => return Err(illegal),
            },
            (_, T::Release { .. }) => return Err(illegal),
            // A failed try tells nothing new about a grant that is known to be dead.
            (dead @ Self::NeedsReauth { .. }, T::Fail { .. } | T::Die { .. }) => dead,
            (Self::Unverified { .. } | Self::Active, T::Fail { cause, next }) => {
                Self::Failing(Failing { cause, since: now, tries: 1, next })
            }
            (Self::Unverified { .. } | Self::Active | Self::Failing(_), T::Die { reason }) => {
                Self::NeedsReauth { reason, since: now }
            }
        })
    }

    /// The state's name, as users see it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Unverified { .. } => "unverified",
            Self::Active => "active",
            Self::Failing(_) => "failing",
            Self::NeedsReauth { .. } => "needs_reauth",
            Self::Paused { .. } => "paused",
            Self::Disconnecting => "disconnecting",
        }
    }

    /// What it is behind a pause, if there is one.
    pub fn behind_pause(&self) -> &Self {
        match self {
            Self::Paused { prior } => prior.behind_pause(),
            state => state,
        }
    }

    /// The failure that goes on, also behind a pause.
    pub fn failing(&self) -> Option<&Failing> {
        match self.behind_pause() {
            Self::Failing(failing) => Some(failing),
            _ => None,
        }
    }

    /// Whether it was imported, and not refreshed since; also behind a pause.
    pub fn is_unverified(&self) -> bool {
        matches!(self.behind_pause(), Self::Unverified { .. })
    }

    /// Whether the schedule refreshes it. What is due of others is a warning.
    pub fn is_refreshed(&self) -> bool {
        matches!(self, Self::Unverified { .. } | Self::Active | Self::Failing(_))
    }

    /// Whether its grant is dead, and only a person can help; also behind a pause.
    pub fn needs_reauth(&self) -> bool {
        matches!(self.behind_pause(), Self::NeedsReauth { .. })
    }
}

impl Transition {
    fn name(&self) -> &'static str {
        match self {
            Self::Consent => "take a consent",
            Self::Import { .. } => "be imported",
            Self::Succeed => "be refreshed",
            Self::Fail { .. } => "fail",
            Self::Release { .. } => "be released from a hold",
            Self::Die { .. } => "need re-authorization",
            Self::Pause => "be paused",
            Self::Resume => "be resumed",
            Self::Disconnect => "be disconnected",
        }
    }
}

#[cfg(test)]
mod tests;
