//! What a body is made of, whatever its content type says.

use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use vestal_core::provider::Shape;
use vestal_core::secret::Redactor;

use super::error_body::{self, ErrorBody};
use super::lenient;
use crate::http::{Answer, BodyEnd};
use crate::words::shown;

/// How many field names are told of an object that is not understood.
const NAMES_MAX: usize = 8;

/// A body, as far as it could be taken apart.
pub(crate) enum Body {
    /// A JSON object, or a form: GitHub and Facebook answered in forms for years.
    Object(Map<String, Value>),
    /// A JSON array's first object: how Constant Contact says what went wrong.
    List(Map<String, Value>),
    /// Nothing.
    Empty,
    /// A page, as a captive portal or a firewall sends it.
    Html,
    /// JSON that is something else, or is broken.
    OtherJson,
    /// Anything else.
    Text,
}

impl Body {
    /// Takes a body apart. JSON says itself where it ends, so a whole object counts even if the connection
    /// ended badly after it; a form counts only if it is complete.
    pub(crate) fn parse(answer: &Answer) -> Self {
        // A name in another encoding must not hide the tokens beside it.
        let text = String::from_utf8_lossy(&answer.body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Self::Empty;
        }
        if text.starts_with('<') {
            return Self::Html;
        }
        if answer.end != BodyEnd::TooLarge {
            match serde_json::from_str(text) {
                Ok(Value::Object(fields)) if fields.is_empty() => return Self::Object(fields),
                Ok(Value::Array(items)) => {
                    let first = items.into_iter().next();
                    let Some(Value::Object(fields)) = first else { return Self::OtherJson };
                    return Self::List(fields);
                }
                Ok(Value::Object(_)) | Err(_) => {
                    if let Some(fields) = lenient::object(text).filter(|fields| !fields.is_empty()) {
                        return Self::Object(fields);
                    }
                }
                Ok(_) => return Self::OtherJson,
            }
        }
        if text.starts_with(['{', '[', '"']) {
            return Self::OtherJson;
        }
        if answer.end == BodyEnd::Complete && !text.contains(char::is_whitespace) {
            let mut fields = Map::new();
            let unambiguous = form_urlencoded::parse(text.as_bytes())
                .try_for_each(|(name, value)| lenient::put(&mut fields, name.into(), value.into()));
            if unambiguous.is_none() {
                return Self::Text;
            }
            if fields.contains_key("access_token") || fields.contains_key("error") {
                return Self::Object(fields);
            }
        }
        Self::Text
    }

    /// The error in it, if there is one.
    pub(crate) fn error(&self, shape: Shape<'_>, sent: &Redactor) -> Option<ErrorBody> {
        match self {
            Self::Object(fields) | Self::List(fields) => error_body::in_fields(fields, shape.error, sent),
            _ => None,
        }
    }

    /// The error in it, where it says that it is no success.
    pub(super) fn failure(&self, shape: Shape<'_>, sent: &Redactor) -> Option<ErrorBody> {
        match (self, shape.success) {
            (Self::Object(fields), Some(success)) => {
                let said = fields.get(&success.field).filter(|said| **said != success.says)?;
                Some(self.error(shape, sent).unwrap_or_else(|| error_body::of_no_success(said, fields, sent)))
            }
            _ => None,
        }
    }

    /// What it is, for somebody who expected a token set.
    pub(crate) fn name(&self, sent: &Redactor) -> String {
        match self {
            Self::Object(fields) if fields.is_empty() => "an empty JSON object".into(),
            Self::Object(fields) | Self::List(fields) => {
                let names: Vec<&str> = fields.keys().take(NAMES_MAX).map(String::as_str).collect();
                let names = names.join(", ");
                let said = match error_body::description(fields) {
                    Some(said) => format!(", which say: {said}"),
                    None => String::new(),
                };
                sent.redact(&format!(
                    "neither a usable token set nor an OAuth error, but fields named {names}{said}"
                ))
            }
            Self::Empty => "an empty body".into(),
            Self::Html => "an HTML page, not JSON".into(),
            Self::OtherJson => "JSON that is broken, ambiguous or no object".into(),
            Self::Text => "something that is neither JSON nor a form".into(),
        }
    }
}

/// The host that a 3xx answer points to, and nothing else of its URL.
pub(crate) fn redirect_target(answer: &Answer) -> Option<String> {
    if !(300..400).contains(&answer.status) {
        return None;
    }
    let location = answer.headers.get(http::header::LOCATION)?.to_str().ok()?;
    Some(match Url::parse(location) {
        Ok(url) => shown(url.host_str().unwrap_or("no host")),
        Err(_) => "another page".into(),
    })
}
