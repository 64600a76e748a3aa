//! Telling the provider that a token is no longer needed (RFC 7009), or that a grant is, as its file has it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use vestal_core::outcome::{Class, Reply};
use vestal_core::provider::RequestFacts;
use vestal_core::secret::Redactor;

use crate::client_auth::Credentials;
use crate::form::{Unsendable, post};
use crate::http::Exchange;
use crate::read::read_token_answer;

mod stated;

pub use stated::{Material, NoRequest, read_stated, stated_request};

/// What kind of token is revoked (`token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token.
    AccessToken,
    /// A refresh token: with it goes the whole grant, as a rule.
    RefreshToken,
}

/// What became of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The token is not valid any more, or never was.
    Done,
    /// The provider does not revoke tokens of this kind (`unsupported_token_type`).
    Unsupported,
    /// It is not known to be done, and trying again may help: a revocation may be repeated.
    Retry {
        /// What happened.
        detail: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
    },
    /// The provider refused.
    Failed {
        /// Why.
        detail: String,
    },
}

/// The request.
///
/// # Errors
/// Where the endpoint cannot be put into a request.
pub fn request(
    endpoint: &Url,
    credentials: &Credentials,
    token: &SecretString,
    kind: TokenKind,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let hint = match kind {
        TokenKind::AccessToken => "access_token",
        TokenKind::RefreshToken => "refresh_token",
    };
    let fields = [("token", token.expose_secret()), ("token_type_hint", hint)];
    post(endpoint, credentials, &fields, requests)
}

/// Reads what came back for a request started at `started_at`; `sent` knows the secrets that it carried.
pub fn read(exchange: Exchange, started_at: Timestamp, sent: &Redactor) -> Revocation {
    match read_token_answer(exchange, started_at, sent).reply {
        // Google's word for a token that is not valid, which is what was wanted.
        Reply::Error { code, .. } if code == "invalid_token" => Revocation::Done,
        reply => what_became(reply),
    }
}

/// What is so whatever was asked for.
fn what_became(reply: Reply) -> Revocation {
    let class = Class::of(&reply);
    let (detail, retry_after) = match reply {
        Reply::Error { code, .. } if code == "unsupported_token_type" => return Revocation::Unsupported,
        // The body of a success means nothing (RFC 7009 §2.2), unless it says that it is none.
        Reply::Tokens(_) | Reply::Unreadable { status: 200..300, .. } => return Revocation::Done,
        Reply::Error { detail, retry_after, .. } | Reply::Unreadable { detail, retry_after, .. } => {
            (detail, retry_after)
        }
        Reply::NotSent { detail } | Reply::ClientUnfit { detail } | Reply::NoAnswer { detail } => {
            (detail, None)
        }
    };
    match class {
        Class::Transient | Class::Ambiguous => Revocation::Retry { detail, retry_after },
        Class::Success | Class::Permanent | Class::Client | Class::Refused => Revocation::Failed { detail },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use vestal_core::client::ClientAuth;

    use super::*;
    use crate::http::{Answer, BodyEnd};

    #[test]
    fn the_request_of_rfc_7009() {
        let credentials =
            Credentials::new("s6BhdRkqt3".into(), ClientAuth::ClientSecretBasic, Some("gX1fBat3bV".into()))
                .unwrap();
        let endpoint = "https://as.example/revoke".parse().unwrap();
        let request = request(
            &endpoint,
            &credentials,
            &"45ghiukldjahdnhzdauz".into(),
            TokenKind::RefreshToken,
            &RequestFacts::default(),
        )
        .unwrap();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "https://as.example/revoke");
        assert_eq!(request.headers()["authorization"], "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
        assert_eq!(request.body(), "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token");
    }

    #[test]
    fn answers() {
        let read = |exchange| read(exchange, Timestamp::UNIX_EPOCH, &Redactor::default());
        let failed = |detail: &str| Revocation::Failed { detail: detail.into() };
        let retry = |detail: &str, seconds: Option<u64>| Revocation::Retry {
            detail: detail.into(),
            retry_after: seconds.map(Duration::from_secs),
        };
        for (status, body, wait, revocation) in [
            (200, "", None, Revocation::Done),
            (200, "<html>revoked</html>", None, Revocation::Done),
            (204, "", None, Revocation::Done),
            (200, r#"{"ok":true,"revoked":true}"#, None, Revocation::Done),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, None, failed("invalid_auth")),
            (400, r#"{"error":"unsupported_token_type"}"#, None, Revocation::Unsupported),
            (
                400,
                r#"{"error":"invalid_token","error_description":"Token expired or revoked"}"#,
                None,
                Revocation::Done,
            ),
            (401, r#"{"error":"invalid_client"}"#, None, failed("invalid_client")),
            (404, "", None, failed("answered 404 with an empty body")),
            (503, "", Some("30"), retry("answered 503 with an empty body", Some(30))),
            (500, "oops", None, retry("answered 500 with something that is neither JSON nor a form", None)),
        ] {
            let headers = wait.map(|wait: &str| (http::header::RETRY_AFTER, wait.parse().unwrap()));
            let headers = HeaderMap::from_iter(headers);
            let answer = Answer { status, headers, body: body.into(), end: BodyEnd::Complete };
            assert_eq!(read(Exchange::Answered(answer)), revocation, "{status} {body}");
        }
        let lost = Exchange::NoAnswer { detail: "lost".into() };
        assert_eq!(read(lost), retry("lost", None), "a revocation may be repeated");
    }
}
