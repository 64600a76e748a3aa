//! Ending a grant by the one request that a provider's file describes.

use bytes::Bytes;
use http::{Method, Request};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vestal_core::outcome::Reply;
use vestal_core::provider::{
    HeaderCredentials, RequestFacts, RevocationMethod, RevocationProof, RevocationRequest, RevokedToken,
};
use vestal_core::secret::Redactor;

use super::{Revocation, what_became};
use crate::client_auth::{Credentials, Prover};
use crate::form::{Unsendable, authorize, introduce, prove, written};
use crate::http::{BodyEnd, Exchange};
use crate::read::read_token_answer;

/// What goes into the request.
pub struct Material<'a> {
    /// The client's identifier.
    pub client_id: &'a str,
    /// What proves the client.
    pub prover: &'a Prover,
    /// The same, as at the token endpoint.
    pub credentials: &'a Credentials,
    /// The token that is named.
    pub token: Option<&'a SecretString>,
    /// What else came with the tokens.
    pub extra: &'a Map<String, Value>,
}

/// Why there is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRequest {
    /// Something that it names is not known.
    #[error("it takes {name}, which did not come with the tokens")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// The token that it names is not there.
    #[error("a grant is ended there only by an access token that works, and there is none")]
    NoToken,
    /// It is to be proven by a secret that the client does not have.
    #[error("it takes a client secret, and this client has none")]
    NoSecret,
    /// It cannot be sent.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
}

/// The request.
///
/// # Errors
/// Where something that it needs is not there.
pub fn stated_request(
    asked: &RevocationRequest,
    material: &Material<'_>,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, NoRequest> {
    let Material { client_id, prover, credentials, token, extra } = material;
    if token.is_none() && asked.token != RevokedToken::None {
        return Err(NoRequest::NoToken);
    }
    let known = |name: &str| match name {
        "client_id" => Some((*client_id).to_owned()),
        "token" => token.map(|token| token.expose_secret().to_owned()),
        name => match extra.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
    };
    let own = asked.parameters(known).map_err(|name| NoRequest::Unknown { name })?;
    let wanted = requests.credentials();
    let proof = match asked.proof {
        RevocationProof::Client => credentials.fields(wanted),
        _ => Vec::new(),
    };
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let fields: Vec<_> =
        own.chain(proof.into_iter().map(|(name, value)| (requests.name(name), value))).collect();
    let method = match asked.method {
        RevocationMethod::Post => Method::POST,
        RevocationMethod::Delete => Method::DELETE,
        RevocationMethod::Get => Method::GET,
    };
    let url = asked.url_for(client_id).ok_or_else(|| Unsendable::of(&asked.url))?;
    let empty = fields.is_empty();
    let mut request = written(method, &url, fields.into_iter(), asked.encoding)?;
    if empty {
        // Nothing is of no type (Dropbox takes offence).
        *request.body_mut() = Bytes::new();
        request.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    let secret = || prover.shared_secret().ok_or(NoRequest::NoSecret);
    match asked.proof {
        RevocationProof::Client => prove(&mut request, credentials, wanted)?,
        RevocationProof::Basic => {
            let basic = Credentials::by_secret(client_id, secret()?);
            prove(&mut request, &basic, HeaderCredentials::Basic)?;
        }
        RevocationProof::ClientHeader => {
            authorize(&mut request, &format!("Client {}", secret()?.expose_secret()))?;
        }
        RevocationProof::Bearer => {
            let token = token.ok_or(NoRequest::NoToken)?;
            authorize(&mut request, &format!("Bearer {}", token.expose_secret()))?;
        }
        RevocationProof::None => {}
    }
    introduce(&mut request, credentials, requests);
    Ok(request)
}

/// Reads what came back for it.
pub fn read_stated(
    asked: &RevocationRequest,
    exchange: Exchange,
    started_at: Timestamp,
    sent: &Redactor,
) -> Revocation {
    let says_so = match &exchange {
        Exchange::Answered(answer) if answer.end == BodyEnd::Complete => match &asked.success {
            Some(success) => {
                let fields = serde_json::from_slice::<Map<String, Value>>(&answer.body).unwrap_or_default();
                fields.get(&success.field) == Some(&success.says)
            }
            // The status says it; but a page for people is not by whoever ends grants.
            None => !answer.body.trim_ascii_start().starts_with(b"<"),
        },
        _ => false,
    };
    let reply = read_token_answer(exchange, started_at, sent).reply;
    // Nothing else means that: `invalid_token` may be said of what was to prove the request (RFC 6750 §3.1), and the grant
    // lives on.
    if let Reply::Error { code, .. } = &reply
        && asked.gone.contains(code)
    {
        return Revocation::Done;
    }
    match (what_became(reply), says_so) {
        (Revocation::Done, false) => {
            Revocation::Failed { detail: "its answer does not say that the grant has ended".to_owned() }
        }
        (read, _) => read,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use http::HeaderMap;
    use serde_json::json;
    use vestal_core::client::ClientAuth;
    use vestal_core::provider::{Provider, catalogue};

    use super::*;
    use crate::client_auth::Sevens;
    use crate::http::Answer;
    use crate::sent;

    const SECRET: &str = "the client's secret";

    fn provider(id: &str) -> Provider {
        catalogue::builtin(id).unwrap().unwrap()
    }

    /// The request of a provider, by a client that proves itself as most do there.
    fn asked(id: &str, token: Option<&str>, extra: &Value) -> Result<Request<Bytes>, NoRequest> {
        let provider = provider(id);
        let auth = provider.client.auth.as_ref().map_or(ClientAuth::ClientSecretPost, |auths| auths.value[0]);
        let prover = Prover::new("id-7".into(), auth, Some(SECRET.into()), String::new()).unwrap();
        let token = token.map(SecretString::from);
        let material = Material {
            client_id: "id-7",
            prover: &prover,
            credentials: &prover.credentials(Timestamp::UNIX_EPOCH, &Sevens).unwrap(),
            token: token.as_ref(),
            extra: extra.as_object().unwrap(),
        };
        stated_request(&provider.revocation.as_ref().unwrap().value, &material, &provider.requests)
    }

    fn of(id: &str) -> Request<Bytes> {
        asked(id, Some("at/1"), &json!({})).unwrap()
    }

    fn line(request: &Request<Bytes>) -> String {
        format!("{} {}", request.method(), request.uri())
    }

    fn authorization(request: &Request<Bytes>) -> Option<&str> {
        request.headers().get("authorization").map(|value| value.to_str().unwrap())
    }

    fn json_body(request: &Request<Bytes>) -> Value {
        assert_eq!(request.headers()["content-type"], "application/json");
        serde_json::from_slice(request.body()).unwrap()
    }

    /// docs.github.com/en/rest/apps/oauth-applications, "Delete an app authorization".
    #[test]
    fn github_deletes_the_grant_of_whoever_the_access_token_is() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("id-7:the+client%27s+secret"));
        for id in ["github", "github-oauth"] {
            let request = of(id);
            assert_eq!(line(&request), "DELETE https://api.github.com/applications/id-7/grant");
            assert_eq!(
                authorization(&request),
                Some(basic.as_str()),
                "though its token endpoint takes a form"
            );
            assert_eq!(json_body(&request), json!({ "access_token": "at/1" }));
        }
    }

    /// api.slack.com/methods/auth.revoke.
    #[test]
    fn slack_is_shown_the_access_token_that_is_to_end() {
        let request = of("slack");
        assert_eq!(line(&request), "POST https://slack.com/api/auth.revoke");
        assert_eq!(authorization(&request), Some("Bearer at/1"));
        assert!(request.headers()["authorization"].is_sensitive() && request.body().is_empty());
    }

    /// github.com/intuit/oauth-pythonclient, `AuthClient.revoke`.
    #[test]
    fn intuit_takes_json() {
        let request = of("quickbooks");
        assert_eq!(line(&request), "POST https://developer.api.intuit.com/v2/oauth2/tokens/revoke");
        assert_eq!(json_body(&request), json!({ "token": "at/1" }));
        assert!(authorization(&request).unwrap().starts_with("Basic "));
    }

    /// dropbox.com/developers/documentation/http/documentation#auth-token-revoke.
    #[test]
    fn dropbox_takes_no_body_and_no_type_of_one() {
        let request = of("dropbox");
        assert_eq!(line(&request), "POST https://api.dropboxapi.com/2/auth/token/revoke");
        assert_eq!(authorization(&request), Some("Bearer at/1"));
        assert!(request.body().is_empty() && !request.headers().contains_key("content-type"));
    }

    /// docs.stripe.com/connect/oauth-reference, "Deauthorize".
    #[test]
    fn stripe_is_told_the_account_that_came_with_the_tokens() {
        let request = asked("stripe-connect", None, &json!({ "stripe_user_id": "acct_1" })).unwrap();
        assert_eq!(line(&request), "POST https://connect.stripe.com/oauth/deauthorize");
        assert_eq!(request.body(), "client_id=id-7&stripe_user_id=acct_1");
        assert_eq!(authorization(&request), Some("Bearer the client's secret"));
        let unknown = asked("stripe-connect", None, &json!({})).unwrap_err();
        assert_eq!(unknown.to_string(), "it takes stripe_user_id, which did not come with the tokens");
    }

    /// developers.tiktok.com/doc/oauth-user-access-token-management, "Revoke access".
    #[test]
    fn tiktok_has_a_name_of_its_own_for_the_client() {
        let request = of("tiktok");
        assert_eq!(line(&request), "POST https://open.tiktokapis.com/v2/oauth/revoke/");
        let body = "token=at%2F1&client_key=id-7&client_secret=the+client%27s+secret";
        assert_eq!(request.body(), body);
    }

    /// developers.facebook.com/docs/facebook-login/guides/permissions/request-revoke.
    #[test]
    fn facebook_deletes_the_permissions_of_whoever_asks() {
        let request = of("facebook");
        assert_eq!(line(&request), "DELETE https://graph.facebook.com/v24.0/me/permissions");
        assert_eq!(authorization(&request), Some("Bearer at/1"));
    }

    /// developer.squareup.com/docs/oauth-api/refresh-revoke-limit-scope.
    #[test]
    fn square_has_a_scheme_of_its_own_for_the_secret() {
        let request = of("square");
        assert_eq!(authorization(&request), Some("Client the client's secret"));
        assert_eq!(json_body(&request), json!({ "client_id": "id-7", "access_token": "at/1" }));
    }

    #[test]
    fn nothing_secret_that_was_sent_is_repeated() {
        let stated: Vec<_> = catalogue::ids().filter(|id| provider(id).revocation.is_some()).collect();
        assert!(["github", "strava", "stripe-connect"].iter().all(|id| stated.contains(id)), "{stated:?}");
        for id in stated {
            let request = asked(id, Some("at/1"), &json!({ "stripe_user_id": "acct_1" })).unwrap();
            let carried: Vec<_> =
                ["at/1", SECRET].into_iter().filter(|secret| is_in(&request, secret)).collect();
            assert!(!carried.is_empty(), "{id}");
            for secret in carried {
                let said = sent::redactor(&request).redact(&format!("no {secret} here"));
                assert!(!said.contains(secret), "{id}: {said}");
            }
        }
    }

    /// Whether a request carries this.
    fn is_in(request: &Request<Bytes>, secret: &str) -> bool {
        let written: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let body = String::from_utf8_lossy(request.body());
        let header = authorization(request).unwrap_or_default();
        [body.as_ref(), header].iter().any(|place| place.contains(secret) || place.contains(&written))
    }

    #[test]
    fn without_the_token_that_it_names_there_is_no_request() {
        assert_eq!(asked("github", None, &json!({})).unwrap_err(), NoRequest::NoToken);
    }

    /// Sent all the same, it would go out as nobody's, and the answer would be blamed on the grant.
    #[test]
    fn a_token_that_fits_no_header_is_not_left_out_of_it() {
        let error = asked("slack", Some("at\n1"), &json!({})).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the secret or the token that is to be shown at slack.com cannot be put into an HTTP request: correct it"
        );
    }

    #[test]
    fn what_came_back() {
        let failed = |detail: &str| Revocation::Failed { detail: detail.to_owned() };
        let silent = || failed("its answer does not say that the grant has ended");
        for (id, status, body, came) in [
            ("github", 204, "", Revocation::Done),
            ("github", 200, "\n<!DOCTYPE html>", silent()),
            ("github", 404, "", failed("answered 404 with an empty body")),
            ("dropbox", 200, "", Revocation::Done),
            ("dropbox", 401, r#"{"error":"invalid_token"}"#, failed("invalid_token")),
            ("slack", 200, r#"{"ok":true,"revoked":true}"#, Revocation::Done),
            ("slack", 200, r#"{"ok":true,"revoked":false}"#, silent()),
            ("slack", 200, "<html>", silent()),
            ("slack", 200, r#"{"ok":false,"error":"token_revoked"}"#, Revocation::Done),
            ("slack", 200, r#"{"ok":false,"error":"invalid_auth"}"#, failed("invalid_auth")),
            ("facebook", 200, r#"{"success":true}"#, Revocation::Done),
            ("stripe-connect", 200, r#"{"stripe_user_id":"acct_1"}"#, Revocation::Done),
            ("tiktok", 200, "", Revocation::Done),
        ] {
            let answer =
                Answer { status, headers: HeaderMap::new(), body: body.into(), end: BodyEnd::Complete };
            let asked = &provider(id).revocation.unwrap().value;
            let read =
                read_stated(asked, Exchange::Answered(answer), Timestamp::UNIX_EPOCH, &Redactor::default());
            assert_eq!(read, came, "{id} {status} {body}");
        }
    }
}
