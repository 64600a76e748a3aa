use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::connection::ConnectionName;

/// How all connections are.
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
}
