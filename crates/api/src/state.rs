use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::state::{Cause, Reason, State};

/// What a connection is doing, on one level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateView {
    /// `pending`, `unverified`, `active`, `failing`, `needs_reauth`, `paused` or `disconnecting`.
    pub state: String,
    /// Why it is failing (`transient`, `client`, `refused`, `doubted`, `outcome_unknown`) or needs a person
    /// (`invalid_grant`, `outcome_unknown`, `another_account`, `nothing_to_renew_with`); `null` otherwise. Also behind
    /// a pause.
    pub cause: Option<String>,
    /// The provider's own words, redacted, or what became of its answer; `null` where nothing is known.
    pub detail: Option<String>,
    /// Since when; `null` where all is well.
    pub since: Option<Timestamp>,
    /// How many tries failed since; `null` unless it is failing.
    pub tries: Option<u32>,
    /// Not before this time is it tried again; `null` unless it is failing.
    pub next_try_at: Option<Timestamp>,
    /// What a paused connection goes back to; `null` unless it is paused.
    pub prior: Option<String>,
}

impl From<&State> for StateView {
    fn from(state: &State) -> Self {
        let named = Self { state: state.name().to_owned(), ..Self::default() };
        match state {
            State::Pending | State::Unverified { .. } | State::Active | State::Disconnecting => named,
            State::Paused { prior } => {
                let behind = Self::from(&**prior);
                Self { state: named.state, prior: Some(behind.state.clone()), ..behind }
            }
            State::NeedsReauth { reason, since } => {
                let (cause, detail) = match reason {
                    Reason::InvalidGrant { detail } => ("invalid_grant", Some(detail.clone())),
                    Reason::OutcomeUnknown { detail, .. } => ("outcome_unknown", words([detail])),
                    Reason::AnotherAccount => ("another_account", None),
                    Reason::NothingToRenewWith => ("nothing_to_renew_with", None),
                };
                Self { cause: Some(cause.to_owned()), detail, since: Some(*since), ..named }
            }
            State::Failing(failing) => {
                let (cause, detail) = match &failing.cause {
                    Cause::Transient { detail } => ("transient", Some(detail.clone())),
                    Cause::Client { detail } => ("client", Some(detail.clone())),
                    Cause::Refused { detail } => ("refused", Some(detail.clone())),
                    Cause::Doubted { detail } => ("doubted", Some(detail.clone())),
                    Cause::OutcomeUnknown(lost) => {
                        ("outcome_unknown", words([&lost.detail].into_iter().chain(&lost.last)))
                    }
                };
                Self {
                    cause: Some(cause.to_owned()),
                    detail,
                    since: Some(failing.since),
                    tries: Some(failing.tries),
                    next_try_at: Some(failing.next),
                    ..named
                }
            }
        }
    }
}

/// What was said, one after the other; `None` where nothing was.
fn words<'a>(said: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let said: Vec<&str> = said.into_iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
    (!said.is_empty()).then(|| said.join("; then: "))
}

#[cfg(test)]
mod tests {
    use vestal_core::state::{Failing, OutcomeUnknown};

    use super::*;

    #[test]
    fn how_an_answer_was_lost_is_told_and_what_came_since() {
        let at = Timestamp::from_second(1_000).unwrap();
        let lost = |detail: &str, last: Option<&str>| {
            let unknown = OutcomeUnknown {
                attempt: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
                sent_at: at,
                hold_until: at,
                detail: detail.to_owned(),
                last: last.map(str::to_owned),
                untried: false,
                lost_at: None,
                rejected: false,
                client_refused: false,
            };
            let failing =
                Failing { cause: Cause::OutcomeUnknown(Box::new(unknown)), since: at, tries: 2, next: at };
            StateView::from(&State::Failing(failing)).detail
        };
        assert_eq!(lost("timed out", None).as_deref(), Some("timed out"));
        assert_eq!(lost("timed out", Some("no route")).as_deref(), Some("timed out; then: no route"));
        assert_eq!(lost("", None), None, "an older version did not write it down");
    }

    #[test]
    fn a_pause_does_not_hide_what_is_behind_it() {
        let since = Timestamp::from_second(1_000).unwrap();
        let reason = Reason::InvalidGrant { detail: "invalid_grant".into() };
        let paused = State::Paused { prior: Box::new(State::NeedsReauth { reason, since }) };
        let view = StateView::from(&paused);
        assert_eq!((view.state.as_str(), view.prior.as_deref()), ("paused", Some("needs_reauth")));
        assert_eq!((view.cause.as_deref(), view.since), (Some("invalid_grant"), Some(since)));
    }
}
