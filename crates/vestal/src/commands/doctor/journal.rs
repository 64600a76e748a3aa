//! The journal: where answers go that the store does not take.

use std::path::Path;

use vestal_api::{Finding, Trouble};
use vestal_store::journal::{self, FolderState, JournalFolder, Unread, WhyUnread, WhyUnusable};

use super::finding::{fail, of_store, ok, warn};
use crate::context::Vestal;

/// Where answers go that the store does not take, and whether any wait there.
pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let store = match vestal.engine.store().identity().await {
        Ok(Some(identity)) => identity.id,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![of_store(error)],
    };
    let folders = journal::inspect(&vestal.config.journals(), store);
    let mut findings = vec![place(&folders)];
    // What the first one cannot take goes to the next.
    if let Some((why, next)) = folders.first().and_then(unusable)
        && folders.iter().any(is_usable)
    {
        findings.push(warn(Trouble::NoJournal, format!("the first folder cannot be used: {why}"), &next));
    }
    for folder in &folders {
        findings.extend(folder.damaged.iter().map(|file| damaged(file)));
        findings.extend(folder.unread.iter().map(unread));
        findings.extend(waiting(folder));
    }
    findings
}

/// Where they go.
fn place(folders: &[JournalFolder]) -> Finding {
    let Some(folder) = folders.iter().find(|folder| is_usable(folder)) else {
        let (why, next): (Vec<_>, Vec<_>) = folders.iter().filter_map(unusable).unzip();
        let found = format!("no folder takes answers that the store does not take: {}", why.join("; "));
        return fail(Trouble::NoJournal, found, next.first().map_or("", String::as_str));
    };
    let shown = folder.path.display();
    match folder.fleeting {
        Some(why) => warn(
            Trouble::FleetingJournal,
            format!("answers that the store does not take would lie in {shown}: {why}"),
            "keep the store, and with it the journal, on a disk or a volume: [store] path in the configuration",
        ),
        None => ok("journal", shown.to_string()),
    }
}

fn is_usable(folder: &JournalFolder) -> bool {
    unusable(folder).is_none()
}

/// Why a folder cannot be used, and what helps.
fn unusable(folder: &JournalFolder) -> Option<(String, String)> {
    let FolderState::Unusable { path, why } = &folder.state else { return None };
    let path = path.display();
    Some(match why {
        WhyUnusable::InTheWay => {
            (format!("{path} is not a folder"), format!("move it away: mv '{path}' '{path}.aside'"))
        }
        WhyUnusable::Refused { detail } => (
            format!("{path} cannot be written: {detail}"),
            format!(
                "let this user write to it: ls -ld '{path}'; or keep the store elsewhere: [store] path in the configuration"
            ),
        ),
        WhyUnusable::Shared => (
            format!("{path} belongs to another user, or others can write to it"),
            format!("chmod 700 '{path}'; or, where it is another user's: chown"),
        ),
    })
}

/// It is kept for somebody who can read it with better means.
fn damaged(file: &Path) -> Finding {
    let file = file.display();
    warn(
        Trouble::AnswersDamaged,
        format!("{file} is damaged, and may have held the only refresh token of a connection"),
        &format!(
            "see with vestal status whether one needs somebody, and connect that; look at the disk; then: rm '{file}'"
        ),
    )
}

fn unread(Unread { path, why }: &Unread) -> Finding {
    let path = path.display();
    let lost = "an answer in it may be the only refresh token of a connection";
    match why {
        WhyUnread::Refused { detail } => fail(
            Trouble::AnswersDamaged,
            format!("{path} cannot be read: {detail}; {lost}"),
            &format!("let this user read it, and remove nothing: ls -ld '{path}'"),
        ),
        WhyUnread::Newer { version } => fail(
            Trouble::AnswersDamaged,
            format!("{path} was written by a newer version of Vestal, in format {version}; {lost}"),
            "use the newer version",
        ),
    }
}

fn waiting(folder: &JournalFolder) -> Option<Finding> {
    let (waiting, shown) = (folder.unsettled, folder.path.display());
    let answers = if waiting == 1 { "1 answer waits".to_owned() } else { format!("{waiting} answers wait") };
    (waiting > 0).then(|| {
        let found = format!("{answers} in {shown} for the store, which did not take them when they came");
        warn(
            Trouble::AnswersWait,
            found,
            "vestal refresh --due; or, where they stay, to see what keeps them out: vestal refresh --due --log debug",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(state: FolderState) -> JournalFolder {
        JournalFolder {
            path: "/state/journal".into(),
            state,
            file_system: None,
            fleeting: None,
            unsettled: 0,
            damaged: Vec::new(),
            unread: Vec::new(),
        }
    }

    #[test]
    fn each_reason_has_its_own_remedy() {
        let of = |why| place(&[folder(FolderState::Unusable { path: "/state".into(), why })]);
        for (why, told, helps) in [
            (WhyUnusable::InTheWay, "is not a folder", "mv '/state'"),
            (WhyUnusable::Refused { detail: "read-only".into() }, "read-only", "ls -ld '/state'"),
            (WhyUnusable::Shared, "others can write", "chmod 700 '/state'"),
        ] {
            let finding = of(why);
            assert_eq!(finding.trouble, Some(Trouble::NoJournal));
            assert!(finding.found.contains(told) && finding.next.unwrap().contains(helps), "{told}");
        }
        let refused = WhyUnread::Refused { detail: "denied".into() };
        for (why, told, helps) in
            [(refused, "denied", "ls -ld"), (WhyUnread::Newer { version: 9 }, "format 9", "newer version")]
        {
            let finding = unread(&Unread { path: "/state/journal/a.journal".into(), why });
            assert!(finding.found.contains(told) && finding.next.unwrap().contains(helps), "{told}");
        }
    }

    #[test]
    fn a_folder_in_memory_is_told_of_and_one_after_another_is_tried() {
        let shared = FolderState::Unusable { path: "/state/journal".into(), why: WhyUnusable::Shared };
        let memory = JournalFolder { fleeting: Some("in memory"), ..folder(FolderState::Absent) };
        assert_eq!(place(&[folder(shared.clone()), memory]).trouble, Some(Trouble::FleetingJournal));
        assert_eq!(place(&[folder(shared), folder(FolderState::Writable)]).trouble, None);
    }
}
