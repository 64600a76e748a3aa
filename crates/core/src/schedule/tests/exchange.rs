//! Access tokens that are exchanged themselves, and those that their provider wants renewed often.

use super::*;

#[test]
fn a_short_lived_one_is_lengthened_at_once_under_every_policy() {
    for (id, policy) in
        [("instagram", Policy::Auto), ("instagram", Policy::OnDemand), ("facebook", Policy::Always)]
    {
        let connection = connection(Some(HOUR)).renewal(Renewal::Exchange).policy(policy);
        let schedule = schedule(&connection, &builtin(id), &QuotaPlan::AMPLE, start(), SEED);
        // The minimum age is of long-lived ones.
        let held_by = Some(Hold::ShortestInterval);
        let expected = Next::At { at: later(SECOND), why: Why::Lengthen { life: HOUR }, held_by };
        assert_eq!(schedule.next, expected, "{id} {policy}");
        assert_eq!(schedule.plan().dies_at, Some(later(HOUR)));
    }
}

#[test]
fn a_long_lived_one_is_renewed_at_half_its_life_and_not_before_its_minimum_age() {
    let instagram = builtin("instagram");
    for policy in [Policy::Auto, Policy::Always, Policy::OnDemand] {
        let connection = connection(Some(DAY * 60)).renewal(Renewal::Exchange).policy(policy);
        let expected = wished(&connection, later(DAY * 30), Why::Exchange { life: DAY * 60 });
        assert_eq!(next(&connection, &instagram, start()), expected, "{policy}");
    }
    let failing = connection(Some(DAY * 60)).renewal(Renewal::Exchange);
    let failing = failing.state(failing_state());
    let expected = Next::At { at: later(DAY), why: Why::Retry, held_by: Some(Hold::MinimumAge) };
    assert_eq!(next(&failing, &instagram, start()), expected);
}

fn failing_state() -> State {
    failing(transient(), start(), start())
}

#[test]
fn one_that_cannot_be_exchanged_again_ends_with_warnings() {
    let connection = connection(Some(DAY * 60)).renewal(Renewal::Exchange);
    let schedule = schedule(&connection, &builtin("facebook"), &QuotaPlan::AMPLE, start(), SEED);
    assert_eq!(schedule.next, Next::Never(WhyNever::NothingToRenewWith));
    assert_eq!(schedule.idle_end, None);
    let end = schedule.absolute_end.unwrap();
    assert_eq!((end.at, end.warnings()[0]), (later(DAY * 60), later(DAY * 30)));
}

#[test]
fn a_provider_may_want_renewals_within_a_time() {
    let square = builtin("square");
    let week = DAY * 7;
    for policy in [Policy::Auto, Policy::OnDemand] {
        let connection = connection(Some(DAY * 30)).policy(policy);
        let expected = wished(&connection, later(week - week / 10), Why::WithinTime { within: week });
        assert_eq!(next(&connection, &square, start()), expected, "{policy}");
    }
    let short = connection(Some(HOUR)).policy(Policy::Always);
    assert_eq!(
        next(&short, &square, start()),
        wished(&short, later(HOUR / 2), half(HOUR)),
        "the earliest counts"
    );
}
