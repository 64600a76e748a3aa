//! Design's table line by line, and what follows from each line.

use proptest::option;
use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::provider::{Life, Limit};
use crate::schedule::{QuotaPlan, schedule};
use crate::testing::{
    DAY, HOUR, MINUTE, SECOND, YEAR, attempt_id, builtin, cases, connection, fact, failing, fingerprint,
    grant_id, later, outcome_unknown, provider, start, transient,
};
use crate::token::RefreshEnd;

const SEED: u64 = 7;

fn tokens() -> Reply {
    Reply::Tokens(Box::new(TokenAnswer {
        access_token: "a".into(),
        token_type: "Bearer".into(),
        expires_in: None,
        refresh_token: None,
        refresh_expires_in: None,
        scope: None,
        id_token: None,
        extra: Map::new(),
    }))
}

fn error(status: u16, code: &str) -> Reply {
    Reply::Error { status, code: code.into(), detail: code.into(), retry_after: None }
}

fn unreadable(status: u16) -> Reply {
    Reply::Unreadable { status, detail: String::new(), retry_after: None }
}

fn not_sent() -> Reply {
    Reply::NotSent { detail: "no route".into() }
}

fn no_answer() -> Reply {
    Reply::NoAnswer { detail: "timed out".into() }
}

/// The same, with this `Retry-After`.
fn asking_to_wait(reply: Reply, wait: Duration) -> Reply {
    match reply {
        Reply::Error { status, code, detail, .. } => {
            Reply::Error { status, code, detail, retry_after: Some(wait) }
        }
        Reply::Unreadable { status, detail, .. } => {
            Reply::Unreadable { status, detail, retry_after: Some(wait) }
        }
        other => other,
    }
}

#[test]
fn what_came_back_has_a_class() {
    for (what, reply, class) in [
        ("a token set", tokens(), Class::Success),
        ("invalid_grant", error(400, "invalid_grant"), Class::Permanent),
        ("whatever the status", error(401, "invalid_grant"), Class::Permanent),
        ("also in a 200", error(200, "invalid_grant"), Class::Permanent),
        ("also in a 500", error(500, "invalid_grant"), Class::Permanent),
        ("also in a 503", error(503, "invalid_grant"), Class::Permanent),
        ("a wrong client secret is not a dead token", error(401, "invalid_client"), Class::Client),
        ("also as a 400", error(400, "invalid_client"), Class::Client),
        ("unauthorized_client", error(400, "unauthorized_client"), Class::Refused),
        ("any HTTP 400 is not a dead token", error(400, "invalid_request"), Class::Refused),
        ("invalid_scope", error(400, "invalid_scope"), Class::Refused),
        ("an unknown code", error(400, "no_such_flow"), Class::Refused),
        ("also in a 200", error(200, "no_such_flow"), Class::Refused),
        ("an OAuth error that is busy", error(400, "temporarily_unavailable"), Class::Transient),
        ("slow_down", error(400, "slow_down"), Class::Transient),
        ("429", error(429, "rate_limited"), Class::Transient),
        ("503", error(503, "rate_limited"), Class::Transient),
        ("429 without an OAuth error", unreadable(429), Class::Transient),
        ("503 without an OAuth error", unreadable(503), Class::Transient),
        ("a firewall's 403", unreadable(403), Class::Transient),
        ("a proxy wants a password", unreadable(407), Class::Transient),
        ("DNS, connect, TLS", not_sent(), Class::Transient),
        ("timeout or reset after the first byte", no_answer(), Class::Ambiguous),
        ("500", unreadable(500), Class::Ambiguous),
        ("502", unreadable(502), Class::Ambiguous),
        ("504", unreadable(504), Class::Ambiguous),
        ("599", unreadable(599), Class::Ambiguous),
        ("500 with an unknown code", error(500, "oops"), Class::Ambiguous),
        ("server_error", error(400, "server_error"), Class::Ambiguous),
        ("408 without an OAuth error", unreadable(408), Class::Ambiguous),
        ("408 with one", error(408, "timeout"), Class::Ambiguous),
        ("a redirect", unreadable(302), Class::Ambiguous),
        ("a redirect with an error", error(307, "moved"), Class::Ambiguous),
        ("a captive portal's page in a 200", unreadable(200), Class::Ambiguous),
        ("nothing in a 204", unreadable(204), Class::Ambiguous),
        ("not found", unreadable(404), Class::Refused),
        ("400 without an OAuth error", unreadable(400), Class::Refused),
    ] {
        assert_eq!(classify(&reply), class, "{what}: {reply:?}");
    }
}

/// Rotates, punishes reuse, and has this grace.
fn strict(grace: Grace) -> Provider {
    provider(|it| {
        it.refresh_token.idle_limit = fact(Limit::After(DAY * 30));
        it.refresh_token.rotation = fact(Rotation::Always);
        it.refresh_token.grace = fact(grace);
        it.refresh_token.reuse = fact(Reuse::Punished);
    })
}

fn harmless(grace: Grace) -> Provider {
    let mut provider = strict(grace);
    provider.refresh_token.reuse = fact(Reuse::Harmless);
    provider
}

fn for_ever() -> Provider {
    provider(|it| it.refresh_token.rotation = fact(Rotation::Never))
}

/// A connection of a 24-hour access token.
fn shop() -> Connection {
    connection(Some(DAY))
}

/// The connection in a lost answer of attempt 5, sent this long after [`start`].
fn lost(sent: Duration) -> Connection {
    shop().state(failing(outcome_unknown(5, later(sent), later(sent)), later(sent), later(sent)))
}

/// What becomes of a connection whose attempt 9, started at `now`, brings this at `now`.
fn outcome(connection: &Connection, reply: &Reply, provider: &Provider, now: Timestamp) -> Verdict {
    let (connection, attempt) = connection.clone().attempting(9, now);
    judge(&connection, &attempt, reply, provider, now, SEED)
}

fn failure(verdict: Verdict) -> (Cause, Timestamp) {
    match verdict {
        Verdict::Move(Transition::Fail { cause, next }) => (cause, next),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_between(at: Timestamp, earliest: Timestamp, latest: Timestamp) {
    assert!((earliest..=latest).contains(&at), "{at} is not within {earliest} and {latest}");
}

/// Asserts an unknown outcome of `first`, and returns the next try.
#[track_caller]
fn unknown_since(verdict: Verdict, first: u128, sent_at: Timestamp) -> Timestamp {
    let (cause, next) = failure(verdict);
    assert_eq!(cause, outcome_unknown(first, sent_at, next));
    next
}

#[test]
fn a_success_applies_to_the_refresh_token_it_consumed() {
    let (started, attempt) = shop().attempting(9, start());
    let judged = |connection: &Connection| judge(connection, &attempt, &tokens(), &for_ever(), start(), SEED);
    assert_eq!(judged(&started), Verdict::Apply);
    assert_eq!(judged(&started.clone().with(|it| it.lease = None)), Verdict::Apply, "the lease may be lost");
    assert_eq!(judged(&started.clone().tokens(|it| it.generation = 2)), Verdict::Apply, "by the same token");
    // What has to be revoked is the newest.
    assert_eq!(judged(&started.clone().state(State::Disconnecting)), Verdict::Apply);

    let consented_anew = started.clone().with(|it| it.grant.as_mut().unwrap().id = grant_id(2));
    assert_eq!(judged(&consented_anew), Verdict::Keep(WhyCandidate::NewerGrant));
    assert_eq!(judged(&started.clone().with(|it| it.grant = None)), Verdict::Keep(WhyCandidate::NewerGrant));
    let rotated = started.tokens(|it| it.refresh_token.as_mut().unwrap().fingerprint = fingerprint(2));
    assert_eq!(judged(&rotated), Verdict::Keep(WhyCandidate::AnotherRefreshToken));

    let credentials = shop().renewal(Renewal::ClientCredentials);
    assert_eq!(outcome(&credentials, &tokens(), &for_ever(), start()), Verdict::Apply);
}

#[test]
fn a_failure_is_void_where_somebody_else_decided() {
    let (started, attempt) = shop().attempting(9, start());
    let (others, _) = shop().attempting(10, start());
    for (what, connection) in [
        ("the generation moved", started.clone().tokens(|it| it.generation = 2)),
        ("the lease was lost", started.clone().with(|it| it.lease = None)),
        ("another attempt holds it", others),
        ("it is being taken apart", started.clone().state(State::Disconnecting)),
        ("a newer consent came", started.clone().with(|it| it.grant.as_mut().unwrap().id = grant_id(2))),
        ("the grant is gone", started.clone().with(|it| it.grant = None)),
    ] {
        for reply in [error(400, "invalid_grant"), error(401, "invalid_client"), not_sent(), no_answer()] {
            let verdict = judge(&connection, &attempt, &reply, &for_ever(), start(), SEED);
            assert_eq!(verdict, Verdict::Void, "{what}: {reply:?}");
        }
    }
    // A lease that ran out and that nobody took is still ours.
    let run_out = started.with(|it| it.lease.as_mut().unwrap().valid = false);
    let verdict =
        judge(&run_out, &attempt, &error(400, "invalid_grant"), &strict(Grace::None), start(), SEED);
    assert!(matches!(verdict, Verdict::Move(Transition::Die { .. })), "{verdict:?}");
}

#[test]
fn invalid_grant_is_confirmed_once_where_that_is_harmless() {
    let invalid = error(400, "invalid_grant");
    let dead =
        Verdict::Move(Transition::Die { reason: Reason::InvalidGrant { detail: "invalid_grant".into() } });
    for provider in [strict(Grace::None), strict(Grace::For(MINUTE)), builtin("okta"), builtin("custom")] {
        assert_eq!(outcome(&shop(), &invalid, &provider, start()), dead, "{}", provider.id);
    }
    let harmless_ones = [for_ever(), harmless(Grace::None), strict(Grace::OldStaysValid), builtin("google")];
    for provider in harmless_ones {
        let (cause, next) = failure(outcome(&shop(), &invalid, &provider, start()));
        assert_eq!(cause, Cause::Doubted { detail: "invalid_grant".into() });
        assert_eq!(next, later(SECOND * 10));
        let doubted = shop().state(failing(cause, start(), next));
        assert_eq!(outcome(&doubted, &invalid, &provider, next), dead, "{}", provider.id);
    }
}

#[test]
fn invalid_grant_after_a_lost_answer_is_never_called_a_revocation() {
    let reason = Reason::OutcomeUnknown { attempt: attempt_id(5) };
    for provider in [strict(Grace::None), strict(Grace::For(MINUTE)), harmless(Grace::Unknown), for_ever()] {
        for connection in [
            lost(SECOND),
            lost(SECOND).with(|it| {
                it.state = State::Paused { prior: Box::new(it.state.clone()) };
            }),
        ] {
            let verdict = outcome(&connection, &error(400, "invalid_grant"), &provider, later(MINUTE));
            assert_eq!(verdict, Verdict::Move(Transition::Die { reason: reason.clone() }));
        }
    }
}

#[test]
fn what_passes_by_itself_is_tried_soon_and_what_a_person_mends_slowly() {
    let provider = strict(Grace::None);
    let seconds =
        |from: f64, to: f64| (later(Duration::from_secs_f64(from)), later(Duration::from_secs_f64(to)));
    let refused = |code: &str| Cause::Refused { detail: code.into() };
    for (reply, cause, (earliest, latest)) in [
        (not_sent(), transient(), seconds(2.5, 5.0)),
        (
            error(401, "invalid_client"),
            Cause::Client { detail: "invalid_client".into() },
            seconds(30.0, 60.0),
        ),
        (error(400, "invalid_scope"), refused("invalid_scope"), seconds(30.0, 60.0)),
    ] {
        let (found, next) = failure(outcome(&shop(), &reply, &provider, start()));
        assert_eq!(found, cause);
        assert_between(next, earliest, latest);
    }
    // Each further try waits longer; a short token's first wait is short.
    let fourth = shop().state(State::Failing(crate::state::Failing {
        cause: transient(),
        since: start(),
        tries: 3,
        next: start(),
    }));
    assert_between(
        failure(outcome(&fourth, &not_sent(), &provider, start())).1,
        later(SECOND * 20),
        later(SECOND * 40),
    );
    let short = connection(Some(SECOND * 10));
    let (_, next) = failure(outcome(&short, &not_sent(), &provider, start()));
    assert_between(next, later(SECOND / 4), later(SECOND / 2));
}

#[test]
fn retry_after_is_a_floor() {
    let wait = MINUTE * 10;
    let grace_30_s = strict(Grace::For(SECOND * 30));
    for (what, reply, provider) in [
        ("transient", unreadable(503), &grace_30_s),
        ("the client", error(401, "invalid_client"), &grace_30_s),
        ("refused", error(400, "invalid_scope"), &grace_30_s),
        ("doubted", error(400, "invalid_grant"), &for_ever()),
        ("no rotation", unreadable(500), &for_ever()),
        ("once, at once", unreadable(500), &builtin("constant-contact")),
        ("reuse is harmless", unreadable(500), &harmless(Grace::None)),
    ] {
        let (cause, next) = failure(outcome(&shop(), &asking_to_wait(reply, wait), provider, start()));
        assert_eq!(next, later(wait), "{what}");
        if let Cause::OutcomeUnknown { hold_until, .. } = cause {
            assert_eq!(hold_until, next, "{what}");
        }
    }
    let absurd = asking_to_wait(unreadable(503), Duration::from_secs(1_763_000_000));
    assert_eq!(failure(outcome(&shop(), &absurd, &for_ever(), start())).1, later(DAY), "a date, not a wait");
}

#[test]
fn retry_after_beyond_the_grace_is_no_retry_in_the_grace() {
    let reply = asking_to_wait(unreadable(500), MINUTE);
    let verdict = outcome(&shop(), &reply, &strict(Grace::For(SECOND * 30)), start());
    assert_eq!(unknown_since(verdict, 9, start()), later(DAY - MINUTE), "held until the access token's end");
}

#[test]
fn where_nothing_is_lost_an_ambiguous_answer_is_transient() {
    for provider in
        [for_ever(), builtin("google"), strict(Grace::OldStaysValid), strict(Grace::UntilSuccessorUsed)]
    {
        let (cause, next) = failure(outcome(&shop(), &no_answer(), &provider, start()));
        assert_eq!(cause, Cause::Transient { detail: "timed out".into() });
        assert_between(next, later(SECOND * 2), later(SECOND * 5));
    }
    let credentials = shop().renewal(Renewal::ClientCredentials);
    for (reply, slow) in [(no_answer(), false), (unreadable(500), false), (error(400, "invalid_grant"), true)]
    {
        let (cause, _) = failure(outcome(&credentials, &reply, &strict(Grace::None), start()));
        assert_eq!(matches!(cause, Cause::Refused { .. }), slow, "{cause:?}");
        assert_eq!(matches!(cause, Cause::Transient { .. }), !slow, "{cause:?}");
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
        held = shop().state(State::Failing(crate::state::Failing {
            cause: outcome_unknown(9, start(), next),
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
    silent.access_token.life = fact(Life(HOUR));
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
fn a_lost_answer_stays_lost_until_the_refresh_token_is_looked_at_again() {
    let others = [not_sent(), unreadable(429), error(401, "invalid_client"), error(400, "invalid_scope")];
    for reply in others {
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
        assert_between(next, later(SECOND * 6), later(SECOND * 11));
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
    let (credentials, of_credentials) = shop().renewal(Renewal::ClientCredentials).attempting(9, start());
    assert_eq!(judge_abandoned(&credentials, &of_credentials, &strict, now, SEED), nothing);

    // The first lost answer counts, not the one that is lost now.
    let earlier = failing(outcome_unknown(5, later(SECOND), hour), later(SECOND), hour);
    let transition = judged(&abandoned.state(earlier), &strict).unwrap();
    assert_eq!(unknown_since(Verdict::Move(transition), 5, later(SECOND)), later(DAY - MINUTE));
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let near = (-400i64 * 86_400..400 * 86_400)
        .prop_map(|seconds| Timestamp::from_second(start().as_second() + seconds).unwrap());
    prop_oneof![8 => near, 1 => Just(Timestamp::MIN), 1 => Just(Timestamp::MAX)]
}

fn any_length() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0.0..20.0).prop_map(|ln: f64| Duration::from_secs_f64(ln.exp())),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
    ]
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let codes = ["invalid_grant", "invalid_client", "invalid_scope", "server_error", "slow_down"];
    let answered = (100..600u16, prop::sample::select(codes.to_vec()), option::of(any_length()));
    prop_oneof![
        1 => Just(tokens()),
        1 => Just(not_sent()),
        2 => Just(no_answer()),
        4 => answered.clone().prop_map(|(status, code, wait)| {
            asking_to_wait(error(status, code), wait.unwrap_or_default())
        }),
        4 => answered.prop_map(|(status, _, wait)| asking_to_wait(unreadable(status), wait.unwrap_or_default())),
    ]
}

fn any_provider() -> impl Strategy<Value = Provider> {
    let graces = prop_oneof![
        Just(Grace::None),
        Just(Grace::Unknown),
        Just(Grace::OldStaysValid),
        Just(Grace::UntilSuccessorUsed),
        any_length().prop_map(Grace::For),
    ];
    let rotations = vec![Rotation::Never, Rotation::Always, Rotation::AppSetting, Rotation::Unknown];
    let reuses = vec![Reuse::Punished, Reuse::Harmless, Reuse::Unknown];
    let lengths = (option::of(any_length()), option::of(any_length()));
    (graces, prop::sample::select(rotations), prop::sample::select(reuses), lengths).prop_map(
        |(grace, rotation, reuse, (idle, life))| {
            provider(|it| {
                it.refresh_token.grace = fact(grace);
                it.refresh_token.rotation = fact(rotation);
                it.refresh_token.reuse = fact(reuse);
                it.refresh_token.idle_limit = idle.and_then(|idle| fact(Limit::After(idle)));
                it.access_token.life = life.and_then(|life| fact(Life(life)));
            })
        },
    )
}

fn any_state() -> impl Strategy<Value = State> {
    let doubted = Cause::Doubted { detail: String::new() };
    let lost = (any_time(), any_time(), any_time());
    prop_oneof![
        Just(State::Active),
        Just(State::Unverified),
        Just(State::NeedsReauth { reason: Reason::NothingToRenewWith, since: start() }),
        (any_time(), any_time()).prop_map(move |(since, next)| failing(doubted.clone(), since, next)),
        lost.prop_map(|(sent_at, since, next)| failing(outcome_unknown(5, sent_at, next), since, next)),
    ]
}

proptest! {
    #![proptest_config(cases(2048))]

    #[test]
    fn a_verdict_is_total_and_looks_ahead(
        reply in any_reply(), provider in any_provider(), state in any_state(), seed in any::<u64>(),
        (issued_at, expires_at, now) in (any_time(), option::of(any_time()), any_time()),
    ) {
        let connection = shop().state(state).tokens(|tokens| {
            (tokens.issued_at, tokens.expires_at) = (issued_at, expires_at);
        });
        let was_lost = outcome_unknown_of(&connection.state);
        let (connection, attempt) = connection.attempting(9, now);
        let abandoned = judge_abandoned(&connection, &attempt, &provider, now, seed).map(Verdict::Move);
        for verdict in [Some(judge(&connection, &attempt, &reply, &provider, now, seed)), abandoned] {
            let Some(Verdict::Move(transition)) = verdict else { continue };
            match &transition {
                Transition::Fail { cause, next } => {
                    prop_assert!(*next >= now);
                    match cause {
                        Cause::OutcomeUnknown { hold_until, .. } => prop_assert_eq!(hold_until, next),
                        // Only where an answer cannot be lost may it be forgotten.
                        _ => prop_assert!(was_lost.is_none() || provider.rotation() == Rotation::Never
                            || matches!(provider.grace(), Grace::OldStaysValid | Grace::UntilSuccessorUsed)),
                    }
                }
                Transition::Die { reason } => {
                    let unknown = matches!(reason, Reason::OutcomeUnknown { .. });
                    prop_assert_eq!(unknown, was_lost.is_some());
                }
                other => prop_assert!(false, "{other:?}"),
            }
            let next_state = connection.state.clone().apply(transition, now).unwrap();
            let moved = connection.clone().state(next_state);
            let _ = schedule(&moved, &provider, &QuotaPlan::AMPLE, now, seed);
        }
    }

    /// A refresh token whose reuse is punished is tried inside its grace, or when nothing is at risk any more.
    #[test]
    fn an_access_token_that_serves_is_not_put_at_risk(
        reply in any_reply(), grace in option::of(any_length()), sent in any_length(), passed in any_length(),
        life in option::of((0.0..20.0).prop_map(|ln: f64| Duration::from_secs_f64(ln.exp()))),
    ) {
        let (sent, passed) = (sent.min(YEAR), passed.min(YEAR));
        let provider = strict(grace.map_or(Grace::None, Grace::For));
        let sent_at = later(sent);
        let now = saturating_add(sent_at, passed);
        let held = connection(life).state(failing(outcome_unknown(5, sent_at, sent_at), sent_at, sent_at));
        let Verdict::Move(Transition::Fail { next, .. }) = outcome(&held, &reply, &provider, now) else {
            return Ok(());
        };
        let in_grace = grace.is_some_and(|grace| next <= saturating_add(sent_at, grace));
        let margin = |length: Duration| length - MINUTE.min(length / 10);
        let end = later(life.map_or(DAY * 30 - MINUTE, margin).min(DAY * 30 - MINUTE));
        prop_assert!(in_grace || next >= end, "{next} is before {end}");
    }

    /// A provider that loses every answer is not hammered.
    #[test]
    fn lost_answers_back_off(
        grace in option::of(any_length()), punished in any::<bool>(), seed in any::<u64>(),
        life in option::of((5.0..15.0).prop_map(|ln: f64| Duration::from_secs_f64(ln.exp()))),
    ) {
        let grace = grace.map_or(Grace::Unknown, Grace::For);
        let provider = if punished { strict(grace) } else { harmless(grace) };
        let (mut held, mut now, mut tries) = (connection(life), start(), 0);
        while now < later(HOUR) {
            tries += 1;
            let (trying, attempt) = held.attempting(tries, now);
            let verdict = judge(&trying, &attempt, &unreadable(500), &provider, now, seed);
            let (cause, next) = failure(verdict);
            let state = trying.state.clone().apply(Transition::Fail { cause, next }, now).unwrap();
            held = trying.state(state);
            now = next;
        }
        prop_assert!(tries <= 40, "{tries}");
    }
}

fn outcome_unknown_of(state: &State) -> Option<&Cause> {
    state
        .failing()
        .map(|failing| &failing.cause)
        .filter(|cause| matches!(cause, Cause::OutcomeUnknown { .. }))
}
