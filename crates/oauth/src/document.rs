//! A JSON object that is no token set: what endpoints beside the token endpoint answer.

use serde_json::{Map, Value};
use vestal_core::outcome::{Class, Reply};
use vestal_core::provider::Shape;
use vestal_core::secret::Redactor;

#[cfg(test)]
use crate::http::Answer;
use crate::http::{BodyEnd, Exchange};
use crate::read::{Body, read_token_answer};

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct NoDocument {
    /// What happened. Redacted.
    pub detail: String,
    /// Whether trying again may help.
    pub transient: bool,
}

/// Reads the object that an endpoint answered with. `sent` knows the secrets that the request carried.
///
/// # Errors
/// Where no whole object came, or one that says that it is an error.
pub(crate) fn object(exchange: Exchange, sent: &Redactor) -> Result<Map<String, Value>, NoDocument> {
    if let Exchange::Answered(answer) = &exchange
        && (200..300).contains(&answer.status)
        && answer.end == BodyEnd::Complete
        && let body = Body::parse(answer)
        && body.error(Shape::default(), sent).is_none()
        && let Body::Object(fields) = body
    {
        return Ok(fields);
    }
    // What else may come is what may come from a token endpoint. Lives are not asked for.
    let reply = read_token_answer(exchange, jiff::Timestamp::UNIX_EPOCH, sent).reply;
    let transient = matches!(Class::of(&reply), Class::Transient | Class::Ambiguous)
        && !matches!(reply, Reply::Unreadable { status: 200..300, .. });
    let detail = match reply {
        Reply::Error { detail, .. }
        | Reply::Unreadable { detail, .. }
        | Reply::NotSent { detail }
        | Reply::ClientUnfit { detail }
        | Reply::NoAnswer { detail } => detail,
        Reply::Tokens(_) => "answered with a token set".to_owned(),
    };
    Err(NoDocument { detail, transient })
}

#[cfg(test)]
pub(crate) fn answered(status: u16, body: &str) -> Exchange {
    let headers = http::HeaderMap::new();
    Exchange::Answered(Answer { status, headers, body: body.to_owned().into(), end: BodyEnd::Complete })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_or_why_there_is_none() {
        let read = |status, body: &str| object(answered(status, body), &Redactor::default());
        assert_eq!(read(200, r#"{"keys":[]}"#).unwrap().len(), 1);
        for (status, body, detail, transient) in [
            (400, r#"{"error":"invalid_request","error_description":"no"}"#, "invalid_request: no", false),
            (200, r#"{"error":"invalid_request"}"#, "invalid_request", false),
            (200, "<html>", "answered 200 with an HTML page, not JSON", false),
            (503, "", "answered 503 with an empty body", true),
        ] {
            assert_eq!(
                read(status, body),
                Err(NoDocument { detail: detail.into(), transient }),
                "{status} {body}"
            );
        }
        let lost = object(Exchange::NotSent { detail: "no route".into() }, &Redactor::default());
        assert_eq!(lost, Err(NoDocument { detail: "no route".into(), transient: true }));
    }
}
