use vestal_core::id::AttemptId;
use vestal_core::state::OutcomeUnknown;

use super::*;
use crate::entropy::SystemEntropy;

fn told(error: Error) -> (u8, String) {
    let now: Timestamp = "2026-11-04T12:00:00Z".parse().unwrap();
    let failure = Failure::of(error, Some("Constant Contact"), &Calendar::utc(now));
    let code = failure.exit_code();
    (code, crate::failure::render(&failure.view().unwrap(), crate::output::Palette::PLAIN))
}

#[test]
fn a_dead_grant_says_who_killed_it_and_when() {
    let since: Timestamp = "2026-11-03T10:00:00Z".parse().unwrap();
    let error = Error::NeedsReauth {
        name: "shop".parse().unwrap(),
        reason: Reason::InvalidGrant { detail: "invalid_grant".into() },
        since,
        last_issued_at: Some("2026-05-06T10:00:00Z".parse().unwrap()),
    };
    let (code, text) = told(error);
    assert_eq!(code, 3);
    assert_eq!(
        text,
        "error: \"shop\" needs re-authorization\n  \
         why:  Constant Contact said invalid_grant on 3 Nov 2026; the last refresh was 181 days earlier\n  \
         next: vestal connect shop\n"
    );
}

#[test]
fn an_answer_that_nobody_can_open_says_why_and_how_to_do_without_it() {
    let untaken = |source| {
        let what = "an answer for \"the shop\" in the journal".to_owned();
        let why = Box::new(Error::Sealed { what, source });
        told(Error::Untaken { name: "the shop".parse().unwrap(), why })
    };
    let without = "to do without that answer: vestal connect 'the shop'; to remove it with its grant left as it is: \
                   vestal disconnect --keep-grant 'the shop'\n";
    let (code, text) = untaken(OpenError::Corrupt);
    assert_eq!(code, 1);
    assert!(
        text.starts_with("error: the last answer for \"the shop\" cannot be taken from the journal\n"),
        "{text}"
    );
    assert!(text.contains("in the journal cannot be opened: the sealed value is damaged"), "{text}");
    assert!(text.ends_with(&format!("next: {without}")), "{text}");
    let (_, text) = untaken(OpenError::UnknownFormat(9));
    assert!(
        text.ends_with(&format!("next: use the newer version of Vestal that sealed it; {without}")),
        "{text}"
    );
}

#[test]
fn a_failure_that_passes_says_when_it_is_tried_again() {
    let error = Error::Failing {
        name: "the shop".parse().unwrap(),
        cause: Cause::Transient { detail: "answered 503 with HTML".into() },
        next: "2026-11-04T12:00:40Z".parse().unwrap(),
    };
    let (code, text) = told(error);
    assert_eq!(code, 4);
    assert!(text.contains("Constant Contact could not be asked: answered 503"), "{text}");
    assert!(text.contains("tried again 4 Nov 2026, 12:00 (in 40 s)"), "{text}");
    assert!(text.starts_with("error: \"the shop\" could not be refreshed, and has no valid"), "{text}");
}

#[test]
fn while_a_token_serves_a_refresh_that_failed_says_until_when() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let calendar = Calendar::utc(at("2026-11-04T12:00:00Z"));
    let next = at("2026-11-04T13:30:00Z");
    let cause = Cause::OutcomeUnknown(Box::new(OutcomeUnknown {
        attempt: AttemptId::new(next, &SystemEntropy),
        sent_at: at("2026-11-04T11:59:00Z"),
        hold_until: next,
        detail: "timed out".to_owned(),
        last: None,
        untried: false,
        lost_at: None,
        rejected: false,
        client_refused: false,
    }));
    let name = "shop".parse().unwrap();
    let failure = Failure::failing(&name, &cause, next, Some(next), "Okta", &calendar);
    let text = crate::failure::render(&failure.view().unwrap(), crate::output::Palette::PLAIN);
    assert!(text.starts_with("error: \"shop\" could not be refreshed\n"), "{text}");
    assert!(text.contains("its access token serves until 4 Nov 2026, 13:30"), "{text}");
    assert!(text.contains("next: vestal connect shop; only a new consent is sure"), "{text}");
    assert!(text.contains("again 4 Nov 2026, 13:30 (in 90 min), and may need you then"), "{text}");
    assert!(text.contains("why:  an answer of Okta was lost (timed out), and"), "{text}");
}

#[test]
fn names_can_be_pasted_into_a_shell() {
    for (name, typed) in [
        ("shop", "shop"),
        ("café", "café"),
        ("the shop", "'the shop'"),
        ("it's", r"'it'\''s'"),
        ("$(rm)", "'$(rm)'"),
        ("-x", "-- '-x'"),
    ] {
        assert_eq!(word(name), typed);
    }
}
