use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::connection::ConnectionName;

use crate::ErrorView;

/// What came of refreshing one connection.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefreshView {
    /// The connection.
    pub name: ConnectionName,
    /// The number of its new token set; `null` where there is none.
    pub generation: Option<u64>,
    /// When the new access token ends; `null` where that is unknown, or there is none.
    pub expires_at: Option<Timestamp>,
    /// Why there is no new token set; `null` where there is one.
    pub error: Option<ErrorView>,
}
