//! The journal: where answers go that the store does not take.

use vestal_api::{Finding, Trouble};
use vestal_store::journal::{self, FolderState, JournalFolder};

use super::finding::{fail, failed, ok, warn};
use crate::context::Vestal;

/// Where answers go that the store does not take, and whether any wait there.
pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let store = match vestal.engine.store().identity().await {
        Ok(Some(identity)) => identity.id,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![failed(Trouble::BadStore, error.into())],
    };
    let folders = journal::inspect(&vestal.config.journals(), store);
    let mut findings = Vec::new();
    // What the first one cannot take goes to the next.
    let usable = folders.iter().find(|folder| !matches!(folder.state, FolderState::Unwritable { .. }));
    let mend = folders
        .first()
        .map(|first| format!("chmod 700 '{}'; or, where it is another user's: chown", first.path.display()));
    let mend = mend.unwrap_or_default();
    findings.push(match usable {
        None => {
            let why: Vec<String> = folders.iter().filter_map(unwritable).collect();
            fail(Trouble::NoJournal, format!("no folder can be written: {}", why.join("; ")), &mend)
        }
        Some(folder) => match folder.fleeting {
            Some(why) => warn(
                Trouble::FleetingJournal,
                format!("answers that the store does not take would lie in {}: {why}", folder.path.display()),
                "keep the store, and with it the journal, on a disk or a volume: [store] path in the configuration",
            ),
            None => ok("journal", format!("{}", folder.path.display())),
        },
    });
    if let Some(why) = folders.first().and_then(unwritable).filter(|_| usable.is_some()) {
        findings.push(warn(Trouble::NoJournal, format!("the first folder cannot be used: {why}"), &mend));
    }
    for folder in &folders {
        let shown = folder.path.display();
        findings.extend(folder.damaged.iter().map(|file| {
            let file = file.display();
            warn(
                Trouble::AnswersDamaged,
                format!(
                    "{file} holds an answer that was damaged: its connection may have lost its refresh token"
                ),
                &format!("vestal status shows which; connect it again, look at the disk, then: rm '{file}'"),
            )
        }));
        match folder.unsettled {
            Some(0) => {}
            Some(waiting) => findings.push(warn(
                Trouble::AnswersWait,
                format!("{waiting} answer(s) in {shown} wait for the store"),
                "mend the store, then: vestal refresh --due",
            )),
            None => findings.push(fail(
                Trouble::AnswersDamaged,
                format!("{shown} cannot be read, or something in it is damaged"),
                &format!("give this user the right to read it; do not remove anything: ls -l '{shown}'"),
            )),
        }
    }
    findings
}

fn unwritable(folder: &JournalFolder) -> Option<String> {
    match &folder.state {
        FolderState::Unwritable { detail } => Some(detail.clone()),
        FolderState::Writable | FolderState::Absent => None,
    }
}
