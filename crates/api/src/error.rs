use serde::{Deserialize, Serialize};

/// Why something was not done.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// What happened, in one line.
    pub error: String,
    /// Why; `null` where nothing more is known.
    pub why: Option<String>,
    /// What to do next; `null` where there is nothing to advise.
    pub next: Option<String>,
    /// Which kind of failure it is, for programs.
    pub code: Code,
}

/// The kinds of failure; each is an exit code of the command line.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It failed. Exit code 1.
    Failed,
    /// It was asked for in a way that cannot be understood. Exit code 2.
    Usage,
    /// A person has to consent anew. Exit code 3.
    NeedsReauth,
    /// It may work later. Exit code 4.
    TemporarilyUnavailable,
}

impl Code {
    /// The exit code of the command line.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NeedsReauth => 3,
            Self::TemporarilyUnavailable => 4,
        }
    }
}
