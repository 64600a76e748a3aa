//! Reading a token endpoint's answer, tolerantly.
//!
//! Providers agree on very little of RFC 6749 §5. What stays strict: a token set needs a 2xx status and a
//! non-empty access token; and nothing that may hold a refresh token is thrown away.

use bytes::Bytes;
use jiff::Timestamp;
use vestal_core::outcome::Reply;
use vestal_core::provider::Shape;
use vestal_core::secret::Redactor;

use crate::http::{Answer, BODY_MAX_BYTES, BodyEnd, Exchange};
use crate::http_date;

mod body;
mod error_body;
mod held;
mod lenient;
mod life;
mod place;
mod token_set;

pub(crate) use body::{Body, redirect_target};
use error_body::ErrorBody;
use life::Reference;
pub(crate) use life::take_seconds;
pub use token_set::is_usable;

/// How much of an answer is kept that could not be read, and in which no token is seen: no token set is as long, and a
/// page that comes again at every try must not fill a disk.
pub const RAW_MAX_BYTES: usize = 64 * 1024;

/// What an exchange with a token endpoint came to.
pub struct Reading {
    /// What came back.
    pub reply: Reply,
    /// The body, not empty, of an answer that may hold tokens and could not be taken as such: one that could not
    /// be read although its status says success, or one that holds tokens although it says that it is none. It may
    /// hold the only refresh token. At most [`RAW_MAX_BYTES`], unless tokens are seen in it.
    pub raw: Option<Bytes>,
    /// The provider's time, from the `Date` header.
    pub date: Option<Timestamp>,
}

/// Reads what came back. Lives count from `started_at`, when the request was started; `sent` knows the secrets that it
/// carried (see [`crate::sent`]).
pub fn read_token_answer(exchange: Exchange, started_at: Timestamp, sent: &Redactor) -> Reading {
    read_token_answer_of(exchange, started_at, sent, Shape::default())
}

/// The same, from a provider whose answers have this shape.
pub fn read_token_answer_of(
    exchange: Exchange,
    started_at: Timestamp,
    sent: &Redactor,
    shape: Shape<'_>,
) -> Reading {
    let reply = match exchange {
        Exchange::NotSent { detail } => Reply::NotSent { detail },
        Exchange::ClientUnfit { detail } => Reply::ClientUnfit { detail },
        Exchange::NoAnswer { detail } => Reply::NoAnswer { detail },
        Exchange::Answered(answer) => return read_answer(answer, started_at, sent, shape),
    };
    Reading { reply, raw: None, date: None }
}

fn read_answer(answer: Answer, started_at: Timestamp, sent: &Redactor, shape: Shape<'_>) -> Reading {
    let date = http_date::date(&answer.headers);
    let status = answer.status;
    let successful = (200..300).contains(&status);
    let retry_after = http_date::retry_after(&answer.headers, date.unwrap_or(started_at));
    let body = Body::parse(&answer);
    let text = String::from_utf8_lossy(&answer.body);
    let failure = body.failure(shape, sent);
    let body = match body {
        Body::Object(fields) if successful && failure.is_none() => {
            match place::token_set(fields, &text, shape.places) {
                Ok(fields) => {
                    let tokens = token_set::read(fields, Reference { date, started_at });
                    return Reading { reply: Reply::Tokens(Box::new(tokens)), raw: None, date };
                }
                Err(fields) => Body::Object(fields),
            }
        }
        body => body,
    };
    let fields = match &body {
        Body::Object(fields) => Some(fields),
        _ => None,
    };
    let is_token_set = fields.is_some_and(token_set::is_one);
    let error = failure
        .or_else(|| body.error(shape, sent))
        .or_else(|| error_body::in_challenge(status, &answer.headers, sent));
    let holds_tokens =
        is_token_set || held::a_refresh_token(&text, fields, !successful || error.is_some(), sent);
    let unreadable = |detail| Reply::Unreadable { status, detail, retry_after, holds_tokens };
    let reply = match error {
        Some(ErrorBody { code, detail }) => {
            let detail = if holds_tokens { format!("{detail}, with tokens beside it") } else { detail };
            Reply::Error { status, code, detail, retry_after, holds_tokens }
        }
        None if is_token_set => {
            unreadable(format!("answered {status}, which is no success, with a token set"))
        }
        None => unreadable(describe(&answer, &body, sent)),
    };
    let may_hold_tokens = holds_tokens || (successful && matches!(reply, Reply::Unreadable { .. }));
    let raw = Some(answer.body).filter(|body| may_hold_tokens && !body.is_empty());
    let most = if holds_tokens { BODY_MAX_BYTES } else { RAW_MAX_BYTES };
    let raw = raw.map(|body| body.slice(..body.len().min(most)));
    Reading { reply, raw, date }
}

/// What is wrong with an answer that could not be read.
pub(crate) fn describe(answer: &Answer, body: &Body, sent: &Redactor) -> String {
    let Answer { status, body: bytes, end, .. } = answer;
    if let Some(target) = redirect_target(answer) {
        let target = sent.redact(&target);
        return format!("answered {status}: redirected to {target}, and redirects are not followed");
    }
    match end {
        BodyEnd::Complete => format!("answered {status} with {}", body.name(sent)),
        BodyEnd::Truncated => {
            format!("answered {status}, but its body broke off after {} bytes", bytes.len())
        }
        BodyEnd::TimedOut => {
            format!("answered {status}, but only {} bytes of its body came in time", bytes.len())
        }
        BodyEnd::TooLarge => format!("answered {status} with more than {} KiB", BODY_MAX_BYTES / 1024),
    }
}

#[cfg(test)]
mod tests;
