//! How long a token lives, in the many ways that providers say it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use vestal_core::token::{LONGEST_LIFE, SaidLife};

use crate::jwt;

/// What absolute times are compared with.
#[derive(Clone, Copy)]
pub(super) struct Reference {
    /// The provider's time when it answered, if it said: our clock may be wrong.
    pub(super) date: Option<Timestamp>,
    /// Our time when the request was started.
    pub(super) started_at: Timestamp,
}

/// The access token's life: `expires_in`, else `expires_at`, else the token's own `exp` if it is a JWT.
pub(super) fn access_token(
    fields: &mut Map<String, Value>,
    token: &str,
    reference: Reference,
) -> Option<Duration> {
    let said = take_seconds(fields, "expires_in").and_then(life);
    said.or_else(|| until(fields.get("expires_at")?, reference)).or_else(|| jwt_life(token, reference))
}

/// The refresh token's life: how long, or else until when.
pub(super) fn refresh_token(fields: &mut Map<String, Value>, reference: Reference) -> Option<SaidLife> {
    let seconds = ["refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"]
        .into_iter()
        .find_map(|name| take_seconds(fields, name));
    // Intuit says when it ends whatever is done, where it is asked to.
    let whole = take_seconds(fields, "x_refresh_token_hard_expires_in").and_then(life);
    match (seconds.and_then(life), whole) {
        (Some(idle), Some(whole)) => Some(SaidLife::Within { idle, whole }),
        (Some(one), None) | (None, Some(one)) => Some(SaidLife::For(one)),
        (None, None) if seconds == Some(0.0) => Some(SaidLife::Endless),
        (None, None) if seconds.is_some() => None,
        (None, None) => until(fields.get("refresh_token_expires_at")?, reference).map(SaidLife::For),
    }
}

/// How long it is until an end.
fn until(end: &Value, reference: Reference) -> Option<Duration> {
    let now = reference.date.unwrap_or(reference.started_at);
    life(epoch_seconds(end)? - now.as_duration().as_secs_f64())
}

fn life(seconds: f64) -> Option<Duration> {
    if seconds <= 0.0 {
        return None;
    }
    let life = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE);
    (!life.is_zero()).then_some(life)
}

/// A field that is a number, or a number in a string. It is taken out if it is one, or null.
pub(crate) fn take_seconds(fields: &mut Map<String, Value>, name: &str) -> Option<f64> {
    let value = fields.get(name)?;
    let seconds = number(value);
    if seconds.is_some() || value.is_null() {
        fields.remove(name);
    }
    seconds
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// Seconds or milliseconds since 1970, or RFC 3339 (Square).
fn epoch_seconds(value: &Value) -> Option<f64> {
    /// As seconds this is the year 5138, as milliseconds it is 1973.
    const FIRST_MILLIS: f64 = 1e11;
    if let Some(number) = number(value) {
        return Some(if number < FIRST_MILLIS { number } else { number / 1e3 });
    }
    let at: Timestamp = value.as_str()?.trim().parse().ok()?;
    Some(at.as_duration().as_secs_f64())
}

/// The life in a JWT's claims (RFC 7519 §4.1). Nothing is verified: the token is the provider's own, and it is
/// read only to know when to replace it.
fn jwt_life(token: &str, reference: Reference) -> Option<Duration> {
    let claims = jwt::claims(token)?;
    let claim = |name| number(claims.get(name)?);
    // Not `iat` first: a provider may hand out a token again that it issued a while ago.
    let date = reference.date.map(|date| date.as_duration().as_secs_f64());
    let now =
        date.or_else(|| claim("iat")).unwrap_or_else(|| reference.started_at.as_duration().as_secs_f64());
    life(claim("exp")? - now)
}
