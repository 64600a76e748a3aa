//! What a provider's errors mean, where RFC 6749 §5.2 does not say it.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Deserializer;

use super::Provider;
use super::fact::{self, Text};
use crate::outcome::Reply;

/// What one kind of answer means. What is given of `code`, `status` and `says` must all fit.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ErrorFact {
    /// The error's code, in any case. Without one, it speaks of answers in which no code can be read.
    pub code: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What its description holds, in any case.
    pub says: Option<String>,
    /// What it means.
    pub means: Means,
    /// How long to wait at least, where the answer does not say (`Retry-After`).
    pub wait: Option<Wait>,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// What an error means.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// The grant is dead.
    Permanent,
    /// The client is not accepted.
    Client,
    /// This request was refused, for a reason that says nothing about the grant.
    Refused,
    /// It was not processed: trying again does no harm.
    Transient,
    /// The provider may have rotated the refresh token.
    Ambiguous,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// This long.
    For(Duration),
    /// Until the next midnight in UTC, when a day's quota is counted anew.
    UtcMidnight,
}

impl Wait {
    /// How it is written.
    pub(super) const WRITTEN: &str = "\"utc-midnight\", or a length of time such as \"1s\" or \"10min\"";
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::WRITTEN, |text: &str| match text {
            "utc-midnight" => Ok(Self::UtcMidnight),
            _ => fact::length(text).map(Self::For),
        }))
    }
}

impl ErrorFact {
    /// What is wrong with it, if anything is.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        match (&self.code, self.status) {
            (Some(code), _) if code.trim().is_empty() => Some("an error's code is empty: leave it out"),
            (Some(_), _) => None,
            (None, _) if self.says.is_some() => Some("an error that `says` something needs its `code` too"),
            (None, None) => Some("an error names neither a `code` nor a `status`: what does it speak of?"),
            // A success whose body cannot be read may hold the only refresh token; and a status alone says
            // nothing about a grant.
            (None, Some(status)) if !(400..600).contains(&status) => {
                Some("an error without a `code` needs a `status` from 400 to 599")
            }
            (None, Some(_)) if self.means == Means::Permanent => {
                Some("no status alone means that a grant is dead: name the error's `code`")
            }
            (None, Some(_)) => None,
        }
    }

    fn fits(&self, reply: &Reply) -> bool {
        let (status, code, detail) = match reply {
            Reply::Error { status, code, detail, .. } => (*status, Some(code), detail),
            Reply::Unreadable { status, detail, .. } => (*status, None, detail),
            Reply::Tokens(_) | Reply::NotSent { .. } | Reply::ClientUnfit { .. } | Reply::NoAnswer { .. } => {
                return false;
            }
        };
        let code_fits = match (&self.code, code) {
            (Some(wanted), Some(code)) => wanted.eq_ignore_ascii_case(code),
            (None, None) => true,
            _ => false,
        };
        let says = |words: &String| detail.to_lowercase().contains(&words.to_lowercase());
        code_fits && self.status.is_none_or(|wanted| wanted == status) && self.says.as_ref().is_none_or(says)
    }
}

impl Provider {
    /// What the file says of an answer like this one: the first entry that fits.
    pub fn error_fact(&self, reply: &Reply) -> Option<&ErrorFact> {
        self.errors.iter().find(|fact| fact.fits(reply))
    }
}

impl Means {
    /// The word that the files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Client => "client",
            Self::Refused => "refused",
            Self::Transient => "transient",
            Self::Ambiguous => "ambiguous",
        }
    }
}
