//! Reading parameters: `application/x-www-form-urlencoded`, or as the dialect has them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header;
use url::form_urlencoded;

use crate::answer::OAuthError;
use crate::{Dialect, Request};

/// The parameters of a request. None is there twice, and one without a value counts as omitted (RFC 6749 §3.1
/// and §3.2).
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads parameters; the error names the parameter that is there twice.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, String> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(encoded) {
            match parameters.entry(name.into_owned()) {
                Entry::Occupied(earlier) => return Err(earlier.remove_entry().0),
                Entry::Vacant(slot) => slot.insert(value.into_owned()),
            };
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    /// Reads the query of a GET.
    pub(crate) fn of_query(request: &Request, dialect: &Dialect) -> Result<Self, String> {
        let form = Self::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        Ok(form.translated(dialect, &[("scope", dialect.scope)]))
    }

    /// Reads the parameters of a POST: its body's, unless the dialect has them elsewhere.
    pub(crate) fn of_body(request: &Request, dialect: &Dialect) -> Result<Self, OAuthError> {
        if dialect.query {
            let form = Self::parse(request.uri().query().unwrap_or_default().as_bytes());
            let twice = |name| OAuthError::invalid_request(format!("the parameter {name} is there twice"));
            return Ok(form.map_err(twice)?.translated(dialect, &[]));
        }
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let expected = if dialect.json { "application/json" } else { "application/x-www-form-urlencoded" };
        if !media_type.eq_ignore_ascii_case(expected) {
            return Err(OAuthError::invalid_request(format!("the body must be {expected}, and say so")));
        }
        let form = if dialect.json {
            Self::parse_json(request.body())
                .ok_or_else(|| OAuthError::invalid_request("the body is no JSON object of texts"))?
        } else {
            Self::parse(request.body())
                .map_err(|name| OAuthError::invalid_request(format!("the parameter {name} is there twice")))?
        };
        Ok(form.translated(dialect, &[]))
    }

    /// Reads a JSON object of texts.
    fn parse_json(body: &[u8]) -> Option<Self> {
        let mut parameters: BTreeMap<String, String> = serde_json::from_slice(body).ok()?;
        parameters.retain(|_, value| !value.is_empty());
        Some(Self(parameters))
    }

    /// Reads a body of either kind.
    pub(crate) fn of_any_body(request: &Request) -> Option<Self> {
        Self::parse_json(request.body()).or_else(|| Self::parse(request.body()).ok())
    }

    /// With the names of RFC 6749.
    fn translated(mut self, dialect: &Dialect, more: &[(&str, &str)]) -> Self {
        let names = [
            ("client_id", dialect.client_id),
            ("client_secret", dialect.client_secret),
            ("code", dialect.code),
        ];
        for (name, theirs) in names.iter().chain(more) {
            let value = self.0.remove(*theirs);
            self.0.remove(*name);
            self.0.extend(value.map(|value| ((*name).to_owned(), value)));
        }
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("the parameter {name} is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_refused_and_empty_ones_are_omitted() {
        assert_eq!(Form::parse(b"a=1&b=2&a=3").err().as_deref(), Some("a"));
        let form = Form::parse(b"scope=a+b%2Bc&state=").unwrap_or_else(|name| panic!("{name} twice"));
        assert_eq!((form.get("scope"), form.get("state")), (Some("a b+c"), None));
    }
}
