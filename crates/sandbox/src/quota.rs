//! Counting token requests.

use std::collections::BTreeMap;

use http::HeaderValue;

use crate::answer::{OAuthError, http_date};
use crate::grants::GrantId;
use crate::{Per, Quota, RetryAfter};

/// The current windows: of each quota, by who is counted.
#[derive(Default)]
pub(crate) struct Quotas(BTreeMap<(usize, Counted), Window>);

/// Who is counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Client(String),
    Grant(GrantId),
}

/// Whose request it is.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) client: &'a str,
    /// The grant that is to be refreshed, where one is.
    pub(crate) grant: Option<GrantId>,
}

#[derive(Clone, Copy)]
struct Window {
    begun_ms: u64,
    requests: u32,
}

impl Quotas {
    /// Counts one request, or answers 429 if a window is full. What is refused by one quota has been counted by those before.
    pub(crate) fn count(
        &mut self,
        whose: Whose<'_>,
        quotas: &[Quota],
        now_ms: u64,
    ) -> Result<(), OAuthError> {
        for (index, quota) in quotas.iter().enumerate() {
            let counted = match (quota.per, whose.grant) {
                (Per::Client, _) => Counted::Client(whose.client.to_owned()),
                (Per::Grant, Some(grant)) => Counted::Grant(grant),
                (Per::Grant, None) => continue,
            };
            let fresh = Window { begun_ms: now_ms, requests: 0 };
            count_in(self.0.entry((index, counted)).or_insert(fresh), quota, now_ms)?;
        }
        Ok(())
    }
}

fn count_in(window: &mut Window, quota: &Quota, now_ms: u64) -> Result<(), OAuthError> {
    if now_ms >= window.begun_ms.saturating_add(quota.window_ms) {
        *window = Window { begun_ms: now_ms, requests: 0 };
    }
    if window.requests < quota.requests {
        window.requests += 1;
        return Ok(());
    }
    let end_ms = window.begun_ms.saturating_add(quota.window_ms);
    let retry_after = match quota.retry_after {
        RetryAfter::Absent => None,
        RetryAfter::Seconds => Some(HeaderValue::from(end_ms.saturating_sub(now_ms).div_ceil(1000))),
        // An HTTP date has whole seconds: rounded down, it would invite too early.
        RetryAfter::HttpDate => HeaderValue::try_from(http_date(end_ms.saturating_add(999))).ok(),
    };
    Err(OAuthError::too_many_requests(retry_after))
}
