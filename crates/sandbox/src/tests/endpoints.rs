//! The other endpoints: metadata, introspection, revocation, the protected resource.

use http::{Method, StatusCode};
use serde_json::json;

use super::*;
use crate::{DeathReason, Endpoint};

#[test]
fn metadata_names_endpoints_that_exist() {
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let mut world = World::new(|_| {});
        let (status, body) = read(&world.get(path));
        assert_eq!((status, &body["issuer"]), (StatusCode::OK, &json!(ISSUER)));
        assert_eq!(body["authorization_response_iss_parameter_supported"], true);
        for name in ["authorization", "token", "device_authorization", "introspection", "revocation"] {
            let endpoint = body[format!("{name}_endpoint")].as_str().unwrap();
            let answer = world.get(endpoint.strip_prefix(ISSUER).unwrap());
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{name}");
        }
    }
}

#[test]
fn each_endpoint_has_its_method() {
    let mut world = World::new(|_| {});
    for (method, path, allowed) in [
        (Method::GET, "/token", Some("POST")),
        (Method::GET, "/revoke", Some("POST")),
        (Method::PUT, "/introspect", Some("POST")),
        (Method::POST, "/authorize", Some("GET")),
        (Method::POST, "/api/me", Some("GET")),
        (Method::GET, "/nowhere", None),
    ] {
        let response = world.send(&request(method, path, None, ""));
        let expected = if allowed.is_some() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };
        assert_eq!((response.status(), header_of(&response, "allow")), (expected, allowed), "{path}");
    }
    assert_eq!(world.sandbox.stats().requests[&Endpoint::Token], 1);
    assert_eq!(world.sandbox.stats().requests[&Endpoint::Unknown], 1);
}

#[test]
fn a_token_request_must_be_a_form_without_doubles() {
    let mut world = World::new(|_| {});
    let grant = "grant_type=client_credentials";
    let mut as_json = request(Method::POST, "/token", Some(BASIC), grant);
    as_json.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let mut with_charset = request(Method::POST, "/token", Some(BASIC), grant);
    let content_type = "Application/X-WWW-Form-Urlencoded; charset=UTF-8".parse().unwrap();
    with_charset.headers_mut().insert("content-type", content_type);
    let form = |body| request(Method::POST, "/token", Some(BASIC), body);
    for (request, error) in [
        (with_charset, None),
        (as_json, Some("invalid_request")),
        (form("grant_type=client_credentials&grant_type=client_credentials"), Some("invalid_request")),
        (form("grant_type="), Some("invalid_request")),
        (form("grant_type=password"), Some("unsupported_grant_type")),
    ] {
        let (_, body) = read(&world.send(&request));
        assert_eq!(body["error"].as_str(), error, "{:?}", request.body());
    }
    assert_eq!(world.sandbox.stats().refusals, 4);
}

#[test]
fn introspection_tells_the_truth() {
    let mut world = World::new(|settings| settings.refresh_tokens.idle_limit_ms = Some(90_000_000));
    let tokens = world.connect();
    let scope = "read write offline_access";
    let common = json!({"active": true, "iss": ISSUER, "client_id": "app", "sub": "vesta", "scope": scope});
    let mut access = common.clone();
    access["token_type"] = json!("Bearer");
    (access["iat"], access["exp"]) = (json!(1_700_000_000), json!(1_700_003_600));
    let mut refresh = common;
    refresh["exp"] = json!(1_700_090_000);
    assert_eq!(world.introspect(&tokens.access), access);
    assert_eq!(world.introspect(&tokens.refresh), refresh);
    assert_eq!(world.introspect("at_made_up"), json!({"active": false}));
    world.wait(3_600_000);
    assert_eq!(world.introspect(&tokens.access), json!({"active": false}));
}

#[test]
fn introspection_is_for_confidential_clients() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    assert_eq!(
        world.post("/introspect", "other:secret", &[("token", &tokens.access)]).status(),
        StatusCode::OK
    );
    let body = encode(&[("client_id", "native"), ("token", &tokens.access)]);
    for request in [
        request(Method::POST, "/introspect", None, &body),
        request(Method::POST, "/introspect", Some("app:wrong"), &body),
    ] {
        assert_ne!(world.send(&request).status(), StatusCode::OK);
    }
}

#[test]
fn revocation_ends_a_grant_or_one_access_token() {
    let mut world = World::new(|_| {});
    let (first, second) = (world.connect(), world.connect());

    let response = world.post("/revoke", BASIC, &[("token", &first.access)]);
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!world.active(&first.access) && world.active(&first.refresh));

    let superseded = second.refresh.clone();
    let third = world.refreshed(&second.refresh);
    world.post("/revoke", BASIC, &[("token", &superseded), ("token_type_hint", "access_token")]);
    for token in [&second.access, &third.access, &third.refresh] {
        assert!(!world.active(token));
    }
    let facts = world.sandbox.grants(world.now_ms);
    assert_eq!((facts[0].death, facts[1].death.unwrap().reason), (None, DeathReason::RevokedByClient));
    assert_eq!(world.sandbox.stats().revocations, 2);
}

#[test]
fn revocation_is_for_the_tokens_own_client() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    for (credentials, token, expected) in [
        ("other:secret", &*tokens.refresh, StatusCode::BAD_REQUEST),
        ("other:secret", &tokens.access, StatusCode::BAD_REQUEST),
        ("app:wrong", &tokens.refresh, StatusCode::UNAUTHORIZED),
        (BASIC, "rt_made_up", StatusCode::OK),
    ] {
        assert_eq!(
            world.post("/revoke", credentials, &[("token", token)]).status(),
            expected,
            "{credentials}"
        );
    }
    assert!(world.active(&tokens.access) && world.active(&tokens.refresh));
}

#[test]
fn the_user_may_withdraw_the_consent() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    let grant = world.sandbox.grants(world.now_ms)[0].id;
    world.sandbox.revoke_by_user(grant, world.now_ms);
    assert!(!world.active(&tokens.access));
    world.refused(&tokens.refresh, "invalid_grant");
    assert_eq!(world.sandbox.stats().reuses, 0);
    let death = world.sandbox.grants(world.now_ms)[0].death.unwrap();
    assert_eq!(death.reason, DeathReason::RevokedByUser);
}

#[test]
fn the_resource_knows_its_bearer() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    let (status, body) = read(&world.me(Some(&format!("bearer {}", tokens.access))));
    assert_eq!((status, &body["sub"]), (StatusCode::OK, &json!("vesta")));
    for (authorization, challenge) in [
        (None, "Bearer realm=\"sandbox\""),
        (Some(format!("Basic {}", tokens.access)), "Bearer realm=\"sandbox\""),
        (Some(format!("Bearer {}", tokens.refresh)), "Bearer realm=\"sandbox\", error=\"invalid_token\""),
        (Some("Bearer at_made_up".to_owned()), "Bearer realm=\"sandbox\", error=\"invalid_token\""),
    ] {
        let response = world.me(authorization.as_deref());
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header_of(&response, "www-authenticate"), Some(challenge));
    }
}

#[test]
fn no_token_is_in_the_debug_output() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    let printed = format!("{:?}{:?}", world.sandbox, world.sandbox.grants(world.now_ms));
    assert!(!printed.contains(&tokens.access) && !printed.contains(&tokens.refresh));
    assert!(!format!("{:?}", world.sandbox.settings()).contains("s3:cr&t"));
}
