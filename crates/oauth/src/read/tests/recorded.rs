//! What real token endpoints answered, and what is made of it. Each exchange names where it was written down.

use vestal_core::outcome::not_before;

use super::*;

/// An exchange: the provider, what it answered, the code that is read, its class, and how long is waited at least.
type Recorded = (&'static str, u16, &'static str, &'static str, Class, Option<Duration>);

const DAY: Duration = Duration::from_secs(24 * 3600);

const RECORDED: &[Recorded] = &[
    // community.developer.atlassian.com/t/50348/60: a dead refresh token is told with 403.
    (
        "atlassian",
        403,
        r#"{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}"#,
        "invalid_grant",
        Class::Permanent,
        None,
    ),
    // The same host's firewall says nothing about a grant.
    ("atlassian", 403, "<html>Request blocked</html>", "", Class::Transient, None),
    // api.slack.com/methods: every answer has status 200.
    (
        "slack",
        200,
        r#"{"ok":false,"error":"invalid_refresh_token"}"#,
        "invalid_refresh_token",
        Class::Permanent,
        None,
    ),
    ("slack", 200, r#"{"ok":false,"error":"token_expired"}"#, "token_expired", Class::Permanent, None),
    ("slack", 200, r#"{"ok":false,"error":"token_revoked"}"#, "token_revoked", Class::Permanent, None),
    ("slack", 200, r#"{"ok":false,"error":"invalid_client_id"}"#, "invalid_client_id", Class::Client, None),
    ("slack", 200, r#"{"ok":false,"error":"bad_client_secret"}"#, "bad_client_secret", Class::Client, None),
    (
        "slack",
        200,
        r#"{"ok":false,"error":"invalid_arguments","response_metadata":{"messages":["[ERROR] missing"]}}"#,
        "invalid_arguments",
        Class::Refused,
        None,
    ),
    ("slack", 429, r#"{"ok":false,"error":"ratelimited"}"#, "ratelimited", Class::Transient, None),
    // "It's possible some aspect of the operation succeeded before the error was raised."
    ("slack", 200, r#"{"ok":false,"error":"internal_error"}"#, "internal_error", Class::Ambiguous, None),
    ("slack", 200, r#"{"ok":false}"#, "not_ok", Class::Refused, None),
    // developer.constantcontact.com/api_guide/rate_limits.html; lists and bare objects are both seen.
    (
        "constant-contact",
        429,
        r#"{"error_key":"throttled","error_message":"Too Many Requests"}"#,
        "throttled",
        Class::Transient,
        Some(Duration::from_secs(1)),
    ),
    (
        "constant-contact",
        429,
        r#"[{"error_key":"quota_exceeded","error_message":"Limit Exceeded"}]"#,
        "quota_exceeded",
        Class::Transient,
        // It is noon.
        Some(Duration::from_secs(12 * 3600)),
    ),
    // github.com/phpfui/ConstantContact/issues/19.
    (
        "constant-contact",
        400,
        r#"{"error":"invalid_grant","error_description":"The refresh token is invalid or expired."}"#,
        "invalid_grant",
        Class::Permanent,
        None,
    ),
    (
        "constant-contact",
        401,
        r#"[{"error_key":"unauthorized","error_message":"Unauthorized"}]"#,
        "unauthorized",
        Class::Refused,
        None,
    ),
    // help.salesforce.com, "OAuth 2.0 Authorization Errors".
    (
        "salesforce",
        400,
        r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
        "invalid_grant",
        Class::Permanent,
        None,
    ),
    // help.salesforce.com, release notes 252, "rn_security_refresh_token_error".
    (
        "salesforce",
        400,
        r#"{"error":"invalid_grant","error_description":"token request is already being processed"}"#,
        "invalid_grant",
        Class::Transient,
        None,
    ),
    // salesforcedictionary.com/errors/invalid-oauth-grant.
    (
        "salesforce",
        400,
        r#"{"error":"invalid_grant","error_description":"inactive user"}"#,
        "invalid_grant",
        Class::Refused,
        None,
    ),
    // developer.salesforce.com, REST API: the answer to an access token that has ended.
    (
        "salesforce",
        401,
        r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
        "INVALID_SESSION_ID",
        Class::Refused,
        None,
    ),
    // The shape of developers.facebook.com/docs/graph-api/guides/error-handling.
    (
        "custom",
        400,
        r#"{"error":{"message":"Error validating access token","type":"OAuthException","code":190}}"#,
        "190",
        Class::Refused,
        None,
    ),
    // The shape of Google's APIs.
    (
        "custom",
        401,
        r#"{"error":{"code":"invalid_grant","message":"Bad Request","status":"UNAUTHENTICATED"}}"#,
        "invalid_grant",
        Class::Permanent,
        None,
    ),
    // dev.fitbit.com/build/reference/web-api/troubleshooting-guide/error-messages.
    (
        "custom",
        400,
        r#"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}"#,
        "invalid_grant",
        Class::Permanent,
        None,
    ),
];

#[test]
fn recorded_exchanges() {
    for (provider, status, body, code, class, wait) in RECORDED {
        let provider = catalogue::builtin(provider).unwrap().unwrap();
        let reading = read(answer(*status, *body));
        assert!(reading.raw.is_none(), "{body}");
        let read = match &reading.reply {
            Reply::Error { code, .. } => code.as_str(),
            _ => "",
        };
        assert_eq!((read, classify(&reading.reply, &provider)), (*code, *class), "{}: {body}", provider.id);
        let waited = not_before(&reading.reply, &provider, now()).duration_since(now());
        assert_eq!(Some(waited.unsigned_abs()).filter(|wait| !wait.is_zero()), *wait, "{body}");
    }
}

#[test]
fn retry_after_beats_the_file_in_both_forms() {
    let provider = catalogue::builtin("constant-contact").unwrap().unwrap();
    for (said, wait) in [("7", 7), ("Tue, 03 Nov 2026 12:02:00 GMT", 120), ("90000000", DAY.as_secs())] {
        let mut answer = answer(429, r#"{"error_key":"quota_exceeded","error_message":"Limit Exceeded"}"#);
        answer.headers.insert("retry-after", said.parse().unwrap());
        let waited = not_before(&read(answer).reply, &provider, now()).duration_since(now());
        assert_eq!(waited.unsigned_abs(), Duration::from_secs(wait), "{said}");
    }
}

#[test]
fn what_an_error_says_reaches_people() {
    for (body, detail) in [
        (
            r#"{"error":{"message":"Error validating access token","type":"OAuthException","code":190}}"#,
            "190: OAuthException: Error validating access token",
        ),
        (r#"{"errors":[{"errorType":"invalid_grant","message":"gone"}]}"#, "invalid_grant: gone"),
        (r#"{"error":{"type":"invalid_grant"},"message":"gone"}"#, "invalid_grant: gone"),
        (
            r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
            "INVALID_SESSION_ID: Session expired or invalid",
        ),
        (r#"{"ok":false,"message":"not now"}"#, "not_ok: not now"),
    ] {
        match read(answer(400, body)).reply {
            Reply::Error { detail: said, .. } => assert_eq!(said, detail),
            other => panic!("{other:?}"),
        }
    }
    let (said, _) = unreadable(answer(403, r#"{"message":"Forbidden"}"#));
    assert_eq!(
        said,
        "answered 403 with neither a usable token set nor an OAuth error, but fields named message, which say: Forbidden"
    );
}

#[test]
fn a_401_speaks_of_the_client_where_it_asks_for_its_credentials() {
    let challenged = |status, challenges: &[&str], body: &'static str| {
        let mut answer = answer(status, body);
        for challenge in challenges {
            answer.headers.append("www-authenticate", challenge.parse().unwrap());
        }
        let reply = read(answer).reply;
        (Class::of(&reply), reply.words().0)
    };
    let asks = "invalid_client: it asks for the client's credentials again";
    for (challenges, class, said) in [
        (&[r#"Basic realm="token""#][..], Class::Client, asks),
        (&["NTLM", "basic"], Class::Client, asks),
        (
            &[r#"Bearer realm="as", error="invalid_client", error_description="Bad credentials""#],
            Class::Client,
            "invalid_client: Bad credentials",
        ),
        (&[r#"Bearer error="invalid_grant""#], Class::Permanent, "invalid_grant"),
        // A proxy that intercepts, or nobody in particular: it may pass.
        (&["Negotiate"], Class::Transient, "answered 401 with an HTML page, not JSON"),
        (
            &[r#"Bearer realm="error=x", xerror="y", error="""#],
            Class::Transient,
            "answered 401 with an HTML page, not JSON",
        ),
        (&[], Class::Transient, "answered 401 with an HTML page, not JSON"),
    ] {
        assert_eq!(challenged(401, challenges, "<html>"), (class, said.to_owned()), "{challenges:?}");
    }
    // The body says more than a challenge.
    let body = r#"{"error":"unauthorized_client"}"#;
    assert_eq!(challenged(401, &["Basic"], body), (Class::Refused, "unauthorized_client".to_owned()));
    assert_eq!(challenged(403, &["Basic"], "<html>").0, Class::Transient);
}

#[test]
fn a_refresh_token_beside_an_error_is_kept() {
    let provider = catalogue::builtin("custom").unwrap().unwrap();
    for (status, body) in [
        (400, r#"{"error":"x","refresh_token":"rt"}"#),
        (200, r#"{"ok":false,"error":"x","refresh_token":7}"#),
        (500, r#"{"refresh_token":"rt"}"#),
        (403, r#"{"error":"x","access_token":"at"}"#),
        (401, r#"{"error":"invalid_client","refresh_token":"rt"}"#),
        (503, r#"{"error":"temporarily_unavailable","refresh_token":"rt"}"#),
        (429, r#"{"access_token":"at","refresh_token":"rt"}"#),
        (400, r#"[{"access_token":"at","refresh_token":"rt"}]"#),
        (400, r#"[{"error":"x"},{"refresh_token":"rt"}]"#),
        (401, r#"{"data":{"access_token":"at","refresh_token":"rt"}}"#),
        (503, r#"{"access_token":"at","refresh_token":"r"#),
        (403, "access_token=at&refresh_token=rt"),
    ] {
        let reading = read(answer(status, body));
        assert_eq!(reading.raw.as_deref(), Some(body.as_bytes()), "{body}");
        assert_eq!(classify(&reading.reply, &provider), Class::Ambiguous, "{body}");
    }
    assert!(read(answer(400, r#"{"error":"x","refresh_token":" "}"#)).raw.is_none());
    // Nothing new is in it if it repeats what was sent, or says what was wrong with that.
    let sent = Redactor::knowing(["wanderer".into()]);
    for body in [
        r#"{"error":"invalid_request","refresh_token":"wanderer"}"#,
        r#"{"error":"invalid_request","request":{"refresh_token":"wanderer"}}"#,
        r#"{"error":"invalid_request","refresh_token":"may not be null"}"#,
        r#"{"error":"invalid_request","refresh_token":["Invalid."]}"#,
    ] {
        let reading = read_token_answer(Exchange::Answered(answer(400, body)), now(), &sent);
        assert_eq!((classify(&reading.reply, &provider), reading.raw), (Class::Refused, None), "{body}");
    }
}

#[test]
fn what_was_sent_is_not_repeated() {
    let sent = Redactor::knowing(["wanderer".into(), "open sesame".into()]);
    for body in [
        r#"{"error":"invalid_grant","error_description":"wanderer of open sesame is unknown"}"#,
        r#"{"error":"wanderer"}"#,
        r#"{"error":{"code":"x","message":"open+sesame"}}"#,
        r#"{"message":"no wanderer"}"#,
        r#"{"wanderer":1}"#,
        r#"{"ok":false,"message":"open sesame"}"#,
    ] {
        for status in [200, 400, 401] {
            let mut answer = answer(status, body);
            let challenge = r#"Bearer error="x", error_description="wanderer""#;
            answer.headers.insert("www-authenticate", challenge.parse().unwrap());
            let reply = format!("{:?}", read_token_answer(Exchange::Answered(answer), now(), &sent).reply);
            assert!(!reply.contains("wanderer") && !reply.contains("sesame"), "{body}: {reply}");
        }
    }
}
