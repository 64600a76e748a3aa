//! What becomes of a refresh token when it is used.

use http::StatusCode;
use serde_json::Value;

use super::*;
use crate::DeathReason;

#[test]
fn each_use_brings_a_successor() {
    let mut world = World::rotating(Grace::None, Reuse::Punished);
    let first = world.connect();
    world.wait(1);
    let second = world.refreshed(&first.refresh);
    let third = world.refreshed(&second.refresh);
    assert!(first.refresh != second.refresh && second.refresh != third.refresh);
    // Rotation leaves earlier access tokens alone.
    assert!(world.active(&first.access) && world.active(&third.access));
    assert!(!world.active(&first.refresh) && world.active(&third.refresh));
    let facts = &world.sandbox.grants(world.now_ms)[0];
    assert_eq!((facts.refreshes, facts.reuses, facts.death), (2, 0, None));
    assert_eq!(facts.last_refresh_ms, Some(world.now_ms));
}

#[test]
fn punished_reuse_kills_the_whole_grant_and_no_other() {
    let mut world = World::rotating(Grace::None, Reuse::Punished);
    let bystander = world.connect();
    let first = world.connect();
    let second = world.refreshed(&first.refresh);
    world.wait(1);
    world.refused(&first.refresh, "invalid_grant");
    for token in [&first.access, &second.access, &second.refresh] {
        assert!(!world.active(token));
    }
    assert_eq!(world.me(Some(&format!("Bearer {}", second.access))).status(), StatusCode::UNAUTHORIZED);
    world.refused(&second.refresh, "invalid_grant");
    let facts = world.sandbox.grants(world.now_ms);
    let death = facts[1].death.unwrap();
    assert_eq!((death.reason, death.at_ms), (DeathReason::RefreshTokenReused, world.now_ms));
    assert_eq!((facts[1].reuses, world.sandbox.stats().reuses), (1, 1));
    let families = world.sandbox.families(world.now_ms);
    assert_eq!((families.alive, families.dead), (1, 1));
    assert!(world.active(&bystander.access));
    world.refreshed(&bystander.refresh);
}

#[test]
fn reuse_may_be_merely_refused() {
    let mut world = World::rotating(Grace::None, Reuse::Refused);
    let first = world.connect();
    let second = world.refreshed(&first.refresh);
    world.refused(&first.refresh, "invalid_grant");
    assert!(world.active(&second.access));
    world.refreshed(&second.refresh);
    assert_eq!(world.sandbox.stats().reuses, 1);
}

/// In each row: the grace, then a retry of the first token at some time after its first use, before or after
/// its successor was used, and whether the retry is granted.
#[test]
fn each_grace_ends_where_it_says() {
    for (grace, wait_ms, successor_used, granted) in [
        (Grace::None, 0, false, false),
        (Grace::For(30_000), 0, false, true),
        (Grace::For(30_000), 29_999, false, true),
        (Grace::For(30_000), 29_999, true, true),
        (Grace::For(30_000), 30_000, false, false),
        (Grace::UntilSuccessorUsed, 1_000_000_000, false, true),
        (Grace::UntilSuccessorUsed, 0, true, false),
        (Grace::OldStaysValid, 1_000_000_000, true, true),
    ] {
        let mut world = World::rotating(grace, Reuse::Punished);
        let first = world.connect();
        let second = world.refreshed(&first.refresh);
        if successor_used {
            world.refreshed(&second.refresh);
        }
        world.wait(wait_ms);
        let row = format!("{grace:?} {wait_ms} {successor_used}");
        assert_eq!(world.active(&first.refresh), granted, "{row}");
        let (status, _) = world.refresh(&first.refresh);
        assert_eq!(status == StatusCode::OK, granted, "{row}");
        assert_eq!(world.sandbox.stats().grace_retries, u64::from(granted), "{row}");
        assert_eq!(world.sandbox.grants(world.now_ms)[0].death.is_none(), granted, "{row}");
    }
}

#[test]
fn a_retry_in_the_grace_gets_a_fresh_set_and_spares_the_lost_one() {
    let mut world = World::rotating(Grace::For(30_000), Reuse::Punished);
    let first = world.connect();
    let lost = world.refreshed(&first.refresh);
    world.wait(20_000);
    let retried = world.refreshed(&first.refresh);
    assert!(retried.refresh != lost.refresh && retried.access != lost.access);
    // The grace counts from the first use, not from the retry.
    world.wait(20_000);
    world.refreshed(&lost.refresh);
    world.refreshed(&retried.refresh);
    world.refused(&first.refresh, "invalid_grant");
}

#[test]
fn any_used_successor_ends_the_grace() {
    let mut world = World::rotating(Grace::UntilSuccessorUsed, Reuse::Refused);
    let first = world.connect();
    let lost = world.refreshed(&first.refresh);
    let retried = world.refreshed(&first.refresh);
    world.refreshed(&retried.refresh);
    world.refused(&first.refresh, "invalid_grant");
    world.refreshed(&lost.refresh);
}

#[test]
fn without_rotation_the_token_stays() {
    for returns_old in [true, false] {
        let mut world = World::new(|it| it.refresh_tokens.rotation = Rotation::Never { returns_old });
        let first = world.connect();
        for _ in 0..3 {
            let (status, body) = world.refresh(&first.refresh);
            assert_eq!(status, StatusCode::OK);
            assert_eq!(body["refresh_token"].as_str(), returns_old.then_some(&*first.refresh));
        }
        assert_eq!(world.sandbox.stats().reuses, 0);
    }
}

#[test]
fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
    let mut world = World::new(|_| {});
    let first = world.connect();
    let refresh = |world: &mut World, token: &str, scope: &str| {
        world.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)])
    };
    let (status, body) = refresh(&mut world, &first.refresh, "read admin");
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_scope".into()));
    // The refusal has not used the token up.
    let (_, narrowed) = refresh(&mut world, &first.refresh, "read");
    assert_eq!(narrowed["scope"], "read");
    let (_, whole) = world.refresh(narrowed["refresh_token"].as_str().unwrap());
    assert_eq!(whole["scope"], "read write offline_access");
}

#[test]
fn a_token_of_another_client_is_unknown_and_unharmed() {
    let mut world = World::new(|_| {});
    let first = world.connect();
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", &*first.refresh)];
    let (status, body) = read(&world.post("/token", "other:secret", &parameters));
    assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    world.refreshed(&first.refresh);
    world.refused("rt_made_up", "invalid_grant");
}

#[test]
fn the_same_seed_gives_the_same_tokens() {
    let run = |seed| {
        let mut world = World::new(|_| {});
        world.sandbox = Sandbox::new(world.sandbox.settings().clone(), seed);
        let first = world.connect();
        let second: Value = world.refresh(&first.refresh).1;
        (first.access, second)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
