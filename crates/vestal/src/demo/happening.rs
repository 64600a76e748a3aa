//! What has happened, as lines for people.

use jiff::Timestamp;
use vestal_core::event::{Trigger, What};
use vestal_core::state::{Cause, Reason};

use crate::output::Tone;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// What a line of the connection's history says; `None` for what goes without saying.
pub(crate) fn of_event(what: &What) -> Option<(Tone, String)> {
    Some(match what {
        What::Consented { generation, refresh_token: true, .. } => {
            (Tone::Good, format!("consent: generation {generation}, with a refresh token"))
        }
        What::Consented { generation, refresh_token: false, .. } => {
            (Tone::Bad, format!("consent: generation {generation}, without a refresh token"))
        }
        What::Refreshed { generation, rotated, trigger, .. } => {
            let token = if *rotated { "new refresh token" } else { "same refresh token" };
            let asked = match trigger {
                Trigger::Schedule => "",
                Trigger::Read => ", since a reader needed it",
                Trigger::Request => ", since somebody asked",
                Trigger::Journal => ", from the journal",
            };
            (Tone::Good, format!("refreshed: generation {generation}, {token}{asked}"))
        }
        What::Failed { why, .. } => (Tone::Warning, format!("a try failed: {}", cause(why))),
        What::Abandoned { .. } => {
            (Tone::Warning, "a try was found whose outcome nobody wrote down".to_owned())
        }
        What::CandidateKept { .. } => {
            (Tone::Warning, "an answer that does not fit was kept aside".to_owned())
        }
        What::NeedsReauth { why } => (Tone::Bad, format!("needs a person: {}", reason(why))),
        What::ClientRefused { detail, .. } => (Tone::Bad, format!("the client is refused: {detail}")),
        What::ClientAccepted { .. } => (Tone::Good, "the client is accepted again".to_owned()),
        What::EndsSoon { unused: true, .. } => (Tone::Warning, "its end by disuse comes".to_owned()),
        What::EndsSoon { .. } => (Tone::Warning, "its end comes, and no refresh moves it".to_owned()),
        What::Contradiction { .. } => {
            (Tone::Warning, "what the provider's file says does not fit".to_owned())
        }
        What::Created
        | What::ConsentAsked { .. }
        | What::Imported { .. }
        | What::Rejected { .. }
        | What::Paused
        | What::Resumed
        | What::PolicySet { .. }
        | What::Disconnecting => {
            return None;
        }
    })
}

fn cause(cause: &Cause) -> &str {
    match cause {
        Cause::Transient { detail }
        | Cause::Client { detail }
        | Cause::Refused { detail }
        | Cause::Doubted { detail } => detail,
        Cause::OutcomeUnknown(_) => "the answer was lost",
    }
}

fn reason(reason: &Reason) -> &str {
    match reason {
        Reason::InvalidGrant { detail } => detail,
        Reason::OutcomeUnknown { .. } => "an answer was lost, and with it the refresh token",
        Reason::AnotherAccount => "the answer was for another account",
        Reason::NothingToRenewWith => "there is no refresh token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_refresh_came_early_is_said() {
        let refreshed = |trigger| {
            let attempt = "00000000-0000-7000-8000-000000000000".parse().unwrap();
            of_event(&What::Refreshed { attempt, generation: 3, rotated: true, expires_at: None, trigger })
        };
        let said =
            |text: &str| Some((Tone::Good, format!("refreshed: generation 3, new refresh token{text}")));
        assert_eq!(refreshed(Trigger::Schedule), said(""));
        assert_eq!(refreshed(Trigger::Read), said(", since a reader needed it"));
        let died = What::NeedsReauth { why: Reason::InvalidGrant { detail: "invalid_grant".to_owned() } };
        assert_eq!(of_event(&died), Some((Tone::Bad, "needs a person: invalid_grant".to_owned())));
        assert_eq!(of_event(&What::Created), None);
    }
}
