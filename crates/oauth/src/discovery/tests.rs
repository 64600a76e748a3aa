use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::json;

use super::*;

/// A web of documents; 404 elsewhere.
#[derive(Default)]
struct Web {
    pages: BTreeMap<String, (u16, String)>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Http for Web {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Exchange {
        assert_eq!(
            (request.method().as_str(), &request.headers()["accept"]),
            ("GET", &"application/json".parse().unwrap())
        );
        let url = request.uri().to_string();
        self.asked.lock().unwrap().push(url.clone());
        let (status, body) = match self.pages.get(&url) {
            None => (404, "<html>".to_owned()),
            Some((0, detail)) => return Exchange::NotSent { detail: detail.clone() },
            Some(page) => page.clone(),
        };
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://login.example/?token=hunter2".parse().unwrap());
        Exchange::Answered(Answer { status, headers, body: body.into(), end: BodyEnd::Complete })
    }
}

impl Web {
    fn with(url: &str, status: u16, body: &impl ToString) -> Self {
        Self::default().and(url, status, body)
    }

    fn and(mut self, url: &str, status: u16, body: &impl ToString) -> Self {
        self.pages.insert(url.to_owned(), (status, body.to_string()));
        self
    }

    fn discover(&self, issuer: &str) -> Result<Discovered, DiscoveryError> {
        // Nothing in this web waits.
        let future = pin!(discover(self, issuer, Duration::from_secs(1)));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("it waits"),
        }
    }
}

const ISSUER: &str = "https://as.example";
const OAUTH: &str = "https://as.example/.well-known/oauth-authorization-server";
const OPENID: &str = "https://as.example/.well-known/openid-configuration";

fn minimal() -> Value {
    json!({"issuer": ISSUER, "token_endpoint": "https://as.example/token"})
}

#[test]
fn a_full_document() {
    let document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://as.example/authorize?tenant=7",
        "token_endpoint": "https://tokens.example/token",
        "revocation_endpoint": "https://as.example/revoke",
        "device_authorization_endpoint": "https://as.example/device",
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post", "none", "tls_client_auth"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "pushed_authorization_request_endpoint": "https://as.example/par",
        "require_pushed_authorization_requests": true,
        "introspection_endpoint": "https://as.example/introspect",
        "userinfo_endpoint": "http://as.example/me",
        "jwks_uri": "https://as.example/jwks",
        "mtls_endpoint_aliases": {
            "token_endpoint": "https://mtls.as.example/token",
            "introspection_endpoint": "https://mtls.as.example/introspect",
        },
    });
    let found = Web::with(OAUTH, 200, &document).discover(ISSUER).unwrap();
    let url = |url: &str| url.parse::<Url>().unwrap();
    let endpoints = Endpoints {
        issuer: Some(ISSUER.into()),
        authorization: Some(url("https://as.example/authorize?tenant=7")),
        revocation: Some(url("https://as.example/revoke")),
        device_authorization: Some(url("https://as.example/device")),
        sends_iss: true,
        pushed_authorization: Some(url("https://as.example/par")),
        push: true,
        introspection: Some(url("https://as.example/introspect")),
        userinfo: None,
        jwks: Some(url("https://as.example/jwks")),
        ..Endpoints::at(url("https://tokens.example/token"))
    };
    assert_eq!(
        found,
        Discovered {
            mtls: Endpoints {
                token: url("https://mtls.as.example/token"),
                introspection: Some(url("https://mtls.as.example/introspect")),
                ..endpoints.clone()
            },
            endpoints,
            auth_methods: vec![
                ClientAuth::PrivateKeyJwt,
                ClientAuth::ClientSecretPost,
                ClientAuth::None,
                ClientAuth::TlsClientAuth,
            ],
            code_challenge_methods: vec!["S256".into(), "plain".into()],
        }
    );
}

#[test]
fn what_is_left_out_has_the_default_of_rfc_8414() {
    let found = Web::with(OAUTH, 200, &minimal()).discover(ISSUER).unwrap();
    assert_eq!((found.endpoints.authorization, found.endpoints.revocation), (None, None));
    assert!(!found.endpoints.sends_iss);
    assert_eq!(found.auth_methods, [ClientAuth::ClientSecretBasic]);
    assert!(found.code_challenge_methods.is_empty());
}

#[test]
fn where_it_is_looked_for() {
    for (issuer, urls) in [
        (ISSUER, [OAUTH, OPENID]),
        ("https://as.example/", [OAUTH, OPENID]),
        (
            "https://as.example:8443/oauth2/default",
            [
                "https://as.example:8443/.well-known/oauth-authorization-server/oauth2/default",
                "https://as.example:8443/oauth2/default/.well-known/openid-configuration",
            ],
        ),
        (
            "http://localhost:3000/realms/a/",
            [
                "http://localhost:3000/.well-known/oauth-authorization-server/realms/a",
                "http://localhost:3000/realms/a/.well-known/openid-configuration",
            ],
        ),
    ] {
        let nothing = Web::default();
        let error = nothing.discover(issuer).unwrap_err();
        assert_eq!(*nothing.asked.lock().unwrap(), urls);
        assert_eq!(
            error.to_string(),
            format!(
                "{issuer} publishes no metadata ({} answered 404; {} answered 404): check the issuer, or name the endpoints themselves",
                urls[0], urls[1]
            )
        );
        // The second place serves as well as the first.
        let document = json!({"issuer": issuer, "token_endpoint": "https://as.example/token"});
        for url in urls {
            assert!(Web::with(url, 200, &document).discover(issuer).is_ok(), "{url}");
        }
    }
}

#[test]
fn what_is_no_metadata_is_passed_over() {
    for (status, body, said) in [
        (200, "<html>the app</html>", "200 with an HTML page, not JSON"),
        (200, "", "200 with an empty body"),
        (200, r#"{"error":"not found"}"#, "200 with JSON that names no issuer"),
        (302, "", "302, redirected to login.example"),
        (500, "oops", "500"),
    ] {
        let web = Web::with(OAUTH, status, &body);
        let DiscoveryError::NotFound { tried, .. } = web.discover(ISSUER).unwrap_err() else {
            panic!("{body}")
        };
        assert_eq!(tried, format!("{OAUTH} answered {said}; {OPENID} answered 404"));
        assert!(web.and(OPENID, 200, &minimal()).discover(ISSUER).is_ok());
    }
}

#[test]
fn another_issuer_is_not_trusted() {
    for (asked, found) in [
        (ISSUER, "https://evil.example"),
        (ISSUER, "https://as.example/"),
        ("https://as.example/", "https://as.example"),
        (ISSUER, "https://AS.example"),
        (ISSUER, ""),
    ] {
        let document = json!({"issuer": found, "token_endpoint": "https://evil.example/token"});
        let error =
            Web::with(OAUTH, 200, &document).and(OPENID, 200, &minimal()).discover(asked).unwrap_err();
        let url = OAUTH.to_owned();
        assert_eq!(error, DiscoveryError::OtherIssuer { url, issuer: asked.into(), found: found.into() });
    }
}

#[test]
fn unusable_metadata() {
    for (name, value, said) in [
        ("token_endpoint", json!(null), "it names no token_endpoint"),
        ("token_endpoint", json!("/token"), "its token_endpoint is no URL (relative URL without a base)"),
        (
            "token_endpoint",
            json!("http://as.example/token"),
            "its token_endpoint: as.example is not spoken to over http",
        ),
        (
            "authorization_endpoint",
            json!("http://as.example/a"),
            "its authorization_endpoint: as.example is not",
        ),
        ("authorization_endpoint", json!("javascript:alert(1)"), "its authorization_endpoint: "),
        (
            "revocation_endpoint",
            json!("https://as.example/r#x"),
            "its revocation_endpoint: the endpoint at as.example has",
        ),
    ] {
        let mut document = minimal();
        document[name] = value;
        let error = Web::with(OAUTH, 200, &document).discover(ISSUER).unwrap_err();
        let DiscoveryError::Unusable { url, detail } = error else { panic!("{error}") };
        assert_eq!(url, OAUTH);
        assert!(detail.starts_with(said), "{detail}");
    }
}

#[test]
fn texts_that_are_no_issuer() {
    for issuer in [
        "as.example",
        "",
        "http://as.example",
        "https://user:hunter2@as.example",
        "https://as.example?tenant=7",
        "https://as.example#x",
    ] {
        let web = Web::default();
        let error = web.discover(issuer).unwrap_err();
        assert!(matches!(error, DiscoveryError::NotAnIssuer { .. }), "{error}");
        assert!(web.asked.lock().unwrap().is_empty());
    }
}

#[test]
fn a_provider_that_cannot_be_reached_is_asked_once() {
    let web = Web::with(OAUTH, 0, &"no connection").and(OPENID, 200, &minimal());
    let error = web.discover(ISSUER).unwrap_err();
    let detail = "no connection".to_owned();
    assert_eq!(error, DiscoveryError::Unreachable { issuer: ISSUER.into(), detail });
    assert_eq!(web.asked.lock().unwrap().len(), 1);
}
