//! What holds for every answer, provider, state and time.

use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::schedule::{QuotaPlan, schedule};
use crate::testing::{YEAR, any_length, any_time, cases, length};

fn any_reply() -> impl Strategy<Value = Reply> {
    let codes = ["invalid_grant", "invalid_client", "invalid_scope", "server_error", "slow_down"];
    let answered = || (100..600u16, prop::sample::select(codes.to_vec()), option::of(any_length()));
    prop_oneof![
        1 => Just(tokens()),
        1 => Just(not_sent()),
        2 => Just(no_answer()),
        4 => answered().prop_map(|(status, code, wait)| {
            asking_to_wait(error(status, code), wait.unwrap_or_default())
        }),
        4 => answered().prop_map(|(status, _, wait)| asking_to_wait(unreadable(status), wait.unwrap_or_default())),
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
                it.access_token.life = life.and_then(|life| fact(Limit::After(life)));
            })
        },
    )
}

fn any_state() -> impl Strategy<Value = State> {
    let doubted = Cause::Doubted { detail: String::new() };
    let lost = (any_time(), any_time(), any_time());
    prop_oneof![
        Just(State::Active),
        Just(State::Unverified { verify_at: start() }),
        Just(State::NeedsReauth { reason: Reason::NothingToRenewWith, since: start() }),
        (any_time(), any_time()).prop_map(move |(since, next)| failing(doubted.clone(), since, next)),
        lost.prop_map(|(sent_at, since, next)| failing(lost_answer(5, sent_at, next), since, next)),
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
        let was_lost = outcome_unknown(&connection).is_some();
        let (connection, attempt) = connection.attempting(9, now);
        let asked = reply.words().1.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let abandoned = judge_abandoned(&connection, &attempt, &provider, now, seed).map(Verdict::Move);
        let judged = judge(&connection, &attempt, &reply, &provider, now, seed);
        for (verdict, not_before) in [(Some(judged), saturating_add(now, asked)), (abandoned, now)] {
            let Some(Verdict::Move(transition)) = verdict else { continue };
            match &transition {
                Transition::Fail { cause, next } => {
                    prop_assert!(*next >= not_before);
                    match cause {
                        Cause::OutcomeUnknown(unknown) => prop_assert_eq!(&unknown.hold_until, next),
                        // Only where an answer cannot be lost may it be forgotten.
                        _ => prop_assert!(!was_lost || provider.rotation() == Rotation::Never
                            || matches!(provider.grace(), Grace::OldStaysValid | Grace::UntilSuccessorUsed)),
                    }
                }
                Transition::Die { reason } => {
                    let unknown = matches!(reason, Reason::OutcomeUnknown { .. });
                    prop_assert_eq!(unknown, was_lost);
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
        life in option::of(length(SECOND, YEAR * 10)),
    ) {
        let (sent, passed) = (sent.min(YEAR), passed.min(YEAR));
        let provider = strict(grace.map_or(Grace::None, Grace::For));
        let sent_at = later(sent);
        let now = saturating_add(sent_at, passed);
        let held = connection(life).state(failing(lost_answer(5, sent_at, sent_at), sent_at, sent_at));
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
        life in option::of(length(MINUTE, YEAR)),
    ) {
        let grace = grace.map_or(Grace::Unknown, Grace::For);
        let provider = if punished { strict(grace) } else { harmless(grace) };
        let (mut held, mut now, mut tries) = (connection(life), start(), 0);
        while now < later(HOUR) && tries <= 40 {
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
