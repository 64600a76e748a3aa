//! How fresh a reader may want an access token.

use std::time::Duration;

use super::MARGIN;

/// How fresh a reader wants an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinTtl {
    /// At least this long it must still live.
    pub effective: Duration,
    /// What was asked for, where that was more than half of the token's life: a short token must never be
    /// refreshed on each read.
    pub cut_from: Option<Duration>,
}

/// How long an access token of this whole life must still live to be served, for a reader who asked for
/// `wanted`. By default min(60 s, life/10).
pub fn min_ttl(wanted: Option<Duration>, life: Option<Duration>) -> MinTtl {
    let Some(life) = life else {
        return MinTtl { effective: wanted.unwrap_or(Duration::ZERO), cut_from: None };
    };
    match wanted {
        None => MinTtl { effective: MARGIN.min(life / 10), cut_from: None },
        Some(wanted) if wanted > life / 2 => MinTtl { effective: life / 2, cut_from: Some(wanted) },
        Some(wanted) => MinTtl { effective: wanted, cut_from: None },
    }
}
