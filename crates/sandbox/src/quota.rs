//! Counting token requests by client.

use std::collections::BTreeMap;

use http::HeaderValue;

use crate::answer::{OAuthError, http_date};
use crate::{Quota, RetryAfter};

/// The current window of each client.
#[derive(Default)]
pub(crate) struct Quotas(BTreeMap<String, Window>);

#[derive(Clone, Copy)]
struct Window {
    begun_ms: u64,
    requests: u32,
}

impl Quotas {
    /// Counts one request, or answers 429 if the window is full.
    pub(crate) fn count(&mut self, client_id: &str, quota: &Quota, now_ms: u64) -> Result<(), OAuthError> {
        let fresh = Window { begun_ms: now_ms, requests: 0 };
        let window = self.0.entry(client_id.to_owned()).or_insert(fresh);
        let end_ms = |window: &Window| window.begun_ms.saturating_add(quota.window_ms);
        if now_ms >= end_ms(window) {
            *window = fresh;
        }
        if window.requests < quota.requests {
            window.requests += 1;
            return Ok(());
        }
        let end_ms = end_ms(window);
        let retry_after = match quota.retry_after {
            RetryAfter::Absent => None,
            RetryAfter::Seconds => Some(HeaderValue::from(end_ms.saturating_sub(now_ms).div_ceil(1000))),
            // An HTTP date has whole seconds: rounded down, it would invite too early.
            RetryAfter::HttpDate => HeaderValue::try_from(http_date(end_ms.saturating_add(999))).ok(),
        };
        Err(OAuthError::too_many_requests(retry_after))
    }
}
