use vestal_core::provider::catalogue;

use super::*;

fn provider(id: &str) -> Provider {
    catalogue::builtin(id).unwrap().unwrap()
}

fn course(mistake: Option<Mistake>) -> Course {
    Course { seed: 1, busy: Some(3 * DAY), mistake, traced: true }
}

/// Whether a rule finds something in any life of a provider.
fn is_found(id: &str, mistake: Mistake, rule: &str) -> bool {
    let provider = provider(id);
    behaviours(&provider).iter().any(|life| {
        let outcome = live(&provider, life, &course(Some(mistake)));
        outcome.violations.iter().any(|violation| violation.rule == rule)
    })
}

#[test]
fn each_file_of_the_catalogue_has_a_life() {
    let with_lives: Vec<String> = providers()
        .into_iter()
        .filter(|provider| !behaviours(provider).is_empty())
        .map(|provider| provider.id)
        .collect();
    assert!(with_lives.iter().eq(catalogue::ids()), "{with_lives:?}");
}

#[test]
fn a_life_without_mistakes_has_no_violations() {
    for (id, lives) in [("docusign", 1), ("linkedin", 4), ("figma", 2), ("instagram", 2), ("facebook", 2)] {
        let provider = provider(id);
        for life in behaviours(&provider).iter().take(lives) {
            let outcome = live(&provider, life, &course(None));
            assert!(outcome.violations.is_empty(), "{id}: {:?}: {:#?}", life.chosen, outcome.violations);
            assert!(outcome.refreshes > 0 && outcome.reads > 5, "{id}: {outcome:?}");
        }
    }
}

#[test]
fn who_refreshes_only_when_read_loses_what_lies_unused() {
    assert!(is_found("docusign", Mistake::OnlyWhenRead, "kept"));
}

#[test]
fn who_knows_no_idle_limit_loses_what_lies_unused() {
    assert!(is_found("docusign", Mistake::NoIdleLimit, "kept"));
}

#[test]
fn who_knows_no_end_warns_of_none() {
    assert!(is_found("linkedin", Mistake::NoAbsoluteEnd, "warned"));
}

#[test]
fn what_has_no_end_is_never_refreshed_and_its_withdrawal_is_known_once_a_token_is_rejected() {
    for id in ["mailchimp", "github-oauth", "tiktok-business"] {
        let provider = provider(id);
        for life in behaviours(&provider) {
            let outcome = live(&provider, &life, &course(None));
            assert!(outcome.violations.is_empty(), "{id}: {:?}: {:#?}", life.chosen, outcome.violations);
            assert!(outcome.refreshes == 0 && outcome.reads > 5, "{id}: {outcome:?}");
            let told = outcome.trace.iter().filter(|line| line.contains("its reader is told")).count();
            let consents = outcome.trace.iter().filter(|line| line.ends_with("its user consents")).count();
            assert_eq!((told, consents), (1, Habit::ALL.len() + 1), "{id}: {:#?}", outcome.trace);
        }
    }
}

#[test]
fn who_does_not_exchange_access_tokens_loses_them() {
    assert!(is_found("instagram", Mistake::NoRenewal, "kept"));
}

#[test]
fn who_knows_no_end_of_an_access_token_warns_of_none() {
    assert!(is_found("facebook", Mistake::NoAbsoluteEnd, "warned"));
}

#[test]
fn who_refreshes_by_the_clock_is_noticed_where_that_is_not_wanted() {
    assert!(is_found("twitch", Mistake::ByTheClock, "limits"));
}

#[test]
fn the_same_seed_is_the_same_life() {
    let provider = provider("docusign");
    let life = &behaviours(&provider)[0];
    let (first, second) = (live(&provider, life, &course(None)), live(&provider, life, &course(None)));
    assert!(first.trace.len() > 10, "{:?}", first.trace);
    assert_eq!(first.trace, second.trace);
}
