//! Asking an API whose an access token is.

use bytes::Bytes;
use http::Request;
use secrecy::SecretString;
use url::Url;
use vestal_core::provider::{ApiFacts, RequestFacts};

use crate::api::{self, at, json};
use crate::form::Unsendable;
use crate::http::Exchange;

/// The request: with a bearer token (RFC 6750 §2.1), unless the API takes it otherwise.
///
/// # Errors
/// Where the URL, or the token, cannot be put into a request.
pub fn request(
    url: &Url,
    access_token: &SecretString,
    client_id: &str,
    facts: &ApiFacts,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    api::request(url, facts.headers(), access_token, client_id, requests)
}

/// The account that an answer names, or a sentence that says why it names none.
///
/// # Errors
/// Where it names none.
pub fn read(exchange: Exchange, path: &[String]) -> Result<String, String> {
    let answer = json(exchange)?;
    let fields = answer.as_object().ok_or("its answer is no JSON object")?;
    at(fields, path).ok_or_else(|| format!("its answer has no {}", path.join(".")))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::http::{Answer, BodyEnd};

    fn answered(status: u16, body: &'static str) -> Result<String, String> {
        let body = Bytes::from_static(body.as_bytes());
        let answer = Answer { status, headers: HeaderMap::new(), body, end: BodyEnd::Complete };
        read(Exchange::Answered(answer), &["data".to_owned(), "id".to_owned()])
    }

    #[test]
    fn a_text_or_a_number_at_its_place_is_an_account() {
        assert_eq!(answered(200, r#"{"data":{"id":"u-1"}}"#).unwrap(), "u-1");
        assert_eq!(answered(200, r#"{"data":{"id":17}}"#).unwrap(), "17");
        for (status, body) in [
            (200, r#"{"data":{"id":""}}"#),
            (200, r#"{"data":{"id":null}}"#),
            (200, r#"{"data":{"id":1.5}}"#),
            (200, r#"{"data":[{"id":"u"}]}"#),
            (200, r#"{"id":"u"}"#),
            (200, "<html>"),
            (401, r#"{"data":{"id":"u-1"}}"#),
        ] {
            assert!(answered(status, body).is_err(), "{body}");
        }
    }

    #[test]
    fn the_token_goes_into_a_header_that_is_not_shown() {
        let (api, requests) = (ApiFacts::default(), RequestFacts::default());
        let url = "https://api.example/me".parse().unwrap();
        let asked = |token: &str| request(&url, &token.into(), "shop", &api, &requests);
        let request = asked("tok").unwrap();
        assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/me"));
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(request.headers()["authorization"], "Bearer tok");
        assert!(asked("t\nk").is_err());
    }

    #[test]
    fn it_is_asked_as_the_api_wants_it() {
        let asked = |id: &str| {
            let provider = vestal_core::provider::catalogue::builtin(id).unwrap().unwrap();
            let url = "https://api.example/me".parse().unwrap();
            request(&url, &"tok".into(), "shop", &provider.api, &provider.requests).unwrap()
        };
        assert_eq!(asked("zoho").headers()["authorization"], "Zoho-oauthtoken tok");
        let twitch = asked("twitch");
        assert_eq!(
            (&twitch.headers()["authorization"], &twitch.headers()["client-id"]),
            (&"Bearer tok".parse().unwrap(), &"shop".parse().unwrap())
        );
        assert!(asked("xero").headers().get("xero-tenant-id").is_none());
        assert!(asked("reddit").headers()["user-agent"].to_str().unwrap().contains("shop"));
    }
}
