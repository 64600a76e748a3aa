//! From the authorization request to the first token set.

use http::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::{Authentication, Consent, DeathReason};

#[test]
fn consent_comes_at_once_with_code_state_and_issuer() {
    let mut world = World::new(|_| {});
    let response = world.authorize(&[]);
    assert_eq!(response.status(), StatusCode::FOUND);
    assert!(header_of(&response, "location").unwrap().starts_with("https://app.example/cb?code=code_"));
    assert_eq!(parameter(&response, "state").as_deref(), Some("xyz"));
    assert_eq!(parameter(&response, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&world.authorize(&[("state", None)]), "state"), None);
    assert_eq!(world.sandbox.stats().authorizations, 2);
}

#[test]
fn refused_consent_is_told_to_the_client() {
    let mut world = World::new(|settings| settings.consent = Consent::Denied);
    let response = world.authorize(&[]);
    for (name, expected) in
        [("error", Some("access_denied")), ("state", Some("xyz")), ("iss", Some(ISSUER)), ("code", None)]
    {
        assert_eq!(parameter(&response, name).as_deref(), expected);
    }
    assert_eq!((world.sandbox.stats().authorizations, world.sandbox.stats().denials), (0, 1));
}

#[test]
fn a_bad_authorization_request_goes_to_the_client_only_if_the_address_is_its_own() {
    let native = [("client_id", Some("native")), ("redirect_uri", Some("http://127.0.0.1:5000/cb"))];
    let with = |more: &[(&'static str, Option<&'static str>)]| [&native[..], more].concat();
    for (changes, expected) in [
        (vec![("client_id", Some("nobody"))], None),
        (vec![("client_id", None)], None),
        (vec![("redirect_uri", Some("https://evil.example/cb"))], None),
        (vec![("redirect_uri", Some("https://app.example/cb/"))], None),
        (vec![("response_type", Some("token"))], Some("unsupported_response_type")),
        (vec![("code_challenge_method", Some("plain"))], Some("invalid_request")),
        (vec![("code_challenge_method", None)], Some("invalid_request")),
        (with(&[("code_challenge", None), ("code_challenge_method", None)]), Some("invalid_request")),
    ] {
        let response = World::new(|_| {}).authorize(&changes);
        assert_eq!(parameter(&response, "error").as_deref(), expected, "{changes:?}");
        let status = if expected.is_some() { StatusCode::FOUND } else { StatusCode::BAD_REQUEST };
        assert_eq!(response.status(), status, "{changes:?}");
    }
    let twice = World::new(|_| {}).get("/authorize?client_id=app&client_id=app");
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    assert!(parameter(&World::new(|_| {}).authorize(&native), "code").is_some());
}

#[test]
fn an_exchange_brings_tokens_that_nobody_may_cache() {
    let mut world = World::new(|_| {});
    let code = world.code();
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let response = world.post("/token", BASIC, &parameters);
    assert_eq!(header_of(&response, "cache-control"), Some("no-store"));
    assert_eq!(header_of(&response, "date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
    let (status, body) = read(&response);
    let tokens = Tokens::of(&(status, body.clone()));
    assert!(tokens.access.starts_with("at_") && tokens.refresh.starts_with("rt_"));
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &3600.into()));
    assert_eq!(body["scope"], "read write offline_access");
    assert_eq!(world.sandbox.stats().exchanges, 1);
}

#[test]
fn a_code_is_good_only_as_it_was_given() {
    type Changes = &'static [(&'static str, Option<&'static str>)];
    // What is authorized differently, what is exchanged differently, after how long, and the outcome.
    let cases: [(Changes, Changes, u64, Option<&str>); 10] = [
        (&[], &[], 59_999, None),
        (&[], &[], 60_000, Some("invalid_grant")),
        (
            &[],
            &[("code_verifier", Some("wrong-wrong-wrong-wrong-wrong-wrong-wrong-w"))],
            0,
            Some("invalid_grant"),
        ),
        (&[], &[("code_verifier", None)], 0, Some("invalid_grant")),
        (&[("code_challenge", None), ("code_challenge_method", None)], &[], 0, Some("invalid_grant")),
        (&[("code_challenge", None), ("code_challenge_method", None)], &[("code_verifier", None)], 0, None),
        (&[], &[("redirect_uri", Some("https://app.example/other"))], 0, Some("invalid_grant")),
        (&[], &[("redirect_uri", None)], 0, Some("invalid_grant")),
        (&[("redirect_uri", None)], &[("redirect_uri", None)], 0, None),
        (&[], &[("code", None)], 0, Some("invalid_request")),
    ];
    for (authorized, exchanged, wait_ms, error) in cases {
        let mut world = World::new(|_| {});
        let code = parameter(&world.authorize(authorized), "code").unwrap();
        world.wait(wait_ms);
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in exchanged {
            parameters.retain(|(other, _)| other != name);
            parameters.extend(value.map(|value| (*name, value)));
        }
        let (_, body) = world.token(&parameters);
        assert_eq!(body["error"].as_str(), error, "{authorized:?} {exchanged:?} {wait_ms}");
    }
}

#[test]
fn a_code_of_another_client_is_unknown_and_stays_good() {
    let mut world = World::new(|_| {});
    let code = world.code();
    let parameters = [("grant_type", "authorization_code"), ("code", &*code)];
    let (status, body) = read(&world.post("/token", "other:secret", &parameters));
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    assert_eq!(world.exchange(&code).0, StatusCode::OK);
}

#[test]
fn a_code_used_twice_takes_its_grant_with_it() {
    let mut world = World::new(|_| {});
    let code = world.code();
    let tokens = Tokens::of(&world.exchange(&code));
    let (status, body) = world.exchange(&code);
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    assert!(!world.active(&tokens.access) && !world.active(&tokens.refresh));
    world.refused(&tokens.refresh, "invalid_grant");
    let death = world.sandbox.grants(world.now_ms)[0].death.unwrap();
    assert_eq!((death.reason, death.at_ms), (DeathReason::CodeReused, world.now_ms));
}

#[test]
fn a_refresh_token_may_depend_on_offline_access() {
    for (scope, expected) in [("read offline_access", true), ("read", false), ("not_offline_access", false)] {
        let mut world =
            World::new(|settings| settings.refresh_tokens.only_with_scope = Some("offline_access".into()));
        let code = parameter(&world.authorize(&[("scope", Some(scope))]), "code").unwrap();
        let (status, body) = world.exchange(&code);
        assert_eq!((status, body["refresh_token"].is_string()), (StatusCode::OK, expected), "{scope}");
        world.wait(3_600_000);
        let death = world.sandbox.grants(world.now_ms)[0].death.map(|death| death.reason);
        assert_eq!(death, (!expected).then_some(DeathReason::NeverRefreshable), "{scope}");
    }
}

#[test]
fn clients_prove_who_they_are() {
    let grant = [("grant_type", "client_credentials")];
    let post = |id: &str, secret: &str| {
        encode(&[("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)])
    };
    let (basic_only, post_only) = ((true, false), (false, true));
    let both = (true, true);
    for (allowed, credentials, body, expected) in [
        (both, Some(BASIC), encode(&grant), None),
        (both, None, post("app", "s3:cr&t"), None),
        (basic_only, Some(BASIC), encode(&grant), None),
        (basic_only, None, post("app", "s3:cr&t"), Some("invalid_client")),
        (post_only, Some(BASIC), encode(&grant), Some("invalid_client")),
        (post_only, None, post("app", "s3:cr&t"), None),
        // Never form-encoded, so that its & gives it away.
        (both, Some("app:s3:cr&t"), encode(&grant), Some("invalid_client")),
        (both, Some("app:wrong"), encode(&grant), Some("invalid_client")),
        (both, Some("app:"), encode(&grant), Some("invalid_client")),
        (both, Some("nobody:x"), encode(&grant), Some("invalid_client")),
        (both, None, post("app", "wrong"), Some("invalid_client")),
        (both, None, encode(&grant), Some("invalid_client")),
        (both, Some(BASIC), post("app", "s3:cr&t"), Some("invalid_request")),
        (both, None, post("native", "made-up"), Some("invalid_client")),
        (both, None, post("native", ""), Some("unauthorized_client")),
    ] {
        let mut world = World::new(|settings| {
            if let Authentication::Secret { basic, post, .. } = &mut settings.clients[0].authentication {
                (*basic, *post) = allowed;
            }
        });
        let response = world.send(&request(Method::POST, "/token", credentials, &body));
        let (status, answer) = read(&response);
        assert_eq!(answer["error"].as_str(), expected, "{allowed:?} {credentials:?} {body}");
        let challenged = header_of(&response, "www-authenticate").is_some_and(|it| it.starts_with("Basic"));
        let denied = expected == Some("invalid_client");
        assert_eq!((status == StatusCode::UNAUTHORIZED, challenged), (denied, denied), "{body}");
    }
}

#[test]
fn a_client_may_have_two_secrets_while_they_are_exchanged() {
    let mut world = World::new(|_| {});
    if let Authentication::Secret { secrets, .. } =
        &mut world.sandbox.settings_mut().clients[0].authentication
    {
        secrets.push("new".to_owned());
    }
    let grant = [("grant_type", "client_credentials")];
    for (credentials, expected) in [(BASIC, 200), ("app:new", 200), ("app:newer", 401)] {
        assert_eq!(world.post("/token", credentials, &grant).status(), expected);
    }
}

#[test]
fn a_public_client_goes_the_whole_way() {
    let mut world = World::new(|_| {});
    let redirect = "http://127.0.0.1:5000/cb";
    let changes = [("client_id", Some("native")), ("redirect_uri", Some(redirect))];
    let code = parameter(&world.authorize(&changes), "code").unwrap();
    let body = encode(&[
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", &code),
        ("redirect_uri", redirect),
        ("code_verifier", VERIFIER),
    ]);
    let tokens = Tokens::of(&read(&world.send(&request(Method::POST, "/token", None, &body))));
    let body = encode(&[
        ("grant_type", "refresh_token"),
        ("client_id", "native"),
        ("refresh_token", &tokens.refresh),
    ]);
    Tokens::of(&read(&world.send(&request(Method::POST, "/token", None, &body))));
}

#[test]
fn client_credentials_bring_an_access_token_alone() {
    let mut world = World::new(|_| {});
    let (status, body) = world.token(&[("grant_type", "client_credentials"), ("scope", "read")]);
    assert_eq!((status, &body["refresh_token"]), (StatusCode::OK, &Value::Null));
    let facts = world.introspect(body["access_token"].as_str().unwrap());
    assert_eq!((&facts["sub"], &facts["scope"]), (&"app".into(), &"read".into()));
    assert!(world.sandbox.grants(world.now_ms).is_empty());
}
