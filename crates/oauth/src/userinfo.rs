//! Asking whose an access token is (OpenID Connect Core §5.3).

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestal_core::secret::Redactor;

use crate::document::{NoDocument, object};
use crate::form::{UnsendableUrl, get};
use crate::http::Exchange;

/// The request (OpenID Connect Core §5.3.1, RFC 6750 §2.1).
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn request(endpoint: &Url, access_token: &SecretString) -> Result<Request<Bytes>, UnsendableUrl> {
    let mut request = get(endpoint)?;
    let bearer = Zeroizing::new(format!("Bearer {}", access_token.expose_secret()));
    // A token that fits into no header is none that an API takes.
    if let Ok(mut bearer) = HeaderValue::from_str(&bearer) {
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

/// What the provider says of the account (OpenID Connect Core §5.3.2).
///
/// # Errors
/// Where that is no object.
pub fn read(exchange: Exchange, sent: &Redactor) -> Result<Map<String, Value>, NoDocument> {
    object(exchange, sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::answered;

    #[test]
    fn the_token_goes_into_the_header_and_what_comes_back_is_read() {
        let request = request(&"https://as.example/userinfo".parse().unwrap(), &"SlAV32hkKG".into()).unwrap();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.headers()["authorization"], "Bearer SlAV32hkKG");
        let read = |status, body: &str| read(answered(status, body), &Redactor::default());
        assert_eq!(read(200, r#"{"sub":"248289761001"}"#).unwrap()["sub"], "248289761001");
        assert!(read(401, "").is_err() && read(200, "[]").is_err());
    }
}
