use serde::{Deserialize, Serialize};

/// How a demonstration went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DemoSummary {
    /// How many refreshes were stored.
    pub refreshes: u64,
    /// How many connections had lost their grant at the end. 0 is the whole point.
    pub lost: u64,
    /// The number of the last token set.
    pub generation: u64,
    /// How often the provider saw a refresh token that it had replaced already.
    pub reused: u64,
    /// How long it ran.
    pub ran_seconds: u64,
}
