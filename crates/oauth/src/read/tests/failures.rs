//! Answers that are no token set.

use super::*;

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
        (
            200,
            r#"{"ok":false,"error":"invalid_refresh_token"}"#,
            "invalid_refresh_token",
            "invalid_refresh_token",
            Refused,
        ),
        (
            200,
            "error=incorrect_client_credentials&error_description=The+client_id+is+incorrect.&error_uri=https%3A%2F%2Fdocs",
            "incorrect_client_credentials",
            "incorrect_client_credentials: The client_id is incorrect.",
            Refused,
        ),
        (
            200,
            r#"{"error":"invalid_grant","access_token":null}"#,
            "invalid_grant",
            "invalid_grant",
            Permanent,
        ),
        // Constant Contact: a list, or sometimes a bare object.
        (
            401,
            r#"[{"error_key":"unauthorized","error_message":"Unauthorized"}]"#,
            "unauthorized",
            "unauthorized: Unauthorized",
            Refused,
        ),
        (
            429,
            r#"{"error_key":"throttled","error_message":"Too many"}"#,
            "throttled",
            "throttled: Too many",
            Transient,
        ),
        (
            503,
            r#"{"error":"temporarily_unavailable"}"#,
            "temporarily_unavailable",
            "temporarily_unavailable",
            Transient,
        ),
        (500, r#"{"error":"server_error"}"#, "server_error", "server_error", Ambiguous),
        (302, r#"{"error":"invalid_grant"}"#, "invalid_grant", "invalid_grant", Permanent),
    ] {
        let reading = read(answer(status, body));
        assert_eq!(Class::of(&reading.reply), class, "{body}");
        assert!(reading.raw.is_none(), "{body}");
        match reading.reply {
            Reply::Error { status: s, code: c, detail: d, retry_after: None, holds_tokens: false } => {
                assert_eq!((s, c.as_str(), d.as_str()), (status, code, detail));
            }
            other => panic!("{body} is an error: {other:?}"),
        }
    }
}

#[test]
fn an_error_field_that_says_nothing_is_no_error() {
    for error in [json!(null), json!(""), json!(false), json!({}), json!({"message": "m"}), json!(["m"])] {
        assert!(matches!(
            read(answer(200, json!({"access_token": "at", "error": error}).to_string())).reply,
            Reply::Tokens(_)
        ));
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
        (200, "{", "answered 200 with JSON that is broken, ambiguous or no object"),
        (200, "[]", "answered 200 with JSON that is broken, ambiguous or no object"),
        (200, "true", "answered 200 with JSON that is broken, ambiguous or no object"),
        (502, "Bad gateway", "answered 502 with something that is neither JSON nor a form"),
        (200, "hunter2=", "answered 200 with something that is neither JSON nor a form"),
        (
            200,
            r#"{"status":"ok","refresh_token":"hunter2"}"#,
            "answered 200 with neither a usable token set nor an OAuth error, but fields named refresh_token, status",
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
            assert_eq!(Class::of(&reading.reply), Class::Ambiguous);
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
fn a_long_page_is_cut_and_a_long_token_set_is_not() {
    let long = " ".repeat(2 * RAW_MAX_BYTES);
    let page = read(answer(200, format!("<html>{long}")));
    assert_eq!(page.raw.unwrap().len(), RAW_MAX_BYTES);
    for (status, body) in [
        (200, format!(r#"[{{"x":"{long}","refresh_token":"rt"}}]"#)),
        (503, format!(r#"{{"a":"{long}","access_token":"at"}}"#)),
    ] {
        assert_eq!(read(answer(status, body.clone())).raw, Some(Bytes::from(body)));
    }
}

#[test]
fn a_word_about_the_refresh_token_is_no_token_beside_a_refusal() {
    for body in [
        r#"{"error":"invalid_request","refresh_token":"required"}"#,
        r#"{"error":"invalid_grant","sent":{"refresh_token":"1//0***"}}"#,
        r#"{"errors":{"refresh_token":"invalid"}}"#,
    ] {
        let reading = read(answer(400, body));
        assert!(
            reading.raw.is_none() && !format!("{:?}", reading.reply).contains("holds_tokens: true"),
            "{body}"
        );
    }
    for (status, body) in [
        (400, r#"{"error":"invalid_request","refresh_token":"9dKq2mVb7Xw1PzL4"}"#),
        (200, r#"{"refresh_token":"required"}"#),
    ] {
        let reading = read(answer(status, body));
        assert!(
            reading.raw.is_some() && format!("{:?}", reading.reply).contains("holds_tokens: true"),
            "{body}"
        );
    }
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
    let Reply::Unreadable { retry_after, .. } =
        with("retry-after", "Tue, 03 Nov 2026 12:01:00 GMT", "").reply
    else {
        panic!("it is no error")
    };
    assert_eq!(retry_after, secs(60));
}

#[test]
fn without_an_answer_the_words_are_passed_on() {
    let detail = || "no connection".to_owned();
    let reading = read_token_answer(Exchange::NotSent { detail: detail() }, now(), &Redactor::default());
    assert!(matches!(reading.reply, Reply::NotSent { detail: said } if said == detail()));
    let reading = read_token_answer(Exchange::NoAnswer { detail: detail() }, now(), &Redactor::default());
    assert!(matches!(reading.reply, Reply::NoAnswer { detail: said } if said == detail()));
    assert!(reading.raw.is_none() && reading.date.is_none());
}

#[test]
fn no_detail_repeats_a_secret() {
    let secret = "9dKq2mVb7Xw1PzL4";
    for body in [
        json!({"error": "invalid_grant", "error_description": format!("token {secret} is used up")})
            .to_string(),
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
