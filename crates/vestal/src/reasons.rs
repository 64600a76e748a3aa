//! Why the schedule says what it says, in sentences.

use vestal_core::connection::Policy;
use vestal_core::schedule::{Basis, Hold, Next, Schedule, Why, WhyNever};

use crate::when::{Calendar, span};

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
