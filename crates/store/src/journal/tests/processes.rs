//! Processes that are killed, and processes side by side.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

/// Another process that appends 1, 2, 3, … in this folder, and says so after each.
fn appending(folder: &Path) -> (Child, impl Iterator<Item = u8> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "journal::tests::processes::child_that_appends_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
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
