//! How a provider words its errors, where not as RFC 6749 §5.2 does.

use http::StatusCode;
use serde_json::{Map, Value};

/// The words for each error. Where there are none, they are those of the RFC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wordings {
    /// For `invalid_grant`: a refresh token that is dead, used up or unknown.
    pub dead_grant: Option<Wording>,
    /// For a request too many.
    pub too_many_requests: Option<Wording>,
}

/// An error in a provider's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    /// The HTTP status: some answer with 200.
    pub status: StatusCode,
    /// The name of the field that holds the code: `error` in the RFC.
    pub field: String,
    /// The code.
    pub code: String,
    /// What it says beside it.
    pub description: String,
    /// What else stands in the answer: `"ok": false`.
    pub beside: Map<String, Value>,
}

impl Wording {
    /// A code in the customary field.
    pub fn new(status: StatusCode, code: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            status,
            field: "error".to_owned(),
            code: code.into(),
            description: description.into(),
            beside: Map::new(),
        }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = self.beside.clone();
        body.insert(self.field.clone(), self.code.clone().into());
        if !self.description.is_empty() {
            body.insert("error_description".to_owned(), self.description.clone().into());
        }
        Value::Object(body)
    }
}

impl Wordings {
    /// The provider's own words for an error of the RFC, if it has some.
    pub(crate) fn of(&self, status: StatusCode, code: &str) -> Option<&Wording> {
        match (status, code) {
            (StatusCode::TOO_MANY_REQUESTS, _) => self.too_many_requests.as_ref(),
            (_, "invalid_grant") => self.dead_grant.as_ref(),
            _ => None,
        }
    }
}
