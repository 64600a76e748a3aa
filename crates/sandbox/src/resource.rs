//! A protected resource: `GET /api/me` tells who the bearer of an access token is (RFC 6750).

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{Request, Response, Sandbox, answer};

impl Sandbox {
    pub(crate) fn resource(&self, request: &Request, now_ms: u64) -> Response {
        let Some(bearer) = bearer(request) else {
            // RFC 6750 §3.1: who brought no token is told no error code.
            return unauthorized("Bearer realm=\"sandbox\"");
        };
        match self.active_access_token(bearer, now_ms) {
            Some(token) => {
                answer::json(StatusCode::OK, &json!({"sub": self.subject_of(token), "scope": token.scope}))
            }
            None => unauthorized("Bearer realm=\"sandbox\", error=\"invalid_token\""),
        }
    }
}

/// The token in the `Authorization` header (RFC 6750 §2.1).
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized(challenge: &'static str) -> Response {
    let mut response = answer::text(StatusCode::UNAUTHORIZED, "Who are you?\n");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
