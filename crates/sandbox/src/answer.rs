//! The shapes of answers that several endpoints share.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{Response, Settings, Wordings};

/// A JSON answer that no cache may keep (RFC 6749 §5.1).
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An answer for a person.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "There is nothing here. See /.well-known/oauth-authorization-server.\n")
}

pub(crate) fn method_not_allowed(allowed: &Method) -> Response {
    let mut response =
        text(StatusCode::METHOD_NOT_ALLOWED, format!("This endpoint answers to {allowed} only.\n"));
    if let Ok(allowed) = HeaderValue::from_str(allowed.as_str()) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// A time as HTTP writes it (RFC 9110 §5.6.7). Times after the year 9999, which it cannot write, become its end.
pub(crate) fn http_date(unix_ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_000;
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST_MS)))
}

/// An error answer of the token, introspection or revocation endpoint (RFC 6749 §5.2).
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl OAuthError {
    fn new(status: StatusCode, code: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, description: description.into(), header: None }
    }

    pub(crate) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(crate) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    /// A 400 with a code of one grant's own.
    pub(crate) fn bad_request(code: &'static str, description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    pub(crate) fn invalid_scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    pub(crate) fn unauthorized_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", description)
    }

    pub(crate) fn unsupported_grant_type(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description)
    }

    pub(crate) fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description);
        error.header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sandbox\"")));
        error
    }

    pub(crate) fn too_many_requests(retry_after: Option<HeaderValue>) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "the client's quota for this window is used up",
        );
        error.header = retry_after.map(|value| (header::RETRY_AFTER, value));
        error
    }

    /// The answer in a dialect: where successes say that they are some, an error comes as one that says otherwise.
    pub(crate) fn into_response_of(self, settings: &Settings) -> Response {
        match &settings.dialect.success {
            None => self.into_response(&settings.wordings),
            Some((field, Value::Bool(says))) => {
                let body = json!({*field: !says, "error": self.code, "error_description": self.description});
                json(StatusCode::OK, &body)
            }
            Some((field, _)) => {
                let message = format!("{}: {}", self.code, self.description);
                json(StatusCode::OK, &json!({*field: self.status.as_u16(), "message": message}))
            }
        }
    }

    /// In the words of the RFC, or those that the provider has for it.
    pub(crate) fn into_response(self, wordings: &Wordings) -> Response {
        let mut response = match wordings.of(self.status, self.code) {
            Some(wording) => json(wording.status, &wording.body()),
            None => json(self.status, &json!({"error": self.code, "error_description": self.description})),
        };
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        for (unix_ms, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(unix_ms), expected);
        }
    }
}
