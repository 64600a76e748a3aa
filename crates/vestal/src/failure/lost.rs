//! An answer that was lost: what that means for a connection, and what to do about it.

use jiff::Timestamp;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::state::{Cause, Failing, OutcomeUnknown};

use super::word;
use crate::when::Calendar;

/// A connection one of whose answers was lost.
#[derive(Clone, Copy)]
pub(crate) struct Lost<'a> {
    pub(crate) name: &'a ConnectionName,
    pub(crate) unknown: &'a OutcomeUnknown,
    /// When the same refresh token is tried again.
    next: Timestamp,
    /// Whether it has an access token at all: one that was imported may have none.
    has_access_token: bool,
    /// When the access token ends; none where nobody says.
    expires_at: Option<Timestamp>,
}

impl<'a> Lost<'a> {
    /// The connection, if its trouble is this one; also behind a pause.
    pub(crate) fn of(connection: &'a Connection) -> Option<Self> {
        let tokens = &connection.grant.as_ref()?.tokens;
        let lost = Self::new(&connection.name, connection.state.failing()?, tokens.expires_at)?;
        Some(Self { has_access_token: tokens.access_token.is_some(), ..lost })
    }

    /// The same of a failure that goes on, for an access token that ends then.
    pub(crate) fn new(
        name: &'a ConnectionName,
        failing: &'a Failing,
        expires_at: Option<Timestamp>,
    ) -> Option<Self> {
        let Cause::OutcomeUnknown(unknown) = &failing.cause else { return None };
        Some(Self { name, unknown, next: failing.next, has_access_token: true, expires_at })
    }

    /// What happened, what goes on, and what is safe, in sentences.
    pub(crate) fn sentences(self, provider: &str, calendar: &Calendar) -> String {
        let Self { name, unknown, next, has_access_token, expires_at } = self;
        let sent = calendar.moment(unknown.sent_at);
        let how = of_detail(&unknown.detail);
        let since = match &unknown.last {
            Some(last) => format!(" The last try since: {}.", last.trim_end_matches('.')),
            None => String::new(),
        };
        let serves = match expires_at {
            _ if !has_access_token => "It has no access token yet.".to_owned(),
            _ if unknown.rejected => "Its access token was rejected where it was used.".to_owned(),
            None => "Its access token is served; nobody says until when.".to_owned(),
            Some(end) if end > calendar.now() => {
                format!("Its access token is served until {}.", calendar.moment_and_away(end))
            }
            Some(end) => format!("Its access token ended {}.", calendar.moment_and_away(end)),
        };
        let tried = match next <= calendar.now() {
            true => "now".to_owned(),
            false => calendar.moment_and_away(next),
        };
        format!(
            "An answer of {provider} to a refresh of {sent} was lost{how}, and it may have replaced the refresh token.{since} \
             {serves} The old refresh token is tried again {tried}; if {provider} does not take it any more, only a \
             new consent helps. The safe way is to connect now: vestal connect {}",
            word(name.as_str())
        )
    }

    /// The same, where there is little room.
    pub(crate) fn in_short(self, calendar: &Calendar) -> String {
        let tried = match self.next <= calendar.now() {
            true => "now".to_owned(),
            false => calendar.away(self.next),
        };
        let name = word(self.name.as_str());
        format!("an answer was lost; tried again {tried}, and may need you then; safe: vestal connect {name}")
    }
}

/// ` (how)`, where that is known.
pub(super) fn of_detail(detail: &str) -> String {
    match detail {
        "" => String::new(),
        detail => format!(" ({})", detail.trim_end_matches('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(next: &str, expires_at: Option<&str>, change: impl FnOnce(&mut OutcomeUnknown)) -> String {
        told_of(next, expires_at, true, change)
    }

    fn told_of(
        next: &str,
        expires_at: Option<&str>,
        has_access_token: bool,
        change: impl FnOnce(&mut OutcomeUnknown),
    ) -> String {
        let mut unknown = OutcomeUnknown {
            attempt: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
            sent_at: at("2026-11-04T11:59:00Z"),
            hold_until: at(next),
            detail: "timed out".to_owned(),
            last: None,
            untried: false,
            lost_at: None,
            rejected: false,
            client_refused: false,
        };
        change(&mut unknown);
        let failing = Failing {
            cause: Cause::OutcomeUnknown(Box::new(unknown)),
            since: at("2026-11-04T12:00:00Z"),
            tries: 1,
            next: at(next),
        };
        let name = "the shop".parse().unwrap();
        let lost = Lost::new(&name, &failing, expires_at.map(at)).unwrap();
        Lost { has_access_token, ..lost }.sentences("Okta", &Calendar::utc(at("2026-11-04T12:00:00Z")))
    }

    #[test]
    fn a_person_is_told_what_happened_what_goes_on_and_what_is_safe() {
        assert_eq!(
            told("2026-11-04T13:29:00Z", Some("2026-11-04T13:30:00Z"), |_| ()),
            "An answer of Okta to a refresh of 4 Nov 2026, 11:59 was lost (timed out), and it may have replaced the \
             refresh token. Its access token is served until 4 Nov 2026, 13:30 (in 90 min). The old refresh token is \
             tried again 4 Nov 2026, 13:29 (in 89 min); if Okta does not take it any more, only a new consent helps. \
             The safe way is to connect now: vestal connect 'the shop'"
        );
    }

    #[test]
    fn what_is_not_known_is_not_claimed() {
        let due = "2026-11-04T12:00:00Z";
        let unknown = told(due, None, |lost| lost.detail.clear());
        assert!(unknown.contains("was lost, and it may"), "{unknown}");
        assert!(unknown.contains("is served; nobody says until when. The old"), "{unknown}");
        assert!(unknown.contains("is tried again now;"), "{unknown}");
        let imported = told_of(due, None, false, |_| ());
        assert!(imported.contains("It has no access token yet. The old"), "{imported}");
        let ended = told(due, Some("2026-11-04T11:00:00Z"), |_| ());
        assert!(ended.contains("Its access token ended 4 Nov 2026, 11:00 (60 min ago)."), "{ended}");
        let rejected = told(due, Some("2026-11-04T13:00:00Z"), |lost| lost.rejected = true);
        assert!(rejected.contains("was rejected where it was used.") && !rejected.contains("is served"));
        let tried = told(due, None, |lost| lost.last = Some("invalid_client: no.".to_owned()));
        assert!(tried.contains("token. The last try since: invalid_client: no. Its access"), "{tried}");
    }
}
