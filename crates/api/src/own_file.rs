use serde::{Deserialize, Serialize};

/// A file about a provider that was made from its metadata.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewFileView {
    /// The provider's identifier.
    pub id: String,
    /// Where it was written; `null` where it was only to be printed.
    pub path: Option<String>,
    /// What it says.
    pub text: String,
}

/// A mistake in a file about a provider.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MistakeView {
    /// The file's name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// What is wrong, and what to do about it.
    pub what: String,
}
