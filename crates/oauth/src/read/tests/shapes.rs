//! Token sets that stand somewhere else, errors that come as successes, and other names: the shapes are of the providers'
//! documents, the values made up.

use vestal_core::provider::Provider;

use super::*;

fn provider(id: &str) -> Provider {
    catalogue::builtin(id).unwrap().unwrap()
}

fn read_as(id: &str, status: u16, body: &'static str, refresh: bool) -> Reading {
    let provider = provider(id);
    let shape = if refresh { provider.answers.to_refresh() } else { provider.answers.to_exchange() };
    read_token_answer_of(Exchange::Answered(answer(status, body)), now(), &Redactor::default(), shape)
}

/// The token set in the answer to a code.
fn exchanged(id: &str, body: &'static str) -> TokenAnswer {
    match read_as(id, 200, body, false).reply {
        Reply::Tokens(tokens) => *tokens,
        other => panic!("{body}: {other:?}"),
    }
}

/// docs.slack.dev/authentication/using-token-rotation and …/reference/methods/oauth.v2.access.
#[test]
fn slack_puts_a_users_token_within_the_bots() {
    let both = r#"{"ok":true,"access_token":"xoxe.xoxb-bot","token_type":"bot","scope":"chat:write","expires_in":43200,
        "refresh_token":"xoxe-bot","team":{"id":"T1"},"authed_user":{"id":"U1","scope":"users:read","access_token":
        "xoxe.xoxp-user","token_type":"user","expires_in":43199,"refresh_token":"xoxe-user"}}"#;
    let user = exchanged("slack-user", both);
    assert_eq!(user.access_token.expose_secret(), "xoxe.xoxp-user");
    assert_eq!(user.refresh_token.unwrap().expose_secret(), "xoxe-user");
    assert_eq!((user.scope.as_deref(), user.expires_in), (Some("users:read"), secs(43_199)));
    assert_eq!(Value::Object(user.extra), json!({"id": "U1", "ok": true, "team": {"id": "T1"}}));
    assert_eq!(exchanged("slack", both).access_token.expose_secret(), "xoxe.xoxb-bot");
    // The bot's alone is no user's, and is kept.
    let bot =
        r#"{"ok":true,"access_token":"xoxe.xoxb-bot","refresh_token":"xoxe-bot","authed_user":{"id":"U1"}}"#;
    let reading = read_as("slack-user", 200, bot, false);
    assert_eq!((Class::of(&reading.reply), reading.raw.as_deref()), (Class::Ambiguous, Some(bot.as_bytes())));
    // A refresh brings it by itself.
    let refreshed =
        r#"{"ok":true,"access_token":"xoxe.xoxp-2","token_type":"user","refresh_token":"xoxe-2"}"#;
    assert!(matches!(read_as("slack-user", 200, refreshed, true).reply, Reply::Tokens(_)));
}

/// Slack's "ok", and business-api.tiktok.com's "code": both with HTTP 200.
#[test]
fn a_success_says_that_it_is_one() {
    for (id, body, code) in [
        ("slack", r#"{"ok":false,"error":"invalid_refresh_token"}"#, "invalid_refresh_token"),
        ("slack", r#"{"ok":false}"#, "not_ok"),
        ("tiktok-business", r#"{"code":40105,"message":"Access token is incorrect.","data":{}}"#, "40105"),
    ] {
        match read_as(id, 200, body, true).reply {
            Reply::Error { status: 200, code: said, .. } => assert_eq!(said, code, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    // What says that it is none, and holds tokens all the same, is kept.
    let both = r#"{"ok":false,"access_token":"at","refresh_token":"rt"}"#;
    let reading = read_as("slack", 200, both, true);
    assert_eq!(classify(&reading.reply, &provider("slack")), Class::Ambiguous);
    assert_eq!(reading.raw.as_deref(), Some(both.as_bytes()));
}

/// github.com/tiktok/tiktok-business-api-sdk, js_sdk/docs/AuthenticationApi.md.
#[test]
fn tiktok_for_business_wraps_its_answers() {
    let body = r#"{"code":0,"message":"OK","request_id":"2026","data":{"access_token":"at","scope":[4,5],
        "advertiser_ids":["7"]}}"#;
    let tokens = exchanged("tiktok-business", body);
    assert_eq!((tokens.access_token.expose_secret(), tokens.expires_in), ("at", None));
    assert_eq!(tokens.extra["advertiser_ids"], json!(["7"]));
}

/// developers.facebook.com, instagram-platform, business-login, step 2; the second is what others saw.
#[test]
fn instagram_puts_it_into_a_list_or_not() {
    for body in [
        r#"{"data":[{"access_token":"at","user_id":"17","permissions":"instagram_business_basic"}]}"#,
        r#"{"access_token":"at","user_id":17,"permissions":["instagram_business_basic"]}"#,
    ] {
        let tokens = exchanged("instagram", body);
        assert_eq!((tokens.access_token.expose_secret(), tokens.expires_in), ("at", None), "{body}");
        assert!(tokens.extra.contains_key("user_id"), "{body}");
    }
    let refused =
        r#"{"error_type":"OAuthException","code":400,"error_message":"Matching code was not found"}"#;
    match read_as("instagram", 400, refused, false).reply {
        Reply::Error { code, detail, .. } => {
            assert_eq!(
                (code.as_str(), detail.as_str()),
                ("OAuthException", "OAuthException: Matching code was not found")
            );
        }
        other => panic!("{other:?}"),
    }
}

/// developers.hubspot.com, oauth-tokens/v1/refresh-oauth-token, which shows camel case; and what the v1 says of a dead token.
#[test]
fn hubspot_writes_camel_case_or_not() {
    let body = r#"{"accessToken":"at","expiresIn":1800,"refreshToken":"rt","tokenType":"bearer","scopes":["oauth"],"hubId":7}"#;
    let tokens = exchanged("hubspot", body);
    assert_eq!((tokens.expires_in, tokens.scope.as_deref()), (secs(1800), Some("oauth")));
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "rt");
    assert_eq!(Value::Object(tokens.extra), json!({"hubId": 7}));
    let twice = r#"{"accessToken":"at","refreshToken":"rt","refresh_token":"other"}"#;
    assert_eq!(Class::of(&read_as("hubspot", 200, twice, true).reply), Class::Ambiguous);
    let dead =
        r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown refresh token","correlationId":"1"}"#;
    let reading = read_as("hubspot", 400, dead, true);
    assert_eq!(classify(&reading.reply, &provider("hubspot")), Class::Permanent);
}

/// github.com/intuit/oauth-jsclient/pull/211, "Expected platform response".
#[test]
fn intuit_says_two_ends() {
    let body = r#"{"access_token":"eyJ.at","token_type":"bearer","expires_in":3600,"refresh_token":"RT1-39-H3-7",
        "x_refresh_token_expires_in":8726400,"x_refresh_token_hard_expires_in":156032154}"#;
    let tokens = exchanged("quickbooks", body);
    let (idle, whole) = (Duration::from_secs(8_726_400), Duration::from_secs(156_032_154));
    assert_eq!(tokens.refresh_expires_in, Some(SaidLife::Within { idle, whole }));
    assert!(tokens.extra.is_empty());
    let without = r#"{"access_token":"eyJ.at","expires_in":3600,"refresh_token":"r","x_refresh_token_expires_in":8726400}"#;
    assert_eq!(exchanged("quickbooks", without).refresh_expires_in, Some(SaidLife::For(idle)));
    let alone = r#"{"access_token":"eyJ.at","refresh_token":"r","x_refresh_token_hard_expires_in":8726400}"#;
    assert_eq!(exchanged("quickbooks", alone).refresh_expires_in, Some(SaidLife::For(idle)));
}

/// developer.squareup.com/reference/square/objects/ObtainTokenResponse; the second is of its flow for public clients.
#[test]
fn square_says_until_when() {
    let body = r#"{"access_token":"at","token_type":"bearer","expires_at":"2026-12-03T12:00:00Z","merchant_id":"M1",
        "refresh_token":"rt","short_lived":false,"refresh_token_expires_at":"2027-02-01T12:00:00Z"}"#;
    let tokens = exchanged("square", body);
    assert_eq!(tokens.expires_in, secs(30 * 24 * 3600));
    assert_eq!(tokens.refresh_expires_in, Some(SaidLife::For(Duration::from_secs(90 * 24 * 3600))));
    let refused = r#"{"type":"service.not_authorized","message":"Not Authorized"}"#;
    assert!(
        matches!(read_as("square", 401, refused, true).reply, Reply::Error { code, .. } if code == "service.not_authorized")
    );
}

/// docs.github.com, authorizing-oauth-apps: without an Accept header, a form; errors come with HTTP 200.
#[test]
fn github_answers_in_forms_and_fails_with_200() {
    let tokens = exchanged("github-oauth", "access_token=gho_1&scope=repo%2Cgist&token_type=bearer");
    assert_eq!((tokens.scope.as_deref(), tokens.expires_in), (Some("repo,gist"), None));
    let refused = "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.";
    let reading = read_as("github-oauth", 200, refused, false);
    assert_eq!(classify(&reading.reply, &provider("github-oauth")), Class::Permanent);
}

/// requests-oauthlib's pull request 169: no end, said as 0, and no scopes, said as null.
#[test]
fn mailchimps_token_has_no_end() {
    let tokens = exchanged("mailchimp", r#"{"access_token":"at","expires_in":0,"scope":null}"#);
    assert_eq!((tokens.expires_in, tokens.scope), (None, None));
}

/// developers.facebook.com/docs/graph-api/guides/error-handling.
#[test]
fn metas_errors_are_numbers() {
    for (body, class) in [
        (
            r#"{"error":{"message":"Session has expired","type":"OAuthException","code":190,"error_subcode":463}}"#,
            Class::Permanent,
        ),
        (
            r#"{"error":{"message":"Please retry","type":"OAuthException","code":2,"is_transient":true}}"#,
            Class::Transient,
        ),
        (r#"{"error":{"message":"Too many calls","type":"OAuthException","code":4}}"#, Class::Transient),
    ] {
        for id in ["instagram", "facebook"] {
            assert_eq!(classify(&read_as(id, 400, body, true).reply, &provider(id)), class, "{id}: {body}");
        }
    }
}

#[test]
fn a_place_is_followed_through_objects_and_lists() {
    let places = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
    let read = |body: &str, at: &[&str]| {
        let places = places(at);
        let shape = Shape { places: &places, ..Shape::default() };
        let answer = answer(200, body.to_owned());
        match read_token_answer_of(Exchange::Answered(answer), now(), &Redactor::default(), shape).reply {
            Reply::Tokens(tokens) => Some(tokens.access_token.expose_secret().to_owned()),
            _ => None,
        }
    };
    let nested = r#" {"a" : [ {"x":1}, {"b":{"access_token":"at"}} ], "access_token":"outer"} "#;
    for (at, found) in [
        (&["a.1.b"][..], Some("at")),
        (&["a.0.b", "a.1.b"], Some("at")),
        (&["a.2.b", "."], Some("outer")),
        (&["a.0"], None),
        (&["a.1.b.access_token"], None),
        (&["a.x"], None),
        (&[""], None),
        (&[], Some("outer")),
    ] {
        assert_eq!(read(nested, at).as_deref(), found, "{at:?}");
    }
    let twice = r#"{"a":{"access_token":"one","refresh_token":"r1"},"a":{"access_token":"two","refresh_token":"r2"}}"#;
    assert_eq!(read(twice, &["a"]), None, "which of them counts nobody knows");
}
