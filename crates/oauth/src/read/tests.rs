use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestal_core::outcome::{Class, classify};
use vestal_core::provider::catalogue;
use vestal_core::token::{LONGEST_LIFE, SaidLife, TokenAnswer};

use super::*;

mod failures;
mod properties;
mod recorded;
mod shapes;

/// 3 November 2026, 12:00:00 UTC.
const NOW: &str = "2026-11-03T12:00:00Z";
const NOW_SECS: i64 = 1_793_707_200;

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status, headers: HeaderMap::new(), body: body.into(), end: BodyEnd::Complete }
}

fn read(answer: Answer) -> Reading {
    read_token_answer(Exchange::Answered(answer), now(), &Redactor::default())
}

/// The token set in a 200 with this body.
fn tokens(body: impl Into<Bytes>) -> TokenAnswer {
    let body = body.into();
    let reading = read(answer(200, body.clone()));
    assert!(reading.raw.is_none());
    match reading.reply {
        Reply::Tokens(tokens) => *tokens,
        other => panic!("{body:?} holds tokens: {other:?}"),
    }
}

/// A token set with these fields besides the access token.
fn with(fields: Value) -> TokenAnswer {
    let Value::Object(mut fields) = fields else { panic!("an object") };
    fields.entry("access_token").or_insert("at".into());
    tokens(Value::Object(fields).to_string())
}

/// Status and detail of an answer that cannot be read, and whether it was kept.
fn unreadable(answer: Answer) -> (String, bool) {
    let reading = read(answer);
    match reading.reply {
        Reply::Unreadable { detail, .. } => (detail, reading.raw.is_some()),
        other => panic!("not to be read: {other:?}"),
    }
}

fn secs(secs: u64) -> Option<Duration> {
    Some(Duration::from_secs(secs))
}

#[test]
fn the_example_of_rfc_6749() {
    let read = tokens(
        r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,
            "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"example_value"}"#,
    );
    assert_eq!(read.access_token.expose_secret(), "2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(read.refresh_token.unwrap().expose_secret(), "tGzv3JOkF0XG5Qx2TlKWIA");
    assert_eq!(read.expires_in, secs(3600));
    assert_eq!(read.token_type, "example");
    assert_eq!((read.scope, read.refresh_expires_in), (None, None));
    assert!(read.id_token.is_none());
    assert_eq!(Value::Object(read.extra), json!({"example_parameter": "example_value"}));
}

#[test]
fn lives_as_they_are_written() {
    for (expires_in, life) in [
        (json!(3600), secs(3600)),
        (json!(3599.5), Some(Duration::from_millis(3_599_500))),
        (json!("3600"), secs(3600)),
        (json!(" 3600 "), secs(3600)),
        (json!("3600.0"), secs(3600)),
        (json!(0), None),
        (json!("0"), None),
        (json!(-1), None),
        (json!(1e-300), None),
        (json!(null), None),
        (json!(""), None),
        (json!("soon"), None),
        (json!("inf"), None),
        (json!("NaN"), None),
        (json!([3600]), None),
        (json!(true), None),
        (json!(u64::MAX), Some(LONGEST_LIFE)),
        (json!(1e300), Some(LONGEST_LIFE)),
    ] {
        assert_eq!(with(json!({"expires_in": expires_in})).expires_in, life, "{expires_in}");
    }
    assert_eq!(with(json!({})).expires_in, None);
}

#[test]
fn ends_instead_of_lives() {
    let date = "Tue, 03 Nov 2026 13:00:00 GMT";
    for (fields, date, life) in [
        // Square, Strava.
        (json!({"expires_at": "2026-11-03T13:00:00Z"}), None, secs(3600)),
        (json!({"expires_at": "2026-11-03T14:00:00.000+01:00"}), None, secs(3600)),
        (json!({"expires_at": NOW_SECS + 60}), None, secs(60)),
        (json!({"expires_at": (NOW_SECS + 60).to_string()}), None, secs(60)),
        (json!({"expires_at": (NOW_SECS + 60) * 1000}), None, secs(60)),
        // The provider's clock is an hour ahead of ours.
        (json!({"expires_at": NOW_SECS + 3600 + 60}), Some(date), secs(60)),
        (json!({"expires_at": NOW_SECS + 60}), Some(date), None),
        // The life says more.
        (json!({"expires_at": NOW_SECS + 60, "expires_in": 30}), None, secs(30)),
        (json!({"expires_at": NOW_SECS + 60, "expires_in": 0}), None, secs(60)),
        (json!({"expires_at": NOW_SECS - 60}), None, None),
        (json!({"expires_at": "soon"}), None, None),
        (json!({"expires_at": null}), None, None),
        (json!({"expires_at": 1e300}), None, Some(LONGEST_LIFE)),
    ] {
        let mut body = fields.clone();
        body["access_token"] = "at".into();
        let mut answer = answer(200, body.to_string());
        answer.headers.extend(date.map(|date| (http::header::DATE, date.parse().unwrap())));
        let Reply::Tokens(tokens) = read(answer).reply else { panic!("{fields}") };
        assert_eq!(tokens.expires_in, life, "{fields}");
    }
}

#[test]
fn the_end_in_a_jwt_where_nothing_else_is_said() {
    let jwt = |claims: Value| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let ahead = NOW_SECS + 7200;
    for (token, life) in [
        (jwt(json!({"exp": NOW_SECS + 60})), secs(60)),
        (jwt(json!({"exp": ahead + 60, "iat": ahead})), secs(60)),
        (jwt(json!({"exp": NOW_SECS - 60})), None),
        (jwt(json!({"exp": "never"})), None),
        (jwt(json!({})), None),
        (jwt(json!([1])), None),
        ("e30.not base64.c2ln".into(), None),
        ("a.b".into(), None),
        ("a.b.c.d".into(), None),
        ("opaque".into(), None),
    ] {
        assert_eq!(with(json!({"access_token": token})).expires_in, life, "{token}");
        assert_eq!(with(json!({"access_token": token, "expires_in": 5})).expires_in, secs(5), "{token}");
    }

    // The same token once more, when it is older already.
    let again = jwt(json!({"exp": NOW_SECS + 60, "iat": NOW_SECS - 3540}));
    let mut answer = answer(200, json!({"access_token": again}).to_string());
    answer.headers.insert("date", "Tue, 03 Nov 2026 12:00:00 GMT".parse().unwrap());
    let reading = read(answer);
    assert_eq!(reading.date, Some(now()));
    let Reply::Tokens(tokens) = reading.reply else { panic!("it is a token set") };
    assert_eq!(tokens.expires_in, secs(60));
}

#[test]
fn lives_of_refresh_tokens() {
    for (fields, said) in [
        (
            json!({"refresh_token_expires_in": 15_897_600}),
            Some(SaidLife::For(Duration::from_secs(15_897_600))),
        ),
        (
            json!({"refresh_token_expires_in": "15897600"}),
            Some(SaidLife::For(Duration::from_secs(15_897_600))),
        ),
        (json!({"refresh_expires_in": 1800}), Some(SaidLife::For(Duration::from_secs(1800)))),
        (json!({"refresh_expires_in": 0}), Some(SaidLife::Endless)),
        (
            json!({"x_refresh_token_expires_in": 8_726_400}),
            Some(SaidLife::For(Duration::from_secs(8_726_400))),
        ),
        (
            json!({"refresh_token_expires_in": null, "refresh_expires_in": 7}),
            Some(SaidLife::For(Duration::from_secs(7))),
        ),
        (json!({"refresh_token_expires_in": -1}), None),
        (json!({"refresh_token_expires_in": "never"}), None),
        (json!({}), None),
    ] {
        assert_eq!(with(fields.clone()).refresh_expires_in, said, "{fields}");
    }
}

#[test]
fn types_scopes_and_refresh_tokens() {
    for (said, kept) in [
        (json!("bearer"), "Bearer"),
        (json!("BEARER"), "Bearer"),
        (json!("Bearer"), "Bearer"),
        (json!(" bearer "), "Bearer"),
        (json!(""), "Bearer"),
        (json!(null), "Bearer"),
        (json!("DPoP"), "DPoP"),
        (json!("User Access Token"), "User Access Token"),
        (json!("Be\narer\u{1b}\0"), "Bearer"),
        (json!("D\r\nPoP\u{9b}"), "DPoP"),
        (json!("\u{1b}\0"), "Bearer"),
    ] {
        assert_eq!(with(json!({"token_type": said})).token_type, kept, "{said}");
    }
    for (said, kept) in [
        (json!("a b"), Some("a b")),
        (json!("chat:write,users:read"), Some("chat:write,users:read")),
        (json!(["a", "b"]), Some("a b")),
        (json!("a \u{1b}b\r\n\0"), Some("a b")),
        (json!(["a\r", "\u{1b}b"]), Some("a b")),
        (json!("\u{1b}"), None),
        (json!(["\0"]), None),
        (json!([]), None),
        (json!(""), None),
        (json!(null), None),
    ] {
        let read = with(json!({"scope": said}));
        assert_eq!((read.scope.as_deref(), read.extra.len()), (kept, 0), "{said}");
    }
    for (said, kept) in [
        (json!("rt"), Some("rt")),
        (json!(12345), Some("12345")),
        (json!(u64::MAX), Some("18446744073709551615")),
        (json!(-7), Some("-7")),
        (json!(""), None),
        (json!(" "), None),
        (json!(null), None),
    ] {
        let read = with(json!({"refresh_token": said}));
        assert_eq!(read.refresh_token.as_ref().map(|token| token.expose_secret()), kept, "{said}");
        assert!(read.extra.is_empty());
    }
    assert_eq!(with(json!({"id_token": "e30.e30."})).id_token.unwrap().expose_secret(), "e30.e30.");
}

#[test]
fn what_is_not_understood_is_kept() {
    let fields = json!({
        "instance_url": "https://na1.example", "issued_at": "1793707200000", "id": {"a": [1]},
        "scope": {"odd": true}, "expires_in": "a while",
    });
    let read = with(fields.clone());
    assert_eq!(Value::Object(read.extra), fields);
}

#[test]
fn bodies_in_disguise() {
    let json = r#"{"access_token":"at","refresh_token":"rt"}"#;
    for body in [
        format!("\u{feff}{json}"),
        format!("\r\n\t {json}\r\n"),
        format!("\u{feff}\n{json}\n"),
        // GitHub and Facebook, unless asked otherwise.
        "access_token=at&expires_in=28800&refresh_token=rt&scope=&token_type=bearer".to_owned(),
        "access_token=at&refresh_token=rt\n".to_owned(),
    ] {
        let read = tokens(body.clone());
        assert_eq!(read.access_token.expose_secret(), "at", "{body}");
        assert_eq!(read.refresh_token.unwrap().expose_secret(), "rt", "{body}");
        assert_eq!((read.token_type.as_str(), read.scope), ("Bearer", None));
    }
    let mut html = answer(200, json);
    html.headers.insert("content-type", "text/html".parse().unwrap());
    assert!(matches!(read(html).reply, Reply::Tokens(_)), "the content type says nothing");

    assert_eq!(
        tokens(&b"{\"access_token\":\"at\",\"company\":\"Caf\xe9\"}"[..]).access_token.expose_secret(),
        "at"
    );
    for damaged in [
        &b"{\"access_token\":\"a\xe9t\"}"[..],
        &b"{\"access_token\":\"at\",\"refresh_token\":\"r\xe9t\"}"[..],
    ] {
        assert!(unreadable(answer(200, damaged)).1, "a damaged token is not used, but kept");
    }
}

#[test]
fn tokens_that_cannot_be_used_are_kept_aside() {
    for control in ['\r', '\n', '\u{1b}', '\0', '\t', '\u{7f}', '\u{9b}'] {
        for (access_token, refresh_token) in
            [(format!("good{control}X-Evil: 1"), "rt".into()), ("at".into(), format!("rt{control}"))]
        {
            let body = json!({"access_token": access_token, "refresh_token": refresh_token}).to_string();
            assert!(unreadable(answer(200, body)).1, "{control:?}");
        }
    }
    assert!(unreadable(answer(200, "access_token=at%0D%0AX-Evil:1&refresh_token=rt")).1);
    for refresh_token in
        ["[\"rt\"]", "{}", "true", "false", "1.5", "123456789012345678901", "1e400", "\"\\ud800\""]
    {
        let body = format!(r#"{{"access_token":"at","refresh_token":{refresh_token}}}"#);
        assert!(unreadable(answer(200, body)).1, "{refresh_token}");
    }
    assert!(unreadable(answer(200, r#"{"access_token":"a\ud800t","refresh_token":"rt"}"#)).1);
}

#[test]
fn one_bad_field_does_not_hide_the_tokens() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for bad in ["1e400", "-1e400", r#""\ud800""#, &deep] {
        for name in ["expires_in", "expires_at", "token_type", "scope", "id_token", "refresh_expires_in", "x"]
        {
            let body = format!(r#"{{"access_token":"at","{name}":{bad},"refresh_token":"rt"}}"#);
            let read = tokens(body);
            assert_eq!(read.access_token.expose_secret(), "at");
            assert_eq!(read.refresh_token.unwrap().expose_secret(), "rt");
            assert_eq!((read.token_type.as_str(), read.scope, read.expires_in), ("Bearer", None, None));
            assert!(read.id_token.is_none() && read.refresh_expires_in.is_none() && read.extra.is_empty());
        }
    }
    assert_eq!(tokens(r#"{"access_token":"at","expires_in":60,"x":1e400}"#).expires_in, secs(60));
    assert!(matches!(
        read(answer(400, r#"{"error":"invalid_grant","error_description":"\ud800"}"#)).reply,
        Reply::Error { code, .. } if code == "invalid_grant"
    ));
}

#[test]
fn a_refresh_token_that_comes_twice() {
    for body in [
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":null}"#,
        r#"{"access_token":"at","refresh_token":null,"refresh_token":"rt"}"#,
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":"","access_token":null}"#,
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":"rt","x":1e400}"#,
        "access_token=at&refresh_token=rt&refresh_token=",
    ] {
        let read = tokens(body);
        assert_eq!(read.access_token.expose_secret(), "at", "{body}");
        assert_eq!(read.refresh_token.unwrap().expose_secret(), "rt", "{body}");
    }
    for body in [
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":"other"}"#,
        r#"{"access_token":"at","refresh_token":"rt","refresh_token":["rt"]}"#,
        "access_token=at&refresh_token=rt&refresh_token=other",
    ] {
        let reading = read(answer(200, body));
        assert_eq!(Class::of(&reading.reply), Class::Ambiguous, "{body}");
        assert_eq!(reading.raw.as_deref(), Some(body.as_bytes()), "whichever counts, it is kept");
    }
}

#[test]
fn a_token_set_needs_an_access_token_and_a_success() {
    for body in [
        r#"{"access_token":""}"#,
        r#"{"access_token":" "}"#,
        r#"{"access_token":null,"refresh_token":"rt"}"#,
        r#"{"access_token":7}"#,
        r#"{"refresh_token":"rt"}"#,
        r#"{"data":{"access_token":"at"}}"#,
        r#"[{"access_token":"at"}]"#,
        r#"{"access_token":"at""#,
        r#"{"access_token":"at"} {"access_token":"at"}"#,
        r#""access_token=at""#,
        "<a href='?x=1&access_token=at'>",
        "see access_token=at for more",
        "access_token=",
    ] {
        assert!(unreadable(answer(200, body)).1, "{body}");
    }
    for status in [199, 300, 400, 401, 500] {
        let (detail, kept) = unreadable(answer(status, r#"{"access_token":"at","refresh_token":"rt"}"#));
        assert_eq!(detail, format!("answered {status}, which is no success, with a token set"));
        assert!(kept, "{status}");
        assert!(unreadable(answer(status, r#"{"refresh_token":"rt"}"#)).1, "{status}");
        assert!(!unreadable(answer(status, r#"{"refresh_token":""}"#)).1, "{status}");
    }
    let reading = read(answer(400, r#"{"access_token":"at","error":"invalid_grant"}"#));
    assert!(matches!(reading.reply, Reply::Error { .. }) && reading.raw.is_some());
    assert!(matches!(read(answer(201, r#"{"access_token":"at"}"#)).reply, Reply::Tokens(_)));
}
