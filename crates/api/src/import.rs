use serde::{Deserialize, Serialize};

use crate::ErrorView;

/// What became of one connection that was to be imported.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportView {
    /// The line it was on, from 1; where there are no lines, its place.
    pub line: u64,
    /// Its name; `null` where that could not be read.
    pub name: Option<String>,
    /// What became of it.
    pub result: ImportResult,
    /// Why it was skipped; `null` unless it was.
    pub why: Option<String>,
    /// Why it was not imported; `null` unless it failed.
    pub error: Option<ErrorView>,
}

/// What became of it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportResult {
    /// It is a new connection, or the first grant of one that waited for consent.
    Imported,
    /// It is a new grant of a connection that had another.
    Replaced,
    /// Nothing was changed, and nothing is wrong.
    Skipped,
    /// The connection has another refresh token, and keeps it.
    Kept,
    /// It was not imported.
    Failed,
}

/// How many connections were paused, or resumed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedView {
    /// How many were changed.
    pub changed: u64,
    /// How many were so already.
    pub unchanged: u64,
}
