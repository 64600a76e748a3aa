//! Reading the fields of a record, one by one, whatever was meant by somebody who wrote it by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::BadRecord;

pub(super) fn wrong(field: &'static str, must_be: &'static str) -> BadRecord {
    BadRecord::Wrong { field, must_be }
}

/// The fields that are left to be read.
pub(super) struct Fields(pub(super) Map<String, Value>);

impl Fields {
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, BadRecord> {
        match self.0.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(field, "a text")),
        }
    }

    /// A text, or a number, which many use to tell their customers apart.
    pub(super) fn identifier(&mut self, field: &'static str) -> Result<Option<String>, BadRecord> {
        match self.0.remove(field) {
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            Some(other) => {
                self.0.insert(field.to_owned(), other);
                self.text(field).map_err(|_| wrong(field, "a text or a whole number"))
            }
            None => Ok(None),
        }
    }

    pub(super) fn whole(&mut self, field: &'static str) -> Result<Option<u64>, BadRecord> {
        let whole = |value: Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        match self.0.remove(field) {
            None => Ok(None),
            Some(value) => whole(value).map(Some).ok_or(wrong(field, "a whole number of seconds")),
        }
    }

    pub(super) fn truth(&mut self, field: &'static str) -> Result<bool, BadRecord> {
        match self.0.remove(field) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or(wrong(field, "true or false")),
        }
    }

    pub(super) fn time(&mut self, field: &'static str) -> Result<Option<Timestamp>, BadRecord> {
        let Some(value) = self.0.remove(field) else { return Ok(None) };
        time(&value).map(Some).ok_or(wrong(field, "a time in RFC 3339, or in seconds since 1970"))
    }

    pub(super) fn word<T: serde::de::DeserializeOwned>(
        &mut self,
        field: &'static str,
        must_be: &'static str,
    ) -> Result<Option<T>, BadRecord> {
        let Some(value) = self.0.remove(field) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| wrong(field, must_be))
    }

    pub(super) fn object(&mut self, field: &'static str) -> Result<Map<String, Value>, BadRecord> {
        match self.0.remove(field) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(wrong(field, "an object")),
        }
    }

    pub(super) fn texts(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, BadRecord> {
        let bad = || wrong(field, "an object of texts");
        let texts = match self.0.remove(field) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(texts)) => texts,
            Some(_) => return Err(bad()),
        };
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(bad()),
        };
        texts.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
    }

    pub(super) fn scope(&mut self) -> Result<Option<String>, BadRecord> {
        let bad = || wrong("scope", "a text, or a list of texts");
        match self.0.remove("scope") {
            Some(Value::Array(scopes)) => {
                let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
                let scopes = scopes.ok_or_else(bad)?.join(" ");
                Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
            }
            Some(other) => {
                self.0.insert("scope".to_owned(), other);
                self.text("scope").map_err(|_| bad())
            }
            None => Ok(None),
        }
    }
}

/// A time in RFC 3339, or in seconds since 1970, also as a text.
fn time(value: &Value) -> Option<Timestamp> {
    let seconds = |value: f64| {
        let milliseconds = (value * 1e3).round();
        // No time is so far away that a float would not hold its milliseconds.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is too large is no time, and found to be none"
        )]
        Timestamp::from_millisecond(milliseconds as i64).ok()
    };
    match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => match text.parse::<f64>() {
            Ok(number) => seconds(number),
            Err(_) => text.parse().ok(),
        },
        _ => None,
    }
}
