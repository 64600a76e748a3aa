//! Pushed authorization requests (RFC 9126): what is asked for goes to the provider straight, and the browser carries
//! only a reference to it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_core::provider::RequestFacts;
use vestal_core::secret::Redactor;

use crate::authorization_code::AuthorizationRequest;
use crate::client_auth::Credentials;
use crate::document::{NoDocument, object};
use crate::form::{Unsendable, post};
use crate::http::Exchange;

/// How long a reference is good for where the provider does not say, which it must.
const UNSAID_LIFE: Duration = Duration::from_secs(60);

/// What stands for the request in the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The reference.
    pub request_uri: String,
    /// For how long it may be used.
    pub expires_in: Duration,
}

/// The request (RFC 9126 §2.1). The client proves itself as at the token endpoint.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn request(
    endpoint: &Url,
    credentials: &Credentials,
    authorization: &AuthorizationRequest<'_>,
) -> Result<Request<Bytes>, Unsendable> {
    let parameters = authorization.parameters();
    // No parameter twice: with most methods, the client's identifier belongs to its proof.
    let plain = RequestFacts::default();
    let proof = credentials.fields(plain.credentials());
    let fields: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| proof.iter().all(|(taken, _)| taken != name))
        .map(|(name, value)| (&**name, &**value))
        .collect();
    post(endpoint, credentials, &fields, &plain)
}

/// Reads what came back (RFC 9126 §2.2).
///
/// # Errors
/// Where there is no reference in it.
pub fn read(exchange: Exchange, sent: &Redactor) -> Result<Pushed, NoDocument> {
    let fields = object(exchange, sent)?;
    let request_uri = fields.get("request_uri").and_then(|uri| uri.as_str()).filter(|uri| !uri.is_empty());
    let none = || NoDocument { detail: "answered without a request_uri".to_owned(), transient: false };
    let expires_in = fields.get("expires_in").and_then(|seconds| seconds.as_u64()).map(Duration::from_secs);
    Ok(Pushed {
        request_uri: request_uri.ok_or_else(none)?.to_owned(),
        expires_in: expires_in.unwrap_or(UNSAID_LIFE),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vestal_core::client::ClientAuth;

    use super::*;
    use crate::document::answered;

    #[test]
    fn everything_is_pushed_once_and_the_browser_carries_a_reference() {
        let requests = RequestFacts::default();
        let authorization = AuthorizationRequest {
            endpoint: &"https://as.example/authorize?tenant=7&prompt=login".parse().unwrap(),
            client_id: "an id",
            redirect_uri: "http://localhost:8724/callback",
            scopes: &["a".to_owned()],
            resources: &["https://api.example/".to_owned()],
            state: &"st".into(),
            code_challenge: "ch",
            nonce: Some("no"),
            requests: &requests,
            parameters: &BTreeMap::from([("prompt".to_owned(), "consent".to_owned())]),
        };
        let pushed = "response_type=code&client_id=an+id&redirect_uri=http%3A%2F%2Flocalhost%3A8724%2Fcallback&state=st\
                      &code_challenge=ch&code_challenge_method=S256&scope=a&nonce=no&resource=https%3A%2F%2Fapi.example%2F\
                      &prompt=consent";
        for (auth, body) in [
            (ClientAuth::ClientSecretBasic, pushed.to_owned()),
            (
                ClientAuth::ClientSecretPost,
                format!("{}&client_id=an+id&client_secret=s", pushed.replace("client_id=an+id&", "")),
            ),
        ] {
            let credentials = Credentials::new("an id".into(), auth, Some("s".into())).unwrap();
            let request =
                request(&"https://as.example/par".parse().unwrap(), &credentials, &authorization).unwrap();
            assert_eq!(request.uri(), "https://as.example/par");
            assert_eq!(request.body(), &body);
        }
        assert_eq!(
            authorization.pushed_url("urn:ietf:params:oauth:request_uri:1").as_str(),
            "https://as.example/authorize?client_id=an+id&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A1&tenant=7\
             &prompt=login"
        );
    }

    #[test]
    fn a_reference_is_read_or_it_is_said_why_there_is_none() {
        let read = |status, body: &str| read(answered(status, body), &Redactor::default());
        for (body, seconds) in
            [(r#"{"request_uri":"urn:x","expires_in":90}"#, 90), (r#"{"request_uri":"urn:x"}"#, 60)]
        {
            let expected = Pushed { request_uri: "urn:x".into(), expires_in: Duration::from_secs(seconds) };
            assert_eq!(read(201, body), Ok(expected));
        }
        assert_eq!(read(201, r#"{"request_uri":""}"#).unwrap_err().detail, "answered without a request_uri");
        let refused = read(401, r#"{"error":"invalid_client","error_description":"who?"}"#).unwrap_err();
        assert_eq!(refused, NoDocument { detail: "invalid_client: who?".into(), transient: false });
    }
}
