//! How a provider's tokens were seen to live, per client: shown beside what the provider's file says.
//!
//! Answers are evidence of what a provider does, and no proof of what it will do. So what was seen is used on the safe
//! side alone ([`Provider::with`]): a rotation that was seen is reckoned with, and one that was not seen yet is not
//! ruled out.

use std::borrow::Cow;
use std::mem::discriminant;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Attempt;
use crate::provider::{Fact, Grace, IdleLimit, Provider, Rotation};
use crate::token::{RefreshEnd, TokenSet};

/// What was seen. Everything is `None` until there was something to see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Whether a refresh brought another refresh token. Once one did, they do.
    pub rotates: Option<Seen<bool>>,
    /// How long an access token was said to live.
    pub access_token_life: Option<Seen<Duration>>,
    /// After which time of disuse the refresh token was said to die, where answers moved that.
    pub idle_limit: Option<Seen<Duration>>,
    /// The longest time after its first use at which a refresh token was accepted again. Its first use is one whose
    /// answer was lost, and may never have arrived.
    pub accepted_again_after: Option<Seen<Duration>>,
    /// The shortest time after its first use at which a refresh token was refused.
    pub refused_after: Option<Seen<Duration>>,
}

/// Something that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// What.
    pub value: T,
    /// When first.
    pub since: Timestamp,
}

/// A fact of a provider's file that does not fit what was seen.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Contradiction {
    /// The refresh token stays the same, says the file; a refresh brought another one.
    Rotated,
    /// Each refresh brings another one, says the file; one brought none.
    NotRotated,
    /// The access token lives longer or shorter than the file says.
    AccessTokenLife {
        /// What the file says.
        file_seconds: u64,
        /// What an answer said.
        seen_seconds: u64,
    },
    /// The refresh token dies of disuse sooner or later than the file says.
    IdleLimit {
        /// What the file says; `null` for never.
        file_seconds: Option<u64>,
        /// What answers said.
        seen_seconds: u64,
    },
    /// The refresh token was refused within its grace.
    Grace {
        /// What the file says.
        file_seconds: u64,
        /// How long after its first use it was refused.
        refused_after_seconds: u64,
    },
}

impl Evidence {
    /// With what a refresh showed that brought `tokens`; `None` where that is nothing new.
    ///
    /// `said_life` is what its answer said of the access token's life; `first_use` when the refresh token was sent
    /// before, if the answer was lost ([`crate::outcome::first_use`]).
    pub fn after_success(
        &self,
        attempt: &Attempt,
        tokens: &TokenSet,
        said_life: Option<Duration>,
        first_use: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let mut after = self.clone();
        if attempt.fingerprint.is_some() {
            let stored = tokens.refresh_token.as_ref().map(|token| token.fingerprint);
            let rotated = stored != attempt.fingerprint;
            if self.rotates.is_none_or(|seen| rotated && !seen.value) {
                after.rotates = Some(Seen { value: rotated, since: now });
            }
            note(&mut after.accepted_again_after, since(first_use, attempt), now, |new, old| new > old);
        }
        note(&mut after.access_token_life, said_life, now, differs);
        let idle = match tokens.refresh_token.as_ref().and_then(|token| token.end) {
            Some(RefreshEnd::Idle(end) | RefreshEnd::IdleWithin { idle: end, .. }) => {
                Duration::try_from(end.duration_since(tokens.issued_at)).ok()
            }
            _ => None,
        };
        note(&mut after.idle_limit, idle, now, differs);
        (after != *self).then_some(after)
    }

    /// With what an `invalid_grant` showed; `None` where that is nothing new.
    pub fn after_refusal(
        &self,
        attempt: &Attempt,
        first_use: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let mut after = self.clone();
        note(&mut after.refused_after, since(first_use, attempt), now, |new, old| new < old);
        (after != *self).then_some(after)
    }

    /// What of the provider's file does not fit.
    pub fn contradictions(&self, provider: &Provider) -> Vec<Contradiction> {
        let rotation = match (provider.rotation(), self.rotates.map(|seen| seen.value)) {
            (Rotation::Never, Some(true)) => Some(Contradiction::Rotated),
            (Rotation::Always, Some(false)) => Some(Contradiction::NotRotated),
            _ => None,
        };
        let life = provider.access_token_life().zip(value(self.access_token_life));
        let life = life.filter(|(file, seen)| differs(*seen, *file)).map(|(file, seen)| {
            Contradiction::AccessTokenLife { file_seconds: file.as_secs(), seen_seconds: seen.as_secs() }
        });
        let idle = value(self.idle_limit).and_then(|seen| {
            let seen_seconds = seen.as_secs();
            match provider.idle_limit() {
                IdleLimit::After { limit, .. } if differs(seen, limit) => {
                    Some(Contradiction::IdleLimit { file_seconds: Some(limit.as_secs()), seen_seconds })
                }
                IdleLimit::Endless => Some(Contradiction::IdleLimit { file_seconds: None, seen_seconds }),
                IdleLimit::After { .. } | IdleLimit::Unknown => None,
            }
        });
        let grace = match (provider.grace(), value(self.refused_after)) {
            (Grace::For(file), Some(refused)) if refused < file => Some(Contradiction::Grace {
                file_seconds: file.as_secs(),
                refused_after_seconds: refused.as_secs(),
            }),
            _ => None,
        };
        [rotation, life, idle, grace].into_iter().flatten().collect()
    }

    /// The contradictions that were none `before`: each is told once.
    pub fn new_contradictions(&self, before: &Self, provider: &Provider) -> Vec<Contradiction> {
        let known = before.contradictions(provider);
        let is_new = |found: &Contradiction| !known.iter().any(|it| discriminant(it) == discriminant(found));
        self.contradictions(provider).into_iter().filter(is_new).collect()
    }
}

impl Provider {
    /// The provider, with what was seen of it where that is to be reckoned with. A refusal within a grace is not: it may
    /// have had another reason, and to believe it would keep every other connection from being asked for in time.
    pub fn with(&self, evidence: &Evidence) -> Cow<'_, Self> {
        let mut provider = Cow::Borrowed(self);
        if value(evidence.rotates) == Some(true) && self.rotation() != Rotation::Always {
            let note = Some("As was seen.".to_owned());
            let seen = Fact { value: Rotation::Always, source: None, unverified: false, note };
            provider.to_mut().refresh_token.rotation = Some(seen);
        }
        provider
    }
}

fn value<T: Copy>(seen: Option<Seen<T>>) -> Option<T> {
    seen.map(|seen| seen.value)
}

/// Takes note of what was seen, where that is the first thing, or `tells_more` than what was seen before.
fn note(
    seen: &mut Option<Seen<Duration>>,
    new: Option<Duration>,
    now: Timestamp,
    tells_more: impl FnOnce(Duration, Duration) -> bool,
) {
    if let Some(new) = new
        && seen.is_none_or(|old| tells_more(new, old.value))
    {
        *seen = Some(Seen { value: new, since: now });
    }
}

/// By more than a tenth. Lives that are told as ends vary by the time that an answer takes.
fn differs(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) > other / 10
}

/// How long after the first use of its refresh token an attempt was made.
fn since(first_use: Option<Timestamp>, attempt: &Attempt) -> Option<Duration> {
    Duration::try_from(attempt.started_at.duration_since(first_use?)).ok()
}

#[cfg(test)]
mod tests;
