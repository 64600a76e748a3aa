//! What time and quotas do to tokens.

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::{Death, DeathReason, ExpiresIn, Per, Quota, RefreshTokens, RetryAfter};

const DAY_MS: u64 = 86_400_000;

fn with(rules: RefreshTokens) -> World {
    World::new(|settings| settings.refresh_tokens = rules)
}

fn death(world: &World) -> Option<Death> {
    world.sandbox.grants(world.now_ms)[0].death
}

#[test]
fn an_access_token_expires() {
    let mut world = World::new(|settings| settings.access_token_life_ms = 10_000);
    let tokens = world.connect();
    world.wait(9_999);
    assert!(world.active(&tokens.access));
    world.wait(1);
    assert!(!world.active(&tokens.access));
    world.refreshed(&tokens.refresh);
}

#[test]
fn disuse_kills_and_use_prolongs() {
    let never = Rotation::Never { returns_old: true };
    for rotation in [RefreshTokens::default().rotation, never] {
        let mut world =
            with(RefreshTokens { rotation, idle_limit_ms: Some(180 * DAY_MS), ..RefreshTokens::default() });
        let mut token = world.connect().refresh;
        for _ in 0..5 {
            world.wait(180 * DAY_MS - 1);
            token = world.refreshed(&token).refresh;
        }
        let end_ms = world.now_ms + 180 * DAY_MS;
        world.wait(180 * DAY_MS - 1);
        assert_eq!(death(&world), None);
        world.wait(5);
        // The death is dated when it happened, not when it was noticed.
        assert_eq!(death(&world), Some(Death { reason: DeathReason::Idle, at_ms: end_ms }));
        assert!(!world.active(&token));
        world.refused(&token, "invalid_grant");
    }
}

#[test]
fn an_absolute_end_is_inherited_or_renewed() {
    for (inherited, dies) in [(true, true), (false, false)] {
        let mut world = with(RefreshTokens {
            absolute_limit_ms: Some(7 * DAY_MS),
            absolute_end_is_inherited: inherited,
            ..RefreshTokens::default()
        });
        let end_ms = world.now_ms + 7 * DAY_MS;
        let mut token = world.connect().refresh;
        for _ in 0..6 {
            world.wait(DAY_MS);
            token = world.refreshed(&token).refresh;
        }
        world.wait(DAY_MS);
        let expected = dies.then_some(Death { reason: DeathReason::AbsoluteEnd, at_ms: end_ms });
        assert_eq!(death(&world), expected);
        if dies {
            world.refused(&token, "invalid_grant");
        } else {
            world.refreshed(&token);
        }
    }
}

#[test]
fn a_token_that_never_rotates_keeps_its_absolute_end() {
    let mut world = with(RefreshTokens {
        rotation: Rotation::Never { returns_old: true },
        absolute_limit_ms: Some(2 * DAY_MS),
        absolute_end_is_inherited: false,
        ..RefreshTokens::default()
    });
    let token = world.connect().refresh;
    world.wait(DAY_MS);
    world.refreshed(&token);
    world.wait(DAY_MS);
    world.refused(&token, "invalid_grant");
}

#[test]
fn an_old_token_that_stays_valid_still_ends_in_its_own_time() {
    let rotation = Rotation::Always { grace: Grace::OldStaysValid, reuse: Reuse::Punished };
    let mut world = with(RefreshTokens { rotation, idle_limit_ms: Some(DAY_MS), ..RefreshTokens::default() });
    let first = world.connect();
    world.wait(DAY_MS / 2);
    let second = world.refreshed(&first.refresh);
    world.wait(DAY_MS / 2);
    world.refused(&first.refresh, "invalid_grant");
    assert_eq!((death(&world), world.sandbox.stats().reuses), (None, 0));
    world.refreshed(&second.refresh);
}

#[test]
fn a_token_may_be_too_young() {
    for rotation in [RefreshTokens::default().rotation, Rotation::Never { returns_old: true }] {
        let mut world = with(RefreshTokens { rotation, minimum_age_ms: DAY_MS, ..RefreshTokens::default() });
        let mut token = world.connect().refresh;
        for _ in 0..3 {
            world.wait(DAY_MS - 1);
            world.refused(&token, "invalid_request");
            world.wait(1);
            token = world.refreshed(&token).refresh;
        }
    }
}

#[test]
fn a_retry_in_the_grace_is_never_too_young() {
    let rotation = Rotation::Always { grace: Grace::For(10_000), reuse: Reuse::Punished };
    let mut world = with(RefreshTokens { rotation, minimum_age_ms: DAY_MS, ..RefreshTokens::default() });
    let first = world.connect();
    world.wait(DAY_MS);
    world.refreshed(&first.refresh);
    world.refreshed(&first.refresh);
}

#[test]
fn a_grant_dies_once() {
    let mut world = with(RefreshTokens { idle_limit_ms: Some(DAY_MS), ..RefreshTokens::default() });
    let first = world.connect();
    let second = world.refreshed(&first.refresh);
    world.wait(DAY_MS);
    let idle = death(&world);
    world.wait(1);
    // Reuse comes after the death: it is counted, and the first reason stays.
    world.refused(&first.refresh, "invalid_grant");
    world.refused(&second.refresh, "invalid_grant");
    assert_eq!(idle.map(|death| death.reason), Some(DeathReason::Idle));
    assert_eq!((death(&world), world.sandbox.stats().reuses), (idle, 1));
}

#[test]
fn the_access_tokens_life_is_told_in_every_form() {
    for (form, expected) in [
        (ExpiresIn::Number, json!(3)),
        (ExpiresIn::Text, json!("3")),
        (ExpiresIn::Absent, Value::Null),
        (ExpiresIn::Zero, json!(0)),
    ] {
        let mut world = World::new(|settings| {
            (settings.expires_in, settings.token_type, settings.access_token_life_ms) =
                (form, "bearer", 3999);
        });
        let code = world.code();
        let (_, body) = world.exchange(&code);
        assert_eq!((&body["expires_in"], &body["token_type"]), (&expected, &json!("bearer")), "{form:?}");
        assert_eq!(body.get("expires_in").is_none(), form == ExpiresIn::Absent);
    }
}

#[test]
fn the_refresh_tokens_life_is_told_if_asked_for() {
    for (tells, idle, absolute, expected) in [
        (false, Some(DAY_MS), None, Value::Null),
        (true, None, None, json!(0)),
        (true, Some(DAY_MS), None, json!(86_400)),
        (true, Some(DAY_MS), Some(10_000), json!(10)),
    ] {
        let mut world = with(RefreshTokens {
            tells_expires_in: tells,
            idle_limit_ms: idle,
            absolute_limit_ms: absolute,
            ..RefreshTokens::default()
        });
        let code = world.code();
        assert_eq!(world.exchange(&code).1["refresh_token_expires_in"], expected);
    }
}

#[test]
fn a_quota_refuses_until_its_window_ends() {
    for (retry_after, expected) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds, Some("60")),
        (RetryAfter::HttpDate, Some("Tue, 14 Nov 2023 22:14:21 GMT")),
    ] {
        let mut world = World::new(|settings| {
            settings.quotas = vec![Quota { per: Per::Client, requests: 2, window_ms: 60_000, retry_after }];
        });
        let grant = [("grant_type", "client_credentials")];
        // The window ends within a second, which is rounded up.
        world.wait(1);
        let first = world.connect();
        let second = world.refreshed(&first.refresh);
        world.wait(1);
        let response = world.post("/token", BASIC, &grant);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header_of(&response, "retry-after"), expected);
        assert_eq!(world.sandbox.stats().throttled, 1);
        assert_eq!(world.post("/token", "other:secret", &grant).status(), StatusCode::OK);
        world.wait(59_998);
        assert_eq!(world.refresh(&second.refresh).0, StatusCode::TOO_MANY_REQUESTS);
        world.wait(1);
        world.refreshed(&second.refresh);
    }
}

#[test]
fn a_quota_may_count_each_grant_by_itself() {
    let mut world = World::new(|settings| {
        let retry_after = RetryAfter::Absent;
        settings.quotas = vec![
            Quota { per: Per::Client, requests: 100, window_ms: 60_000, retry_after },
            Quota { per: Per::Grant, requests: 1, window_ms: 60_000, retry_after },
        ];
    });
    let (first, other) = (world.connect(), world.connect());
    let first = world.refreshed(&first.refresh);
    assert_eq!(world.refresh(&first.refresh).0, StatusCode::TOO_MANY_REQUESTS);
    world.refreshed(&other.refresh);
    world.wait(60_000);
    world.refreshed(&first.refresh);
}

#[test]
fn a_clock_that_steps_back_does_no_harm() {
    let mut world = with(RefreshTokens { idle_limit_ms: Some(DAY_MS), ..RefreshTokens::default() });
    let first = world.connect();
    world.now_ms -= 365 * DAY_MS;
    let second = world.refreshed(&first.refresh);
    world.refused(&first.refresh, "invalid_grant");
    world.now_ms = 0;
    world.refused(&second.refresh, "invalid_grant");
    assert_eq!(death(&world).map(|death| death.reason), Some(DeathReason::RefreshTokenReused));
}
