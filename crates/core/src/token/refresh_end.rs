//! When a refresh token ends, as far as answers have said.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::saturating_add;

/// How long a refresh token lives, in an answer's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidLife {
    /// This long, from the start of the request.
    For(Duration),
    /// It dies of disuse after the one, and whatever is done after the other (Intuit).
    Within {
        /// How long it may lie unused.
        idle: Duration,
        /// How long it lives yet.
        whole: Duration,
    },
    /// 0: it does not end.
    Endless,
}

/// When a stored refresh token ends, as far as answers have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "at")]
pub enum RefreshEnd {
    /// An answer said that it does not end.
    Endless,
    /// Said once: not known yet whether a refresh moves it.
    Said(Timestamp),
    /// It moved when the token was refreshed: the token dies of disuse.
    Idle(Timestamp),
    /// It stayed where it was when the token was refreshed: no refresh will move it.
    Absolute(Timestamp),
    /// Answers said both: it dies of disuse at the one time, and whatever is done at the other.
    IdleWithin {
        /// Unless it is refreshed before.
        idle: Timestamp,
        /// No refresh will move it.
        whole: Timestamp,
    },
}

impl RefreshEnd {
    /// What an answer adds to what was known: `known` is from the token set issued at `before`, `said` is from
    /// the answer to a request started at `at`, and `rotated` tells whether that brought another refresh token.
    ///
    /// An end that moved along with the time between the two is an idle limit; one that stayed is absolute.
    pub fn observe(
        known: Option<Self>,
        before: Timestamp,
        said: Option<SaidLife>,
        at: Timestamp,
        rotated: bool,
    ) -> Option<Self> {
        /// Answers round to seconds: between two this close together, nothing can be told.
        const TELLING_MS: i64 = 4_000;
        let end = match said {
            Some(SaidLife::For(life)) => saturating_add(at, life),
            Some(SaidLife::Within { idle, whole }) => {
                let (idle, whole) = (saturating_add(at, idle), saturating_add(at, whole));
                return Some(Self::IdleWithin { idle, whole });
            }
            Some(SaidLife::Endless) => return Some(Self::Endless),
            None => {
                let moved = |end: Timestamp| end.checked_add(at.duration_since(before)).unwrap_or(end);
                return match known? {
                    // Using the token moved its end; the answer need not say so each time.
                    Self::Idle(end) => Some(Self::Idle(moved(end))),
                    Self::IdleWithin { idle, whole } => Some(Self::IdleWithin { idle: moved(idle), whole }),
                    Self::Said(_) if rotated => None,
                    // Nothing says that using it moved the end that was said of this very token.
                    Self::Said(end) => Some(Self::Absolute(end)),
                    known => Some(known),
                };
            }
        };
        if let Some(Self::IdleWithin { whole, .. }) = known {
            return Some(Self::IdleWithin { idle: end, whole });
        }
        let Some((known, known_end)) = known.and_then(|known| Some((known, known.at()?))) else {
            return Some(Self::Said(end));
        };
        let elapsed_ms = at.as_millisecond() - before.as_millisecond();
        let moved_ms = end.as_millisecond() - known_end.as_millisecond();
        Some(if elapsed_ms < TELLING_MS {
            known.moved_to(end)
        } else if moved_ms > elapsed_ms / 2 {
            Self::Idle(end)
        } else {
            Self::Absolute(end)
        })
    }

    /// The time itself, where there is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Endless => None,
            Self::Said(at) | Self::Idle(at) | Self::Absolute(at) => Some(at),
            Self::IdleWithin { idle, whole } => Some(idle.min(whole)),
        }
    }

    fn moved_to(self, end: Timestamp) -> Self {
        match self {
            Self::Endless => Self::Endless,
            Self::Said(_) => Self::Said(end),
            Self::Idle(_) => Self::Idle(end),
            Self::Absolute(_) => Self::Absolute(end),
            Self::IdleWithin { whole, .. } => Self::IdleWithin { idle: end, whole },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn said(seconds: u64) -> Option<SaidLife> {
        Some(SaidLife::For(Duration::from_secs(seconds)))
    }

    #[test]
    fn an_end_that_moves_is_idle_and_one_that_stays_is_absolute() {
        let observe = RefreshEnd::observe;
        let first = observe(None, at(0), said(1000), at(0), false);
        assert_eq!(first, Some(RefreshEnd::Said(at(1000))));
        assert_eq!(observe(first, at(0), said(1000), at(100), true), Some(RefreshEnd::Idle(at(1100))));
        assert_eq!(observe(first, at(0), said(901), at(100), true), Some(RefreshEnd::Absolute(at(1001))));
        assert_eq!(observe(first, at(0), Some(SaidLife::Endless), at(100), true), Some(RefreshEnd::Endless));
    }

    #[test]
    fn silence_takes_nothing_back_and_proves_no_move() {
        let silent = |known, rotated| RefreshEnd::observe(Some(known), at(0), None, at(100), rotated);
        assert_eq!(silent(RefreshEnd::Said(at(1000)), false), Some(RefreshEnd::Absolute(at(1000))));
        assert_eq!(silent(RefreshEnd::Said(at(1000)), true), None, "another token: nothing was said of it");
        assert_eq!(silent(RefreshEnd::Idle(at(1000)), true), Some(RefreshEnd::Idle(at(1100))));
        assert_eq!(silent(RefreshEnd::Absolute(at(1000)), true), Some(RefreshEnd::Absolute(at(1000))));
        assert_eq!(silent(RefreshEnd::Endless, true), Some(RefreshEnd::Endless));
    }

    #[test]
    fn an_end_that_is_said_beside_the_idle_one_stays_when_that_moves() {
        let within = |idle: u64, whole: u64| {
            Some(SaidLife::Within { idle: Duration::from_secs(idle), whole: Duration::from_secs(whole) })
        };
        let ends = |idle, whole| Some(RefreshEnd::IdleWithin { idle: at(idle), whole: at(whole) });
        let observe = RefreshEnd::observe;
        let first = observe(None, at(0), within(1000, 5000), at(0), false);
        assert_eq!(first, ends(1000, 5000));
        assert_eq!(observe(first, at(0), within(1000, 4900), at(100), true), ends(1100, 5000));
        assert_eq!(observe(first, at(0), said(1000), at(100), true), ends(1100, 5000), "it was said once");
        assert_eq!(observe(first, at(0), None, at(100), true), ends(1100, 5000));
        assert_eq!(first.and_then(RefreshEnd::at), Some(at(1000)));
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!(serde_json::from_str::<Option<RefreshEnd>>(&json).unwrap(), first);
    }

    #[test]
    fn two_answers_in_one_moment_tell_nothing() {
        let first = Some(RefreshEnd::Said(at(1000)));
        let second = RefreshEnd::observe(first, at(0), said(1000), at(1), true);
        assert_eq!(second, Some(RefreshEnd::Said(at(1001))));
    }

    #[test]
    fn an_absurd_life_is_held() {
        let end = RefreshEnd::observe(None, at(0), Some(SaidLife::For(Duration::MAX)), at(0), false);
        assert_eq!(end, Some(RefreshEnd::Said(Timestamp::MAX)));
    }
}
