//! Why the schedule says what it says, in sentences.

use std::time::Duration;

use vestal_api::SeenView;
use vestal_core::connection::Policy;
use vestal_core::evidence::Contradiction;
use vestal_core::schedule::{Basis, Hold, Next, Schedule, Why, WhyNever};
use vestal_core::token::{Candidate, WhyCandidate};

use crate::when::{Calendar, span};

/// As many answers that were kept aside are counted.
pub(crate) const CANDIDATES_COUNTED: u32 = 100;

/// When the next refresh is, and why then.
pub(crate) fn next(schedule: &Schedule, calendar: &Calendar) -> String {
    match schedule.next {
        Next::At { at, why, held_by } => {
            let held = held_by.map(|hold| format!(" — and not before: {}", floor(hold))).unwrap_or_default();
            let verb = if at <= calendar.now() { "is due since" } else { "is at" };
            format!("The next refresh {verb} {}: {}{held}.", calendar.moment_and_away(at), wish(why))
        }
        Next::Never(why) => format!("There is no next refresh: {}.", never(why)),
    }
}

/// Why a refresh would be good.
pub(crate) fn wish(why: Why) -> String {
    let stretched = |stretch: f64| match stretch > 1.0 {
        true => format!(", {stretch:.1} times as long as usual because of a quota"),
        false => String::new(),
    };
    match why {
        Why::HalfLife { life, stretch } => {
            format!("half of the access token's {} are over then{}", span(life), stretched(stretch))
        }
        Why::Daily { life, stretch } => format!(
            "the access token lives {} and nobody has read it in the last 7 days, so it is refreshed once a day, to \
             learn within a day of a grant that died{}",
            span(life),
            stretched(stretch)
        ),
        Why::KeepAlive { limit, basis } => format!(
            "half of the {} are over then after which the refresh token dies of disuse ({})",
            span(limit),
            self::basis(basis)
        ),
        Why::Exchange { life } => format!(
            "half of the access token's {} are over then, and it is exchanged for a newer one while it lives",
            span(life)
        ),
        Why::Lengthen { life } => format!(
            "the access token lives {} as the consent brought it, and is exchanged for a long-lived one",
            span(life)
        ),
        Why::WithinTime { within } => format!(
            "the provider wants each access token renewed within {}, and nine tenths of that are over then",
            span(within)
        ),
        Why::Retry => "the last try failed".to_owned(),
        Why::Verify => "it was imported, and nobody knows yet whether it works".to_owned(),
    }
}

/// Why a refresh has to wait.
pub(crate) fn floor(hold: Hold) -> &'static str {
    match hold {
        Hold::AfterFailure => "the provider is left in peace after a failure",
        Hold::OutcomeUnknown => "an answer was lost, and trying the same refresh token again could do harm",
        Hold::Quota => "the quota is used up",
        Hold::MinimumAge => "the provider refreshes only what is old enough",
        Hold::ShortestInterval => "no connection is refreshed more often than once a second",
    }
}

/// Why there is no next refresh.
pub(crate) fn never(why: WhyNever) -> &'static str {
    match why {
        WhyNever::WaitingForConsent => "a person has to consent first",
        WhyNever::NeedsReauth => "a person has to consent anew",
        WhyNever::Paused => "somebody paused it",
        WhyNever::Disconnecting => "it is being disconnected",
        WhyNever::NothingToRenewWith => {
            "there is no refresh token, and no other way to renew the access token"
        }
        WhyNever::OnDemand => "its policy is on-demand, and nothing has to be kept alive",
        WhyNever::OnRejection => {
            "it is refreshed when the access token is rejected, and nothing has to be kept alive"
        }
    }
}

/// Who says how long something lives.
pub(crate) fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Answer => "as the provider's answers say",
        Basis::File { verified: true } => "as the provider's file says",
        Basis::File { verified: false } => "as the provider's file says, not verified",
        Basis::Assumed => "assumed, since nobody says",
    }
}

/// Why an answer was kept aside.
pub(crate) fn kept_aside(why: WhyCandidate) -> &'static str {
    match why {
        WhyCandidate::NewerGrant => "there is a newer consent",
        WhyCandidate::NewerTokens => "there is a newer token set",
        WhyCandidate::AnotherRefreshToken => "another refresh token is stored",
        WhyCandidate::Unreadable => "it could not be read",
        WhyCandidate::HoldsTokens => "it is no token set, and tokens are in it",
        WhyCandidate::UnbelievableIdToken => "its id token could not be believed",
        WhyCandidate::AnotherAccount => "it is another account's",
        WhyCandidate::RefusedConsent => "it came for a consent that was not taken",
    }
}

/// How many answers are kept aside, and why the newest one is; `None` where there are none.
pub(crate) fn candidates(newest_first: &[Candidate], calendar: &Calendar) -> Option<String> {
    let newest = newest_first.first()?;
    let count = match newest_first.len() {
        1 => "One answer is".to_owned(),
        count if count < CANDIDATES_COUNTED as usize => format!("{count} answers are"),
        count => format!("{count} answers or more are"),
    };
    let (at, why) = (calendar.moment_and_away(newest.kept_at), kept_aside(newest.why));
    Some(format!("{count} kept aside, sealed; the newest came {at}: {why}."))
}

/// What was seen of a provider, beside what its file says.
pub(crate) fn seen(seen: &SeenView, calendar: &Calendar) -> String {
    let file = match (&seen.file, seen.contradicts) {
        (None, _) => "the file does not say".to_owned(),
        (Some(file), true) => format!("the file says {file}, which DOES NOT FIT"),
        (Some(file), false) => format!("the file says {file}"),
    };
    format!("{} = {}, first seen {} ({file})", seen.name, seen.value, calendar.day(seen.since))
}

/// What of a provider's file does not fit.
pub(crate) fn contradiction(found: Contradiction) -> String {
    let span = |seconds| span(Duration::from_secs(seconds));
    match found {
        Contradiction::Rotated => {
            "the refresh token stays the same, and a refresh replaced it: from now on that is reckoned with"
                .to_owned()
        }
        Contradiction::NotRotated => "each refresh replaces the refresh token, and one did not".to_owned(),
        Contradiction::AccessTokenLife { file_seconds, seen_seconds } => {
            format!("an access token lives {}, and an answer said {}", span(file_seconds), span(seen_seconds))
        }
        Contradiction::IdleLimit { file_seconds, seen_seconds } => {
            let file = match file_seconds {
                Some(limit) => format!("the refresh token dies after {} of disuse", span(limit)),
                None => "the refresh token does not die of disuse".to_owned(),
            };
            format!("{file}, and answers said {}", span(seen_seconds))
        }
        Contradiction::Grace { file_seconds, refused_after_seconds } => format!(
            "a replaced refresh token is accepted for {}, and one was refused after {}: from now on that is reckoned with",
            span(file_seconds),
            span(refused_after_seconds)
        ),
    }
}

/// What a policy means.
pub(crate) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Auto => "kept fresh while that is cheap, or while it is read; otherwise refreshed once a day",
        Policy::Always => "always kept fresh",
        Policy::OnDemand => {
            "refreshed when somebody asks, and as often as the refresh token needs to stay alive"
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use vestal_core::token::CandidateAnswer;

    use super::*;

    fn calendar() -> Calendar {
        Calendar::utc("2026-11-04T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn answers_that_are_kept_aside_are_counted() {
        let kept = |kept_at: &str, why| Candidate {
            attempt: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
            kept_at: kept_at.parse().unwrap(),
            why,
            sealed_for: None,
            answer: CandidateAnswer::Raw(vestal_core::seal::Sealed::from_bytes(vec![1])),
        };
        let newest = kept("2026-11-04T11:00:00Z", WhyCandidate::Unreadable);
        let older = kept("2026-11-03T11:00:00Z", WhyCandidate::NewerGrant);
        assert_eq!(candidates(&[], &calendar()), None);
        assert_eq!(
            candidates(&[newest.clone(), older.clone()], &calendar()).unwrap(),
            "2 answers are kept aside, sealed; the newest came 4 Nov 2026, 11:00 (60 min ago): \
             it could not be read."
        );
        let many = vec![older; CANDIDATES_COUNTED as usize];
        assert!(candidates(&many, &calendar()).unwrap().starts_with("100 answers or more are kept aside"));
        assert!(candidates(&[newest], &calendar()).unwrap().starts_with("One answer is kept aside"));
    }

    #[test]
    fn what_was_seen_is_told_beside_the_file() {
        let told = |file: Option<&str>, contradicts| {
            let since: Timestamp = "2026-11-03T12:00:00Z".parse().unwrap();
            let (name, value) = ("refresh_token.grace".to_owned(), "refused after 12s".to_owned());
            seen(&SeenView { name, value, since, file: file.map(str::to_owned), contradicts }, &calendar())
        };
        let seen = "refresh_token.grace = refused after 12s, first seen 3 Nov 2026";
        assert_eq!(told(Some("30s"), true), format!("{seen} (the file says 30s, which DOES NOT FIT)"));
        assert_eq!(told(Some("none"), false), format!("{seen} (the file says none)"));
        assert_eq!(told(None, false), format!("{seen} (the file does not say)"));
        let grace = Contradiction::Grace { file_seconds: 30, refused_after_seconds: 12 };
        assert!(
            contradiction(grace)
                .starts_with("a replaced refresh token is accepted for 30 s, and one was refused after 12 s")
        );
    }
}
