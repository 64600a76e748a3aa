//! Consent on another device (RFC 8628): a code for a person to type in elsewhere, and the polls for its outcome.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vestal_core::outcome::{Class, Reply};
use vestal_core::provider::{RequestFacts, Shape};
use vestal_core::secret::Redactor;
use vestal_core::text::is_disruptive;
use vestal_core::token::TokenAnswer;

use crate::client_auth::Credentials;
use crate::endpoint;
use crate::form::{Unsendable, post};
use crate::http::Exchange;
use crate::read::{Body, describe, take_seconds};

/// The grant's name (RFC 8628 §3.4).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long to wait between polls where the answer does not say (RFC 8628 §3.2).
const INTERVAL: Duration = Duration::from_secs(5);

/// By how much `slow_down` lengthens that, for good (RFC 8628 §3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// Nobody is asked for more patience between two polls, whoever asks.
const LONGEST_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// How long the codes live where the answer does not say, though it must (RFC 8628 §3.2).
const LIFE: Duration = Duration::from_secs(10 * 60);

/// Nobody waits longer for a person.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);

/// The longest code that a person is asked to type.
const USER_CODE_MAX_CHARS: usize = 64;

/// What a person is asked to do (RFC 8628 §3.2).
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// What the client polls with.
    pub device_code: SecretString,
    /// What the person types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Url>,
    /// How long the codes live, from the start of the request.
    pub expires_in: Duration,
    /// How long to wait before each poll.
    pub interval: Duration,
}

/// Why there are no codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCodes {
    /// What happened, redacted.
    pub detail: String,
    /// Whether trying again may help.
    pub transient: bool,
}

/// The request for the codes (RFC 8628 §3.1). Without scopes, the provider's default applies.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn request(
    endpoint: &Url,
    credentials: &Credentials,
    scopes: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let scope = scopes.join(requests.scope_separator());
    let fields = [(requests.device_scope().unwrap_or("scope"), scope.as_str())];
    post(endpoint, credentials, if scope.is_empty() { &[] } else { &fields }, requests)
}

/// Reads what came back; `sent` knows the secrets that the request carried.
///
/// # Errors
/// Where there are no codes in it, or none that a person could use.
pub fn read(exchange: Exchange, sent: &Redactor) -> Result<DeviceAuthorization, NoCodes> {
    let answer = match exchange {
        Exchange::Answered(answer) => answer,
        Exchange::NotSent { detail } | Exchange::NoAnswer { detail } => {
            return Err(NoCodes { detail, transient: true });
        }
        Exchange::ClientUnfit { detail } => return Err(NoCodes { detail, transient: false }),
    };
    let status = answer.status;
    let body = Body::parse(&answer);
    let refused = |detail: String, code: String| {
        let reply = Reply::Error { status, code, detail, retry_after: None, holds_tokens: false };
        let transient = matches!(Class::of(&reply), Class::Transient | Class::Ambiguous);
        NoCodes { detail: reply.words().0, transient }
    };
    if let Some(error) = body.error(Shape::default(), sent) {
        return Err(refused(error.detail, error.code));
    }
    let unusable =
        |what: &str| NoCodes { detail: format!("answered {status} with {what}"), transient: false };
    let mut fields = match body {
        Body::Object(fields) if (200..300).contains(&status) => fields,
        body => return Err(refused(describe(&answer, &body, sent), String::new())),
    };
    let expires_in = take_seconds(&mut fields, "expires_in").filter(|seconds| *seconds > 0.0);
    let interval = take_seconds(&mut fields, "interval").filter(|seconds| *seconds > 0.0);
    let length = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE);
    let text = |name: &str| fields.get(name).and_then(serde_json::Value::as_str).map(str::trim);
    let device_code = text("device_code").filter(|code| !code.is_empty());
    let user_code = text("user_code").filter(|code| is_typeable(code));
    // Google's name for it is older than the RFC.
    let verification_uri = text("verification_uri").or_else(|| text("verification_url")).and_then(page);
    match (device_code, user_code, verification_uri) {
        (None, ..) => Err(unusable("no device_code")),
        (_, None, _) => Err(unusable("no user_code that could be typed")),
        (.., None) => Err(unusable("no verification_uri that could be opened")),
        (Some(device_code), Some(user_code), Some(verification_uri)) => Ok(DeviceAuthorization {
            device_code: device_code.into(),
            user_code: user_code.to_owned(),
            verification_uri,
            verification_uri_complete: text("verification_uri_complete").and_then(page),
            expires_in: expires_in.map_or(LIFE, length).min(LONGEST_LIFE),
            interval: interval.map_or(INTERVAL, length).min(LONGEST_INTERVAL),
        }),
    }
}

/// Whether a person could read it from a terminal, and nothing else would happen there.
fn is_typeable(code: &str) -> bool {
    !code.is_empty() && code.chars().count() <= USER_CODE_MAX_CHARS && !code.contains(is_disruptive)
}

/// A page that a person may be sent to.
fn page(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let mut checked = url.clone();
    // A page may have one.
    checked.set_fragment(None);
    endpoint::check(&checked).is_ok().then_some(url)
}

/// The request that asks what became of it (RFC 8628 §3.4). Who has a name of their own for `scope` wants it again.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    device_code: &SecretString,
    scopes: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let scope = scopes.join(requests.scope_separator());
    let mut fields = vec![("grant_type", GRANT_TYPE), ("device_code", device_code.expose_secret())];
    fields.extend(requests.device_scope().filter(|_| !scope.is_empty()).map(|name| (name, scope.as_str())));
    post(endpoint, credentials, &fields, requests)
}

/// What a poll came to.
#[derive(Clone, Debug)]
pub enum Poll {
    /// The person consented.
    Granted(Box<TokenAnswer>),
    /// Nobody knows yet: ask again, after this time from now on.
    Again {
        /// How long to wait before each poll.
        interval: Duration,
    },
    /// The person said no.
    Denied,
    /// It took too long.
    Expired,
    /// The provider refused, for another reason.
    Failed {
        /// What it said, redacted.
        detail: String,
    },
}

/// What follows from the answer to a poll (RFC 8628 §3.5). `interval` is how long was waited before it.
pub fn decide(reply: Reply, interval: Duration) -> Poll {
    let class = Class::of(&reply);
    let (detail, retry_after) = reply.words();
    let again = |wait: Duration| Poll::Again { interval: wait.min(LONGEST_INTERVAL) };
    match (reply, class) {
        (Reply::Tokens(answer), _) => Poll::Granted(answer),
        (Reply::Error { code, .. }, class) => match (code.as_str(), class) {
            ("authorization_pending", _) => again(interval),
            ("slow_down", _) => again(interval + SLOW_DOWN),
            // The second one is Microsoft's.
            ("access_denied" | "authorization_declined", _) => Poll::Denied,
            ("expired_token", _) => Poll::Expired,
            (_, Class::Transient | Class::Ambiguous) => again(slower(interval, retry_after)),
            _ => Poll::Failed { detail },
        },
        // Of connections that time out, the RFC says to double the interval.
        (_, Class::Transient | Class::Ambiguous) => again(slower(interval, retry_after)),
        _ => Poll::Failed { detail },
    }
}

fn slower(interval: Duration, asked: Option<Duration>) -> Duration {
    (interval * 2).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests;
