//! `POST /v3/contacts/sign_up_form` of Constant Contact: what is sent, and what its answers mean. Pure.
//!
//! <https://developer.constantcontact.com/api_guide/glossary_responses.html> and `rate_limits.html` beside it.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::entry::Person;
use crate::{Request, Response, Token};

const PATH: &str = "/v3/contacts/sign_up_form";

/// The longest name of an error.
const LONGEST_KEY: usize = 80;

/// What an answer means for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The contact is there, whether it was before or not.
    SignedUp,
    /// The access token is not taken: another one may be.
    Unauthorized,
    /// What was sent is not accepted: to send it again would not help, to change it might.
    NotAccepted(String),
    /// Somebody else is writing the same contact, or too many requests came within a second: again, a little later.
    Again(String),
    /// Nothing is answered before 00:00 UTC.
    UsedUp,
    /// A missing scope or privilege, an application that is deactivated, a list that does not exist, or anything else that
    /// whoever runs the form has to see to. Another token would not help.
    Amiss(String),
}

pub(crate) fn request(person: &Person, lists: &[String], token: &Token) -> Result<Request, Meaning> {
    let mut body = json!({"email_address": person.email, "list_memberships": lists});
    for (field, value) in [("first_name", &person.first_name), ("last_name", &person.last_name)] {
        if let Some(value) = value {
            body[field] = json!(value);
        }
    }
    // Neither its text nor that of the error is said: it is a secret.
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.access_token))
        .map_err(|_| Meaning::Amiss("the access token does not fit into a header".to_owned()))?;
    bearer.set_sensitive(true);
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(PATH);
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

pub(crate) fn meaning(response: &Response) -> Meaning {
    let status = response.status();
    let told = Told::read(response.body());
    let said = || format!("{} {}", status.as_u16(), told.named());
    match status {
        StatusCode::OK | StatusCode::CREATED if told.has_contact => Meaning::SignedUp,
        StatusCode::UNAUTHORIZED => Meaning::Unauthorized,
        StatusCode::BAD_REQUEST => Meaning::NotAccepted(said()),
        StatusCode::TOO_MANY_REQUESTS if told.key.as_deref() == Some("quota_exceeded") => Meaning::UsedUp,
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Meaning::Again(said()),
        status if status.is_server_error() => Meaning::Again(said()),
        // A 2xx that is not about a contact is a proxy's, or a captive portal's page.
        _ => Meaning::Amiss(said()),
    }
}

/// What a body says, of which only the error's name is passed on: the message beside it may repeat what a visitor typed. Errors come as an
/// array of objects, as one object, as one with only a `message`, or as RFC 6749 §5.2 has them.
#[derive(Debug, Default)]
struct Told {
    is_json: bool,
    key: Option<String>,
    has_contact: bool,
}

impl Told {
    fn read(body: &[u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let object = json.get(0).unwrap_or(&json);
        let is_name = |key: &&str| {
            let of_one = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
            !key.is_empty() && key.len() <= LONGEST_KEY && key.chars().all(of_one)
        };
        let keys = ["error_key", "error", "key"].into_iter().filter_map(|name| object.get(name)?.as_str());
        let key = keys.filter(is_name).map(str::to_owned).next();
        Self { is_json: true, key, has_contact: object.get("contact_id").is_some_and(Value::is_string) }
    }

    fn named(&self) -> &str {
        match (&self.key, self.is_json) {
            (Some(key), _) => key,
            (None, true) => "(no name)",
            (None, false) => "(no JSON)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_meaning_in_whatever_shape_it_comes() {
        let again = |said: &str| Meaning::Again(said.to_owned());
        let amiss = |said: &str| Meaning::Amiss(said.to_owned());
        for (status, body, expected) in [
            (201, r#"{"contact_id": "c", "action": "created"}"#, Meaning::SignedUp),
            (200, r#"{"contact_id": "c", "action": "updated"}"#, Meaning::SignedUp),
            (200, "<h1>Please sign in to the network</h1>", amiss("200 (no JSON)")),
            (200, "{}", amiss("200 (no name)")),
            (302, "", amiss("302 (no JSON)")),
            (401, r#"{"error_key": "unauthorized", "error_message": "Unauthorized"}"#, Meaning::Unauthorized),
            (401, "", Meaning::Unauthorized),
            (403, r#"{"error_key": "forbidden", "error_message": "No"}"#, amiss("403 forbidden")),
            (
                404,
                r#"[{"error_key": "contacts.api.not_found", "error_message": "list"}]"#,
                amiss("404 contacts.api.not_found"),
            ),
            (
                400,
                r#"[{"error_key": "contacts.api.validation.error", "error_message": "email_address"}]"#,
                Meaning::NotAccepted("400 contacts.api.validation.error".into()),
            ),
            (409, r#"[{"error_key": "contacts.api.conflict"}]"#, again("409 contacts.api.conflict")),
            (
                429,
                r#"{"error_key": "throttled", "error_message": "Too Many Requests"}"#,
                again("429 throttled"),
            ),
            (429, r#"[{"error_key": "quota_exceeded"}]"#, Meaning::UsedUp),
            (500, r#"{"message": "oh"}"#, again("500 (no name)")),
            (
                503,
                r#"{"error": "temporarily_unavailable", "error_description": "later"}"#,
                again("503 temporarily_unavailable"),
            ),
        ] {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning(&response), expected, "{status} {body}");
        }
    }

    #[test]
    fn what_a_visitor_typed_is_not_repeated_wherever_the_answer_repeats_it() {
        for body in [
            r#"[{"error_key": "contacts.api.validation.error", "error_message": "ada@example.com is invalid"}]"#,
            r#"{"error_key": "ada@example.com", "message": "ada@example.com"}"#,
            r#"{"error": "not Ada Lovelace", "error_description": "ada@example.com"}"#,
            r#"{"message": "ada@example.com"}"#,
        ] {
            for status in [400, 403, 404, 409, 429, 500] {
                let mut response = Response::new(Bytes::from_static(body.as_bytes()));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                let said = format!("{:?}", meaning(&response)).to_lowercase();
                assert!(!said.contains("ada") && said.contains(&status.to_string()), "{said}");
            }
        }
    }

    #[test]
    fn a_token_is_in_the_header_and_nowhere_else() {
        let person = Person { email: "a@example.com".into(), first_name: None, last_name: Some("L".into()) };
        let token = Token { access_token: "planted-secret".into(), generation: 3 };
        let request = request(&person, &["list".into()], &token).unwrap();
        assert!(!format!("{request:?} {token:?}").contains("planted-secret"));
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer planted-secret");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let expected =
            json!({"email_address": "a@example.com", "last_name": "L", "list_memberships": ["list"]});
        assert_eq!(body, expected);
        let odd = Token { access_token: "a\nb".into(), generation: 3 };
        let refused = super::request(&person, &[], &odd);
        assert!(
            matches!(refused, Err(Meaning::Amiss(why)) if why == "the access token does not fit into a header")
        );
    }
}
