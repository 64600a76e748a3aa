use serde::{Deserialize, Serialize};

/// A master key and what it seals; never the key itself.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKeyView {
    /// Its name, which is derived from it.
    pub key: String,
    /// Whether it is among the keys that are given.
    pub given: bool,
    /// Whether what is new is sealed with it.
    pub seals: bool,
    /// How many stored values it seals.
    pub values: u64,
}

/// What became of exchanging the master key.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// The key that sealed before; `null` where an exchange that was begun earlier was finished.
    pub old_key: Option<String>,
    /// The key that seals now.
    pub new_key: String,
    /// Whether it was made for this.
    pub made: bool,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// How often everything was gone through: until nothing was found any more.
    pub passes: u32,
    /// How many values could not be opened, and stay as they are.
    pub left: u64,
    /// Which ones; the first hundred.
    pub left_values: Vec<LeftValueView>,
    /// How many answers in journals another key seals, since the store does not take them yet.
    pub journalled: u64,
}

/// A value that could not be opened.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftValueView {
    /// What it is.
    pub what: String,
    /// Why it could not be opened.
    pub why: String,
}
