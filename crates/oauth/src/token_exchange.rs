//! A token for another one (RFC 8693).

use bytes::Bytes;
use http::Request;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vestal_core::provider::RequestFacts;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post, resource_parameters};

/// The grant's name (RFC 8693 §2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What an access token is called (RFC 8693 §3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What is asked for. What it leaves out is the provider's choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Whom the token is for, by the names that the provider gave them.
    pub audiences: &'a [String],
    /// The same, by their URLs.
    pub resources: &'a [String],
    /// What it allows.
    pub scopes: &'a [String],
}

/// The request. `subject_token` is an access token.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn token_request(
    endpoint: &Url,
    credentials: &Credentials,
    subject_token: &SecretString,
    wanted: Wanted<'_>,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let scope = wanted.scopes.join(requests.scope_separator());
    let mut fields = vec![
        ("grant_type", GRANT_TYPE),
        ("subject_token", subject_token.expose_secret()),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    fields.extend(wanted.audiences.iter().map(|audience| ("audience", audience.as_str())));
    fields.extend(resource_parameters(wanted.resources));
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    post(endpoint, credentials, &fields, requests)
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;

    #[test]
    fn the_request() {
        let credentials = Credentials::new("id".into(), ClientAuth::None, None).unwrap();
        let endpoint = "https://as.example/token".parse().unwrap();
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let (audiences, resources) = (texts(&["crm", "billing"]), texts(&["https://api.example/"]));
        let scopes = texts(&["a", "b"]);
        let wanted = Wanted { audiences: &audiences, resources: &resources, scopes: &scopes };
        for (wanted, rest) in [
            (Wanted::default(), ""),
            (wanted, "&audience=crm&audience=billing&resource=https%3A%2F%2Fapi.example%2F&scope=a+b"),
        ] {
            let request =
                token_request(&endpoint, &credentials, &"s/t".into(), wanted, &RequestFacts::default())
                    .unwrap();
            let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=s%2Ft\
                         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
            assert_eq!(request.body(), format!("{start}{rest}&client_id=id").as_bytes());
        }
    }
}
