//! Requests as providers document them. The values are made up.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use vestal_core::client::ClientAuth;
use vestal_core::provider::{ExchangeStep, Provider, catalogue};

use crate::client_auth::Credentials;
use crate::{authorization_code, exchange, refresh_token};

const ID: &str = "id-7";
const SECRET: &str = "se+cret";
const REDIRECT_URI: &str = "https://shop.example/back";

fn provider(id: &str) -> Provider {
    catalogue::builtin(id).unwrap().unwrap()
}

/// The credentials of a client that proves itself as most do there, or of one without a secret.
fn credentials(provider: &Provider, has_secret: bool) -> Credentials {
    let accepted = &provider.client.auth.as_ref().unwrap().value;
    let auth = accepted.iter().copied().find(|auth| auth.needs_secret() == has_secret).unwrap();
    Credentials::new(ID.into(), auth, has_secret.then(|| SECRET.into())).unwrap()
}

fn exchange_of(id: &str) -> Request<Bytes> {
    let provider = provider(id);
    let endpoint = &provider.endpoints.token.as_ref().unwrap().value;
    let credentials = credentials(&provider, true);
    let requests = &provider.requests;
    authorization_code::token_request(
        endpoint,
        &credentials,
        &"c/1".into(),
        REDIRECT_URI,
        &"ver".into(),
        &[],
        requests,
    )
    .unwrap()
}

fn refresh_of(id: &str, has_secret: bool) -> Request<Bytes> {
    let provider = provider(id);
    let endpoint = &provider.endpoints.token.as_ref().unwrap().value;
    let credentials = credentials(&provider, has_secret);
    let (token, requests) = ("r/1".into(), &provider.requests);
    refresh_token::token_request(endpoint, &credentials, &token, REDIRECT_URI, &[], requests).unwrap()
}

fn step_of(id: &str, step: ExchangeStep) -> Request<Bytes> {
    let provider = provider(id);
    let endpoints = &provider.endpoints;
    let named = match step {
        ExchangeStep::Lengthen => endpoints.lengthen.as_ref(),
        ExchangeStep::Renew => endpoints.refresh.as_ref(),
    };
    let endpoint = &named.or(endpoints.token.as_ref()).unwrap().value;
    let credentials = credentials(&provider, true);
    let asked = provider.exchange.of(step).unwrap();
    exchange::token_request(endpoint, &credentials, &"at/1".into(), asked, &provider.requests).unwrap()
}

/// A header's value; empty where there is none.
fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// What the request proves itself with by HTTP Basic.
fn basic(request: &Request<Bytes>) -> String {
    let encoded = header(request, "authorization").strip_prefix("Basic ").unwrap();
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

/// docs.gitlab.com/api/oauth2, "Authorization code flow": the redirect URI comes with a refresh, too.
#[test]
fn gitlab_wants_the_redirect_uri_repeated() {
    let body = "grant_type=refresh_token&refresh_token=r%2F1&redirect_uri=https%3A%2F%2Fshop.example%2Fback\
                &client_id=id-7&client_secret=se%2Bcret";
    assert_eq!(refresh_of("gitlab", true).body(), body);
    assert!(!String::from_utf8_lossy(refresh_of("github", true).body()).contains("redirect_uri"));
}

/// github.com/intuit/oauth-jsclient/pull/211: the field comes only where this header asks for it.
#[test]
fn intuit_is_asked_when_a_grant_ends() {
    for request in [exchange_of("quickbooks"), refresh_of("quickbooks", true)] {
        assert_eq!(header(&request, "x-include-refresh-token-hard-expires-in"), "true");
    }
}

/// developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens: --header 'Content-Type: application/json' --data '{…}'.
#[test]
fn atlassian_is_asked_in_json() {
    let request = refresh_of("atlassian", true);
    assert_eq!(header(&request, "content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
    let wanted = serde_json::json!({
        "grant_type": "refresh_token",
        "refresh_token": "r/1",
        "client_id": ID,
        "client_secret": SECRET,
    });
    assert_eq!(body, wanted);
    let exchange: serde_json::Value = serde_json::from_slice(exchange_of("atlassian").body()).unwrap();
    assert_eq!(
        (&exchange["grant_type"], &exchange["code"], &exchange["redirect_uri"]),
        (&"authorization_code".into(), &"c/1".into(), &REDIRECT_URI.into())
    );
}

/// github.com/reddit-archive/reddit/wiki/OAuth2, "Refreshing the token", and github.com/reddit/reddit/wiki/API.
#[test]
fn reddit_wants_an_empty_password_and_to_know_who_asks() {
    let (web, installed) = (refresh_of("reddit", true), refresh_of("reddit", false));
    assert_eq!((basic(&web).as_str(), basic(&installed).as_str()), ("id-7:se%2Bcret", "id-7:"));
    for request in [web, installed] {
        assert_eq!(request.body(), "grant_type=refresh_token&refresh_token=r%2F1");
        assert_eq!(header(&request, "user-agent"), "linux:id-7:v1 (Vestal)");
    }
}

/// docs.stripe.com/stripe-apps/api-authentication/oauth: curl -u sk_…: -d grant_type=refresh_token; and
/// docs.stripe.com/connect/oauth-reference, with the secret key as for the rest of the API.
#[test]
fn stripe_wants_its_secret_key_alone() {
    let apps = refresh_of("stripe-apps", true);
    assert_eq!(
        (basic(&apps).as_str(), &apps.body()[..]),
        ("se%2Bcret:", &b"grant_type=refresh_token&refresh_token=r%2F1"[..])
    );
    let connect = exchange_of("stripe-connect");
    assert_eq!(header(&connect, "authorization"), "Bearer se+cret");
    assert!(connect.body().starts_with(b"grant_type=authorization_code&code=c%2F1&redirect_uri="));
    assert!(!String::from_utf8_lossy(connect.body()).contains("client_"));
}

/// github.com/tiktok/tiktok-business-api-sdk, js_sdk/docs/AuthenticationApi.md, and
/// developers.tiktok.com/doc/oauth-user-access-token-management.
#[test]
fn tiktok_has_its_own_names() {
    let business: serde_json::Value = serde_json::from_slice(exchange_of("tiktok-business").body()).unwrap();
    let (app, secret, code) = (&business["app_id"], &business["secret"], &business["auth_code"]);
    assert_eq!((app, secret, code), (&ID.into(), &SECRET.into(), &"c/1".into()));
    assert_eq!((business.get("client_id"), business.get("code")), (None, None));
    let body = String::from_utf8(refresh_of("tiktok", true).body().to_vec()).unwrap();
    assert!(body.ends_with("&client_key=id-7&client_secret=se%2Bcret"), "{body}");
}

/// developers.facebook.com, instagram-platform/reference/access_token and …/refresh_access_token, and
/// facebook-login/guides/access-tokens/get-long-lived.
#[test]
fn meta_exchanges_access_tokens_by_a_get() {
    for (id, step, url) in [
        (
            "instagram",
            ExchangeStep::Lengthen,
            "https://graph.instagram.com/access_token?grant_type=ig_exchange_token&access_token=at%2F1&client_secret=se%2Bcret",
        ),
        (
            "instagram",
            ExchangeStep::Renew,
            "https://graph.instagram.com/refresh_access_token?grant_type=ig_refresh_token&access_token=at%2F1",
        ),
        (
            "facebook",
            ExchangeStep::Lengthen,
            "https://graph.facebook.com/v24.0/oauth/access_token?grant_type=fb_exchange_token&fb_exchange_token=at%2F1\
             &client_id=id-7&client_secret=se%2Bcret",
        ),
    ] {
        let request = step_of(id, step);
        assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("GET", url));
        assert!(request.body().is_empty() && header(&request, "authorization").is_empty());
        let said = crate::sent::redactor(&request).redact("no at/1, nor at%2F1");
        assert_eq!(said, "no [redacted], nor [redacted]", "{id}");
    }
}

#[test]
fn parameters_are_added_to_one_request_or_the_other() {
    let text = r#"
        id = "x"
        name = "X"
        register = "Ask them."
        [endpoints]
        token = { is = "https://as.example/token", unverified = true }
        [requests]
        exchange_parameters = { is = { expiring = "1" }, unverified = true }
        refresh_parameters = { is = { audience = "api" }, unverified = true }
    "#;
    let Provider { requests, .. } = Provider::parse(text).unwrap();
    let credentials = Credentials::new(ID.into(), ClientAuth::None, None).unwrap();
    let endpoint = "https://as.example/token".parse().unwrap();
    let exchange = authorization_code::token_request(
        &endpoint,
        &credentials,
        &"c".into(),
        REDIRECT_URI,
        &"v".into(),
        &[],
        &requests,
    );
    let refresh =
        refresh_token::token_request(&endpoint, &credentials, &"r".into(), REDIRECT_URI, &[], &requests);
    let body = |request: Request<Bytes>| String::from_utf8(request.into_body().to_vec()).unwrap();
    let (exchange, refresh) = (body(exchange.unwrap()), body(refresh.unwrap()));
    assert!(exchange.contains("&expiring=1&") && !exchange.contains("audience"), "{exchange}");
    assert_eq!(refresh, "grant_type=refresh_token&refresh_token=r&audience=api&client_id=id-7");
}
