//! What holds for every connection, provider and time.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::outcome::{Reply, Verdict, judge};
use crate::testing::{YEAR, any_length, any_time, cases, id, length};

fn any_end() -> impl Strategy<Value = RefreshEnd> {
    let kinds: [fn(Timestamp) -> RefreshEnd; 4] =
        [RefreshEnd::Said, RefreshEnd::Idle, RefreshEnd::Absolute, |_| RefreshEnd::Endless];
    (prop::sample::select(kinds.to_vec()), any_time()).prop_map(|(kind, at)| kind(at))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(vec![Policy::Auto, Policy::Always, Policy::OnDemand])
}

fn any_state() -> impl Strategy<Value = State> {
    let lost = (any_time(), any_time(), any_time(), any_time());
    prop_oneof![
        4 => Just(State::Active),
        1 => any_time().prop_map(|verify_at| State::Unverified { verify_at }),
        2 => (any_time(), any_time()).prop_map(|(since, next)| failing(transient(), since, next)),
        2 => lost.prop_map(|(sent, hold, since, next)| failing(lost_answer(5, sent, hold), since, next)),
        1 => Just(State::Paused { prior: Box::new(State::Active) }),
        1 => Just(State::Pending),
    ]
}

fn any_provider() -> impl Strategy<Value = Provider> {
    let limits = (option::of(any_length()), option::of(any_length()));
    let access = (option::of(any_length()), option::of(any_length()), prop::bool::weighted(0.1));
    (limits, access).prop_map(|((idle, absolute), (life, age, on_rejection))| {
        provider(|it| {
            it.refresh_token.idle_limit = idle.and_then(|limit| fact(Limit::After(limit)));
            it.refresh_token.absolute_life = absolute.and_then(|limit| fact(Limit::After(limit)));
            it.access_token.life = life.and_then(|life| fact(Limit::After(life)));
            it.access_token.minimum_age = age.and_then(|age| fact(Life(age)));
            it.access_token.refresh_on_rejection = fact(on_rejection);
        })
    })
}

fn any_quota() -> impl Strategy<Value = QuotaPlan> {
    let stretch = prop_oneof![3 => Just(1.0), 2 => 0.0..50.0, 1 => any::<f64>()];
    (option::weighted(0.2, any_time()), stretch)
        .prop_map(|(not_before, stretch)| QuotaPlan { not_before, stretch })
}

/// A connection of any shape, however absurd.
fn any_connection() -> impl Strategy<Value = Connection> {
    let times = (any_time(), option::of(any_time()), any_time(), any_time(), option::of(any_time()));
    (times, option::of(any_end()), any_policy(), any_state(), any::<u128>()).prop_map(
        |((issued_at, expires_at, consented_at, created_at, read), end, policy, state, uuid)| {
            connection(None).policy(policy).state(state).with(|it| {
                it.id = id(uuid);
                (it.created_at, it.last_read_at) = (created_at, read);
                let grant = it.grant.as_mut().unwrap();
                grant.consented_at = consented_at;
                (grant.tokens.issued_at, grant.tokens.expires_at) = (issued_at, expires_at);
                grant.tokens.refresh_token.as_mut().unwrap().end = end;
            })
        },
    )
}

/// A connection as providers make them: the time of asking is within its life, its policy wants it fresh.
fn sane() -> impl Strategy<Value = Connection> {
    let ends = option::of(length(MINUTE, YEAR).prop_map(|limit| RefreshEnd::Idle(later(limit))));
    (length(SECOND * 4, YEAR), ends, any_policy(), any::<bool>(), any::<u128>()).prop_map(
        |(life, end, policy, read, uuid)| {
            connection(Some(life)).policy(policy).with(|it| {
                it.id = id(uuid);
                it.last_read_at = read.then(start);
                it.grant.as_mut().unwrap().tokens.refresh_token.as_mut().unwrap().end = end;
            })
        },
    )
}

fn due(connection: &Connection, provider: &Provider, now: Timestamp) -> Option<Timestamp> {
    schedule(connection, provider, &QuotaPlan::AMPLE, now, SEED).plan().due_at
}

proptest! {
    #![proptest_config(cases(1024))]

    /// Nothing makes it panic, and the next refresh is what its reasons say, and nothing else.
    #[test]
    fn next_is_the_latest_floor_or_the_earliest_wish(
        connection in any_connection(), provider in any_provider(), quota in any_quota(),
        now in any_time(), seed in any::<u64>(),
    ) {
        let found = schedule(&connection, &provider, &quota, now, seed);
        let wish = found.wishes.iter().map(|wish| wish.at).min();
        let floor = found.floors.iter().map(|floor| floor.at).max();
        match found.next {
            Next::Never(_) => prop_assert_eq!(wish, None),
            Next::At { at, held_by, .. } => {
                let wish = wish.unwrap();
                prop_assert_eq!(at, floor.map_or(wish, |floor| floor.max(wish)));
                prop_assert!(found.floors.iter().all(|floor| at >= floor.at));
                prop_assert_eq!(held_by.is_some(), at > wish);
            }
        }
        if let Some(end) = found.absolute_end {
            prop_assert!(end.warnings().is_sorted());
            prop_assert!(end.warnings().iter().all(|warning| *warning <= end.at));
        }
        prop_assert_eq!(&found, &schedule(&connection, &provider, &quota, now, seed));
    }

    #[test]
    fn never_later_than_safety_allows(connection in sane(), provider in any_provider(), passed in 0.0..1.0) {
        let tokens = &connection.grant.as_ref().unwrap().tokens;
        let life = tokens.life().unwrap();
        let found = schedule(&connection, &provider, &QuotaPlan::AMPLE, later(life.mul_f64(passed)), SEED);
        let wants_it_fresh = connection.policy == Policy::Always
            || connection.policy == Policy::Auto && (connection.last_read_at.is_some() || life >= HOUR * 12);
        // Asked within 7 days of the reading, it still counts.
        if wants_it_fresh && !provider.prefers_refresh_on_rejection() && life < DAY * 7 {
            let safe = tokens.expires_at.unwrap().checked_sub(MINUTE.min(life / 10)).unwrap();
            prop_assert!(found.wishes.iter().any(|wish| wish.at < safe));
        }
        if let Some(end) = found.idle_end {
            prop_assert!(found.wishes.iter().any(|wish| wish.at <= later(end.limit / 2)));
        }
    }

    #[test]
    fn jitter_moves_it_earlier_by_less_than_a_tenth(connection in sane(), later_on in 0.0..0.4, seed in any::<u64>()) {
        let provider = endless();
        let connection = connection.policy(Policy::Always).tokens(|tokens| tokens.refresh_token.as_mut().unwrap().end = None);
        let life = connection.grant.as_ref().unwrap().tokens.life().unwrap();
        let at = |now| match schedule(&connection, &provider, &QuotaPlan::AMPLE, now, seed).next {
            Next::At { at, .. } => at,
            Next::Never(why) => panic!("{why:?}"),
        };
        let (half, due) = (later(life / 2), at(start()));
        prop_assert!(due <= half);
        prop_assert!(Duration::try_from(half.duration_since(due)).unwrap() <= (life / 2) / 10 + SECOND / 1000);
        prop_assert_eq!(due, at(later(life.mul_f64(later_on))), "asked later, or after a restart: the same");
        let next_one = connection.clone().tokens(|tokens| tokens.generation += 1);
        let next_due = schedule(&next_one, &provider, &QuotaPlan::AMPLE, start(), seed).plan().due_at;
        prop_assert_ne!(Some(due), next_due, "but not the same each time");
    }

    /// The clock is a year off, either way, when it is asked.
    #[test]
    fn a_clock_that_jumps_does_no_harm(
        connection in sane(), provider in any_provider(), fails in any::<bool>(), back in any::<bool>(),
    ) {
        let jumped = if back { start().checked_sub(YEAR).unwrap() } else { later(YEAR) };
        let as_new = |now| due(&connection.clone().refreshed(now), &provider, now);
        let before = schedule(&connection, &provider, &QuotaPlan::AMPLE, start(), SEED);

        // Asked while it is off: due no later than a token that is as new as can be, and not given up.
        let off = due(&connection, &provider, jumped);
        prop_assert!(off <= as_new(jumped), "{off:?}");
        prop_assert_eq!(off.is_some(), before.plan().due_at.is_some());
        // Asked again when it is right: as if nothing had been.
        prop_assert_eq!(&schedule(&connection, &provider, &QuotaPlan::AMPLE, start(), SEED), &before);

        // Tried while it is off, and asked when it is right again.
        let (tried, latest) = if fails {
            let state = failing(transient(), jumped, saturating_add(jumped, HOUR));
            (connection.clone().state(state), as_new(start()).max(Some(later(DAY))))
        } else {
            (connection.clone().refreshed(jumped), as_new(start()))
        };
        let after = due(&tried, &provider, start());
        prop_assert!(after <= latest, "{after:?}");
        // However often it is asked, its time comes.
        if let Some(at) = after.filter(|at| *at > start()) {
            prop_assert!(due(&tried, &provider, at).unwrap() <= at);
        }
        // And a success is the end of it.
        let (healed, fresh) = (tried.refreshed(start()), connection.refreshed(start()));
        prop_assert_eq!(due(&healed, &provider, start()), due(&fresh, &provider, start()));
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// Readers of a token that lives 10 seconds, ten times a second, for 10 minutes.
    #[test]
    fn readers_cannot_make_a_short_token_refresh_in_a_loop(wanted in option::of(any_length())) {
        let life = SECOND * 10;
        let mut held = connection(Some(life));
        let mut refreshes = 0;
        for step in 0..6_000 {
            let now = later(SECOND / 10 * step);
            let tokens = &held.grant.as_ref().unwrap().tokens;
            let left = tokens.expires_at.unwrap().duration_since(now);
            let enough = min_ttl(wanted, tokens.life()).effective;
            if Duration::try_from(left).unwrap_or(Duration::ZERO) < enough {
                held = held.refreshed(now);
                refreshes += 1;
            }
        }
        prop_assert!(refreshes <= 2 * 60 + 1, "{refreshes}");
    }

    /// The provider is away from the moment at which keep-alive is due.
    #[test]
    fn at_least_five_tries_before_an_idle_death(
        limit in length(MINUTE, YEAR), life in option::of(length(SECOND * 4, YEAR)), uuid in any::<u128>(),
        said in any::<bool>(), replies in vec(0..3usize, 12), seed in any::<u64>(),
    ) {
        let mut held = connection(life).policy(Policy::OnDemand).with(|it| it.id = id(uuid));
        let provider = if said { endless() } else { dies_after(limit) };
        if said {
            held = held.ends(RefreshEnd::Idle(later(limit)));
        }
        let (detail, code) = (String::new(), "unauthorized_client".to_owned());
        let away = [
            Reply::NotSent { detail: detail.clone() },
            Reply::Unreadable { status: 503, detail: detail.clone(), retry_after: None, holds_tokens: false },
            Reply::Error { status: 400, code, detail, retry_after: None, holds_tokens: false },
        ];
        let mut tries = 0;
        for reply in replies {
            let found = schedule(&held, &provider, &QuotaPlan::AMPLE, start(), seed);
            let Some(now) = found.plan().due_at.filter(|at| *at < found.idle_end.unwrap().at) else { break };
            tries += 1;
            let (trying, attempt) = held.attempting(tries, now);
            held = match judge(&trying, &attempt, &away[reply], &provider, now, seed) {
                Verdict::Move(transition) => {
                    let state = trying.state.clone().apply(transition, now).unwrap();
                    trying.state(state)
                }
                verdict => panic!("{verdict:?}"),
            };
        }
        prop_assert!(tries >= 5, "{tries}");
    }
}

#[test]
fn a_million_imported_in_one_minute_spread_out() {
    let dues: Vec<Timestamp> = (0..1_000)
        .map(|n| due(&connection(Some(DAY)).with(|it| it.id = id(n)), &endless(), start()).unwrap())
        .collect();
    let tenth = (HOUR * 12 / 10).as_secs_f64();
    let mut deciles = [0; 10];
    for due in dues {
        let earlier_by = later(HOUR * 12).duration_since(due).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10")]
        let decile = (earlier_by / tenth * 10.0) as usize;
        deciles[decile] += 1;
    }
    assert!(deciles.iter().all(|count| (60..=150).contains(count)), "{deciles:?}");
}
