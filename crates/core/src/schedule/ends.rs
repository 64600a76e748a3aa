//! When a refresh token dies.

use super::{ASSUMED_IDLE_LIMIT, DAY, Duration, Grant, IdleLimit, Provider, RefreshEnd, Renewal, Timestamp};
use crate::token::saturating_add;

/// When a refresh token dies of disuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleEnd {
    /// The time.
    pub at: Timestamp,
    /// How long it may lie unused.
    pub limit: Duration,
    /// Who says so.
    pub basis: Basis,
}

/// Who says how long something lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The provider, in a live answer. Beats the others.
    Answer,
    /// The provider's file.
    File {
        /// Whether that fact was verified.
        verified: bool,
    },
    /// Nobody: it is assumed.
    Assumed,
}

/// When a refresh token dies whatever is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsoluteEnd {
    /// The time.
    pub at: Timestamp,
    /// When its life began.
    pub from: Timestamp,
    /// Who says so.
    pub basis: Basis,
}

impl AbsoluteEnd {
    /// When a person is to be warned: 30, 14, 7, 3 and 1 days before, or ½, ¼, … of the life before the end
    /// where that is later. In order of time.
    pub fn warnings(&self) -> [Timestamp; 5] {
        let life = Duration::try_from(self.at.duration_since(self.from)).unwrap_or(Duration::ZERO);
        let days = [30, 14, 7, 3, 1];
        let mut shrinking = life;
        days.map(|days| {
            shrinking /= 2;
            let before = shrinking.min(DAY * days);
            self.at.checked_sub(before).unwrap_or(Timestamp::MIN)
        })
    }
}

/// When the refresh token of a grant dies if it is not used; `None` where it does not, or there is none. An access token that
/// is exchanged itself dies so, too.
pub fn idle_end(grant: &Grant, provider: &Provider, now: Timestamp) -> Option<IdleEnd> {
    if provider.exchange_step(grant).is_some() {
        let (limit, basis) = access_token_life(grant, provider)?;
        return Some(IdleEnd { at: saturating_add(grant.tokens.issued_at.min(now), limit), limit, basis });
    }
    if grant.renewal != Renewal::RefreshToken {
        return None;
    }
    let refresh_token = grant.tokens.refresh_token.as_ref()?;
    let said = match refresh_token.end {
        Some(RefreshEnd::Endless) => return None,
        // Said once, an end is taken for an idle limit: a refresh too many does no harm.
        Some(RefreshEnd::Idle(at) | RefreshEnd::Said(at) | RefreshEnd::IdleWithin { idle: at, .. }) => {
            length(grant.tokens.issued_at, at)
        }
        Some(RefreshEnd::Absolute(_)) | None => None,
    };
    let (limit, basis) = match (said, provider.idle_limit()) {
        (Some(limit), _) => (limit, Basis::Answer),
        (None, IdleLimit::After { limit, verified }) => (limit, Basis::File { verified }),
        (None, IdleLimit::Endless) => return None,
        (None, IdleLimit::Unknown) => (ASSUMED_IDLE_LIMIT, Basis::Assumed),
    };
    // What lives shortly altogether cannot lie unused for longer.
    let whole = match refresh_token.end {
        Some(RefreshEnd::Absolute(at) | RefreshEnd::IdleWithin { whole: at, .. }) => {
            length(grant.consented_at, at)
        }
        _ => None,
    };
    let (limit, basis) =
        whole.filter(|whole| *whole < limit).map_or((limit, basis), |whole| (whole, Basis::Answer));
    let at = saturating_add(grant.tokens.issued_at.min(now), limit);
    Some(IdleEnd { at, limit, basis })
}

/// How long the access token of a grant lives in all.
fn access_token_life(grant: &Grant, provider: &Provider) -> Option<(Duration, Basis)> {
    let file = provider.access_token.life.as_ref();
    let by_file =
        provider.access_token_life().zip(file.map(|fact| Basis::File { verified: fact.is_verified() }));
    match (grant.tokens.life().filter(|life| !life.is_zero()), by_file) {
        (Some(life), Some((file, basis))) if life == file => Some((life, basis)),
        (Some(life), _) => Some((life, Basis::Answer)),
        (None, by_file) => by_file,
    }
}

/// From one time to a later one. An end that is not later is no end: it has been outlived.
fn length(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok().filter(|length| !length.is_zero())
}

/// When the refresh token of a grant dies whatever is done, where that is known; or its access token, where nothing renews that.
pub fn absolute_end(grant: &Grant, provider: &Provider) -> Option<AbsoluteEnd> {
    if provider.cannot_renew(grant) {
        let (life, basis) = access_token_life(grant, provider)?;
        let from = grant.tokens.issued_at;
        return Some(AbsoluteEnd { at: saturating_add(from, life), from, basis });
    }
    let refresh_token = grant.tokens.refresh_token.as_ref()?;
    let from = grant.consented_at;
    match refresh_token.end {
        Some(RefreshEnd::Absolute(at) | RefreshEnd::IdleWithin { whole: at, .. }) => {
            Some(AbsoluteEnd { at, from, basis: Basis::Answer })
        }
        Some(RefreshEnd::Endless) => None,
        Some(RefreshEnd::Said(_) | RefreshEnd::Idle(_)) | None => {
            let life = provider.absolute_life()?;
            let basis = Basis::File { verified: life.verified };
            Some(AbsoluteEnd { at: saturating_add(from, life.life), from, basis })
        }
    }
}
