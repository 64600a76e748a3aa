//! What came back, and its class.

use std::time::Duration;

use jiff::Timestamp;

use crate::backoff::LONGEST_RETRY_AFTER;
use crate::provider::{Means, Provider, Wait};
use crate::token::{TokenAnswer, saturating_add};

/// What came back from a token endpoint, as far as it could be read. The texts are redacted.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A token set.
    Tokens(Box<TokenAnswer>),
    /// An OAuth error (RFC 6749 §5.2), whatever the status.
    Error {
        /// The HTTP status.
        status: u16,
        /// The `error` code.
        code: String,
        /// The code and its description, for people.
        detail: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
        /// Whether tokens are beside it.
        holds_tokens: bool,
    },
    /// An answer that is neither. It may hold the only refresh token all the same.
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        detail: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
        /// Whether tokens are seen in it.
        holds_tokens: bool,
    },
    /// Nothing was sent: the provider cannot have done anything.
    NotSent {
        /// What happened.
        detail: String,
    },
    /// Nobody has worked on it: the client could not show who it is.
    ClientUnfit {
        /// What happened.
        detail: String,
    },
    /// It was sent, and no answer came.
    NoAnswer {
        /// What happened.
        detail: String,
    },
}

/// The classes of what can come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A token set.
    Success,
    /// `invalid_grant`.
    Permanent,
    /// The provider does not accept the client.
    Client,
    /// The provider refused this request, for a reason that says nothing about the grant.
    Refused,
    /// Provably not processed: trying again does no harm.
    Transient,
    /// The provider may have rotated the refresh token.
    Ambiguous,
}

/// Sorts what came back: by what the provider's file says of its errors, and else by RFC 6749 §5.2.
pub fn classify(reply: &Reply, provider: &Provider) -> Class {
    let said = provider.error_fact(reply).map_or_else(|| Class::of(reply), |fact| fact.means.into());
    match said {
        // Whoever gives tokens has worked on the request, whatever else the answer says.
        Class::Transient | Class::Refused | Class::Client if reply.holds_tokens() => Class::Ambiguous,
        class => class,
    }
}

impl Class {
    /// What a failure means; `None` of a success.
    pub(super) fn failure(self) -> Option<Means> {
        match self {
            Self::Success => None,
            Self::Permanent => Some(Means::Permanent),
            Self::Client => Some(Means::Client),
            Self::Refused => Some(Means::Refused),
            Self::Transient => Some(Means::Transient),
            Self::Ambiguous => Some(Means::Ambiguous),
        }
    }

    /// Sorts what came back by RFC 6749 §5.2 alone, whoever the provider is.
    pub fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Tokens(_) => Self::Success,
            Reply::NotSent { .. } => Self::Transient,
            Reply::ClientUnfit { .. } => Self::Client,
            Reply::NoAnswer { .. } => Self::Ambiguous,
            Reply::Error { status, code, .. } => match (code.as_str(), status) {
                ("invalid_grant", _) => Self::Permanent,
                ("temporarily_unavailable" | "slow_down" | "use_dpop_nonce", _) | (_, 429 | 503) => {
                    Self::Transient
                }
                ("invalid_client", _) => Self::Client,
                ("server_error", _) | (_, 300..=399 | 408 | 500..) => Self::Ambiguous,
                _ => Self::Refused,
            },
            Reply::Unreadable { status, .. } => match status {
                // A firewall's page, or a proxy's: the token endpoint has not seen the request. Where it asks for the
                // client's own credentials, a 401 has been read as an OAuth error.
                401 | 403 | 407 | 421 | 425 | 429 | 451 | 503 => Self::Transient,
                408 => Self::Ambiguous,
                400..=499 => Self::Refused,
                _ => Self::Ambiguous,
            },
        }
    }
}

/// Nothing is tried before this time: `now`, or what the answer asked for (`Retry-After`), or else what the
/// provider's file says of such an error.
pub fn not_before(reply: &Reply, provider: &Provider, now: Timestamp) -> Timestamp {
    let after = |wait: Duration| saturating_add(now, wait.min(LONGEST_RETRY_AFTER));
    match (reply.words().1, provider.error_fact(reply).and_then(|fact| fact.wait)) {
        (Some(asked), _) => after(asked),
        (None, Some(Wait::For(wait))) => after(wait),
        (None, Some(Wait::UtcMidnight)) => next_midnight(now),
        (None, None) => now,
    }
}

fn next_midnight(now: Timestamp) -> Timestamp {
    const DAY_S: i64 = 24 * 3600;
    let midnight = (now.as_second().div_euclid(DAY_S) + 1) * DAY_S;
    Timestamp::from_second(midnight).unwrap_or(Timestamp::MAX)
}

impl Reply {
    /// What to tell people of it, and how long the provider asked to wait.
    pub fn words(&self) -> (String, Option<Duration>) {
        match self {
            Self::Tokens(_) => (String::new(), None),
            Self::Error { detail, retry_after, .. } | Self::Unreadable { detail, retry_after, .. } => {
                (detail.clone(), *retry_after)
            }
            Self::NotSent { detail } | Self::ClientUnfit { detail } | Self::NoAnswer { detail } => {
                (detail.clone(), None)
            }
        }
    }

    /// Whether it holds tokens although it is no token set.
    pub fn holds_tokens(&self) -> bool {
        matches!(self, Self::Error { holds_tokens: true, .. } | Self::Unreadable { holds_tokens: true, .. })
    }
}

impl From<Means> for Class {
    fn from(means: Means) -> Self {
        match means {
            Means::Permanent => Self::Permanent,
            Means::Client => Self::Client,
            Means::Refused => Self::Refused,
            Means::Transient => Self::Transient,
            Means::Ambiguous => Self::Ambiguous,
        }
    }
}
