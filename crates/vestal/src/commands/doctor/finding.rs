//! What is found, in the words that all of it is told in.

use vestal_api::{ErrorView, Finding, Level, Trouble};

use crate::failure::Failure;

pub(super) fn ok(about: &str, found: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, trouble: None, about: about.to_owned(), found: found.into(), next: None }
}

/// Works, but not as well as it could.
pub(super) fn warn(trouble: Trouble, found: impl Into<String>, next: &str) -> Finding {
    of(Level::Warn, trouble, found.into(), Some(next.to_owned()))
}

/// Does not work.
pub(super) fn fail(trouble: Trouble, found: impl Into<String>, next: &str) -> Finding {
    of(Level::Fail, trouble, found.into(), Some(next.to_owned()))
}

/// The same, as it was told elsewhere.
pub(super) fn failed(trouble: Trouble, failure: Failure) -> Finding {
    let Some(ErrorView { error, why, next, .. }) = failure.view() else {
        return fail(trouble, "it failed", "look at what was said on stderr");
    };
    let found = why.map_or_else(|| error.clone(), |why| format!("{error}: {why}"));
    of(Level::Fail, trouble, found, next)
}

fn of(level: Level, trouble: Trouble, found: String, next: Option<String>) -> Finding {
    Finding { level, trouble: Some(trouble), about: about(trouble).to_owned(), found, next }
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
