//! What is found, in the words that all of it is told in.

use vestal_api::{ErrorView, Finding, Level, Trouble};
use vestal_core::store::StoreError;

use crate::failure::Failure;

pub(super) fn ok(about: &str, found: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, trouble: None, about: about.to_owned(), found: found.into(), next: None }
}

/// Works, but not as well as it could.
pub(super) fn warn(trouble: Trouble, found: impl Into<String>, next: &str) -> Finding {
    of(Level::Warn, trouble, found.into(), next)
}

/// Does not work.
pub(super) fn fail(trouble: Trouble, found: impl Into<String>, next: &str) -> Finding {
    of(Level::Fail, trouble, found.into(), next)
}

/// What helps against a store where nothing else does.
const ELSEWHERE: &str =
    "put a backup of it in its place, or keep the store elsewhere: [store] path in the configuration";

/// Where an error does not say what helps.
const LOG: &str = "what led to it: vestal doctor --log debug";

/// The same, as it was told elsewhere.
pub(super) fn failed(trouble: Trouble, failure: Failure) -> Finding {
    let Some(ErrorView { error, why, next, .. }) = failure.view() else {
        let found = format!("the {} could not be looked at", about(trouble));
        return fail(trouble, found, LOG);
    };
    let found = why.map_or_else(|| error.clone(), |why| format!("{error}: {why}"));
    fail(trouble, found, next.as_deref().unwrap_or(LOG))
}

/// An error of the store's.
pub(super) fn of_store(error: StoreError) -> Finding {
    let (trouble, next) = match &error {
        StoreError::NewerSchema { .. } => (Trouble::StoreNewer, None),
        StoreError::ReadOnly { .. } => (Trouble::StoreReadOnly, None),
        StoreError::Corrupt { .. } => (Trouble::Damaged, None),
        // Elsewhere, whoever is told of these is sent here.
        StoreError::Unavailable { .. } | StoreError::OutcomeUnknown { .. } => {
            (Trouble::BadStore, Some("see to its disk, and to what else has it open; then: vestal doctor"))
        }
        StoreError::Unfit { .. } => (Trouble::BadStore, Some(ELSEWHERE)),
    };
    let finding = failed(trouble, error.into());
    Finding { next: next.map(str::to_owned).or(finding.next), ..finding }
}

fn of(level: Level, trouble: Trouble, found: String, next: &str) -> Finding {
    let (about, next) = (about(trouble).to_owned(), Some(next.to_owned()));
    Finding { level, trouble: Some(trouble), about, found, next }
}

/// What was looked at.
fn about(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::ClockWrong | Trouble::ClockSkewed => "clock",
        Trouble::CoreDumps => "memory",
        Trouble::FewOpenFiles => "open files",
        Trouble::NotConfigured | Trouble::BadConfiguration | Trouble::ConfigurationOpen => "configuration",
        Trouble::UnknownVariable => "environment",
        Trouble::ProxyIgnored => "proxy",
        Trouble::BadAuthorities => "authorities",
        Trouble::BadProviderFiles => "providers",
        Trouble::NoMasterKey | Trouble::RotationBegun => "master key",
        Trouble::NetworkDisk | Trouble::FleetingDisk | Trouble::FolderOpen => "state folder",
        Trouble::DiskFull => "disk",
        Trouble::StoreOpen
        | Trouble::NoStore
        | Trouble::StoreNewer
        | Trouble::StoreOlder
        | Trouble::BadStore
        | Trouble::OtherKey
        | Trouble::StoreReadOnly => "store",
        Trouble::Damaged
        | Trouble::Sealed
        | Trouble::NoPlace
        | Trouble::NeedReauth
        | Trouble::Failing
        | Trouble::NotRenewable => "connections",
        Trouble::NoJournal | Trouble::FleetingJournal | Trouble::AnswersWait | Trouble::AnswersDamaged => {
            "journal"
        }
        Trouble::Overdue | Trouble::NobodyKeeps => "schedule",
        Trouble::NoHeartbeat => "heartbeat",
        Trouble::BadClient
        | Trouble::ClientRefused
        | Trouble::EndpointEnded
        | Trouble::Ends
        | Trouble::CapNear
        | Trouble::QuotaShort
        | Trouble::GrantsEnd => "client",
        Trouble::RedirectTaken => "redirect",
        Trouble::SharedRefreshToken => "refresh tokens",
        Trouble::FileUnwritable | Trouble::FileOpen | Trouble::FileStale | Trouble::FileForNobody => "files",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_finding_with_its_remedy() {
        let finding =
            failed(Trouble::BadStore, Failure::failed("it is shut").why("no key").next("bring one"));
        assert_eq!(
            (finding.found.as_str(), finding.next.as_deref()),
            ("it is shut: no key", Some("bring one"))
        );
    }

    #[test]
    fn an_error_that_is_not_told_or_says_nothing_more_is_told_with_what_to_do_all_the_same() {
        for failure in [Failure::ReaderGone, Failure::Quiet(vestal_api::Code::Failed), Failure::failed("x")] {
            let finding = failed(Trouble::NoJournal, failure);
            assert!(!finding.found.is_empty() && finding.next.is_some(), "{finding:?}");
        }
    }

    #[test]
    fn nobody_is_sent_from_here_to_here() {
        let detail = || "x".to_owned();
        let of = |error| of_store(error);
        for (error, trouble) in [
            (StoreError::Unavailable { detail: detail() }, Trouble::BadStore),
            (StoreError::OutcomeUnknown { detail: detail() }, Trouble::BadStore),
            (StoreError::Unfit { detail: detail() }, Trouble::BadStore),
            (StoreError::Corrupt { what: detail() }, Trouble::Damaged),
            (StoreError::ReadOnly { detail: detail() }, Trouble::StoreReadOnly),
            (StoreError::NewerSchema { found: 9, known: 8 }, Trouble::StoreNewer),
        ] {
            let finding = of(error);
            assert_eq!(finding.trouble, Some(trouble));
            let next = finding.next.unwrap();
            assert!(!next.contains("if it stays so, run: vestal doctor"), "{next}");
        }
    }

    #[test]
    fn every_kind_of_trouble_is_explained_to_operators() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md"));
        let named: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name))
            .collect();
        let all: Vec<String> = Trouble::ALL
            .iter()
            .map(|trouble| serde_json::to_value(trouble).unwrap().as_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, all, "the table in docs/doctor.md, in the order in which they are looked for");
    }
}
