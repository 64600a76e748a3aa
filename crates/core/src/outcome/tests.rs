//! Design's table line by line, and what follows from each line.

use serde_json::Map;

use super::*;
use std::time::Duration;

use crate::backoff::LONGEST_RETRY_AFTER;
use crate::provider::{Grace, Limit, Reuse, Rotation};
use crate::testing::{
    DAY, HOUR, MINUTE, SECOND, attempt_id, builtin, connection, fact, failing, fingerprint, grant_id, later,
    lost_answer, provider, start, transient,
};
use crate::token::{RefreshEnd, TokenAnswer, saturating_add};

mod ambiguous;
mod exchange;
mod properties;

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
    Reply::Error { status, code: code.into(), detail: code.into(), retry_after: None, holds_tokens: false }
}

fn unreadable(status: u16) -> Reply {
    Reply::Unreadable { status, detail: String::new(), retry_after: None, holds_tokens: false }
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
        Reply::Error { status, code, detail, holds_tokens, .. } => {
            Reply::Error { status, code, detail, retry_after: Some(wait), holds_tokens }
        }
        Reply::Unreadable { status, detail, holds_tokens, .. } => {
            Reply::Unreadable { status, detail, retry_after: Some(wait), holds_tokens }
        }
        other => other,
    }
}

/// The same, with tokens in it.
fn with_tokens(reply: Reply) -> Reply {
    match reply {
        Reply::Error { status, code, detail, retry_after, .. } => {
            Reply::Error { status, code, detail, retry_after, holds_tokens: true }
        }
        Reply::Unreadable { status, detail, retry_after, .. } => {
            Reply::Unreadable { status, detail, retry_after, holds_tokens: true }
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
        assert_eq!(classify(&reply, &builtin("custom")), class, "{what}: {reply:?}");
    }
}

#[test]
fn who_gives_tokens_has_worked_on_the_request() {
    let constant_contact = builtin("constant-contact");
    for (reply, provider) in [
        (unreadable(400), &builtin("custom")),
        (unreadable(401), &builtin("custom")),
        (unreadable(429), &builtin("custom")),
        (unreadable(503), &builtin("custom")),
        (error(400, "invalid_request"), &builtin("custom")),
        (error(401, "invalid_client"), &builtin("custom")),
        (error(503, "temporarily_unavailable"), &builtin("custom")),
        // Whatever the provider's file says of such an error.
        (error(429, "throttled"), &constant_contact),
    ] {
        let reply = with_tokens(reply);
        assert_eq!(classify(&reply, provider), Class::Ambiguous, "{reply:?}");
        // It is not sent once more as if nothing had happened.
        let next = unknown_since(outcome(&shop(), &reply, &strict(Grace::None), start()), 9, start());
        assert_eq!(next, later(DAY - MINUTE), "{reply:?}");
    }
    // What is refused for good is not sent again anyway.
    assert_eq!(classify(&with_tokens(error(400, "invalid_grant")), &builtin("custom")), Class::Permanent);
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
    shop().state(failing(lost_answer(5, later(sent), later(sent)), later(sent), later(sent)))
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
    let (unknown, next) = unknown(verdict);
    assert_eq!((unknown.attempt, unknown.sent_at), (attempt_id(first), sent_at));
    next
}

/// Asserts an unknown outcome, held until the next try.
#[track_caller]
fn unknown(verdict: Verdict) -> (Box<OutcomeUnknown>, Timestamp) {
    let (cause, next) = failure(verdict);
    let Cause::OutcomeUnknown(unknown) = cause else { panic!("{cause:?}") };
    assert_eq!(unknown.hold_until, next);
    (unknown, next)
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
    let reason =
        Reason::OutcomeUnknown { attempt: attempt_id(5), detail: "timed out; then: invalid_grant".into() };
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
    let fourth =
        shop().state(State::Failing(Failing { cause: transient(), since: start(), tries: 3, next: start() }));
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
        if let Cause::OutcomeUnknown(unknown) = cause {
            assert_eq!(unknown.hold_until, next, "{what}");
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
