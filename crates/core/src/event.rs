//! One line of a connection's history. Never holds a secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Policy;
use crate::evidence::Contradiction;
use crate::id::{AttemptId, ConnectionId, GrantId, NodeId};
use crate::state::{Cause, Reason};
use crate::token::WhyCandidate;

/// How many events are kept per connection.
pub const KEPT_PER_CONNECTION: u32 = 100;

/// How many days an event is kept.
pub const KEPT_DAYS: i64 = 90;

/// How many days a connection is kept that nobody ever consented to, and that nothing happens to.
pub const PENDING_KEPT_DAYS: i64 = 30;

/// How many days a closed attempt is kept.
pub const ATTEMPTS_KEPT_DAYS: i64 = 7;

/// Something that happened.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The connection it happened to.
    pub connection: ConnectionId,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// An event that has been stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Grows with every event of the store: the cursor to read on from.
    pub seq: u64,
    /// The event.
    pub event: Event,
}

/// What happened.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum What {
    /// The connection was created.
    Created,
    /// Consent was asked for, where there had been none yet.
    ConsentAsked {
        /// After this, the answer is not accepted any more.
        until: Timestamp,
    },
    /// A person consented, and the grant was stored.
    Consented {
        /// The new grant.
        grant: GrantId,
        /// Its first generation.
        generation: u64,
        /// Whether it came with a refresh token.
        refresh_token: bool,
        /// The scopes granted, where the provider said.
        scope: Option<String>,
    },
    /// A grant was stored that another keeper had.
    Imported {
        /// The new grant.
        grant: GrantId,
        /// Its first generation.
        generation: u64,
        /// Whether it came with a refresh token.
        refresh_token: bool,
    },
    /// A refresh was stored.
    Refreshed {
        /// The attempt.
        attempt: AttemptId,
        /// The new generation.
        generation: u64,
        /// Whether the provider sent another refresh token.
        rotated: bool,
        /// When the new access token ends.
        expires_at: Option<Timestamp>,
        /// What the refresh was for.
        trigger: Trigger,
    },
    /// A reader was told by the API that it does not accept the access token, which is refreshed for that.
    Rejected {
        /// The token's generation.
        generation: u64,
    },
    /// A try failed.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        why: Cause,
        /// When it is tried again.
        next: Timestamp,
    },
    /// An attempt was found whose outcome nobody wrote down.
    Abandoned {
        /// The attempt.
        attempt: AttemptId,
        /// The node that made it.
        node: NodeId,
    },
    /// An answer could not be applied and was kept, sealed.
    CandidateKept {
        /// The attempt that brought it.
        attempt: AttemptId,
        /// Why.
        why: WhyCandidate,
    },
    /// Only a person can help.
    NeedsReauth {
        /// Why.
        why: Reason,
    },
    /// The provider refuses the client: its connections wait, and this one goes on trying.
    ClientRefused {
        /// The client's name.
        client: String,
        /// What the provider said, redacted.
        detail: String,
    },
    /// The provider accepts the client again.
    ClientAccepted {
        /// The client's name.
        client: String,
    },
    /// An end comes although Vestal does what it can: a person has to consent again before; or it has to be used before, where it comes by disuse.
    EndsSoon {
        /// When.
        // Beside the event's own time; the one was taken for the other where they had one name.
        #[serde(rename = "ends_at")]
        at: Timestamp,
        /// It comes by disuse: the connection is paused, or its refreshes fail; absent where it is not so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unused: bool,
    },
    /// What the provider's file says of its tokens does not fit what was seen.
    Contradiction {
        /// The fact.
        #[serde(flatten)]
        found: Contradiction,
    },
    /// Refreshes were paused.
    Paused,
    /// Refreshes were resumed.
    Resumed,
    /// The policy was changed.
    PolicySet {
        /// The new one.
        policy: Policy,
    },
    /// Disconnecting began.
    Disconnecting,
}

/// What a refresh was for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The schedule said so.
    Schedule,
    /// A reader needed a fresher access token.
    Read,
    /// Somebody asked for it.
    Request,
    /// Its answer lay in the journal.
    Journal,
}
