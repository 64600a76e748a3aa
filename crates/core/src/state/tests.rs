//! The whole table: every state, every transition.

use uuid::Uuid;

use super::*;

const NOW: i64 = 1_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn cause() -> Cause {
    Cause::Transient { detail: "no route".into() }
}

fn unknown() -> Cause {
    Cause::OutcomeUnknown(Box::new(OutcomeUnknown {
        attempt: AttemptId::from_uuid(Uuid::nil()),
        sent_at: at(1),
        hold_until: at(2),
        detail: "timed out".into(),
        last: None,
        untried: true,
        lost_at: None,
        rejected: false,
        client_refused: false,
    }))
}

fn states() -> Vec<State> {
    vec![
        State::Pending,
        State::Unverified { verify_at: at(7) },
        State::Active,
        State::Failing(Failing { cause: cause(), since: at(1), tries: 4, next: at(2) }),
        State::Failing(Failing { cause: unknown(), since: at(1), tries: 4, next: at(2) }),
        State::NeedsReauth { reason: Reason::NothingToRenewWith, since: at(3) },
        State::Paused { prior: Box::new(State::Active) },
        State::Disconnecting,
    ]
}

fn transitions() -> Vec<Transition> {
    let attempt = AttemptId::from_uuid(Uuid::nil());
    vec![
        Transition::Consent,
        Transition::Import { verify_at: at(9) },
        Transition::Succeed,
        Transition::Fail { cause: cause(), next: at(9) },
        Transition::Release { next: at(9) },
        Transition::Die { reason: Reason::OutcomeUnknown { attempt, detail: "reset; then: no".into() } },
        Transition::Pause,
        Transition::Resume,
        Transition::Disconnect,
    ]
}

#[test]
fn a_pause_hides_nothing() {
    for state in states() {
        let paused = State::Paused { prior: Box::new(state.clone()) };
        assert_eq!(paused.needs_reauth(), state.needs_reauth(), "{state:?}");
        assert_eq!(paused.is_unverified(), state.is_unverified(), "{state:?}");
        assert_eq!(paused.failing(), state.failing(), "{state:?}");
    }
    assert_eq!(states().iter().filter(|state| state.needs_reauth()).count(), 1);
}

#[test]
fn the_table() {
    let table: Vec<Vec<&str>> = states()
        .into_iter()
        .map(|state| {
            transitions()
                .into_iter()
                .map(|transition| match state.clone().apply(transition, at(NOW)) {
                    Ok(next) => next.name(),
                    Err(_) => "-",
                })
                .collect()
        })
        .collect();
    let (pen, unv, act, fai, nee, pau, dis) =
        ("pending", "unverified", "active", "failing", "needs_reauth", "paused", "disconnecting");
    #[rustfmt::skip]
    let expected = vec![
        //            consent import succeed  fail release die  pause resume disconnect
        /* pending */ vec![act, unv, "-", "-", "-", "-", pau, pen, dis],
        /* unverif */ vec![act, unv, act, fai, "-", nee, pau, unv, dis],
        /* active  */ vec![act, unv, act, fai, "-", nee, pau, act, dis],
        /* failing */ vec![act, unv, act, fai, "-", nee, pau, fai, dis],
        /* unknown */ vec![act, unv, act, fai, fai, nee, pau, fai, dis],
        /* reauth  */ vec![act, unv, act, nee, "-", nee, pau, nee, dis],
        /* paused  */ vec![pau, pau, pau, pau, "-", pau, pau, act, dis],
        /* discon. */ vec!["-", "-", "-", "-", "-", "-", "-", "-", dis],
    ];
    assert_eq!(table, expected);
}

#[test]
fn a_failure_that_goes_on_keeps_its_beginning() {
    let failing = State::Active.apply(Transition::Fail { cause: cause(), next: at(9) }, at(5)).unwrap();
    let again = failing.apply(Transition::Fail { cause: cause(), next: at(19) }, at(10)).unwrap();
    assert_eq!(again, State::Failing(Failing { cause: cause(), since: at(5), tries: 2, next: at(19) }));
}

#[test]
fn a_rejected_access_token_ends_a_hold_and_counts_as_no_try() {
    let held = State::Failing(Failing { cause: unknown(), since: at(1), tries: 4, next: at(90) });
    let State::Failing(released) = held.apply(Transition::Release { next: at(9) }, at(9)).unwrap() else {
        panic!("it still fails")
    };
    assert_eq!((released.since, released.tries, released.next), (at(1), 4, at(9)));
    let Cause::OutcomeUnknown(unknown) = released.cause else { panic!("{released:?}") };
    assert!(unknown.rejected && unknown.hold_until == at(9) && unknown.detail == "timed out", "{unknown:?}");
}

#[test]
fn a_pause_remembers_what_happened_meanwhile() {
    let paused = State::Active.apply(Transition::Pause, at(1)).unwrap();
    let paused = paused.apply(Transition::Die { reason: Reason::NothingToRenewWith }, at(2)).unwrap();
    let resumed = paused.apply(Transition::Resume, at(3)).unwrap();
    assert_eq!(resumed, State::NeedsReauth { reason: Reason::NothingToRenewWith, since: at(2) });
}

#[test]
fn what_is_imported_anew_is_tried_anew() {
    let again = Transition::Import { verify_at: at(9) };
    let dead = State::NeedsReauth { reason: Reason::NothingToRenewWith, since: at(2) };
    let imported = dead.apply(again.clone(), at(3)).unwrap();
    assert_eq!(imported, State::Unverified { verify_at: at(9) });
    let paused = State::Paused { prior: Box::new(State::Active) }.apply(again, at(3)).unwrap();
    assert_eq!(paused, State::Paused { prior: Box::new(imported) }, "whoever paused it has the last word");
}

#[test]
fn states_survive_storage() {
    for state in states() {
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state, "{json}");
    }
}

#[test]
fn what_older_versions_stored_still_reads() {
    let attempt = "019a4a1e-5c00-7000-8000-000000000005";
    let failing = format!(
        r#"{{"state":"failing","cause":{{"cause":"outcome_unknown","attempt":"{attempt}","sent_at":"2026-11-03T08:00:00Z",
            "hold_until":"2026-11-04T07:59:00Z"}},"since":"2026-11-03T08:00:01Z","tries":1,"next":"2026-11-04T07:59:00Z"}}"#
    );
    let State::Failing(failing) = serde_json::from_str(&failing).unwrap() else { panic!("{failing}") };
    let Cause::OutcomeUnknown(unknown) = failing.cause else { panic!("{failing:?}") };
    assert_eq!((unknown.detail.as_str(), unknown.untried, unknown.rejected), ("", false, false));
    let dead = format!(
        r#"{{"state":"needs_reauth","reason":{{"reason":"outcome_unknown","attempt":"{attempt}"}},"since":"2026-11-03T08:00:01Z"}}"#
    );
    let State::NeedsReauth { reason, .. } = serde_json::from_str(&dead).unwrap() else { panic!("{dead}") };
    assert!(matches!(reason, Reason::OutcomeUnknown { detail, .. } if detail.is_empty()));
}
