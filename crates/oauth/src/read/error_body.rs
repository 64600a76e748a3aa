//! An error in an answer, in the words of RFC 6749 §5.2 or of the provider's API.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Map, Value};
use vestal_core::secret::Redactor;

/// An error. Redacted.
pub(crate) struct ErrorBody {
    /// Its code.
    pub(crate) code: String,
    /// The code and its description.
    pub(crate) detail: String,
}

/// The code of an answer that says `"ok": false` and nothing else, as Slack's do.
const NOT_OK: &str = "not_ok";

/// The error that the fields of an answer speak of, if they do. `field`: where a provider puts its code, should it not be where
/// it is customary.
pub(super) fn in_fields(
    fields: &Map<String, Value>,
    field: Option<&str>,
    sent: &Redactor,
) -> Option<ErrorBody> {
    if let Some(code) = first_text(fields, &["error", "error_key", "errorCode", "error_type"]) {
        return Some(told(code, description(fields), sent));
    }
    // Within an error, names may be shorter: Facebook's and Google's are objects, Fitbit's a list.
    let inner = match (fields.get("error"), fields.get("errors")) {
        (Some(Value::Object(inner)), _) => Some(inner),
        (_, Some(Value::Array(all))) => all.first().and_then(Value::as_object),
        _ => None,
    };
    if let Some(inner) = inner {
        let kind = first_text(inner, &["code", "errorType", "errorCode", "type", "status"]);
        let number = inner.get("code").filter(|code| code.is_u64() || code.is_i64()).map(Value::to_string);
        let code = number.as_deref().or(kind)?;
        let kind = kind.filter(|kind| *kind != code);
        let description = description(inner).or_else(|| description(fields));
        let words = [kind, description].into_iter().flatten().collect::<Vec<_>>().join(": ");
        return Some(told(code, Some(words.as_str()).filter(|words| !words.is_empty()), sent));
    }
    if let Some(code) = field.and_then(|field| first_text(fields, &[field])) {
        return Some(told(code, description(fields), sent));
    }
    (fields.get("ok") == Some(&Value::Bool(false))).then(|| told(NOT_OK, description(fields), sent))
}

/// The error of an answer that says that it is no success, and by this: a number, as a rule.
pub(super) fn of_no_success(said: &Value, fields: &Map<String, Value>, sent: &Redactor) -> ErrorBody {
    let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    told(if said.trim().is_empty() { NOT_OK } else { &said }, description(fields), sent)
}

/// The error in a challenge (RFC 6750 §3), if there is one. A challenge for HTTP Basic alone is one too: the only
/// credentials that a token endpoint can ask for are the client's (RFC 6749 §5.2).
pub(super) fn in_challenge(status: u16, headers: &HeaderMap, sent: &Redactor) -> Option<ErrorBody> {
    if status != 401 {
        return None;
    }
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut basic = None;
    for challenge in challenges {
        if let Some(code) = parameter(challenge, "error") {
            return Some(told(code, parameter(challenge, "error_description"), sent));
        }
        let scheme = challenge.split_whitespace().next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(told("invalid_client", Some("it asks for the client's credentials again"), sent));
        }
    }
    basic
}

/// The provider's words for people.
pub(super) fn description(fields: &Map<String, Value>) -> Option<&str> {
    first_text(fields, &["error_description", "error_message", "message", "detail"])
}

fn told(code: &str, description: Option<&str>, sent: &Redactor) -> ErrorBody {
    let detail =
        description.map_or_else(|| sent.redact(code), |said| sent.redact(&format!("{code}: {said}")));
    ErrorBody { code: sent.redact(code), detail }
}

/// The first of these fields that says something.
fn first_text<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    let text = |name: &&str| fields.get(*name).and_then(Value::as_str).map(str::trim);
    names.iter().filter_map(text).find(|text| !text.is_empty())
}

/// A quoted parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let starts = challenge.match_indices(name).map(|(at, _)| challenge.split_at(at));
    let mut values = starts.filter_map(|(before, found)| {
        let is_a_name = before.ends_with([' ', ',']);
        let value = found[name.len()..].strip_prefix("=\"").filter(|_| is_a_name)?;
        value.split_once('"').map(|(value, _)| value.trim())
    });
    values.find(|value| !value.is_empty())
}
