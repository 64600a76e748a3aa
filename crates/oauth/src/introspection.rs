//! Asking what a token is good for (RFC 7662).

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use vestal_core::provider::RequestFacts;
use vestal_core::secret::Redactor;

use crate::client_auth::Credentials;
use crate::document::{NoDocument, object};
use crate::form::{Unsendable, post};
use crate::http::Exchange;

/// What a provider says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// Whether it can be used.
    pub active: bool,
    /// How long it lives yet, where the provider says.
    pub expires_in: Option<Duration>,
    /// What it allows.
    pub scope: Option<String>,
    /// Whose it is.
    pub sub: Option<String>,
}

/// The request for an access token (RFC 7662 §2.1).
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn request(
    endpoint: &Url,
    credentials: &Credentials,
    token: &SecretString,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let fields = [("token", token.expose_secret()), ("token_type_hint", "access_token")];
    post(endpoint, credentials, &fields, requests)
}

/// Reads what came back (RFC 7662 §2.2) for a request started at `started_at`. Numbers may be texts.
///
/// # Errors
/// Where it does not say whether the token is active.
pub fn read(exchange: Exchange, started_at: Timestamp, sent: &Redactor) -> Result<Introspection, NoDocument> {
    let fields = object(exchange, sent)?;
    let active = match fields.get("active") {
        Some(Value::Bool(active)) => *active,
        Some(Value::String(text)) if text == "true" => true,
        Some(Value::String(text)) if text == "false" => false,
        _ => {
            let detail = "answered without saying whether the token is active".to_owned();
            return Err(NoDocument { detail, transient: false });
        }
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let seconds = fields.get("exp").and_then(|exp| exp.as_i64().or_else(|| exp.as_str()?.parse().ok()));
    let left = seconds.map(|at| at.saturating_sub(started_at.as_second()));
    Ok(Introspection {
        active,
        expires_in: left
            .and_then(|left| u64::try_from(left).ok())
            .filter(|left| *left > 0)
            .map(Duration::from_secs),
        scope: text("scope").map(str::to_owned),
        sub: text("sub").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;
    use crate::document::answered;

    #[test]
    fn the_request_of_rfc_7662() {
        let credentials =
            Credentials::new("id".into(), ClientAuth::ClientSecretPost, Some("s".into())).unwrap();
        let endpoint = "https://as.example/introspect".parse().unwrap();
        let request =
            request(&endpoint, &credentials, &"mF_9.B5f-4.1JqM".into(), &RequestFacts::default()).unwrap();
        assert_eq!(
            request.body(),
            "token=mF_9.B5f-4.1JqM&token_type_hint=access_token&client_id=id&client_secret=s"
        );
    }

    #[test]
    fn what_is_said_of_a_token_is_read_tolerantly() {
        let now = Timestamp::from_second(1000).unwrap();
        let read = |body: &str| read(answered(200, body), now, &Redactor::default());
        let said = |active, seconds: Option<u64>| Introspection {
            active,
            expires_in: seconds.map(Duration::from_secs),
            scope: None,
            sub: None,
        };
        for (body, expected) in [
            (r#"{"active":true,"exp":1300}"#, said(true, Some(300))),
            (r#"{"active":"true","exp":"1300"}"#, said(true, Some(300))),
            (r#"{"active":true,"exp":0}"#, said(true, None)),
            (r#"{"active":true,"exp":900}"#, said(true, None)),
            (r#"{"active":false}"#, said(false, None)),
            (
                r#"{"active":true,"scope":"a b","sub":"vesta"}"#,
                Introspection { scope: Some("a b".into()), sub: Some("vesta".into()), ..said(true, None) },
            ),
        ] {
            assert_eq!(read(body), Ok(expected), "{body}");
        }
        assert!(read(r#"{"exp":1300}"#).is_err() && read("{}").is_err());
    }
}
