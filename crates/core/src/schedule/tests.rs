//! Each rule, with dates. What holds for all dates is in `properties`.

use super::*;
use crate::provider::{Life, Limit};
use crate::state::Reason;
use crate::testing::{
    DAY, HOUR, MINUTE, SECOND, at, builtin, connection, fact, failing, later, lost_answer, provider, start,
    transient,
};

mod exchange;
mod properties;

const SEED: u64 = 7;

/// A provider whose refresh tokens do not die of disuse.
fn endless() -> Provider {
    provider(|it| it.refresh_token.idle_limit = fact(Limit::Endless))
}

fn dies_after(limit: Duration) -> Provider {
    provider(|it| it.refresh_token.idle_limit = fact(Limit::After(limit)))
}

fn next(connection: &Connection, provider: &Provider, now: Timestamp) -> Next {
    schedule(connection, provider, &QuotaPlan::AMPLE, now, SEED).next
}

/// A wish that came true: at this time, which is counted from [`start`], less the connection's jitter.
fn wished(connection: &Connection, time: Timestamp, why: Why) -> Next {
    let generation = connection.generation();
    Next::At { at: earlier(time, start(), share(SEED, connection.id, generation)), why, held_by: None }
}

fn half(life: Duration) -> Why {
    Why::HalfLife { life, stretch: 1.0 }
}

fn daily(life: Duration) -> Why {
    Why::Daily { life, stretch: 1.0 }
}

#[test]
fn freshness_by_policy_life_and_reading() {
    let unread = None;
    let days_ago = |days: u32| Some(at("2026-11-03T09:00:00Z").checked_sub(DAY * days).unwrap());
    for (policy, life, read, date, why) in [
        (Policy::Auto, DAY, unread, "2026-11-03T20:00:00Z", half(DAY)),
        (Policy::Auto, HOUR * 12, unread, "2026-11-03T14:00:00Z", half(HOUR * 12)),
        (Policy::Auto, HOUR * 12 - SECOND, unread, "2026-11-04T08:00:00Z", daily(HOUR * 12 - SECOND)),
        (Policy::Auto, HOUR, unread, "2026-11-04T08:00:00Z", daily(HOUR)),
        (Policy::Auto, HOUR, days_ago(0), "2026-11-03T08:30:00Z", half(HOUR)),
        (Policy::Auto, HOUR, days_ago(7), "2026-11-03T08:30:00Z", half(HOUR)),
        (Policy::Auto, HOUR, days_ago(8), "2026-11-04T08:00:00Z", daily(HOUR)),
        (Policy::Auto, DAY * 60, unread, "2026-12-03T08:00:00Z", half(DAY * 60)),
        (Policy::Always, HOUR, unread, "2026-11-03T08:30:00Z", half(HOUR)),
        (Policy::Always, SECOND * 10, unread, "2026-11-03T08:00:05Z", half(SECOND * 10)),
    ] {
        let connection = connection(Some(life)).policy(policy).with(|it| it.last_read_at = read);
        let now = at("2026-11-03T09:00:00Z");
        let expected = wished(&connection, at(date), why);
        assert_eq!(next(&connection, &endless(), now), expected, "{policy} {life:?} {read:?}");
    }
    let on_demand = connection(Some(HOUR)).policy(Policy::OnDemand);
    assert_eq!(next(&on_demand, &endless(), start()), Next::Never(WhyNever::OnDemand));
}

#[test]
fn an_unknown_life_is_the_files_or_ends_by_rejection() {
    let mut known = endless();
    known.access_token.life = fact(Limit::After(HOUR * 24));
    let silent = connection(None);
    assert_eq!(next(&silent, &known, start()), wished(&silent, later(HOUR * 12), half(DAY)));
    assert_eq!(next(&silent, &endless(), start()), Next::Never(WhyNever::OnRejection));
    let ended_before_it_began = connection(Some(Duration::ZERO)).policy(Policy::Always);
    assert_eq!(next(&ended_before_it_began, &endless(), start()), Next::Never(WhyNever::OnRejection));
    // An answer beats the file.
    let said = connection(Some(HOUR * 16));
    assert_eq!(next(&said, &known, start()), wished(&said, later(HOUR * 8), half(HOUR * 16)));
}

#[test]
fn keep_alive_under_every_policy() {
    let limit = DAY * 180;
    let verified = Basis::File { verified: true };
    for policy in [Policy::Auto, Policy::Always, Policy::OnDemand] {
        let connection = connection(None).policy(policy);
        let expected =
            wished(&connection, at("2027-02-01T08:00:00Z"), Why::KeepAlive { limit, basis: verified });
        assert_eq!(next(&connection, &dies_after(limit), start()), expected, "{policy}");
    }
}

#[test]
fn who_says_how_long_a_refresh_token_may_lie_unused() {
    let file = Basis::File { verified: true };
    let ten = dies_after(DAY * 10);
    let unknown = provider(|_| {});
    for (what, end, provider, expected) in [
        ("the file", None, &ten, Some((DAY * 10, file))),
        ("nobody: 7 days", None, &unknown, Some((DAY * 7, Basis::Assumed))),
        ("nobody is needed", None, &endless(), None),
        ("an answer beats the file", Some(RefreshEnd::Idle(later(DAY))), &ten, Some((DAY, Basis::Answer))),
        ("also upwards", Some(RefreshEnd::Idle(later(DAY * 90))), &ten, Some((DAY * 90, Basis::Answer))),
        ("also said once", Some(RefreshEnd::Said(later(DAY))), &endless(), Some((DAY, Basis::Answer))),
        ("0 means none", Some(RefreshEnd::Endless), &ten, None),
        (
            "an absolute end is no limit",
            Some(RefreshEnd::Absolute(later(DAY * 90))),
            &ten,
            Some((DAY * 10, file)),
        ),
        ("nor makes one", Some(RefreshEnd::Absolute(later(DAY))), &endless(), None),
        ("but shortens one", Some(RefreshEnd::Absolute(later(DAY))), &unknown, Some((DAY, Basis::Answer))),
        ("an end outlived is none", Some(RefreshEnd::Said(start())), &ten, Some((DAY * 10, file))),
        ("nor one long past", Some(RefreshEnd::Idle(Timestamp::MIN)), &ten, Some((DAY * 10, file))),
    ] {
        let mut connection = connection(None).policy(Policy::OnDemand);
        if let Some(end) = end {
            connection = connection.ends(end);
        }
        let schedule = schedule(&connection, provider, &QuotaPlan::AMPLE, start(), SEED);
        let found = schedule.idle_end.map(|end| (end.limit, end.basis));
        assert_eq!(found, expected, "{what}");
        assert_eq!(schedule.idle_end.map(|end| end.at), expected.map(|(limit, _)| later(limit)), "{what}");
        let next = match expected {
            Some((limit, basis)) => wished(&connection, later(limit / 2), Why::KeepAlive { limit, basis }),
            None => Next::Never(WhyNever::OnDemand),
        };
        assert_eq!(schedule.next, next, "{what}");
    }
}

#[test]
fn a_token_issued_in_the_future_is_of_unknown_age() {
    // The clock was an hour and a second ahead, or a bit less.
    let provider = dies_after(DAY * 10);
    let now = start().checked_sub(HOUR).unwrap();
    let ahead = start().checked_sub(HOUR + SECOND).unwrap();
    let connection = connection(Some(DAY));
    let found = |now| schedule(&connection, &provider, &QuotaPlan::AMPLE, now, SEED);
    assert_eq!(found(ahead).next, Next::At { at: ahead, why: half(DAY), held_by: None });
    assert!(found(now).plan().due_at.unwrap() > saturating_add(now, HOUR * 10), "clocks may differ");
    for now in [now, ahead] {
        assert_eq!(
            found(now).idle_end.unwrap().at,
            saturating_add(now, DAY * 10),
            "no longer than if it were new"
        );
    }
}

#[test]
fn no_floor_moves_along_with_the_time() {
    // Issued by another node, whose clock is ahead by half an hour.
    let ahead = connection(Some(DAY)).tokens(|it| it.issued_at = later(MINUTE * 30));
    let due = ahead.state(failing(transient(), start(), start()));
    for now in [start(), later(SECOND * 10), later(MINUTE)] {
        let Next::At { at, held_by, .. } = next(&due, &endless(), now) else { panic!() };
        assert!(at <= now && held_by.is_none(), "{at} {held_by:?}");
    }
}

#[test]
fn an_absolute_end_warns_and_never_refreshes() {
    let mut provider = endless();
    provider.refresh_token.absolute_life = fact(Limit::After(DAY * 180));
    let connection = connection(Some(HOUR)).policy(Policy::OnDemand);
    let schedule = schedule(&connection, &provider, &QuotaPlan::AMPLE, start(), SEED);
    assert_eq!(schedule.next, Next::Never(WhyNever::OnDemand));
    let end = schedule.absolute_end.unwrap();
    assert_eq!(end.at, at("2027-05-02T08:00:00Z"));
    let warnings = ["2027-04-02", "2027-04-18", "2027-04-25", "2027-04-29", "2027-05-01"];
    assert_eq!(end.warnings(), warnings.map(|day| at(&format!("{day}T08:00:00Z"))));
    assert_eq!(schedule.plan(), Plan { due_at: None, dies_at: Some(end.at), warned_at: None });

    // An answer beats the file, and a short life is warned of in fractions.
    let said = connection.ends(RefreshEnd::Absolute(later(DAY * 8)));
    let end = absolute_end(said.grant.as_ref().unwrap(), &provider).unwrap();
    assert_eq!((end.at, end.basis), (at("2026-11-11T08:00:00Z"), Basis::Answer));
    let warnings = ["2026-11-07T08", "2026-11-09T08", "2026-11-10T08", "2026-11-10T20", "2026-11-11T02"];
    assert_eq!(end.warnings(), warnings.map(|hour| at(&format!("{hour}:00:00Z"))));
    let endless = said.ends(RefreshEnd::Endless);
    assert_eq!(absolute_end(endless.grant.as_ref().unwrap(), &provider), None);
}

#[test]
fn a_provider_that_wants_a_refresh_on_rejection_gets_no_other() {
    let mut twitch = endless();
    twitch.access_token.refresh_on_rejection = fact(true);
    let connection = connection(Some(HOUR)).policy(Policy::Always);
    assert_eq!(next(&connection, &twitch, start()), Next::Never(WhyNever::OnRejection));
    twitch.refresh_token.idle_limit = fact(Limit::After(DAY * 30));
    let why = Why::KeepAlive { limit: DAY * 30, basis: Basis::File { verified: true } };
    assert_eq!(next(&connection, &twitch, start()), wished(&connection, later(DAY * 15), why));
}

#[test]
fn without_a_refresh_token() {
    for renewal in [Renewal::ClientCredentials, Renewal::JwtBearer, Renewal::TokenExchange] {
        let connection = connection(Some(DAY)).renewal(renewal);
        let schedule = schedule(&connection, &dies_after(HOUR), &QuotaPlan::AMPLE, start(), SEED);
        assert_eq!(schedule.next, wished(&connection, later(HOUR * 12), half(DAY)), "{renewal:?}");
        let ends = (schedule.idle_end, schedule.absolute_end);
        assert_eq!(ends, (None, None), "{renewal:?}: nothing can die");
    }
    let nothing = Next::Never(WhyNever::NothingToRenewWith);
    assert_eq!(next(&connection(Some(DAY)).renewal(Renewal::None), &endless(), start()), nothing);
    let lacks_it = connection(Some(DAY)).tokens(|tokens| tokens.refresh_token = None);
    assert_eq!(next(&lacks_it, &endless(), start()), nothing);
}

#[test]
fn a_grant_that_nothing_renews_ends_with_its_access_token() {
    let end = |life: Option<Duration>, provider: &Provider| {
        let connection = connection(life).renewal(Renewal::None).tokens(|tokens| tokens.refresh_token = None);
        schedule(&connection, provider, &QuotaPlan::AMPLE, start(), SEED).absolute_end
    };
    let said = end(Some(DAY * 60), &endless()).unwrap();
    assert_eq!((said.at, said.from, said.basis), (later(DAY * 60), start(), Basis::Answer));
    assert_eq!(said.warnings()[0], later(DAY * 30));
    // Where no answer says it, the file does; and some never end.
    let mut provider = endless();
    provider.access_token.life = fact(Limit::After(DAY * 30));
    let file = end(None, &provider).unwrap();
    assert_eq!((file.at, file.basis), (later(DAY * 30), Basis::File { verified: true }));
    provider.access_token.life = fact(Limit::Endless);
    assert_eq!(end(None, &provider), None);
}

#[test]
fn states_that_are_not_refreshed_still_have_their_ends() {
    let mut provider = dies_after(DAY * 10);
    provider.refresh_token.absolute_life = fact(Limit::After(DAY * 90));
    for (state, why) in [
        (State::NeedsReauth { reason: Reason::NothingToRenewWith, since: start() }, WhyNever::NeedsReauth),
        (State::Paused { prior: Box::new(State::Active) }, WhyNever::Paused),
        (State::Disconnecting, WhyNever::Disconnecting),
        (State::Pending, WhyNever::WaitingForConsent),
    ] {
        let schedule =
            schedule(&connection(Some(DAY)).state(state), &provider, &QuotaPlan::AMPLE, start(), SEED);
        assert_eq!(schedule.next, Next::Never(why));
        assert_eq!(schedule.plan().dies_at, Some(later(DAY * 10)), "warnings go on: {why:?}");
        assert!(schedule.absolute_end.is_some(), "{why:?}");
    }
    let no_grant = |state| connection(None).state(state).with(|it| it.grant = None);
    let paused = State::Paused { prior: Box::new(State::Pending) };
    assert_eq!(next(&no_grant(paused), &provider, start()), Next::Never(WhyNever::Paused));
    assert_eq!(next(&no_grant(State::Active), &provider, start()), Next::Never(WhyNever::WaitingForConsent));
}

#[test]
fn an_imported_connection_is_tried_when_it_is_its_turn() {
    let imported = |verify_at| connection(None).state(State::Unverified { verify_at });
    let at_once = Next::At { at: start(), why: Why::Verify, held_by: None };
    assert_eq!(next(&imported(start()), &endless(), start()), at_once);
    let in_an_hour = Next::At { at: later(HOUR), why: Why::Verify, held_by: None };
    assert_eq!(next(&imported(later(HOUR)), &endless(), start()), in_an_hour);
    assert_eq!(next(&imported(later(DAY * 7)), &endless(), start()), at_once, "that was a wrong clock");
}

#[test]
fn a_refresh_token_that_dies_before_its_turn_is_tried_before() {
    let short = provider(|it| it.refresh_token.idle_limit = fact(Limit::After(HOUR)));
    let imported = connection(None).state(State::Unverified { verify_at: later(HOUR * 20) });
    let Next::At { at, why: Why::KeepAlive { .. }, .. } = next(&imported, &short, start()) else {
        panic!("{:?}", next(&imported, &short, start()))
    };
    assert!(at <= later(HOUR / 2));
}

#[test]
fn a_failure_waits_for_its_back_off_under_every_policy() {
    for policy in [Policy::Auto, Policy::Always, Policy::OnDemand] {
        let state = failing(transient(), later(HOUR), later(HOUR * 2));
        let failing = connection(Some(DAY)).policy(policy).state(state);
        let expected = Next::At { at: later(HOUR * 2), why: Why::Retry, held_by: Some(Hold::AfterFailure) };
        assert_eq!(next(&failing, &endless(), later(HOUR)), expected, "{policy}");
    }
}

#[test]
fn a_lost_answer_holds_even_against_keep_alive() {
    let hold_until = later(HOUR * 23);
    let cause = lost_answer(5, later(HOUR), hold_until);
    let held = connection(Some(DAY)).state(failing(cause, later(HOUR), later(HOUR * 2)));
    let expected = Next::At { at: hold_until, why: Why::Retry, held_by: Some(Hold::OutcomeUnknown) };
    assert_eq!(next(&held, &dies_after(HOUR * 10), later(HOUR)), expected);
}

#[test]
fn a_quota_stretches_freshness_and_never_keep_alive() {
    let provider = dies_after(DAY * 4);
    let on = |connection: &Connection, stretch| {
        schedule(connection, &provider, &QuotaPlan { not_before: None, stretch }, start(), SEED).next
    };
    let busy = connection(Some(DAY));
    assert_eq!(on(&busy, 1.5), wished(&busy, later(HOUR * 18), Why::HalfLife { life: DAY, stretch: 1.5 }));
    let idle = connection(Some(HOUR));
    assert_eq!(on(&idle, 1.5), wished(&idle, later(HOUR * 36), Why::Daily { life: HOUR, stretch: 1.5 }));
    let keep_alive = Why::KeepAlive { limit: DAY * 4, basis: Basis::File { verified: true } };
    for stretch in [9.0, f64::INFINITY] {
        assert_eq!(on(&busy, stretch), wished(&busy, later(DAY * 2), keep_alive), "{stretch}");
    }
    for stretch in [0.5, 0.0, -1.0, f64::NAN] {
        assert_eq!(on(&busy, stretch), wished(&busy, later(HOUR * 12), half(DAY)), "{stretch}");
    }
    let spent = QuotaPlan { not_before: Some(later(DAY * 3)), stretch: 1.0 };
    let next = schedule(&busy, &provider, &spent, start(), SEED).next;
    assert_eq!(next, Next::At { at: later(DAY * 3), why: half(DAY), held_by: Some(Hold::Quota) });
}

#[test]
fn what_a_quota_leaves_goes_to_freshness() {
    for (quota, keep_alive, freshness, stretch) in [
        (10_000.0, 100.0, 5_000.0, 1.0),
        (10_000.0, 2_000.0, 16_000.0, 2.0),
        (10_000.0, 20_000.0, 10_000.0, 100.0),
        (0.0, 0.0, 0.0, 1.0),
    ] {
        let plan = QuotaPlan::for_fleet(quota, keep_alive, freshness);
        assert!((plan.stretch - stretch).abs() < 1e-9, "{quota} {keep_alive} {freshness}: {plan:?}");
    }
}

#[test]
fn a_token_is_not_refreshed_before_its_minimum_age() {
    let mut instagram = endless();
    instagram.access_token.minimum_age = fact(Life(DAY));
    let connection = connection(Some(HOUR * 24));
    let expected = Next::At { at: later(DAY), why: half(DAY), held_by: Some(Hold::MinimumAge) };
    assert_eq!(next(&connection, &instagram, start()), expected);
}

#[test]
fn the_providers_that_come_with_it() {
    let contact = builtin("constant-contact");
    let shop = connection(Some(DAY));
    assert_eq!(next(&shop, &contact, start()), wished(&shop, at("2026-11-03T20:00:00Z"), half(DAY)));
    let form = connection(Some(DAY)).policy(Policy::OnDemand);
    let verified = Basis::File { verified: true };
    let keep_alive = Why::KeepAlive { limit: DAY * 180, basis: verified };
    assert_eq!(next(&form, &contact, start()), wished(&form, at("2027-02-01T08:00:00Z"), keep_alive));

    let google = builtin("google");
    let unread = connection(Some(HOUR));
    assert_eq!(next(&unread, &google, start()), wished(&unread, later(DAY), daily(HOUR)));
    let testing = unread.ends(RefreshEnd::Absolute(later(DAY * 7)));
    assert_eq!(absolute_end(testing.grant.as_ref().unwrap(), &google).unwrap().at, later(DAY * 7));

    let okta = builtin("okta");
    let form = connection(Some(HOUR)).policy(Policy::OnDemand);
    let keep_alive = Why::KeepAlive { limit: DAY * 7, basis: verified };
    assert_eq!(next(&form, &okta, start()), wished(&form, at("2026-11-06T20:00:00Z"), keep_alive));
}

#[test]
fn how_fresh_a_reader_may_want_it() {
    let ten = Some(SECOND * 10);
    for (wanted, life, effective, cut_from) in [
        (None, Some(DAY), MINUTE, None),
        (None, ten, SECOND, None),
        (None, None, Duration::ZERO, None),
        (Some(MINUTE * 5), Some(HOUR), MINUTE * 5, None),
        (Some(HOUR), Some(HOUR), MINUTE * 30, Some(HOUR)),
        (Some(SECOND * 5), ten, SECOND * 5, None),
        (Some(SECOND * 6), ten, SECOND * 5, Some(SECOND * 6)),
        (Some(Duration::MAX), ten, SECOND * 5, Some(Duration::MAX)),
    ] {
        assert_eq!(min_ttl(wanted, life), MinTtl { effective, cut_from }, "{wanted:?} {life:?}");
    }
}
