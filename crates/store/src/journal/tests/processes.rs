//! Processes that are killed, and processes side by side.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

/// Runs an ignored test of this file in a process of its own, in this folder.
fn child(folder: &Path, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("journal::tests::processes::{test}"), "--ignored", "--nocapture"])
        .current_dir(folder);
    command
}

/// Another process that appends 1, 2, 3, … in this folder, and says so after each.
fn appending(folder: &Path) -> (Child, impl Iterator<Item = u8> + use<>) {
    let mut child = child(folder, "child_that_appends_until_killed").stdout(Stdio::piped()).spawn().unwrap();
    let appended = |lines: BufReader<ChildStdout>| {
        lines.lines().filter_map(|line| line.ok()?.rsplit_once("appended ")?.1.parse().ok())
    };
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, appended(lines))
}

#[tokio::test]
async fn what_a_killed_process_has_written_is_found() {
    for kill_after in [1, 7, 40] {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(&[dir.path()], 1);
        let (mut child, mut appended) = appending(dir.path());
        assert!(appended.any(|n| n == kill_after));
        assert!(entries(&journal).await.len() >= kill_after.into(), "also while it lives");

        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = appended.last().unwrap_or(kill_after);
        let left = entries(&journal).await;
        let expected: Vec<Entry> = (1..=u8::try_from(left.len()).unwrap()).map(entry).collect();
        assert_eq!(left, expected);
        assert!(left.len() >= acknowledged.into(), "{} of {acknowledged}", left.len());

        let all: Vec<AttemptId> = left.iter().map(|entry| entry.attempt.id).collect();
        journal.settle(&all).await.unwrap();
        assert_eq!(entries(&journal).await, []);
        assert_eq!(listing(dir.path()), <[PathBuf; 0]>::default());
    }
}

/// The other half of the test above.
#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_appends_until_killed() {
    let journal = journal(&[Path::new(".")], 7);
    for n in 1..=u8::MAX {
        journal.append(&entry(n)).await.unwrap();
        writeln!(io::stdout(), "appended {n}").unwrap();
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_another_user_keeps_to_himself_in_the_first_folder_may_be_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    journal(&[&closed], 1).append(&entry(1)).await.unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let mut command = child(dir.path(), "child_that_may_not_enter");
    // Permissions mean nothing to root.
    const NOBODY: u32 = 65534;
    if rustix::process::getuid().is_root() {
        chown(dir.path(), Some(NOBODY), None).unwrap();
        command.uid(NOBODY);
    }
    let output = command.output().unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The other half of the test above.
#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_may_not_enter() {
    let (closed, open) = (Path::new("closed"), Path::new("open"));
    assert_eq!(entries(&journal(&[open, closed], 2)).await, [], "a fallback of somebody else's");
    let refused = journal(&[closed, open], 3).entries().await.unwrap_err();
    assert!(refused.why.detail.contains("closed"), "{refused}");
    let inspected = &inspect(&[closed.to_owned()], store(1))[0];
    assert!(
        matches!(&inspected.unread[..], [Unread { path, why: WhyUnread::Refused { .. } }] if path == closed)
    );
}

#[tokio::test]
async fn what_root_writes_for_somebody_is_found_by_him() {
    const NOBODY: u32 = 65534;
    if !rustix::process::getuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let roots = journal(&[&dir.path().join("journal")], 1);
    roots.append(&entry(1)).await.unwrap();
    drop(roots);
    let output = child(dir.path(), "child_that_finds_one").uid(NOBODY).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The other half of the test above.
#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_finds_one() {
    let journal = journal(&[Path::new("journal")], 2);
    assert_eq!(entries(&journal).await, [entry(1)]);
    journal.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(listing(Path::new("journal")), <[PathBuf; 0]>::default());
    drop(journal.reserve().await.unwrap());
}
