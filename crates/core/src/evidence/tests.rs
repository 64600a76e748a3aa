//! What answers show, and what follows from it.

use super::*;
use crate::connection::Connection;
use crate::outcome::{Verdict, first_use, judge};
use crate::provider::{Limit, Reuse};
use crate::state::{State, Transition};
use crate::testing::{
    DAY, HOUR, MINUTE, SECOND, connection, fact, failing, fingerprint, later, lost_answer, provider, start,
};
use crate::token::Renewal;

fn attempt(connection: &Connection, now: Timestamp) -> Attempt {
    connection.clone().attempting(9, now).1
}

/// What a refresh at `now` shows whose refresh token has this fingerprint afterwards.
fn refreshed(evidence: &Evidence, token: u8, now: Timestamp) -> Option<Evidence> {
    let before = connection(Some(DAY));
    let after =
        before.clone().tokens(|it| it.refresh_token.as_mut().unwrap().fingerprint = fingerprint(token));
    let tokens = &after.grant.as_ref().unwrap().tokens;
    evidence.after_success(&attempt(&before, now), tokens, None, None, now)
}

#[test]
fn one_rotation_shows_that_they_rotate_and_no_number_of_others_that_they_do_not() {
    let nothing = Evidence::default();
    let same = refreshed(&nothing, 1, start()).unwrap();
    assert_eq!(same.rotates, Some(Seen { value: false, since: start() }));
    assert_eq!(refreshed(&same, 1, later(HOUR)), None, "nothing new");
    let rotated = refreshed(&same, 2, later(DAY)).unwrap();
    assert_eq!(rotated.rotates, Some(Seen { value: true, since: later(DAY) }));
    assert_eq!(refreshed(&rotated, 1, later(DAY * 2)), None, "it was seen, and stays so");

    // What has no refresh token shows nothing of one.
    let credentials = connection(Some(DAY)).renewal(Renewal::ClientCredentials);
    let tokens = &credentials.grant.as_ref().unwrap().tokens;
    let attempt = attempt(&credentials, start());
    assert_eq!(nothing.after_success(&attempt, tokens, None, Some(start()), later(HOUR)), None);
}

#[test]
fn lives_are_noted_where_they_change() {
    let lived = |evidence: &Evidence, life, idle: Option<Duration>| {
        let mut after = connection(Some(DAY));
        if let Some(idle) = idle {
            after = after.ends(RefreshEnd::Idle(later(idle)));
        }
        let tokens = &after.grant.as_ref().unwrap().tokens;
        evidence.after_success(&attempt(&after, start()), tokens, life, None, start())
    };
    let first = lived(&Evidence::default(), Some(HOUR), Some(DAY * 60)).unwrap();
    assert_eq!((value(first.access_token_life), value(first.idle_limit)), (Some(HOUR), Some(DAY * 60)));
    assert_eq!(lived(&first, Some(HOUR - SECOND), Some(DAY * 60 - SECOND)), None);
    assert_eq!(lived(&first, None, None), None, "silence takes nothing back");
    let second = lived(&first, Some(HOUR / 2), Some(DAY * 30)).unwrap();
    assert_eq!((value(second.access_token_life), value(second.idle_limit)), (Some(HOUR / 2), Some(DAY * 30)));
    // An end that does not move is no idle limit.
    let absolute = connection(Some(DAY)).ends(RefreshEnd::Absolute(later(DAY)));
    let tokens = &absolute.grant.as_ref().unwrap().tokens;
    let seen = Evidence::default().after_success(&attempt(&absolute, start()), tokens, None, None, start());
    assert_eq!(seen.unwrap().idle_limit, None);
}

#[test]
fn graces_are_measured_from_the_first_use() {
    let sent = later(MINUTE);
    let lost = connection(Some(DAY)).state(failing(lost_answer(5, sent, sent), sent, sent));
    let tokens = &lost.grant.as_ref().unwrap().tokens;
    assert_eq!(first_use(&lost), Some(sent));
    assert_eq!(first_use(&connection(None)), None);
    let tried = |after: Duration| attempt(&lost, later(MINUTE + after));
    let accepted = |evidence: &Evidence, after| {
        evidence.after_success(&tried(after), tokens, None, first_use(&lost), later(HOUR))
    };
    let refused =
        |evidence: &Evidence, after| evidence.after_refusal(&tried(after), first_use(&lost), later(HOUR));

    let once = accepted(&Evidence::default(), SECOND * 20).unwrap();
    assert_eq!(value(once.accepted_again_after), Some(SECOND * 20));
    assert_eq!(accepted(&once, SECOND * 10), None, "the longest counts");
    let once = refused(&once, SECOND * 40).unwrap();
    assert_eq!(refused(&once, SECOND * 50), None, "the shortest counts");
    let twice = accepted(&refused(&once, SECOND * 35).unwrap(), SECOND * 29).unwrap();
    assert_eq!(value(twice.accepted_again_after), Some(SECOND * 29));
    assert_eq!(value(twice.refused_after), Some(SECOND * 35));
    // The clock was set back since.
    let early = attempt(&lost, start());
    assert_eq!(Evidence::default().after_refusal(&early, first_use(&lost), start()), None);
    assert_eq!(Evidence::default().after_refusal(&tried(HOUR), None, start()), None, "nothing was lost");
}

fn seen<T>(value: T) -> Option<Seen<T>> {
    Some(Seen { value, since: start() })
}

#[test]
fn a_contradiction_is_told_once() {
    let file = provider(|it| {
        it.refresh_token.rotation = fact(Rotation::Never);
        it.refresh_token.grace = fact(Grace::For(SECOND * 30));
        it.refresh_token.idle_limit = fact(Limit::After(DAY * 60));
        it.access_token.life = fact(Limit::After(HOUR));
    });
    let fitting = Evidence {
        rotates: seen(false),
        access_token_life: seen(HOUR - SECOND),
        idle_limit: seen(DAY * 60),
        accepted_again_after: seen(HOUR),
        refused_after: seen(SECOND * 30),
    };
    assert_eq!(fitting.contradictions(&file), []);
    let other = Evidence {
        rotates: seen(true),
        access_token_life: seen(HOUR * 2),
        idle_limit: seen(DAY * 30),
        refused_after: seen(SECOND * 12),
        ..fitting
    };
    let all = [
        Contradiction::Rotated,
        Contradiction::AccessTokenLife { file_seconds: 3_600, seen_seconds: 7_200 },
        Contradiction::IdleLimit { file_seconds: Some(60 * 86_400), seen_seconds: 30 * 86_400 },
        Contradiction::Grace { file_seconds: 30, refused_after_seconds: 12 },
    ];
    assert_eq!(other.contradictions(&file), all);
    assert_eq!(other.new_contradictions(&fitting, &file), all);
    for found in all {
        let what = crate::event::What::Contradiction { found };
        let json = serde_json::to_string(&what).unwrap();
        assert_eq!(serde_json::from_str::<crate::event::What>(&json).unwrap(), what, "{json}");
    }
    let further = Evidence { refused_after: seen(SECOND * 9), ..other };
    assert_eq!(further.new_contradictions(&other, &file), [], "the same, a little worse");

    let silent = provider(|_| ());
    assert_eq!(other.contradictions(&silent), [], "who says nothing is not contradicted");
    let endless = provider(|it| {
        it.refresh_token.rotation = fact(Rotation::Always);
        it.refresh_token.idle_limit = fact(Limit::Endless);
    });
    let idle = Contradiction::IdleLimit { file_seconds: None, seen_seconds: 60 * 86_400 };
    assert_eq!(fitting.contradictions(&endless), [Contradiction::NotRotated, idle]);
}

#[test]
fn what_was_seen_is_used_on_the_safe_side_alone() {
    let rotated = Evidence { rotates: seen(true), ..Evidence::default() };
    let constant = Evidence { rotates: seen(false), accepted_again_after: seen(DAY), ..Evidence::default() };
    let refused = Evidence { refused_after: seen(SECOND * 12), ..Evidence::default() };
    for (rotation, grace, evidence, becomes) in [
        (Rotation::Unknown, Grace::Unknown, &rotated, (Rotation::Always, Grace::Unknown)),
        (Rotation::AppSetting, Grace::None, &rotated, (Rotation::Always, Grace::None)),
        (Rotation::Never, Grace::Unknown, &rotated, (Rotation::Always, Grace::Unknown)),
        (Rotation::Always, Grace::None, &rotated, (Rotation::Always, Grace::None)),
        (Rotation::Unknown, Grace::None, &constant, (Rotation::Unknown, Grace::None)),
        (Rotation::Always, Grace::For(MINUTE), &refused, (Rotation::Always, Grace::For(MINUTE))),
        (Rotation::Always, Grace::For(SECOND), &refused, (Rotation::Always, Grace::For(SECOND))),
        (Rotation::Always, Grace::OldStaysValid, &refused, (Rotation::Always, Grace::OldStaysValid)),
    ] {
        let file = provider(|it| {
            it.refresh_token.rotation = fact(rotation);
            it.refresh_token.grace = fact(grace);
        });
        let with = file.with(evidence);
        assert_eq!((with.rotation(), with.grace()), becomes, "{rotation:?} {grace:?} {evidence:?}");
        let changed = becomes != (rotation, grace);
        assert_eq!(matches!(with, Cow::Owned(_)), changed, "nothing is copied where nothing changes");
    }
}

/// A provider whose file says that it never rotates, and that did: a lost answer may have replaced the refresh token.
#[test]
fn a_rotation_that_was_seen_makes_a_lost_answer_matter() {
    let file = provider(|it| {
        it.refresh_token.rotation = fact(Rotation::Never);
        it.refresh_token.grace = fact(Grace::None);
        it.refresh_token.reuse = fact(Reuse::Punished);
    });
    let (connection, attempt) = connection(Some(DAY)).attempting(9, start());
    let lost = crate::outcome::Reply::NoAnswer { detail: "timed out".into() };
    let rotated = Evidence { rotates: seen(true), ..Evidence::default() };
    for (evidence, matters) in [(Evidence::default(), false), (rotated, true)] {
        let verdict = judge(&connection, &attempt, &lost, &file.with(&evidence), start(), 7);
        let Verdict::Move(transition @ Transition::Fail { .. }) = verdict else { panic!("{verdict:?}") };
        let State::Failing(failing) = State::Active.apply(transition, start()).unwrap() else {
            panic!("it fails")
        };
        assert_eq!(matches!(failing.cause, crate::state::Cause::OutcomeUnknown(_)), matters);
    }
}
