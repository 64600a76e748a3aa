use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::connection::ConnectionName;

/// How all connections are.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// How many there are.
    pub connections: u64,
    /// How many there are in each state. States that no connection is in are left out.
    pub states: BTreeMap<String, u64>,
    /// Those that only a person can help: the first ones, by name. `states.needs_reauth` counts them all.
    pub needs_reauth: Vec<ConnectionName>,
    /// Those that are failing: the first ones, by name. `states.failing` counts them all.
    pub failing: Vec<ConnectionName>,
    /// When the next refresh is due; `null` for none.
    pub next_refresh_at: Option<Timestamp>,
    /// Since when something is due that nobody has refreshed, where that is too long: nobody keeps to the schedule; `null` where all is well.
    #[serde(default)]
    pub overdue_since: Option<Timestamp>,
    /// What a person should know before it hurts; left out where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<WarningView>>,
}

/// Something that a person should know before it hurts.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarningView {
    /// The client that it is about.
    pub client: String,
    /// What is or will be.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub next: String,
}
