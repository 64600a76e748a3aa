use serde::{Deserialize, Serialize};

/// What was made so that everything else can begin.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitView {
    /// The configuration file; `null` where there was one.
    pub config: Option<String>,
    /// The master key's file; `null` where there was a key.
    pub master_key: Option<String>,
    /// The store; `null` where there was one.
    pub store: Option<String>,
}
