//! The API behind a provider: where it is, and how it takes a token.

use serde::Deserialize;

use super::{Fact, Lookup, Provider};

/// The API that access tokens are for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ApiFacts {
    /// Where it answers: how its URLs begin. `{name}` stands for what each account has of its own.
    pub hosts: Option<Fact<Vec<String>>>,
    /// The header fields that a call carries, as `Name: value`; `{token}` stands for the access token, `{client_id}` and
    /// `{client_secret}` for the client's own, and any other name for what each account has of its own. Where it says nothing,
    /// `Authorization: Bearer {token}` (RFC 6750 §2.1).
    pub headers: Option<Fact<Vec<String>>>,
    /// Where it has to be asked for what each account has of its own.
    pub lookup: Option<Fact<Lookup>>,
}

/// What a call carries where the file does not say (RFC 6750 §2.1).
const BEARER: &str = "Authorization: Bearer {token}";

impl ApiFacts {
    /// The header fields that a call carries: their names and values, with names in braces in them.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let stated = self.headers.iter().flat_map(|fact| fact.value.iter().map(String::as_str));
        let fields: Vec<_> = stated.filter_map(|field| field.split_once(": ")).collect();
        if fields.is_empty() { BEARER.split_once(": ").into_iter().collect() } else { fields }
    }

    /// What is wrong with a header field, if anything is. `known` are the names of what each account has of its own.
    pub(super) fn mistake(field: &str, known: &[&str]) -> Option<&'static str> {
        const TOKEN_CHARS: &str = "!#$%&'*+-.^_`|~";
        let fits = |c: char| c.is_ascii_alphanumeric() || TOKEN_CHARS.contains(c);
        match field.split_once(": ") {
            None => Some("a header field is written as \"Name: value\""),
            Some((name, _)) if name.is_empty() || !name.chars().all(fits) => {
                Some("a header field's name holds letters, digits and hyphens only")
            }
            Some((_, value)) if value.trim().is_empty() || value.chars().any(char::is_control) => {
                Some("a header field's value is empty, or holds what no header field may")
            }
            Some((_, value)) => {
                let names = ["token", "client_id", "client_secret"].iter().chain(known);
                let rest =
                    names.fold(value.to_owned(), |rest, name| rest.replace(&format!("{{{name}}}"), ""));
                rest.contains(['{', '}']).then_some(
                    "of what stands in braces, only {token}, {client_id}, {client_secret} and what is kept of each account are filled in in a header field",
                )
            }
        }
    }
}

impl Provider {
    /// The names of what each account has of its own: what stands for variables of the endpoints, what redirects say, and what
    /// is asked for.
    pub fn account_names(&self) -> Vec<&str> {
        let kept = self.authorization.kept_parameters.iter().flat_map(|fact| &fact.value);
        let asked = self.api.lookup.iter().flat_map(|fact| fact.value.take.keys());
        self.site.keys().chain(kept).chain(asked).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_carry_a_bearer_token_unless_the_file_says_otherwise() {
        assert_eq!(ApiFacts::default().headers(), [("Authorization", "Bearer {token}")]);
        let value = vec!["x-api-key: {client_id}".to_owned(), "Authorization: OAuth {token}".to_owned()];
        let headers = Some(Fact { value, source: None, unverified: true, note: None });
        let api = ApiFacts { headers, ..ApiFacts::default() };
        assert_eq!(api.headers(), [("x-api-key", "{client_id}"), ("Authorization", "OAuth {token}")]);
    }

    #[test]
    fn header_fields_are_looked_over() {
        for field in [
            "Authorization: Bearer {token}",
            "x-api-key: {client_id}:{client_secret}",
            "Xero-tenant-id: {tenantId}",
        ] {
            assert_eq!(ApiFacts::mistake(field, &["tenantId"]), None, "{field}");
        }
        for field in ["{token}", ": {token}", "A b: {token}", "A: ", "A: {tokn}", "A: x\ny"] {
            assert!(ApiFacts::mistake(field, &["tenantId"]).is_some(), "{field}");
        }
    }
}
