use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::state::{Cause, Reason, State};

/// What a connection is doing, on one level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StateView {
    /// `pending`, `unverified`, `active`, `failing`, `needs_reauth`, `paused` or `disconnecting`.
    pub state: String,
    /// Why it is failing (`transient`, `client`, `refused`, `doubted`, `outcome_unknown`) or needs a person
    /// (`invalid_grant`, `outcome_unknown`, `nothing_to_renew_with`); `null` otherwise. Also behind a pause.
    pub cause: Option<String>,
    /// The provider's own words, redacted; `null` where it said nothing.
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
            State::Pending | State::Unverified | State::Active | State::Disconnecting => named,
            State::Paused { prior } => {
                let behind = Self::from(&**prior);
                Self { state: named.state, prior: Some(behind.state.clone()), ..behind }
            }
            State::NeedsReauth { reason, since } => {
                let (cause, detail) = match reason {
                    Reason::InvalidGrant { detail } => ("invalid_grant", Some(detail.clone())),
                    Reason::OutcomeUnknown { .. } => ("outcome_unknown", None),
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
                    Cause::OutcomeUnknown { .. } => ("outcome_unknown", None),
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

#[cfg(test)]
mod tests {
    use super::*;

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
