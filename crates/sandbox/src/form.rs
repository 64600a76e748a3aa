//! Reading `application/x-www-form-urlencoded` parameters.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header;
use url::form_urlencoded;

use crate::Request;
use crate::answer::OAuthError;

/// The parameters of a request. None is there twice, and one without a value counts as omitted (RFC 6749 §3.1
/// and §3.2).
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a query or a body; the error names the parameter that is there twice.
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

    /// Reads the body of a POST.
    pub(crate) fn of_body(request: &Request) -> Result<Self, OAuthError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::invalid_request(
                "the body must be application/x-www-form-urlencoded, and say so",
            ));
        }
        Self::parse(request.body())
            .map_err(|name| OAuthError::invalid_request(format!("the parameter {name} is there twice")))
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
