//! A new access token for a refresh token (RFC 6749 §6).

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::client_auth::Credentials;
use crate::form::{UnsendableUrl, post};

/// The request. It names no scope: what was granted stays granted.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    refresh_token: &SecretString,
) -> Result<Request<Bytes>, UnsendableUrl> {
    post(
        endpoint,
        credentials,
        &[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())],
    )
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;

    /// The request's `Authorization` header and body, for a client that proves itself so.
    fn sent(auth: ClientAuth) -> (Option<String>, String) {
        let credentials = Credentials::new("id".into(), auth, Some("se cret".into())).unwrap();
        let endpoint = "https://as.example/token".parse().unwrap();
        let request = token_request(&endpoint, &credentials, &"r+t/=".into()).unwrap();
        assert_eq!(request.method(), "POST");
        let header = request.headers().get("authorization").map(|value| {
            assert!(value.is_sensitive());
            value.to_str().unwrap().to_owned()
        });
        (header, String::from_utf8(request.into_body().to_vec()).unwrap())
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
            assert_eq!(sent(auth), (header.map(str::to_owned), body), "{auth}");
        }
    }
}
