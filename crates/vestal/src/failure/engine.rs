//! What the engine's errors mean to whoever runs a command.

use jiff::{SignedDuration, Timestamp};
use vestal_api::Code;
use vestal_core::connection::ConnectionName;
use vestal_core::seal::OpenError;
use vestal_core::site::UnfitSite;
use vestal_core::state::{Cause, Reason};
use vestal_engine::{CatalogueError, Error};

use super::ended::ended;
use super::lost::of_detail;
use super::{Failure, why_sealed};
use crate::when::Calendar;

/// A try that is no further away is worth waiting for.
const SOON: SignedDuration = SignedDuration::from_mins(1);

impl Failure {
    /// An error of the engine. `provider` is the name of the connection's provider, where it is known.
    pub(crate) fn of(error: Error, provider: Option<&str>, calendar: &Calendar) -> Self {
        let provider = provider.unwrap_or("the provider");
        let told = error.to_string();
        match error {
            Error::NoSuchConnection { name } => Self::failed(told)
                .next(format!(
                    "see those there are with: vestal list; or make it with: vestal connect {}",
                    word(&name)
                )),
            Error::NoSuchClient { .. } => Self::failed(told)
                .next("see those there are with: vestal client list; or add it with: vestal client add"),
            Error::Taken { .. } => Self::failed(told).next("choose another name"),
            Error::Unimportable { name, why } => {
                Self::failed(format!("{name:?} was not imported")).why(why)
            }
            Error::BadTags { name, why } => {
                Self::usage(format!("{name:?} was not changed")).why(why)
            }
            Error::BadName { what, name, why } => {
                Self::usage(format!("{what} cannot be called {name:?}")).why(why).next("choose another name")
            }
            Error::Pending { name } => {
                Self::new(Code::NeedsReauth, waits(&name, "waits for somebody to consent"))
                    .why("nobody has completed a consent for it yet")
                    .next(format!("vestal connect {}", word(name.as_str())))
            }
            Error::NeedsReauth { name, reason, since, last_issued_at } => {
                let mut why = reason_of(&reason, provider);
                why.push_str(&format!(" on {}", calendar.day(since)));
                if let Some(issued_at) = last_issued_at {
                    let span = calendar.between(issued_at, since);
                    why.push_str(&format!("; the last refresh was {span} earlier"));
                }
                Self::new(Code::NeedsReauth, waits(&name, "needs re-authorization"))
                    .why(why)
                    .next(format!("vestal connect {}", word(name.as_str())))
            }
            Error::Paused { name } => Self::failed(waits(&name, "is paused, and its access token has ended"))
                .why("no refreshes are made while a connection is paused")
                .next(format!("vestal resume {}", word(name.as_str()))),
            Error::Disconnecting { name } => Self::failed(waits(&name, "is being disconnected"))
                .next(format!("finish that with: vestal disconnect {}", word(name.as_str()))),
            Error::Failing { name, cause, next } => {
                Self::failing(&name, &cause, next, None, provider, calendar)
            }
            Error::Busy { name } => {
                Self::new(Code::TemporarilyUnavailable, waits(&name, "was not refreshed in time"))
                    .why("no new access token came within the time that a reader waits")
                    .next(format!("try again; what goes on tells: vestal events {}", word(name.as_str())))
            }
            // Of which connection, whoever asked for it knows.
            Error::Consent { why } => {
                Self::failed("the consent was not completed").why(why).next("connect it again: vestal connect NAME")
            }
            Error::NoToken { provider, detail, transient } => {
                let (code, next) = match transient {
                    true => (Code::TemporarilyUnavailable, "try again"),
                    false => {
                        (Code::Failed, "check the client id, the secret, the redirect URI and the scopes")
                    }
                };
                Self::new(code, format!("{provider} gave no token")).why(detail).next(next)
            }
            Error::NotPushed { provider, detail, transient } => {
                let (code, next) = match transient {
                    true => (Code::TemporarilyUnavailable, "try again"),
                    false => {
                        (Code::Failed, "check how the client proves itself, the redirect URI and the scopes")
                    }
                };
                Self::new(code, format!("{provider} did not take the request for consent")).why(detail).next(next)
            }
            Error::NotRevoked { name, provider, detail, transient } => {
                let code = if transient { Code::TemporarilyUnavailable } else { Code::Failed };
                let error = format!("{provider} did not revoke the grant of {name:?}, so the connection was kept");
                Self::new(code, error).why(detail).next(format!(
                    "try again; or leave the grant as it is with: vestal disconnect --keep-grant {}",
                    word(name.as_str())
                ))
            }
            Error::WorseConsent { advice, .. } => Self::failed(told)
                .why("the old one can be kept alive, and the new one could not")
                .next(advice.unwrap_or_else(|| "ask for what the provider gives a refresh token for".to_owned())),
            Error::LivingConsent { name } => {
                Self::failed(told)
                    .why("a token that nobody consented to is another account's, and the old one could not be had back")
                    .next(format!("use another name, or give the consent up: vestal disconnect {}", word(name.as_str())))
            }
            Error::AnotherAccount { name } => {
                let again = format!("vestal connect {}", word(name.as_str()));
                let anyway = format!("vestal connect --another-account {}", word(name.as_str()));
                Self::failed(told)
                    .why("a connection is one account's; mostly the browser was logged in as somebody else")
                    .next(format!(
                        "log in as the account you mean, then: {again}; or, to change the account: {anyway}"
                    ))
            }
            Error::UnknownAccount { name } => {
                let typed = word(name.as_str());
                Self::failed(told)
                    .why("a connection is one account's, and nothing that the provider said can be compared with before")
                    .next(format!(
                        "if it is the same account: vestal connect --same-account {typed}; to change the account: vestal connect \
                         --another-account {typed}"
                    ))
            }
            Error::Site { provider, why, .. } => unfit_site(&provider, &why),
            Error::Circle { name, from } => {
                Self::usage(format!("{name:?} cannot be made from the token of {from:?}"))
                    .why(format!("that one is made from the token of {name:?}, or after too many others"))
                    .next("name a connection that a person has consented to, or a client has the credentials of")
            }
            Error::Unsigned { detail } => {
                Self::failed("a proof for the token could not be signed").why(detail).next("try again")
            }
            Error::Client { client, .. } => Self::failed(told)
                .next(format!("look at it with: vestal client show {}", word(&client))),
            // Nothing passes by itself here, and no consent helps.
            Error::ClientRefused { name, client, detail, since } => Self::failed(
                format!("{provider} refuses the client {client:?} that {name:?} was made with"),
            )
            .why(format!("since {}: {detail}", calendar.moment(since)))
            .next(format!("vestal client set-secret {}", word(&client))),
            Error::HostDown { name, host, next } => Self::new(
                Code::TemporarilyUnavailable,
                format!("{name:?} could not be refreshed, and has no valid access token"),
            )
            .why(format!("{host} cannot be reached: the last tries failed, so none was made now"))
            .next(format!("nothing; it is tried again {}", calendar.moment_and_away(next))),
            Error::Throttled { name, client, next } => Self::new(
                Code::TemporarilyUnavailable,
                format!("{name:?} could not be refreshed, and has no valid access token"),
            )
            .why(format!("{provider} asked the client {client:?} for patience, so nothing was sent"))
            .next(format!("nothing; it is tried again {}", calendar.moment_and_away(next))),
            Error::Journal(error) => Self::new(
                Code::TemporarilyUnavailable,
                "no refresh was started, since its answer could not have been saved",
            )
            .why(error.detail)
            .next("make room, or mend that folder; vestal doctor looks at it"),
            Error::Journalled { detail, .. } => Self::new(Code::TemporarilyUnavailable, told).why(detail).next("mend the store: whichever vestal runs next puts it there; vestal doctor looks at it"),
            Error::Untaken { name, why } => Self::untaken(&name, *why, provider, calendar),
            Error::Unsaved { name, detail } => Self::failed(format!("{told}, and is lost"))
            .why(format!("neither the store nor a journal took it: {detail}"))
            .next(format!(
                "mend the store, then look with: vestal doctor; if {provider} replaces refresh tokens, connect again: vestal connect {}",
                word(name.as_str())
            )),
            Error::Sealed { source, .. } => {
                let (why, next) = why_sealed(&source);
                Self::failed(told).why(why).next(next)
            }
            Error::Provider(CatalogueError::Unknown { id, nearest }) => {
                unknown_provider(&id, nearest.as_deref())
            }
            Error::Provider(CatalogueError::Mistaken { id, mistakes }) => {
                let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                Self::failed(format!("the file of the provider {id:?} cannot be used"))
                    .why(mistakes.join("\n"))
            }
            Error::Provider(CatalogueError::Unfit { id, mistake }) => {
                Self::failed(format!("your file of the provider {id:?} cannot be used"))
                    .why(mistake)
                    .next("correct it; see: vestal providers check")
            }
            Error::Store(error) => error.into(),
            Error::Contended { .. } | Error::Ending => {
                Self::new(Code::TemporarilyUnavailable, told).next("try again")
            }
        }
    }
}

impl Failure {
    /// The last answer of a connection cannot be taken from the journal: what stands in the way, and how to do without it.
    fn untaken(name: &ConnectionName, why: Error, provider: &str, calendar: &Calendar) -> Self {
        // No backup of the store mends what lies in the journal.
        let damaged = matches!(why, Error::Sealed { source: OpenError::Corrupt, .. });
        let view = Self::of(why, Some(provider), calendar).view();
        let (mend, why) = match view {
            Some(view) => (view.next, [Some(view.error), view.why].into_iter().flatten().collect()),
            None => (None, Vec::new()),
        };
        let typed = word(name.as_str());
        let without = format!(
            "to do without that answer: vestal connect {typed}; to remove it with its grant left as it is: vestal disconnect \
             --keep-grant {typed}"
        );
        Self::failed(format!("the last answer for {name:?} cannot be taken from the journal"))
            .why(why.join(": "))
            .next(match mend.filter(|_| !damaged) {
                Some(mend) => format!("{mend}; {without}"),
                None => without,
            })
    }

    /// The last try to refresh a connection failed. `serves_until` is when its access token ends, while it still serves.
    pub(crate) fn failing(
        name: &ConnectionName,
        cause: &Cause,
        next: Timestamp,
        serves_until: Option<Timestamp>,
        provider: &str,
        calendar: &Calendar,
    ) -> Self {
        let at = calendar.moment_and_away(next);
        let typed = word(name.as_str());
        let error = match serves_until {
            Some(_) => format!("{name:?} could not be refreshed"),
            None => format!("{name:?} could not be refreshed, and has no valid access token"),
        };
        let advice = match cause {
            Cause::Client { .. } => {
                format!("mend the client's secret with: vestal client set-secret; it is tried again {at}")
            }
            Cause::Refused { .. } => {
                format!("it is tried again {at}; look at its history with: vestal events {typed}")
            }
            Cause::OutcomeUnknown(_) if next.duration_since(calendar.now()) > SOON => {
                format!(
                    "vestal connect {typed}; only a new consent is sure. By itself, Vestal tries the old refresh token \
                     again {at}, and may need you then"
                )
            }
            _ => format!("nothing; it is tried again {at}"),
        };
        let mut why = cause_of(cause, provider);
        if let Some(end) = serves_until {
            why.push_str(&format!("\nits access token serves until {}", calendar.moment_and_away(end)));
        }
        Self::new(Code::TemporarilyUnavailable, error).why(why).next(advice)
    }
}

/// Where a provider is, is not known, or nowhere that its file allows.
pub(crate) fn unfit_site(provider: &str, why: &UnfitSite) -> Failure {
    let failure = Failure::usage(why);
    match why {
        UnfitSite::Missing { variable, .. } => {
            failure.why(format!("{provider} is at many places")).next(format!("add --site {variable}=VALUE"))
        }
        UnfitSite::NotAllowed { variable, .. } => {
            failure.next(format!("name another one: --site {variable}=VALUE"))
        }
        UnfitSite::Unknown { .. } => failure.next("correct --site, or leave it out"),
        UnfitSite::NoUrl => failure.next("correct the provider's file"),
    }
}

/// Nobody has described this provider.
fn unknown_provider(id: &str, nearest: Option<&str>) -> Failure {
    if let Some(ended) = ended(id).filter(|_| nearest.is_none()) {
        return ended;
    }
    let failure = Failure::usage(format!("there is no provider {id:?}"));
    match nearest {
        Some(nearest) => failure.next(format!("did you mean {nearest}? See them all with: vestal providers list")),
        None => failure.next(
            "see those there are with: vestal providers list; for any other server: --provider custom --issuer URL",
        ),
    }
}

/// `"shop" is paused`.
fn waits(name: &ConnectionName, what: &str) -> String {
    format!("{name:?} {what}")
}

/// Why only a person can help, in words to which a date can be added.
pub(crate) fn reason_of(reason: &Reason, provider: &str) -> String {
    match reason {
        Reason::InvalidGrant { detail } => format!("{provider} said {detail}"),
        Reason::OutcomeUnknown { detail, .. } => {
            let how = of_detail(detail);
            format!("an answer of {provider} was lost, and it did not accept the refresh token again{how}")
        }
        Reason::AnotherAccount => {
            format!("{provider} answered a refresh with the tokens of another account; they were kept aside")
        }
        Reason::NothingToRenewWith => {
            format!("the access token does not serve any more, and {provider} gave no refresh token")
        }
    }
}

/// Why a try failed.
pub(crate) fn cause_of(cause: &Cause, provider: &str) -> String {
    match cause {
        Cause::Transient { detail } => format!("{provider} could not be asked: {detail}"),
        Cause::Client { detail } => format!("{provider} does not accept the client: {detail}"),
        Cause::Refused { detail } => format!("{provider} refused: {detail}"),
        Cause::Doubted { detail } => format!("{provider} said {detail}, which is being confirmed"),
        Cause::OutcomeUnknown(lost) => {
            let how = of_detail(&lost.detail);
            let last = lost.last.as_ref().map(|last| format!("; the last try since: {last}"));
            format!(
                "an answer of {provider} was lost{how}, and it may have replaced the refresh token{}",
                last.unwrap_or_default()
            )
        }
    }
}

/// A name as it has to be typed in a shell.
pub(crate) fn word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@+,=".contains(c);
    match name.starts_with('-') {
        false if !name.is_empty() && name.chars().all(plain) => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
        true => format!("-- '{}'", name.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests;
