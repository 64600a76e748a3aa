//! Asking an API for what every use of it needs: which host, which tenant.

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestal_core::provider::Lookup;
use vestal_core::token::Found;

use crate::api::{at, json};
use crate::form::{UnsendableUrl, authorize, get};
use crate::http::Exchange;

/// The request: `url` is what is asked for, with what stands for its variables.
///
/// # Errors
/// Where the URL cannot be put into a request.
pub fn request(
    lookup: &Lookup,
    url: &Url,
    access_token: &SecretString,
) -> Result<Request<Bytes>, UnsendableUrl> {
    let mut request = get(url)?;
    authorize(&mut request, &format!("{} {}", lookup.scheme(), access_token.expose_secret()))?;
    Ok(request)
}

/// What an answer says of the account, or a sentence that says why it says nothing.
///
/// # Errors
/// Where anything is missing that is to be kept.
pub fn read(exchange: Exchange, lookup: &Lookup) -> Result<Found, String> {
    let whole = json(exchange)?;
    let (entry, among) = entry(&whole, lookup)?;
    let mut found = Found { among, ..Found::default() };
    for (name, path) in &lookup.take {
        let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
        // It goes into URLs and header fields, and onto terminals.
        let value = at(entry, &steps).filter(|value| !value.chars().any(char::is_control));
        let value = value.ok_or_else(|| format!("its answer has no {path}"))?;
        found.values.insert(name.clone(), value);
    }
    Ok(found)
}

/// The object that counts, and of how many it is one.
fn entry<'a>(whole: &'a Value, lookup: &Lookup) -> Result<(&'a Map<String, Value>, u32), String> {
    let object = |value: &'a Value| value.as_object().ok_or_else(|| "its answer holds no object".to_owned());
    let Some(list) = &lookup.list else { return Ok((object(whole)?, 1)) };
    let listed = match list.as_str() {
        "." => Some(whole),
        path => path.split('.').try_fold(whole, |value, name| value.get(name)),
    };
    let listed =
        listed.and_then(Value::as_array).ok_or_else(|| format!("its answer has no list at {list}"))?;
    let preferred = lookup
        .prefer
        .as_ref()
        .and_then(|field| listed.iter().find(|entry| matches!(entry.get(field), Some(Value::Bool(true)))));
    let first =
        preferred.or(listed.first()).ok_or("its list is empty: the token is good for nothing there")?;
    Ok((object(first)?, u32::try_from(listed.len()).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
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
        read(Exchange::Answered(answer), &lookup(provider))
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
        let url = "https://account.docusign.com/oauth/userinfo".parse().unwrap();
        let request = request(&lookup("docusign"), &url, &"at/1".into()).unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer at/1");
        assert!(request.headers()["authorization"].is_sensitive());
    }

    /// mailchimp.com/developer/marketing/guides/access-user-data-oauth-2: the token after the word OAuth.
    #[test]
    fn mailchimp_says_the_data_centre() {
        let body = r#"{"dc":"us6","role":"owner","accountname":"Ada","user_id":17,"login_url":"https://login.mailchimp.com",
            "api_endpoint":"https://us6.api.mailchimp.com"}"#;
        assert_eq!(answered("mailchimp", 200, body), found(&[("dc", "us6")], 1));
        let lookup = lookup("mailchimp");
        let request = request(&lookup, &lookup.get, &"at/1".into()).unwrap();
        assert_eq!(request.headers()["authorization"], "OAuth at/1");
    }

    /// developer.atlassian.com/cloud/oauth/getting-started/making-calls-to-api.
    #[test]
    fn atlassian_lists_the_sites() {
        let body =
            r#"[{"id":"1324","name":"Site","url":"https://ours.atlassian.net","scopes":["read:jira-user"]}]"#;
        let expected = [("cloudid", "1324"), ("site_url", "https://ours.atlassian.net")];
        assert_eq!(answered("atlassian", 200, body), found(&expected, 1));
        assert!(answered("atlassian", 200, "[]").unwrap_err().contains("is empty"));
    }

    /// XeroAPI/Xero-OpenAPI, xero-identity.yaml, `GET /Connections`.
    #[test]
    fn xero_lists_the_tenants() {
        let body = r#"[{"id":"c-1","tenantId":"t-1","tenantType":"ORGANISATION","tenantName":"Acme"},
            {"id":"c-2","tenantId":"t-2","tenantType":"ORGANISATION","tenantName":"Other"}]"#;
        assert_eq!(answered("xero", 200, body), found(&[("tenantId", "t-1"), ("tenantName", "Acme")], 2));
    }

    #[test]
    fn what_is_not_there_is_told() {
        for (status, body, why) in [
            (401, r#"{"dc":"us6"}"#, "it answered 401"),
            (200, "<html>", "no JSON"),
            (200, "[]", "no object"),
            (200, r#"{"dc":""}"#, "no dc"),
            (200, r#"{"dc":"us6\nx: y"}"#, "no dc"),
        ] {
            let said = answered("mailchimp", status, body).unwrap_err();
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
