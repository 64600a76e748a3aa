use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::state::{Cause, Reason, State};

/// Declares codes: what each means, and how it is written.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$means:meta])* $code:ident = $written:literal,)* }) => {
        $(#[$doc])*
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$means])* #[serde(rename = $written)] $code,)*
        }

        impl $name {
            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $written,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// What a connection is doing.
    StateName {
        /// It waits for a person to consent.
        Pending = "pending",
        /// It was imported, and not refreshed yet: nobody knows whether it works.
        Unverified = "unverified",
        /// It works.
        Active = "active",
        /// The last try failed; another follows.
        Failing = "failing",
        /// Only a person can help. Its tokens are kept.
        NeedsReauth = "needs_reauth",
        /// No refreshes until it is resumed.
        Paused = "paused",
        /// It is being taken apart: no token is given out any more.
        Disconnecting = "disconnecting",
    }
}

codes! {
    /// Why a connection is failing, or needs a person.
    CauseName {
        /// Failing: the provider could not be reached, or said that it is busy.
        Transient = "transient",
        /// Failing: the provider does not accept the client (`invalid_client`).
        Client = "client",
        /// Failing: the provider refused the request, for a reason that says nothing about the grant.
        Refused = "refused",
        /// Failing: `invalid_grant`, once, from a provider where a second try does no harm.
        Doubted = "doubted",
        /// An answer was lost that may have held another refresh token. Failing: it is tried again. Needs a person: the refresh token
        /// that there is is no longer accepted.
        OutcomeUnknown = "outcome_unknown",
        /// Needs a person: the provider said `invalid_grant`; the grant was revoked, has expired, or died of disuse.
        InvalidGrant = "invalid_grant",
        /// Needs a person: a refresh brought the tokens of another account, which were kept aside.
        AnotherAccount = "another_account",
        /// Needs a person: the access token ended or was rejected, and there is nothing to renew it with.
        NothingToRenewWith = "nothing_to_renew_with",
    }
}

/// What a connection is doing, on one level.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateView {
    /// What it is doing.
    pub state: StateName,
    /// Why it is failing or needs a person; `null` otherwise. Also behind a pause.
    pub cause: Option<CauseName>,
    /// The provider's own words, redacted, or what became of its answer; `null` where nothing is known.
    pub detail: Option<String>,
    /// Since when; `null` where all is well.
    pub since: Option<Timestamp>,
    /// How many tries failed since; `null` unless it is failing.
    pub tries: Option<u32>,
    /// Not before this time is it tried again; `null` unless it is failing.
    pub next_try_at: Option<Timestamp>,
    /// What a paused connection goes back to; `null` unless it is paused.
    pub prior: Option<StateName>,
}

impl StateView {
    /// Nothing but what it is doing.
    fn named(state: StateName) -> Self {
        Self { state, cause: None, detail: None, since: None, tries: None, next_try_at: None, prior: None }
    }
}

impl From<&State> for StateView {
    fn from(state: &State) -> Self {
        match state {
            State::Pending => Self::named(StateName::Pending),
            State::Unverified { .. } => Self::named(StateName::Unverified),
            State::Active => Self::named(StateName::Active),
            State::Disconnecting => Self::named(StateName::Disconnecting),
            State::Paused { prior } => {
                let behind = Self::from(&**prior);
                Self { state: StateName::Paused, prior: Some(behind.state), ..behind }
            }
            State::NeedsReauth { reason, since } => {
                let (cause, detail) = match reason {
                    Reason::InvalidGrant { detail } => (CauseName::InvalidGrant, Some(detail.clone())),
                    Reason::OutcomeUnknown { detail, .. } => (CauseName::OutcomeUnknown, words([detail])),
                    Reason::AnotherAccount => (CauseName::AnotherAccount, None),
                    Reason::NothingToRenewWith => (CauseName::NothingToRenewWith, None),
                };
                Self {
                    cause: Some(cause),
                    detail,
                    since: Some(*since),
                    ..Self::named(StateName::NeedsReauth)
                }
            }
            State::Failing(failing) => {
                let (cause, detail) = match &failing.cause {
                    Cause::Transient { detail } => (CauseName::Transient, Some(detail.clone())),
                    Cause::Client { detail } => (CauseName::Client, Some(detail.clone())),
                    Cause::Refused { detail } => (CauseName::Refused, Some(detail.clone())),
                    Cause::Doubted { detail } => (CauseName::Doubted, Some(detail.clone())),
                    Cause::OutcomeUnknown(lost) => {
                        (CauseName::OutcomeUnknown, words([&lost.detail].into_iter().chain(&lost.last)))
                    }
                };
                Self {
                    cause: Some(cause),
                    detail,
                    since: Some(failing.since),
                    tries: Some(failing.tries),
                    next_try_at: Some(failing.next),
                    ..Self::named(StateName::Failing)
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
    fn a_code_is_told_as_it_is_written() {
        let (state, cause) = (StateName::NeedsReauth, CauseName::NothingToRenewWith);
        assert_eq!(serde_json::json!([state, cause]), serde_json::json!([state.as_str(), cause.to_string()]));
    }

    #[test]
    fn a_pause_does_not_hide_what_is_behind_it() {
        let since = Timestamp::from_second(1_000).unwrap();
        let reason = Reason::InvalidGrant { detail: "invalid_grant".into() };
        let paused = State::Paused { prior: Box::new(State::NeedsReauth { reason, since }) };
        let view = StateView::from(&paused);
        assert_eq!((view.state, view.prior), (StateName::Paused, Some(StateName::NeedsReauth)));
        assert_eq!((view.cause, view.since), (Some(CauseName::InvalidGrant), Some(since)));
    }
}
