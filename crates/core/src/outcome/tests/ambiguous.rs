//! Answers that were lost: whether and when the refresh token they may have replaced is tried again.

use super::*;

#[test]
fn where_nothing_is_lost_it_is_tried_at_once_and_then_with_patience() {
    for provider in
        [for_ever(), builtin("google"), strict(Grace::OldStaysValid), strict(Grace::UntilSuccessorUsed)]
    {
        let (cause, next) = failure(outcome(&shop(), &no_answer(), &provider, start()));
        assert_eq!(cause, Cause::Transient { detail: "timed out".into() });
        assert_eq!(next, start());
        let failing = State::Failing(Failing { cause, since: start(), tries: 1, next });
        let (_, next) = failure(outcome(&shop().state(failing), &no_answer(), &provider, start()));
        assert_between(next, later(SECOND * 4), later(SECOND * 10));
    }
    for renewal in [Renewal::ClientCredentials, Renewal::JwtBearer, Renewal::TokenExchange] {
        let connection = shop().renewal(renewal);
        for (reply, slow) in
            [(no_answer(), false), (unreadable(500), false), (error(400, "invalid_grant"), true)]
        {
            let (cause, _) = failure(outcome(&connection, &reply, &strict(Grace::None), start()));
            assert_eq!(matches!(cause, Cause::Refused { .. }), slow, "{renewal:?}: {cause:?}");
            assert_eq!(matches!(cause, Cause::Transient { .. }), !slow, "{renewal:?}: {cause:?}");
        }
    }
}

/// Tries again and again, each answer being lost at once, for as long as the next try is in the grace.
fn tries_in(grace: Duration, provider: &Provider) -> (usize, Timestamp) {
    let (mut held, mut now, mut tries) = (shop(), start(), 0);
    loop {
        let next = unknown_since(outcome(&held, &no_answer(), provider, now), 9, start());
        if next > later(grace) || tries > 100 {
            return (tries, next);
        }
        tries += 1;
        held = shop().state(State::Failing(Failing {
            cause: lost_answer(9, start(), next),
            since: start(),
            tries: u32::try_from(tries).unwrap(),
            next,
        }));
        now = next;
    }
}

#[test]
fn a_known_grace_counts_from_the_first_attempt_and_takes_several_tries() {
    for grace in [SECOND * 3, SECOND * 30, MINUTE * 10, MINUTE * 30] {
        let (tries, next) = tries_in(grace, &strict(Grace::For(grace)));
        assert!((4..=20).contains(&tries), "{grace:?}: {tries}");
        assert_eq!(next, later(DAY - MINUTE), "after it: held until the access token's end");
        let (tries, next) = tries_in(grace, &harmless(Grace::For(grace)));
        assert!(tries >= 4, "{grace:?}: {tries}");
        assert!(next < later(HOUR * 2), "after it, where reuse is harmless: {next}");
    }
    let okta = builtin("okta");
    let next =
        unknown_since(outcome(&lost(Duration::ZERO), &no_answer(), &okta, later(SECOND * 20)), 5, start());
    assert_between(next, later(SECOND * 20), later(SECOND * 27));
    // What is left is too short to be sure.
    let next =
        unknown_since(outcome(&lost(Duration::ZERO), &no_answer(), &okta, later(SECOND * 28)), 5, start());
    assert_eq!(next, later(DAY - MINUTE));
    // Where the clock was set back, nobody knows what is left.
    let verdict = outcome(&lost(HOUR), &no_answer(), &okta, later(SECOND));
    assert_eq!(unknown_since(verdict, 5, later(HOUR)), later(DAY - MINUTE));
}

#[test]
fn what_a_wrong_clock_has_judged_is_judged_as_of_now() {
    let anew = |connection: &Connection, provider: &Provider| {
        judged_anew(connection, provider, start(), SEED).map(|state| state.failing().cloned().unwrap())
    };
    let held = lost(HOUR * 30).with(|it| {
        let State::Failing(failing) = &mut it.state else { panic!() };
        failing.next = later(DAY * 20);
    });
    for provider in [strict(Grace::None), strict(Grace::For(MINUTE))] {
        let failing = anew(&held, &provider).unwrap();
        let Cause::OutcomeUnknown(unknown) = &failing.cause else { panic!("{failing:?}") };
        assert_eq!((failing.since, unknown.sent_at), (start(), start()));
        assert_eq!((failing.next, unknown.hold_until), (later(DAY - MINUTE), later(DAY - MINUTE)));
        let dated = held.clone().state(State::Failing(failing));
        assert_eq!(judged_anew(&dated, &provider, start(), SEED), None, "once");
    }
    assert_eq!(anew(&held, &harmless(Grace::None)).unwrap().next, start(), "nothing speaks against a try");
    let transient = shop().state(failing(transient(), later(DAY), later(DAY)));
    assert_eq!(anew(&transient, &strict(Grace::None)).unwrap().next, start());
    // The clocks of two machines may differ a little.
    assert_eq!(anew(&lost(MINUTE), &strict(Grace::None)), None);
}

#[test]
fn a_token_set_that_was_issued_in_the_future_was_issued_before_its_refresh_token_was_sent() {
    let issued = |it: &mut Connection| {
        let tokens = &mut it.grant.as_mut().unwrap().tokens;
        tokens.issued_at = later(DAY * 90);
        tokens.expires_at = Some(later(DAY * 91));
    };
    let now = later(HOUR * 10);
    let verdict = outcome(&lost(HOUR).with(issued), &no_answer(), &strict(Grace::None), now);
    assert_eq!(unknown_since(verdict, 5, later(HOUR)), later(HOUR + DAY - MINUTE));
}

#[test]
fn an_unknown_grace_is_tried_once_at_once() {
    for (provider, then_held) in [(strict(Grace::Unknown), true), (builtin("constant-contact"), false)] {
        let next = unknown_since(outcome(&shop(), &no_answer(), &provider, start()), 9, start());
        assert_eq!(next, start());
        let again = outcome(&lost(Duration::ZERO), &no_answer(), &provider, later(SECOND));
        let next = unknown_since(again, 5, start());
        if then_held {
            assert_eq!(next, later(DAY - MINUTE));
        } else {
            assert_between(next, later(SECOND * 6), later(SECOND * 11));
        }
    }
}

#[test]
fn punished_reuse_without_a_grace_holds_until_nothing_is_at_risk() {
    let month = strict(Grace::None);
    let mut silent = strict(Grace::None);
    silent.access_token.life = fact(Limit::After(HOUR));
    let mut endless = strict(Grace::None);
    endless.refresh_token.idle_limit = fact(Limit::Endless);
    for (what, connection, provider, now, until) in [
        ("the access token's end", shop(), &month, start(), later(DAY - MINUTE)),
        ("less a tenth of a short life", connection(Some(SECOND * 100)), &month, start(), later(SECOND * 90)),
        ("the file's life", connection(None), &silent, start(), later(MINUTE * 59)),
        ("the idle limit", connection(None), &month, start(), later(DAY * 30 - MINUTE)),
        ("the nearer of the two", connection(Some(DAY * 60)), &month, start(), later(DAY * 30 - MINUTE)),
        (
            "an idle limit of an answer",
            shop().ends(RefreshEnd::Idle(later(HOUR))),
            &month,
            start(),
            later(MINUTE * 59),
        ),
        ("dead already: at once", shop(), &month, later(DAY * 2), later(DAY * 2)),
        ("within the margin: at once", shop(), &month, later(DAY - SECOND), later(DAY - SECOND)),
        ("nothing is known to end: at once", connection(None), &endless, start(), start()),
    ] {
        assert_eq!(unknown_since(outcome(&connection, &no_answer(), provider, now), 9, now), until, "{what}");
    }
    // At once is not again and again.
    for now in [later(DAY * 2), later(DAY - SECOND)] {
        let next = unknown_since(outcome(&lost(Duration::ZERO), &no_answer(), &month, now), 5, start());
        assert_between(next, saturating_add(now, SECOND * 5), saturating_add(now, SECOND * 10));
    }
}

#[test]
fn where_little_is_at_risk_a_grace_that_nobody_knows_of_is_not_let_pass() {
    // The hold ends a minute before the access token does.
    let holds_end = later(DAY - MINUTE);
    for (grace, left, soon) in [
        (Grace::Unknown, MINUTE * 10, true),
        (Grace::Unknown, MINUTE * 10 + SECOND, false),
        (Grace::None, MINUTE * 10, false),
    ] {
        let now = later(DAY - MINUTE - left);
        let lost = shop().state(failing(lost_answer(5, now, now), now, now));
        let next = unknown_since(outcome(&lost, &no_answer(), &strict(grace), now), 5, now);
        if soon {
            assert_between(next, saturating_add(now, SECOND * 5), saturating_add(now, SECOND * 10));
        } else {
            assert_eq!(next, holds_end, "{grace:?}, {left:?}");
        }
    }
    // What a person has to mend is not tried the sooner for it.
    let now = later(DAY * 2);
    let lost = shop().state(failing(lost_answer(5, now, now), now, now));
    let (_, next) = unknown(outcome(&lost, &error(401, "invalid_client"), &strict(Grace::Unknown), now));
    assert_between(next, later(DAY * 2 + MINUTE), later(DAY * 2 + MINUTE * 2));
    // No later than the hold ends.
    let now = later(DAY - MINUTE - SECOND);
    let lost = shop().state(failing(lost_answer(5, now, now), now, now));
    assert_eq!(unknown_since(outcome(&lost, &no_answer(), &strict(Grace::Unknown), now), 5, now), holds_end);
}

#[test]
fn an_unknown_rotation_is_tried_once_at_once_but_not_where_reuse_is_punished() {
    let rotating = |rotation, grace, reuse| {
        let mut provider = strict(grace);
        provider.refresh_token.rotation = fact(rotation);
        provider.refresh_token.reuse = fact(reuse);
        provider
    };
    let (none, over) = (Grace::None, Grace::For(Duration::ZERO));
    for (provider, at_once) in [
        (rotating(Rotation::Unknown, none, Reuse::Unknown), true),
        (rotating(Rotation::AppSetting, none, Reuse::Harmless), true),
        (rotating(Rotation::AppSetting, over, Reuse::Unknown), true),
        (rotating(Rotation::Always, none, Reuse::Unknown), false),
        (rotating(Rotation::Always, Grace::Unknown, Reuse::Punished), true),
        (rotating(Rotation::AppSetting, none, Reuse::Punished), false),
        (rotating(Rotation::Unknown, over, Reuse::Punished), false),
    ] {
        let what = format!("{:?}", provider.refresh_token);
        let (unknown, next) = unknown(outcome(&shop(), &no_answer(), &provider, start()));
        assert!(unknown.untried, "{what}");
        assert_eq!(next == start(), at_once, "{what}: {next}");
        if provider.reuse() == Reuse::Punished && !at_once {
            assert_eq!(next, later(DAY - MINUTE), "{what}: held");
        }
    }
}

/// The once is used up by a try that the provider may have looked at, and by no other.
#[test]
fn a_try_that_never_arrived_does_not_use_up_the_once() {
    let provider = strict(Grace::Unknown);
    let (first, next) = unknown(outcome(&shop(), &no_answer(), &provider, start()));
    assert_eq!(next, start());
    let held = shop().state(failing(Cause::OutcomeUnknown(first), start(), next));
    let (second, next) = unknown(outcome(&held, &not_sent(), &provider, start()));
    assert!(second.untried && second.last.as_deref() == Some("no route"), "{second:?}");
    assert_between(next, later(SECOND * 5), later(SECOND * 10));
    let held = shop().state(failing(Cause::OutcomeUnknown(second), start(), next));
    let (third, next) = unknown(outcome(&held, &unreadable(502), &provider, later(MINUTE)));
    assert!(!third.untried, "{third:?}");
    assert_eq!(next, later(DAY - MINUTE), "held from now on");
}

/// After an outage it may be the last try that was worked on, and a grace began with it.
#[test]
fn an_answer_that_is_lost_long_after_others_is_asked_for_at_once_once() {
    let over = later(DAY * 3);
    let after_many =
        |cause| shop().state(State::Failing(Failing { cause, since: start(), tries: 70, next: over }));
    let lost = || after_many(lost_answer(5, start(), over));
    for (provider, at_once) in [
        (strict(Grace::Unknown), true),
        (harmless(Grace::Unknown), true),
        (strict(Grace::For(MINUTE)), true),
        (harmless(Grace::For(MINUTE)), true),
        (strict(Grace::None), false),
        (harmless(Grace::None), false),
    ] {
        let what = format!("{:?}", provider.refresh_token);
        let (second, next) = unknown(outcome(&lost(), &no_answer(), &provider, over));
        assert_eq!((next == over, second.untried), (at_once, at_once), "{what}: {next}");
        assert_eq!(second.sent_at, start(), "the first try counts");
        let held = after_many(Cause::OutcomeUnknown(second));
        let (third, next) = unknown(outcome(&held, &no_answer(), &provider, over));
        assert!(next > over && !third.untried, "{what}: at once is not again and again");

        // The first was owed a try at once, and no try arrived before the outage was over.
        let (mut owed, _) = unknown(outcome(&shop(), &no_answer(), &provider, start()));
        owed.untried = true;
        let held = after_many(Cause::OutcomeUnknown(owed));
        let (second, next) = unknown(outcome(&held, &no_answer(), &provider, over));
        assert_eq!(next == over, at_once, "{what}: {next}");
        let held = after_many(Cause::OutcomeUnknown(second));
        let (_, next) = unknown(outcome(&held, &no_answer(), &provider, over));
        assert!(next > over, "{what}: at once is not again and again");
    }
    // While the access token serves, it is not put at risk for that.
    let (second, next) = unknown(outcome(&lost(), &no_answer(), &strict(Grace::For(MINUTE)), later(HOUR)));
    assert_eq!((next, second.untried), (later(DAY - MINUTE), false));
}

#[test]
fn what_happened_to_the_answer_is_told_and_trouble_meanwhile_is_not_hidden() {
    let provider = strict(Grace::None);
    let (lost, next) = unknown(outcome(&shop(), &no_answer(), &provider, start()));
    assert_eq!((lost.detail.as_str(), lost.last.as_deref()), ("timed out", None));
    let held = shop().state(failing(Cause::OutcomeUnknown(lost), start(), next));
    for (reply, last, earliest, latest) in [
        (not_sent(), Some("no route"), SECOND * 5, SECOND * 10),
        (error(401, "invalid_client"), Some("invalid_client"), MINUTE, MINUTE * 2),
        (error(400, "invalid_scope"), Some("invalid_scope"), MINUTE, MINUTE * 2),
        (no_answer(), None, SECOND * 5, SECOND * 10),
    ] {
        let (unknown, next) = unknown(outcome(&held, &reply, &provider, later(DAY)));
        assert_eq!((unknown.detail.as_str(), unknown.last.as_deref()), ("timed out", last));
        assert_between(next, later(DAY + earliest), later(DAY + latest));
    }
}

#[test]
fn a_rejected_access_token_ends_a_hold_once() {
    let hour = later(HOUR);
    let released = |connection: &Connection, provider: &Provider| {
        after_rejection(connection, provider, hour, SEED).map(|transition| match transition {
            Transition::Release { next } => next,
            other => panic!("{other:?}"),
        })
    };
    let held = |provider: &Provider| {
        let (unknown, next) = unknown(outcome(&shop(), &no_answer(), provider, start()));
        shop().state(failing(Cause::OutcomeUnknown(unknown), start(), next))
    };
    let punished = strict(Grace::None);
    let connection = held(&punished);
    assert_eq!(released(&connection, &punished), Some(hour), "nothing is at risk any more");
    let paused = connection.clone().with(|it| it.state = State::Paused { prior: Box::new(it.state.clone()) });
    assert_eq!(released(&paused, &punished), Some(hour));

    // From then on, nothing is held for its sake; nor does a second report hurry anything.
    let state = connection.state.clone().apply(Transition::Release { next: hour }, hour).unwrap();
    let connection = connection.state(state);
    assert_eq!(released(&connection, &punished), None);
    let next = unknown_since(outcome(&connection, &no_answer(), &punished, hour), 9, start());
    assert_between(next, later(HOUR + SECOND * 5), later(HOUR + SECOND * 10));

    // What waits for another reason goes on waiting.
    let harmless = harmless(Grace::None);
    let waiting = held(&harmless);
    let planned = waiting.state.failing().unwrap().next;
    let early = after_rejection(&waiting, &harmless, later(SECOND), SEED);
    assert!(matches!(early, Some(Transition::Release { next }) if next > later(SECOND) && next <= planned));
    for other in [shop(), shop().state(failing(transient(), start(), hour))] {
        assert_eq!(released(&other, &punished), None);
    }
}

#[test]
fn a_lost_answer_stays_lost_until_the_refresh_token_is_looked_at_again() {
    for (reply, slow) in [
        (not_sent(), false),
        (unreadable(429), false),
        (error(401, "invalid_client"), true),
        (error(400, "invalid_scope"), true),
    ] {
        // In the grace: again, but not beyond it.
        let provider = strict(Grace::For(SECOND * 30));
        let next =
            unknown_since(outcome(&lost(Duration::ZERO), &reply, &provider, later(SECOND * 5)), 5, start());
        assert_between(next, later(SECOND * 5), later(SECOND * 27));
        let next =
            unknown_since(outcome(&lost(Duration::ZERO), &reply, &provider, later(SECOND * 27)), 5, start());
        assert_eq!(next, later(DAY - MINUTE), "{reply:?}");
        let next = unknown_since(
            outcome(&lost(Duration::ZERO), &reply, &harmless(Grace::None), later(SECOND)),
            5,
            start(),
        );
        let first = if slow { MINUTE } else { SECOND * 5 };
        assert_between(next, later(SECOND + first), later(SECOND + first * 2));
    }
}

#[test]
fn an_abandoned_attempt_is_ambiguous() {
    let (abandoned, attempt) = shop().attempting(9, start());
    let (now, hour) = (later(MINUTE), later(HOUR));
    let judged = |connection: &Connection, provider: &Provider| {
        judge_abandoned(connection, &attempt, provider, now, SEED)
    };
    let next = |provider: &Provider| {
        let transition = judged(&abandoned, provider).unwrap();
        unknown_since(Verdict::Move(transition), 9, start())
    };
    assert_eq!(next(&strict(Grace::None)), later(DAY - MINUTE), "held");
    assert_eq!(next(&strict(Grace::For(SECOND * 30))), later(DAY - MINUTE), "its grace is over");
    assert_between(next(&strict(Grace::For(MINUTE * 30))), now, later(MINUTE * 4));
    assert_eq!(next(&builtin("constant-contact")), now, "once, at once");
    assert_between(next(&harmless(Grace::None)), now, later(MINUTE * 2));

    let nothing = None;
    assert_eq!(judged(&abandoned, &for_ever()), nothing, "nothing can be lost");
    assert_eq!(judged(&abandoned, &strict(Grace::OldStaysValid)), nothing);
    let strict = strict(Grace::None);
    assert_eq!(judged(&abandoned.clone().tokens(|it| it.generation = 2), &strict), nothing, "superseded");
    let consented_anew = abandoned.clone().with(|it| it.grant.as_mut().unwrap().id = grant_id(2));
    assert_eq!(judged(&consented_anew, &strict), nothing);
    assert_eq!(judged(&abandoned.clone().with(|it| it.grant = None), &strict), nothing);
    assert_eq!(judged(&abandoned.clone().state(State::Disconnecting), &strict), nothing);
    for renewal in [Renewal::ClientCredentials, Renewal::JwtBearer, Renewal::TokenExchange] {
        let (connection, attempt) = shop().renewal(renewal).attempting(9, start());
        assert_eq!(judge_abandoned(&connection, &attempt, &strict, now, SEED), nothing, "{renewal:?}");
    }

    // The first lost answer counts, not the one that is lost now.
    let earlier = failing(lost_answer(5, later(SECOND), hour), later(SECOND), hour);
    let transition = judged(&abandoned.state(earlier), &strict).unwrap();
    assert_eq!(unknown_since(Verdict::Move(transition), 5, later(SECOND)), later(DAY - MINUTE));
}

#[test]
fn a_client_that_was_refused_meanwhile_and_is_mended_is_no_reason_to_wait() {
    let refused = |provider: &Provider, now| {
        let (cause, next) =
            failure(outcome(&lost(Duration::ZERO), &error(401, "invalid_client"), provider, now));
        assert!(cause.is_client_refused() && cause.is_outcome_unknown(), "{cause:?}");
        shop().state(State::Failing(Failing { cause, since: start(), tries: 20, next }))
    };
    for (provider, now, next) in [
        (harmless(Grace::None), later(HOUR), later(HOUR)),
        (strict(Grace::None), later(HOUR), later(DAY - MINUTE)),
        (strict(Grace::None), later(DAY), later(DAY)),
    ] {
        let Some(State::Failing(again)) = mended(&refused(&provider, now), &provider, now, SEED) else {
            panic!("it is resumed")
        };
        assert_eq!(again.next, next, "{provider:?}");
        assert!(!again.cause.is_client_refused() && again.cause.is_outcome_unknown(), "{again:?}");
    }
    let provider = harmless(Grace::None);
    let (cause, _) = failure(outcome(&refused(&provider, start()), &not_sent(), &provider, later(HOUR)));
    let since = shop().state(failing(cause, start(), later(DAY)));
    assert_eq!(mended(&since, &provider, later(HOUR), SEED), None, "it is another failure since");
}
