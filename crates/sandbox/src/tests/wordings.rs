//! Errors in a provider's own words.

use http::StatusCode;
use serde_json::json;

use super::*;
use crate::{Quota, RetryAfter, Wording, Wordings};

#[test]
fn errors_are_worded_as_the_provider_does() {
    let mut dead = Wording::new(StatusCode::OK, "invalid_refresh_token", "");
    dead.beside.insert("ok".into(), false.into());
    let mut many = Wording::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "slow down");
    many.field = "error_key".into();
    let mut world = World::new(|settings| {
        settings.wordings = Wordings { dead_grant: Some(dead), too_many_requests: Some(many) };
        let retry_after = RetryAfter::Seconds;
        settings.quotas = vec![Quota { per: Per::Client, requests: 2, window_ms: 60_000, retry_after }];
    });
    let answer = world.refresh("rt_made_up");
    assert_eq!(answer, (StatusCode::OK, json!({"ok": false, "error": "invalid_refresh_token"})));
    // What there are no words for is told as the RFC has it.
    assert_eq!(world.token(&[("grant_type", "made_up")]).1["error"], "unsupported_grant_type");
    let response = world.post("/token", BASIC, &[("grant_type", "client_credentials")]);
    assert_eq!(header_of(&response, "retry-after"), Some("60"));
    let told = json!({"error_key": "throttled", "error_description": "slow down"});
    assert_eq!(read(&response), (StatusCode::TOO_MANY_REQUESTS, told));
}
