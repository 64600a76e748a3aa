//! The answers of the API. Errors come in several shapes, and nothing in the status says in which.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{Response, answer};

/// The shapes of the API's errors. The fourth is that of the token endpoint (RFC 6749 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorShape {
    /// `[{"error_key": …, "error_message": …}]`: what the contacts' service says.
    Array,
    /// `{"error_key": …, "error_message": …}`: what is said before a request gets there.
    Object,
    /// `{"message": …}`: what activities say that take a while.
    Message,
}

/// An error.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) shape: ApiErrorShape,
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn unauthorized() -> Self {
        Self::before(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized")
    }

    pub(super) fn forbidden() -> Self {
        Self::before(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Forbidden request. You lack the necessary scopes, you lack the necessary user privileges, or the \
             application is deactivated.",
        )
    }

    pub(super) fn throttled() -> Self {
        Self::before(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too Many Requests")
    }

    pub(super) fn quota_exceeded() -> Self {
        Self::before(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", "Limit Exceeded")
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::within(StatusCode::BAD_REQUEST, "contacts.api.validation.error", message)
    }

    pub(super) fn unsupported() -> Self {
        let message = "The payload must be in JSON format and Content-Type must be application/json.";
        Self::within(StatusCode::UNSUPPORTED_MEDIA_TYPE, "contacts.api.unsupported_media_type", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::within(StatusCode::NOT_FOUND, "contacts.api.not_found", message)
    }

    pub(super) fn conflict() -> Self {
        let message = "Simultaneous requests attempt to modify the same contact.";
        Self::within(StatusCode::CONFLICT, "contacts.api.conflict", message)
    }

    fn before(status: StatusCode, key: &'static str, message: &str) -> Self {
        Self { status, shape: ApiErrorShape::Object, key, message: message.to_owned() }
    }

    fn within(status: StatusCode, key: &'static str, message: impl Into<String>) -> Self {
        Self { status, shape: ApiErrorShape::Array, key, message: message.into() }
    }

    pub(super) fn into_response(self) -> Response {
        answer::json(self.status, &self.body())
    }

    fn body(&self) -> Value {
        let object = json!({"error_key": self.key, "error_message": self.message});
        match self.shape {
            ApiErrorShape::Array => json!([object]),
            ApiErrorShape::Object => object,
            ApiErrorShape::Message => json!({"message": self.message}),
        }
    }
}

/// A contact was written.
pub(super) fn written(status: StatusCode, id: &str, action: &str) -> Response {
    answer::json(status, &json!({"contact_id": id, "action": action}))
}
