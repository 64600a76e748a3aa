use http::HeaderMap;
use serde_json::{Value, json};
use vestal_core::client::ClientAuth;
use vestal_core::provider::catalogue;

use super::*;
use crate::http::{Answer, BodyEnd};
use crate::read::{read_token_answer, read_token_answer_of};

fn body(request: Result<Request<Bytes>, Unsendable>) -> String {
    String::from_utf8(request.unwrap().into_body().to_vec()).unwrap()
}

#[test]
fn the_requests_of_rfc_8628() {
    let endpoint = "https://as.example/device".parse().unwrap();
    let requests = RequestFacts::default();
    let credentials = Credentials::new("1406020730".into(), ClientAuth::None, None).unwrap();
    let asked = |scopes: &[&str]| {
        let scopes: Vec<String> = scopes.iter().map(|scope| scope.to_string()).collect();
        body(request(&endpoint, &credentials, &scopes, &requests))
    };
    assert_eq!(asked(&[]), "client_id=1406020730");
    assert_eq!(asked(&["a", "b:c"]), "scope=a+b%3Ac&client_id=1406020730");
    assert_eq!(
        body(token_request(&endpoint, &credentials, &"GmRh/mb".into(), &["a".to_owned()], &requests)),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=GmRh%2Fmb&client_id=1406020730"
    );
}

/// <https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#device-code-grant-flow>: the shapes are theirs, the values are
/// made up.
#[test]
fn twitch_calls_the_scopes_otherwise_and_its_errors_a_message() {
    let twitch = catalogue::builtin("twitch").unwrap().unwrap();
    let endpoint = &twitch.endpoints.device_authorization.as_ref().unwrap().value;
    let credentials = Credentials::new("hof5gw".into(), ClientAuth::None, None).unwrap();
    let scopes = ["user:read:email".to_owned(), "chat:read".to_owned()];
    assert_eq!(
        body(request(endpoint, &credentials, &scopes, &twitch.requests)),
        "scopes=user%3Aread%3Aemail+chat%3Aread&client_id=hof5gw"
    );
    assert_eq!(
        body(token_request(endpoint, &credentials, &"ike3GM".into(), &scopes, &twitch.requests)),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=ike3GM\
         &scopes=user%3Aread%3Aemail+chat%3Aread&client_id=hof5gw"
    );
    let polled = |status, said: &str| {
        let shape = twitch.answers.to_exchange();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let reading = read_token_answer_of(answered(status, said), now, &Redactor::default(), shape);
        decide(reading.reply, INTERVAL)
    };
    let pending = polled(400, r#"{"status":400,"message":"authorization_pending"}"#);
    assert!(matches!(pending, Poll::Again { interval: INTERVAL }), "{pending:?}");
    let gone = polled(400, r#"{"status":400,"message":"invalid device code"}"#);
    assert!(matches!(&gone, Poll::Failed { detail } if detail.contains("invalid device code")), "{gone:?}");
    let granted = polled(
        200,
        r#"{"access_token":"rfx2us","expires_in":14124,"refresh_token":"5b93ch","scope":["chat:read","user:read:email"],"token_type":"bearer"}"#,
    );
    let Poll::Granted(answer) = granted else { panic!("{granted:?}") };
    assert_eq!(answer.scope.as_deref(), Some("chat:read user:read:email"));
}

fn answered(status: u16, body: &str) -> Exchange {
    let body = body.to_owned().into();
    Exchange::Answered(Answer { status, headers: HeaderMap::new(), body, end: BodyEnd::Complete })
}

fn codes(change: &[(&str, Value)]) -> Result<DeviceAuthorization, NoCodes> {
    // RFC 8628 §3.2.
    let mut body = json!({
        "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://example.com/device",
        "verification_uri_complete": "https://example.com/device?user_code=WDJB-MJHT",
        "expires_in": 1800,
        "interval": 7,
    });
    for (name, value) in change {
        body[name] = value.clone();
    }
    read(answered(200, &body.to_string()), &Redactor::default())
}

#[test]
fn the_codes_are_read_tolerantly() {
    let seconds = Duration::from_secs;
    let plain = codes(&[]).unwrap();
    assert_eq!(plain.device_code.expose_secret(), "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS");
    assert_eq!(plain.user_code, "WDJB-MJHT");
    assert_eq!(plain.verification_uri.as_str(), "https://example.com/device");
    let complete = plain.verification_uri_complete.unwrap();
    assert_eq!(complete.as_str(), "https://example.com/device?user_code=WDJB-MJHT");
    assert_eq!((plain.expires_in, plain.interval), (seconds(1800), seconds(7)));

    for (change, expires_in, interval) in [
        (("interval", Value::Null), 1800, 5),
        (("interval", json!(0)), 1800, 5),
        (("interval", json!("10")), 1800, 10),
        (("interval", json!(1e300)), 1800, 300),
        (("expires_in", Value::Null), 600, 7),
        (("expires_in", json!(86_400)), 3600, 7),
    ] {
        let read = codes(std::slice::from_ref(&change)).unwrap();
        assert_eq!((read.expires_in, read.interval), (seconds(expires_in), seconds(interval)), "{change:?}");
    }
    // Google's, <https://developers.google.com/identity/protocols/oauth2/limited-input-device>.
    let google = codes(&[
        ("verification_uri", Value::Null),
        ("verification_url", json!("https://www.google.com/device")),
    ]);
    assert_eq!(google.unwrap().verification_uri.as_str(), "https://www.google.com/device");
    // What cannot be opened is left out where nobody needs it.
    let evil = codes(&[("verification_uri_complete", json!("javascript:alert(1)"))]).unwrap();
    assert_eq!(evil.verification_uri_complete, None);
}

#[test]
fn what_no_person_could_use_is_refused() {
    for (name, value, said) in [
        ("device_code", Value::Null, "no device_code"),
        ("user_code", json!(""), "no user_code"),
        ("user_code", json!("A\u{1b}[2J"), "no user_code"),
        ("user_code", json!("x".repeat(65)), "no user_code"),
        ("verification_uri", json!("javascript:alert(1)"), "no verification_uri"),
        ("verification_uri", json!("http://example.com/device"), "no verification_uri"),
    ] {
        let refused = codes(&[(name, value)]).unwrap_err();
        assert!(refused.detail.contains(said) && !refused.transient, "{name}: {refused:?}");
    }
    for (exchange, said, transient) in [
        (answered(400, r#"{"error":"unauthorized_client"}"#), "unauthorized_client", false),
        (answered(503, "<html>"), "answered 503 with an HTML page", true),
        (answered(404, "{}"), "answered 404 with an empty JSON object", false),
        (Exchange::NotSent { detail: "no route".into() }, "no route", true),
    ] {
        let refused = read(exchange, &Redactor::default()).unwrap_err();
        assert!(refused.detail.contains(said), "{refused:?}");
        assert_eq!(refused.transient, transient, "{refused:?}");
    }
}

#[test]
fn what_follows_from_a_poll() {
    let said = |exchange| {
        let reply = read_token_answer(exchange, jiff::Timestamp::UNIX_EPOCH, &Redactor::default()).reply;
        match decide(reply, Duration::from_secs(5)) {
            Poll::Granted(_) => "granted".to_owned(),
            Poll::Again { interval } => format!("again after {} s", interval.as_secs()),
            Poll::Denied => "denied".to_owned(),
            Poll::Expired => "expired".to_owned(),
            Poll::Failed { detail } => format!("failed: {detail}"),
        }
    };
    let error = |status, code: &str| answered(status, &json!({"error": code}).to_string());
    for (exchange, expected) in [
        (answered(200, r#"{"access_token":"a","token_type":"Bearer"}"#), "granted"),
        (error(400, "authorization_pending"), "again after 5 s"),
        // GitHub's status.
        (error(200, "authorization_pending"), "again after 5 s"),
        (error(400, "slow_down"), "again after 10 s"),
        (error(429, "slow_down"), "again after 10 s"),
        (error(400, "access_denied"), "denied"),
        (error(400, "authorization_declined"), "denied"),
        (error(400, "expired_token"), "expired"),
        (error(400, "invalid_grant"), "failed: invalid_grant"),
        (error(401, "invalid_client"), "failed: invalid_client"),
        (answered(500, ""), "again after 10 s"),
        (answered(503, "<html>"), "again after 10 s"),
        (answered(404, "<html>"), "failed: answered 404 with an HTML page, not JSON"),
        (Exchange::NotSent { detail: "no route".into() }, "again after 10 s"),
        (Exchange::NoAnswer { detail: "the deadline passed".into() }, "again after 10 s"),
    ] {
        assert_eq!(said(exchange), expected);
    }
    let throttled = |wait| Reply::Unreadable {
        status: 429,
        detail: String::new(),
        retry_after: Some(Duration::from_secs(wait)),
        holds_tokens: false,
    };
    for (asked, waited) in [(3, 10), (40, 40), (86_400, 300)] {
        let Poll::Again { interval } = decide(throttled(asked), Duration::from_secs(5)) else {
            panic!("{asked}")
        };
        assert_eq!(interval.as_secs(), waited, "{asked}");
    }
}
