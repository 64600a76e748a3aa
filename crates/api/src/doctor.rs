use serde::{Deserialize, Serialize};

/// What an examination found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DoctorView {
    /// The worst level among the findings.
    pub level: Level,
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, in a word or two.
    pub about: String,
    /// What was found.
    pub found: String,
    /// How to mend it; `null` where there is nothing to mend.
    pub next: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// Does not work.
    Fail,
}

impl From<Vec<Finding>> for DoctorView {
    fn from(findings: Vec<Finding>) -> Self {
        let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { level, findings }
    }
}
