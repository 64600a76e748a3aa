//! How many tokens and requests a provider bears.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Deserializer;

use super::fact::{self, Text};

/// How many live tokens a provider keeps: one more silently ends the oldest.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// How many.
    #[serde(rename = "is")]
    pub tokens: u32,
    /// For each of what.
    pub per: Per,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// How many requests a provider answers; further ones it refuses for a while.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many in which time.
    #[serde(rename = "is")]
    pub rate: Rate,
    /// For each of what.
    pub per: Per,
    /// Which requests count.
    pub counts: Counts,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// What is counted for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each account, whichever clients it consented to.
    Account,
    /// Each account, for each client of its own.
    AccountAndClient,
    /// Each client, all accounts together.
    Client,
    /// Each grant: that is, each connection.
    Connection,
    /// Each customer of the provider, all clients and accounts together.
    Organization,
}

/// Which requests count.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Refreshes.
    Refreshes,
    /// All requests to the token endpoint: refreshes too.
    TokenRequests,
    /// All requests, refreshes and calls of the API alike.
    AllRequests,
    /// Calls of the API, and no refreshes.
    ApiCalls,
    /// Exchanges of authorization codes, and no refreshes.
    Codes,
    /// Tokens by the client's own credentials, and no refreshes.
    ClientCredentials,
}

/// How many requests in which time, as `"4 per second"`, `"10000 per day"`, `"10 per 10min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: u32,
    /// In this time.
    pub within: Duration,
}

impl Rate {
    /// How it is written.
    pub(super) const WRITTEN: &str =
        "a number of requests in a time, such as \"4 per second\", \"10000 per day\" or \"10 per 10min\"";

    /// How many that are in a day.
    pub fn a_day(self) -> f64 {
        f64::from(self.requests) * 86_400.0 / self.within.as_secs_f64()
    }

    fn read(text: &str) -> Option<Self> {
        let (requests, within) = text.split_once(" per ")?;
        let within = match within {
            "second" => Duration::from_secs(1),
            "minute" => Duration::from_secs(60),
            "hour" => Duration::from_secs(3600),
            "day" => Duration::from_secs(24 * 3600),
            length => fact::length(length).ok()?,
        };
        let requests = requests.parse().ok().filter(|requests| *requests > 0)?;
        Some(Self { requests, within })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| Self::read(text).ok_or(humantime::DurationError::Empty);
        deserializer.deserialize_str(Text(Self::WRITTEN, read))
    }
}

impl Per {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AccountAndClient => "account and client",
            Self::Client => "client",
            Self::Connection => "connection",
            Self::Organization => "organization",
        }
    }
}

impl Counts {
    /// Whether refreshes count.
    pub fn refreshes(self) -> bool {
        match self {
            Self::Refreshes | Self::TokenRequests | Self::AllRequests => true,
            Self::ApiCalls | Self::Codes | Self::ClientCredentials => false,
        }
    }

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refreshes => "refreshes",
            Self::TokenRequests => "token requests",
            Self::AllRequests => "requests, refreshes among them",
            Self::ApiCalls => "API calls",
            Self::Codes => "exchanges of codes",
            Self::ClientCredentials => "client-credentials tokens",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, a_day) in
            [("4 per second", 345_600.0), ("10000 per day", 10_000.0), ("10 per 10min", 1_440.0)]
        {
            assert_eq!(Rate::read(text).map(Rate::a_day), Some(a_day), "{text}");
        }
        for text in ["4", "4 per", "0 per day", "-1 per day", "4 per 0s", "four per day", "4 per fortnight"] {
            assert_eq!(Rate::read(text), None, "{text}");
        }
    }
}
