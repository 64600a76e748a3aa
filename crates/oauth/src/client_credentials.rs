//! An access token for the client itself (RFC 6749 §4.4).

use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_core::provider::RequestFacts;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post, resource_parameters};

/// The request. Without scopes, the provider's default applies.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    scopes: &[String],
    resources: &[String],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let scope = scopes.join(" ");
    let mut fields = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    fields.extend(resource_parameters(resources));
    post(endpoint, credentials, &fields, requests)
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;

    #[test]
    fn the_request() {
        let credentials =
            Credentials::new("id".into(), ClientAuth::ClientSecretPost, Some("s".into())).unwrap();
        let endpoint = "https://as.example/token".parse().unwrap();
        for (scopes, scope) in [(vec![], ""), (vec!["a".to_owned(), "b:c".to_owned()], "&scope=a+b%3Ac")] {
            let request =
                token_request(&endpoint, &credentials, &scopes, &[], &RequestFacts::default()).unwrap();
            assert_eq!(
                request.body(),
                format!("grant_type=client_credentials{scope}&client_id=id&client_secret=s").as_bytes()
            );
        }
    }
}
