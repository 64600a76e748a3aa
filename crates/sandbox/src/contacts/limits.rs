//! How often an application may ask. Nothing in an answer tells how much is left, or when to come back.

use std::collections::BTreeMap;

use super::ContactsApi;
use super::answers::ApiError;

/// The requests of each application.
#[derive(Default)]
pub(super) struct Limits(BTreeMap<String, Counts>);

/// Those of the current second and day, which are counted since the Unix epoch.
#[derive(Clone, Copy, Default)]
struct Counts {
    second: u64,
    in_second: u32,
    day: u64,
    in_day: u32,
}

impl Limits {
    /// Counts one request. One that is refused is not counted.
    pub(super) fn count(&mut self, client: &str, api: &ContactsApi, now_ms: u64) -> Result<(), ApiError> {
        let counts = self.0.entry(client.to_owned()).or_default();
        let (second, day) = (now_ms / 1_000, now_ms / 86_400_000);
        if counts.day != day {
            (counts.day, counts.in_day) = (day, 0);
        }
        if counts.second != second {
            (counts.second, counts.in_second) = (second, 0);
        }
        if counts.in_day >= api.per_day {
            return Err(ApiError::quota_exceeded());
        }
        if counts.in_second >= api.per_second {
            return Err(ApiError::throttled());
        }
        counts.in_day += 1;
        counts.in_second += 1;
        Ok(())
    }
}
