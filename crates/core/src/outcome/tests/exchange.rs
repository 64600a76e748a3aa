//! An access token that is exchanged itself stays valid meanwhile: nothing can be lost.

use super::*;

fn long_lived() -> Connection {
    connection(Some(DAY * 60)).renewal(Renewal::Exchange)
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let instagram = builtin("instagram");
    let (connection, attempt) = long_lived().attempting(9, later(DAY * 30));
    for reply in [no_answer(), error(500, "server_error"), unreadable(200), not_sent(), error(400, "2")] {
        match judge(&connection, &attempt, &reply, &instagram, later(DAY * 30), SEED) {
            Verdict::Move(Transition::Fail { cause: Cause::Transient { .. }, next }) => {
                assert!(next <= later(DAY * 30 + MINUTE), "{reply:?}");
            }
            other => panic!("{reply:?}: {other:?}"),
        }
    }
    let (abandoned, attempt) = long_lived().attempting(9, later(DAY * 30));
    assert_eq!(judge_abandoned(&abandoned, &attempt, &instagram, later(DAY * 30), SEED), None);
}

#[test]
fn one_that_is_refused_is_dead_once_it_was_refused_twice() {
    let instagram = builtin("instagram");
    let (connection, attempt) = long_lived().attempting(9, later(DAY * 30));
    let refused = error(400, "190");
    let judged = judge(&connection, &attempt, &refused, &instagram, later(DAY * 30), SEED);
    let Verdict::Move(Transition::Fail { cause: cause @ Cause::Doubted { .. }, next }) = judged else {
        panic!("a second try does no harm: {judged:?}")
    };
    let (connection, attempt) = long_lived().state(failing(cause, start(), next)).attempting(10, next);
    let judged = judge(&connection, &attempt, &refused, &instagram, next, SEED);
    let dead = Transition::Die { reason: Reason::InvalidGrant { detail: "190".into() } };
    assert_eq!(judged, Verdict::Move(dead));
}

#[test]
fn an_answer_that_comes_late_replaces_no_newer_token() {
    let instagram = builtin("instagram");
    let (connection, attempt) = long_lived().attempting(9, later(DAY * 30));
    assert_eq!(judge(&connection, &attempt, &tokens(), &instagram, later(DAY * 30), SEED), Verdict::Apply);
    let newer = connection.tokens(|tokens| tokens.generation += 1);
    let kept = Verdict::Keep(WhyCandidate::NewerTokens);
    assert_eq!(judge(&newer, &attempt, &tokens(), &instagram, later(DAY * 30), SEED), kept);
}

#[test]
fn a_rejected_access_token_ends_a_grant_that_nothing_renews() {
    let rejected =
        |renewal| after_rejection(&shop().renewal(renewal), &strict(Grace::None), later(HOUR), SEED);
    assert_eq!(rejected(Renewal::None), Some(Transition::Die { reason: Reason::NothingToRenewWith }));
    for renewed in
        [Renewal::RefreshToken, Renewal::ClientCredentials, Renewal::JwtBearer, Renewal::TokenExchange]
    {
        assert_eq!(rejected(renewed), None, "{renewed:?}");
    }
}
