use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestal_core::outcome::{Class, classify};
use vestal_core::token::{LONGEST_LIFE, SaidLife, TokenAnswer};

use super::*;

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
    read_token_answer(Exchange::Answered(answer), now())
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
    let date = (http::header::DATE, "Tue, 03 Nov 2026 13:00:00 GMT");
    for (fields, header, life) in [
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
        answer.headers.extend(header.map(|(name, value)| (name, value.parse().unwrap())));
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
        (json!({"refresh_token_expires_in": 15_897_600}), Some(SaidLife::For(Duration::from_secs(15_897_600)))),
        (json!({"refresh_token_expires_in": "15897600"}), Some(SaidLife::For(Duration::from_secs(15_897_600)))),
        (json!({"refresh_expires_in": 1800}), Some(SaidLife::For(Duration::from_secs(1800)))),
        (json!({"refresh_expires_in": 0}), Some(SaidLife::Endless)),
        (json!({"x_refresh_token_expires_in": 8_726_400}), Some(SaidLife::For(Duration::from_secs(8_726_400)))),
        (json!({"refresh_token_expires_in": null, "refresh_expires_in": 7}), Some(SaidLife::For(Duration::from_secs(7)))),
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
    ] {
        assert_eq!(with(json!({"token_type": said})).token_type, kept, "{said}");
    }
    for (said, kept) in [
        (json!("a b"), Some("a b")),
        (json!("chat:write,users:read"), Some("chat:write,users:read")),
        (json!(["a", "b"]), Some("a b")),
        (json!([]), None),
        (json!(""), None),
        (json!(null), None),
    ] {
        let read = with(json!({"scope": said}));
        assert_eq!((read.scope.as_deref(), read.extra.len()), (kept, 0), "{said}");
    }
    for (said, kept) in [(json!("rt"), Some("rt")), (json!(""), None), (json!(" "), None), (json!(null), None)] {
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
        "refresh_token": 17, "scope": {"odd": true}, "expires_in": "a while",
    });
    let read = with(fields.clone());
    assert_eq!(Value::Object(read.extra), fields);
}

#[test]
fn bodies_in_disguise() {
    let json = r#"{"access_token":"at","refresh_token":"rt"}"#;
    for body in [
        format!("\u{feff}{json}"),
        format!("\r\n\t {json}\r\n\0").trim_end_matches('\0').to_owned(),
        format!("\u{feff}\n{json}\n"),
        // GitHub and Facebook, unless asked otherwise.
        "access_token=at&expires_in=28800&refresh_token=rt&scope=&token_type=bearer".to_owned(),
        "access_token=at&refresh_token=rt\n".to_owned(),
        // A name in Latin-1 is below.
    ] {
        let read = tokens(body.clone());
        assert_eq!(read.access_token.expose_secret(), "at", "{body}");
        assert_eq!(read.refresh_token.unwrap().expose_secret(), "rt", "{body}");
        assert_eq!((read.token_type.as_str(), read.scope), ("Bearer", None));
    }
    let mut html = answer(200, json);
    html.headers.insert("content-type", "text/html".parse().unwrap());
    assert!(matches!(read(html).reply, Reply::Tokens(_)), "the content type says nothing");

    assert_eq!(tokens(&b"{\"access_token\":\"at\",\"company\":\"Caf\xe9\"}"[..]).access_token.expose_secret(), "at");
    for damaged in
        [&b"{\"access_token\":\"a\xe9t\"}"[..], &b"{\"access_token\":\"at\",\"refresh_token\":\"r\xe9t\"}"[..]]
    {
        assert!(unreadable(answer(200, damaged)).1, "a damaged token is not used, but kept");
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
        let reading = read(answer(status, r#"{"access_token":"at"}"#));
        assert!(matches!(reading.reply, Reply::Unreadable { .. }) && reading.raw.is_none(), "{status}");
    }
    assert!(matches!(read(answer(201, r#"{"access_token":"at"}"#)).reply, Reply::Tokens(_)));
}

#[test]
fn errors_in_every_shape() {
    use Class::*;
    for (status, body, code, detail, class) in [
        (400, r#"{"error":"invalid_grant"}"#, "invalid_grant", "invalid_grant", Permanent),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"The refresh token is invalid or expired."}"#,
            "invalid_grant",
            "invalid_grant: The refresh token is invalid or expired.",
            Permanent,
        ),
        // Atlassian.
        (
            403,
            r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#,
            "invalid_grant",
            "invalid_grant: Unknown or invalid refresh token.",
            Permanent,
        ),
        (401, r#"{"error":"invalid_client"}"#, "invalid_client", "invalid_client", Client),
        // Errors in a 200: Zoho, Slack, GitHub in JSON and in a form.
        (200, r#"{"error":"invalid_code"}"#, "invalid_code", "invalid_code", Refused),
        (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, "invalid_refresh_token", "invalid_refresh_token", Refused),
        (
            200,
            "error=incorrect_client_credentials&error_description=The+client_id+is+incorrect.&error_uri=https%3A%2F%2Fdocs",
            "incorrect_client_credentials",
            "incorrect_client_credentials: The client_id is incorrect.",
            Refused,
        ),
        (200, r#"{"error":"invalid_grant","access_token":null}"#, "invalid_grant", "invalid_grant", Permanent),
        // Constant Contact: a list, or sometimes a bare object.
        (
            401,
            r#"[{"error_key":"unauthorized","error_message":"Unauthorized"}]"#,
            "unauthorized",
            "unauthorized: Unauthorized",
            Refused,
        ),
        (429, r#"{"error_key":"throttled","error_message":"Too many"}"#, "throttled", "throttled: Too many", Transient),
        (503, r#"{"error":"temporarily_unavailable"}"#, "temporarily_unavailable", "temporarily_unavailable", Transient),
        (500, r#"{"error":"server_error"}"#, "server_error", "server_error", Ambiguous),
        (302, r#"{"error":"invalid_grant"}"#, "invalid_grant", "invalid_grant", Permanent),
    ] {
        let reading = read(answer(status, body));
        assert_eq!(classify(&reading.reply), class, "{body}");
        assert!(reading.raw.is_none(), "{body}");
        match reading.reply {
            Reply::Error { status: s, code: c, detail: d, retry_after: None } => {
                assert_eq!((s, c.as_str(), d.as_str()), (status, code, detail));
            }
            other => panic!("{body} is an error: {other:?}"),
        }
    }
}

#[test]
fn an_error_field_that_says_nothing_is_no_error() {
    for error in [json!(null), json!(""), json!(false), json!({"code": 190, "message": "m"})] {
        assert!(matches!(read(answer(200, json!({"access_token": "at", "error": error}).to_string())).reply, Reply::Tokens(_)));
        assert!(unreadable(answer(200, json!({"error": error}).to_string())).1);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let html = "<!DOCTYPE html><title>Welcome to the airport</title>";
    for (status, body, detail) in [
        (200, html, "answered 200 with an HTML page, not JSON"),
        (403, html, "answered 403 with an HTML page, not JSON"),
        (200, "", "answered 200 with an empty body"),
        (200, " \n", "answered 200 with an empty body"),
        (200, "{", "answered 200 with JSON that is broken or no object"),
        (200, "[]", "answered 200 with JSON that is broken or no object"),
        (200, "true", "answered 200 with JSON that is broken or no object"),
        (502, "Bad gateway", "answered 502 with something that is neither JSON nor a form"),
        (200, "hunter2=", "answered 200 with something that is neither JSON nor a form"),
        (
            200,
            r#"{"status":"ok","refresh_token":"hunter2"}"#,
            "answered 200 with neither a token set nor an OAuth error, but fields named refresh_token, status",
        ),
        (200, "{}", "answered 200 with an empty JSON object"),
    ] {
        let (said, kept) = unreadable(answer(status, body));
        assert_eq!((said.as_str(), kept), (detail, status == 200 && !body.is_empty()));
    }
}

#[test]
fn redirects_name_the_host_alone() {
    for (location, said) in [
        ("https://login.example.com/x?token=hunter2#a", "redirected to login.example.com"),
        ("/login?token=hunter2", "redirected to another page"),
        ("mailto:hunter2", "redirected to no host"),
    ] {
        let mut answer = answer(302, "<html>");
        answer.headers.insert("location", location.parse().unwrap());
        let (detail, kept) = unreadable(answer);
        assert_eq!(detail, format!("answered 302: {said}, and redirects are not followed"));
        assert!(!kept);
    }
    assert_eq!(unreadable(answer(304, "")).0, "answered 304 with an empty body");
}

#[test]
fn bodies_that_ended_badly() {
    let json = r#"{"access_token":"at"}"#;
    let form = "access_token=at&refresh_token=r";
    for (end, body, read_as_tokens) in [
        (BodyEnd::Truncated, json, true),
        (BodyEnd::TimedOut, json, true),
        (BodyEnd::TooLarge, json, false),
        // Where a form ends, nobody knows.
        (BodyEnd::Truncated, form, false),
        (BodyEnd::TimedOut, form, false),
        (BodyEnd::Truncated, r#"{"access_token":"at"#, false),
    ] {
        let reading = read(Answer { end, ..answer(200, body) });
        assert_eq!(matches!(reading.reply, Reply::Tokens(_)), read_as_tokens, "{end:?} {body}");
        assert_eq!(reading.raw.is_some(), !read_as_tokens, "{end:?} {body}");
        if !read_as_tokens {
            assert_eq!(classify(&reading.reply), Class::Ambiguous);
        }
    }
    let cut = |end| unreadable(Answer { end, ..answer(200, "{\"acc") }).0;
    assert_eq!(cut(BodyEnd::Truncated), "answered 200, but its body broke off after 5 bytes");
    assert_eq!(cut(BodyEnd::TimedOut), "answered 200, but only 5 bytes of its body came in time");
    assert_eq!(cut(BodyEnd::TooLarge), "answered 200 with more than 1024 KiB");
    // Half an error code is none.
    let reading = read(Answer { end: BodyEnd::Truncated, ..answer(400, "error=invalid_gr") });
    assert!(matches!(reading.reply, Reply::Unreadable { .. }));
}

#[test]
fn waits_are_passed_on() {
    let with = |name: &str, value: &str, body: &'static str| {
        let mut answer = answer(429, body);
        answer.headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        read(answer)
    };
    for body in [r#"{"error":"slow_down"}"#, "<html>"] {
        match with("retry-after", "7", body).reply {
            Reply::Error { retry_after, .. } | Reply::Unreadable { retry_after, .. } => {
                assert_eq!(retry_after, secs(7));
            }
            other => panic!("{other:?}"),
        }
    }
    // A date is compared with ours where the provider does not say its own.
    let Reply::Unreadable { retry_after, .. } = with("retry-after", "Tue, 03 Nov 2026 12:01:00 GMT", "").reply else {
        panic!("it is no error")
    };
    assert_eq!(retry_after, secs(60));
}

#[test]
fn without_an_answer_the_words_are_passed_on() {
    let detail = || "no connection".to_owned();
    let reading = read_token_answer(Exchange::NotSent { detail: detail() }, now());
    assert!(matches!(reading.reply, Reply::NotSent { detail: said } if said == detail()));
    let reading = read_token_answer(Exchange::NoAnswer { detail: detail() }, now());
    assert!(matches!(reading.reply, Reply::NoAnswer { detail: said } if said == detail()));
    assert!(reading.raw.is_none() && reading.date.is_none());
}

#[test]
fn no_detail_repeats_a_secret() {
    let secret = "9dKq2mVb7Xw1PzL4";
    for body in [
        json!({"error": "invalid_grant", "error_description": format!("token {secret} is used up")}).to_string(),
        json!({"error": secret}).to_string(),
        json!({"error_key": "x", "error_message": secret}).to_string(),
        json!({secret: secret}).to_string(),
        format!("error={secret}"),
        format!("{secret}="),
        secret.to_owned(),
    ] {
        for status in [200, 400] {
            let reply = read(answer(status, body.clone())).reply;
            assert!(!format!("{reply:?}").contains(secret), "{body}: {reply:?}");
        }
    }
}

/// Text that is often nearly an answer.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "access_token", "refresh_token", "expires_in", "expires_at", "token_type", "scope", "error",
        "error_key", "refresh_expires_in", "id_token", "other",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "[a-z]{0,3}\\.[A-Za-z0-9_-]{0,20}\\.[a-z]{0,3}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,3}", 0..3).prop_map(Value::from),
    ];
    let object = prop::collection::btree_map(name, value, 0..6)
        .prop_map(|fields| Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    let whole = object.prop_map(|object| object.to_string().into_bytes());
    prop_oneof![
        any::<Vec<u8>>(),
        whole.clone(),
        (whole, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
            let at = at.index(body.len());
            body[at] = byte;
            body
        }),
        "(access_token|error|x)=[a-z%+]{0,4}(&[a-z_]{0,8}=[a-z0-9%]{0,4}){0,3}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_answer_can_be_read(
        status in prop_oneof![Just(200_u16), 100_u16..600],
        body in body(),
        end in prop::sample::select(vec![BodyEnd::Complete, BodyEnd::Truncated, BodyEnd::TooLarge, BodyEnd::TimedOut]),
        date in "\\PC{0,12}",
        started_at in any::<i64>(),
    ) {
        let mut headers = HeaderMap::new();
        for name in ["date", "retry-after", "location"] {
            headers.extend(date.parse().ok().map(|value| (name.parse::<HeaderName>().unwrap(), value)));
        }
        let started_at = Timestamp::from_second(started_at % 100_000_000_000).unwrap();
        let body = Bytes::from(body);
        let answer = Answer { status, headers, body: body.clone(), end };
        let reading = read_token_answer(Exchange::Answered(answer), started_at);
        let successful = (200..300).contains(&status);
        match reading.reply {
            Reply::Tokens(tokens) => {
                prop_assert!(successful && end != BodyEnd::TooLarge && reading.raw.is_none());
                let text = String::from_utf8_lossy(&body);
                prop_assert!(text.contains("access_token"));
                prop_assert!(!tokens.access_token.expose_secret().trim().is_empty());
                prop_assert!(tokens.expires_in.is_none_or(|life| !life.is_zero() && life <= LONGEST_LIFE));
            }
            Reply::Error { .. } => prop_assert!(reading.raw.is_none()),
            Reply::Unreadable { .. } => {
                prop_assert_eq!(reading.raw, (successful && !body.is_empty()).then_some(body));
            }
            Reply::NotSent { .. } | Reply::NoAnswer { .. } => prop_assert!(false, "there was an answer"),
        }
    }
}
