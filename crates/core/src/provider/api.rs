//! The API behind a provider: where it is, and how it takes a token.

use serde::Deserialize;

use super::Fact;

/// The API that access tokens are for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ApiFacts {
    /// Where it answers: how its URLs begin. `{name}` stands for what each account has of its own.
    pub hosts: Option<Fact<Vec<String>>>,
    /// The header fields that a call carries, as `Name: value`; `{token}` stands for the access token, `{client_id}` for the
    /// client's. Where it says nothing, `Authorization: Bearer {token}` (RFC 6750 §2.1).
    pub headers: Option<Fact<Vec<String>>>,
}

/// What a call carries where the file does not say (RFC 6750 §2.1).
const BEARER: &str = "Authorization: Bearer {token}";

impl ApiFacts {
    /// The header fields that a call carries: their names and values, with `{token}` and `{client_id}` in them.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let stated = self.headers.iter().flat_map(|fact| fact.value.iter().map(String::as_str));
        let fields: Vec<_> = stated.filter_map(|field| field.split_once(": ")).collect();
        if fields.is_empty() { BEARER.split_once(": ").into_iter().collect() } else { fields }
    }

    /// What is wrong with a header field, if anything is.
    pub(super) fn mistake(field: &str) -> Option<&'static str> {
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
                let rest = value.replace("{token}", "").replace("{client_id}", "");
                rest.contains(['{', '}']).then_some(
                    "of what stands in braces, only {token} and {client_id} are filled in in a header field",
                )
            }
        }
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
        for field in ["Authorization: Bearer {token}", "x-api-key: {client_id}"] {
            assert_eq!(ApiFacts::mistake(field), None, "{field}");
        }
        for field in ["{token}", ": {token}", "A b: {token}", "A: ", "A: {tokn}", "A: x\ny"] {
            assert!(ApiFacts::mistake(field).is_some(), "{field}");
        }
    }
}
