//! A new access token for a refresh token (RFC 6749 §6).

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vestal_core::provider::RequestFacts;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post, resource_parameters};

/// The request. It names no scope: what was granted stays granted. Nor does it name the `redirect_uri` of the consent, unless
/// the provider wants that.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    refresh_token: &SecretString,
    redirect_uri: &str,
    resources: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
    if requests.repeats_redirect_uri() {
        fields.push(("redirect_uri", redirect_uri));
    }
    fields.extend(resource_parameters(resources));
    fields.extend(requests.refresh_parameters());
    post(endpoint, credentials, &fields, requests)
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;
    use vestal_core::provider::{Encoding, Fact};

    use super::*;

    fn request(auth: ClientAuth, requests: &RequestFacts) -> Request<Bytes> {
        let credentials = Credentials::new("id".into(), auth, Some("se cret".into())).unwrap();
        let endpoint = "https://as.example/token".parse().unwrap();
        let redirect_uri = "http://localhost:8724/callback";
        let request =
            token_request(&endpoint, &credentials, &"r+t/=".into(), redirect_uri, &[], requests).unwrap();
        assert_eq!(request.method(), "POST");
        request
    }

    /// The request's `Authorization` header and body, for a client that proves itself so.
    fn sent(auth: ClientAuth, requests: &RequestFacts) -> (Option<String>, String) {
        let request = request(auth, requests);
        let header = request.headers().get("authorization").map(|value| {
            assert!(value.is_sensitive());
            value.to_str().unwrap().to_owned()
        });
        (header, String::from_utf8(request.into_body().to_vec()).unwrap())
    }

    fn fact<T>(value: T) -> Option<Fact<T>> {
        Some(Fact { value, source: None, unverified: true, note: None })
    }

    #[test]
    fn the_client_proves_itself_in_one_way_only() {
        let grant = "grant_type=refresh_token&refresh_token=r%2Bt%2F%3D";
        for (auth, header, body) in [
            // "id:se+cret"
            (ClientAuth::ClientSecretBasic, Some("Basic aWQ6c2UrY3JldA=="), grant.to_owned()),
            (ClientAuth::ClientSecretPost, None, format!("{grant}&client_id=id&client_secret=se+cret")),
            (ClientAuth::None, None, format!("{grant}&client_id=id")),
        ] {
            let plain = RequestFacts::default();
            assert_eq!(sent(auth, &plain), (header.map(str::to_owned), body), "{auth}");
        }
    }
    /// Square's and Notion's, <https://developer.squareup.com/reference/square/o-auth-api/obtain-token> and
    /// <https://developers.notion.com/reference/refresh-a-token>.
    #[test]
    fn some_want_json() {
        let requests = RequestFacts { encoding: fact(Encoding::Json), ..RequestFacts::default() };
        let grant = r#""grant_type":"refresh_token","refresh_token":"r+t/=""#;
        let (header, body) = sent(ClientAuth::ClientSecretPost, &requests);
        assert_eq!(body, format!(r#"{{"client_id":"id","client_secret":"se cret",{grant}}}"#));
        assert_eq!(header, None);
        let (header, body) = sent(ClientAuth::ClientSecretBasic, &requests);
        assert_eq!(body, format!("{{{grant}}}"));
        assert_eq!(header.as_deref(), Some("Basic aWQ6c2UrY3JldA=="));
        let request = request(ClientAuth::None, &requests);
        assert_eq!(request.headers()["content-type"], "application/json");
    }

    #[test]
    fn some_want_the_query() {
        let requests = RequestFacts { encoding: fact(Encoding::Query), ..RequestFacts::default() };
        let request = request(ClientAuth::ClientSecretPost, &requests);
        let query = "grant_type=refresh_token&refresh_token=r%2Bt%2F%3D&client_id=id&client_secret=se+cret";
        assert_eq!(request.uri().to_string(), format!("https://as.example/token?{query}"));
        assert!(request.body().is_empty());
    }
}
