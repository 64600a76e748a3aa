//! How many refreshes a client's connections want, and whether a quota has room for them.

use std::time::Duration;

use jiff::Timestamp;

use super::Fit;
use crate::provider::{Per, Provider};
use crate::schedule::{QuotaPlan, Schedule, Why};

/// Refreshes by the clock may use this share of a quota: the rest is for readers, retries, consents, and, where they count too,
/// for calls of the API.
const SHARE: f64 = 0.5;

const DAY_S: f64 = 86_400.0;

/// How many refreshes a day connections want.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    /// So that their refresh tokens stay alive.
    pub keep_alive_a_day: f64,
    /// So that their access tokens are fresh, where that is more.
    pub freshness_a_day: f64,
}

impl Demand {
    /// Adds what one connection wants, whose tokens were issued at this time.
    pub fn add(&mut self, schedule: &Schedule, issued_at: Timestamp) {
        let a_day = |keeps_alive: bool| {
            let wishes = schedule.wishes.iter().filter(|wish| match wish.why {
                Why::KeepAlive { .. } | Why::Exchange { .. } | Why::WithinTime { .. } => keeps_alive,
                Why::HalfLife { .. } | Why::Daily { .. } => !keeps_alive,
                Why::Lengthen { .. } | Why::Retry | Why::Verify => false,
            });
            let waits = wishes.filter_map(|wish| Duration::try_from(wish.at.duration_since(issued_at)).ok());
            waits.min().map_or(0.0, |wait| DAY_S / wait.as_secs_f64().max(1.0))
        };
        let keep_alive = a_day(true);
        self.keep_alive_a_day += keep_alive;
        // A refresh for freshness keeps alive as well.
        self.freshness_a_day += (a_day(false) - keep_alive).max(0.0);
    }

    /// The demand of so many times as many connections.
    #[must_use]
    pub fn times(self, times: f64) -> Self {
        Self {
            keep_alive_a_day: self.keep_alive_a_day * times,
            freshness_a_day: self.freshness_a_day * times,
        }
    }

    /// How that fits into the provider's quotas; `None` where none of them counts refreshes of a whole client.
    pub fn fit(&self, provider: &Provider) -> Option<Fit> {
        let shared = |per: Per| matches!(per, Per::Client | Per::Organization);
        let counted = provider.quotas.iter().filter(|quota| quota.counts.refreshes() && shared(quota.per));
        let room = counted.map(|quota| quota.rate.a_day() * SHARE).min_by(f64::total_cmp)?;
        let stretch = QuotaPlan::for_fleet(room, self.keep_alive_a_day, self.freshness_a_day).stretch;
        Some(Fit { stretch, room_a_day: room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::schedule;
    use crate::testing::{DAY, builtin, connection, start};

    #[test]
    fn a_fleet_that_is_too_large_for_a_quota_waits_longer() {
        let provider = builtin("constant-contact");
        let one = connection(Some(DAY));
        let plan = schedule(&one, &provider, &QuotaPlan::AMPLE, start(), 7);
        let fleet = |connections: u32| {
            let mut demand = Demand::default();
            (0..connections).for_each(|_| demand.add(&plan, start()));
            demand.fit(&provider).unwrap()
        };
        // Twice a day each, of 5,000: half of the 10,000 that the provider counts.
        assert_eq!(fleet(2_000), Fit { stretch: 1.0, room_a_day: 5_000.0 });
        let large = fleet(10_000);
        assert!(large.stretch > 4.0 && large.stretch < 5.0, "{large:?}");
        assert_eq!(Demand::default().fit(&builtin("google")), None);
    }
}
