//! What `vestal demo --json` prints.

use serde::{Deserialize, Serialize};

/// What became of a demo.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoSummary {
    /// How long it ran.
    pub ran_seconds: u64,
    /// How long a day of its calendar lasted.
    pub day_seconds: u64,
    /// Refreshes that the sandbox granted to the connection that was kept alive.
    pub refreshes: u64,
    /// Refresh tokens lost: 1 if the sandbox has ended the connection's grant or seen one of its refresh tokens
    /// twice, else 0.
    pub lost: u64,
    /// The number of the connection's token set at the end.
    pub generation: u64,
    /// How often a program asked for the access token and used it.
    pub reads: u64,
    /// Those among them for which there was no token, or one that the sandbox did not accept.
    pub failed_reads: u64,
    /// What became of the grant that nobody refreshed.
    pub left_alone: LeftAloneSummary,
}

/// What became of a grant that nobody refreshed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAloneSummary {
    /// The day of the demo's calendar, from 0, on which its refresh token died; `null` while it lives.
    pub died_on_day: Option<u64>,
    /// What the sandbox said when it was tried after that: an error code (RFC 6749 §5.2). `null` while it lives.
    pub answer: Option<String>,
}
