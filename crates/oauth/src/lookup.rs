//! Asking an API for what every use of it needs: which host, which tenant.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestal_core::provider::{Lookup, OfConsent, RequestFacts};
use vestal_core::token::Found;

use crate::api::{self, at, json};
use crate::form::Unsendable;
use crate::http::Exchange;
use crate::jwt::claims;

/// The request: `url` is what is asked for, with what stands for its variables.
///
/// # Errors
/// Where the URL, or the token, cannot be put into a request.
pub fn request(
    lookup: &Lookup,
    url: &Url,
    access_token: &SecretString,
    client_id: &str,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let authorization = format!("{} {{token}}", lookup.scheme());
    api::request(url, [("Authorization", authorization.as_str())], access_token, client_id, requests)
}

/// What an answer to this token says of the account, or a sentence that says why it says nothing. Of several entries, the one
/// that was chosen `before` counts where it is among them still.
///
/// # Errors
/// Where anything is missing that is to be kept.
pub fn read(
    exchange: Exchange,
    lookup: &Lookup,
    access_token: &SecretString,
    before: Option<&Found>,
) -> Result<Found, String> {
    let whole = json(exchange)?;
    let entries = entries(&whole, lookup, access_token)?;
    let among = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let is_as_before =
        |entry: &Value| before.is_some_and(|before| taken(entry, lookup).as_ref() == Ok(&before.values));
    let is_preferred = |entry: &Value| {
        lookup.prefer.as_ref().is_some_and(|field| matches!(entry.get(field), Some(Value::Bool(true))))
    };
    let chosen = entries.iter().find(|entry| is_as_before(entry));
    let chosen = chosen.or_else(|| entries.iter().find(|entry| is_preferred(entry))).or(entries.first());
    let chosen = chosen.ok_or("its list is empty: the token is good for nothing there")?;
    Ok(Found { values: taken(chosen, lookup)?, among })
}

/// What is kept of an entry.
fn taken(entry: &Value, lookup: &Lookup) -> Result<BTreeMap<String, String>, String> {
    let entry = entry.as_object().ok_or("its answer holds no object")?;
    let taken = |(name, path): (&String, &String)| {
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        // It goes into URLs and header fields, and onto terminals.
        let value = at(entry, &steps).filter(|value| value.chars().all(|c| c.is_ascii_graphic()));
        Ok((name.clone(), value.ok_or_else(|| format!("its answer has no {path}"))?))
    };
    lookup.take.iter().map(taken).collect()
}

/// The entries that may count: those of this consent, where that can be told.
fn entries<'a>(
    whole: &'a Value,
    lookup: &Lookup,
    access_token: &SecretString,
) -> Result<Vec<&'a Value>, String> {
    let Some(list) = &lookup.list else { return Ok(vec![whole]) };
    let listed = match list.as_str() {
        "." => Some(whole),
        path => path.split('.').try_fold(whole, |value, name| value.get(name)),
    };
    let listed =
        listed.and_then(Value::as_array).ok_or_else(|| format!("its answer has no list at {list}"))?;
    let claims = lookup.of_consent.as_ref().and_then(|_| claims(access_token.expose_secret()));
    let of_consent: Vec<_> = match (&lookup.of_consent, &claims) {
        (Some(by), Some(claims)) => listed.iter().filter(|entry| is_of(entry, by, claims)).collect(),
        _ => Vec::new(),
    };
    // A later consent may have taken over what this one was for: the token is good for all that is listed.
    Ok(if of_consent.is_empty() { listed.iter().collect() } else { of_consent })
}

fn is_of(entry: &Value, by: &OfConsent, claims: &Map<String, Value>) -> bool {
    let claim = claims.get(&by.claim).filter(|claim| claim.is_string());
    claim.is_some() && entry.get(&by.field) == claim
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use http::HeaderMap;
    use vestal_core::provider::catalogue;

    use super::*;
    use crate::http::{Answer, BodyEnd};

    fn lookup(provider: &str) -> Lookup {
        catalogue::builtin(provider).unwrap().unwrap().api.lookup.unwrap().value
    }

    fn answered(provider: &str, status: u16, body: &str) -> Result<Found, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = Answer { status, headers: HeaderMap::new(), body, end: BodyEnd::Complete };
        read(Exchange::Answered(answer), &lookup(provider), &"at/1".into(), None)
    }

    fn asked(provider: &str) -> Request<Bytes> {
        let lookup = lookup(provider);
        let url = "https://api.example/me".parse().unwrap();
        request(&lookup, &url, &"at/1".into(), "shop", &RequestFacts::default()).unwrap()
    }

    fn found(pairs: &[(&str, &str)], among: u32) -> Result<Found, String> {
        let values = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Found { values, among })
    }

    /// docusign.com/blog/developers/the-trenches-who-are-you: the account that is the user's default.
    #[test]
    fn docusign_says_which_account_is_the_default_one() {
        let body = r#"{"sub":"u-1","name":"Ada","accounts":[
            {"account_id":"a-1","is_default":false,"account_name":"Old","base_uri":"https://na2.docusign.net"},
            {"account_id":"a-2","is_default":true,"account_name":"New","base_uri":"https://eu.docusign.net"}]}"#;
        let expected = [("account_id", "a-2"), ("base_uri", "https://eu.docusign.net")];
        assert_eq!(answered("docusign", 200, body), found(&expected, 2));
        assert_eq!(asked("docusign").headers()["authorization"], "Bearer at/1");
        assert!(asked("docusign").headers()["authorization"].is_sensitive());
    }

    /// mailchimp.com/developer/marketing/guides/access-user-data-oauth-2: the token after the word OAuth.
    #[test]
    fn mailchimp_says_the_data_centre() {
        let body = r#"{"dc":"us6","role":"owner","accountname":"Ada","user_id":17,"login_url":"https://login.mailchimp.com",
            "api_endpoint":"https://us6.api.mailchimp.com"}"#;
        assert_eq!(answered("mailchimp", 200, body), found(&[("dc", "us6")], 1));
        assert_eq!(asked("mailchimp").headers()["authorization"], "OAuth at/1");
    }

    /// A file may have its requests introduce themselves.
    #[test]
    fn it_is_asked_by_the_name_that_the_file_gives() {
        let reddit = catalogue::builtin("reddit").unwrap().unwrap();
        let url = "https://api.example/me".parse().unwrap();
        let request = request(&lookup("xero"), &url, &"at/1".into(), "shop", &reddit.requests).unwrap();
        assert!(request.headers()["user-agent"].to_str().unwrap().contains("shop"));
    }

    const SITES: &str = r#"[{"id":"1","name":"One","url":"https://one.atlassian.net"},
        {"id":"2","name":"Two","url":"https://two.atlassian.net"}]"#;

    /// developer.atlassian.com/cloud/oauth/getting-started/making-calls-to-api.
    #[test]
    fn atlassian_lists_the_sites_and_what_was_chosen_before_stays() {
        assert_eq!(answered("atlassian", 200, SITES), found(&[("cloudid", "1")], 2));
        assert!(answered("atlassian", 200, "[]").unwrap_err().contains("is empty"));
        let again = |cloudid: &str| {
            let before = found(&[("cloudid", cloudid)], 1).unwrap();
            let body = Bytes::from_static(SITES.as_bytes());
            let answer = Answer { status: 200, headers: HeaderMap::new(), body, end: BodyEnd::Complete };
            read(Exchange::Answered(answer), &lookup("atlassian"), &"at/1".into(), Some(&before))
        };
        assert_eq!(again("2"), found(&[("cloudid", "2")], 2));
        assert_eq!(again("3"), found(&[("cloudid", "1")], 2), "it is not there any more");
    }

    /// XeroAPI/Xero-OpenAPI, xero-identity.yaml, `GET /Connections`: all that this person ever connected.
    #[test]
    fn of_the_tenants_that_xero_lists_those_of_this_consent_count() {
        let body = r#"[{"id":"c-1","authEventId":"e-1","tenantId":"t-1","tenantName":"Acme"},
            {"id":"c-2","authEventId":"e-2","tenantId":"t-2","tenantName":"Other"}]"#;
        let of = |claims: &str| {
            let token = format!(
                "{}.{}.c2ln",
                BASE64_URL_SAFE_NO_PAD.encode("{}"),
                BASE64_URL_SAFE_NO_PAD.encode(claims)
            );
            let body = Bytes::from_static(body.as_bytes());
            let answer = Answer { status: 200, headers: HeaderMap::new(), body, end: BodyEnd::Complete };
            read(Exchange::Answered(answer), &lookup("xero"), &token.into(), None)
        };
        assert_eq!(of(r#"{"authentication_event_id":"e-1"}"#), found(&[("tenantId", "t-1")], 1));
        assert_eq!(of(r#"{"authentication_event_id":"e-2"}"#), found(&[("tenantId", "t-2")], 1));
        // Later consents have taken over what this one was for, or the token does not say.
        for claims in [r#"{"authentication_event_id":"e-3"}"#, r#"{"authentication_event_id":null}"#, "{}"] {
            assert_eq!(of(claims), found(&[("tenantId", "t-1")], 2), "{claims}");
        }
        assert_eq!(answered("xero", 200, body), found(&[("tenantId", "t-1")], 2));
    }

    #[test]
    fn what_is_not_there_is_told() {
        for (status, body, why) in [
            (401, r#"{"dc":"us6"}"#, "it answered 401"),
            (200, "<html>", "no JSON"),
            (200, "[]", "no object"),
            (200, r#"{"dc":""}"#, "no dc"),
            (200, r#"{"dc":"us6\nx: y"}"#, "no dc"),
            (200, "{\"dc\":\"us6\u{202e}\"}", "no dc"),
        ] {
            let said = answered("mailchimp", status, body).unwrap_err();
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
