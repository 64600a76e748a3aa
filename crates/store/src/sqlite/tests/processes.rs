//! What becomes of a store whose process is killed, or whose disk fails: in processes of their own.

use super::*;

/// Runs an ignored test of this file in a process of its own, in this folder.
fn child(dir: &Path, test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("sqlite::tests::processes::{test}"), "--ignored", "--nocapture"])
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

/// What a child says to its parent.
fn say(line: impl fmt::Display) {
    writeln!(std::io::stdout(), "\n{line}").unwrap();
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let (dir, path) = closed_store().await;
    let mut killed =
        child(dir.path(), "child_that_writes_until_killed").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    for line in lines.map_while(Result::ok) {
        if let Ok(revision) = line.parse::<u64>() {
            acknowledged = revision;
        }
        if acknowledged == 60 {
            killed.kill().unwrap();
        }
    }
    killed.wait().unwrap();
    let store = open(&path).await.unwrap();
    let current = read(&store, connection_id(1)).await;
    assert!(acknowledged >= 60 && current.revision >= acknowledged, "{} {acknowledged}", current.revision);
    let history = store.events(Some(current.id), 0, 999).await.unwrap();
    assert_eq!(history.len() as u64, (current.revision - 1).min(100), "each write whole");
    assert_eq!(store.update_connection(&update(&current)).await.unwrap(), Write::Done);
}

#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_writes_until_killed() {
    let store = open(Path::new("db")).await.unwrap();
    let mut current = read(&store, connection_id(1)).await;
    for _ in 0..100_000 {
        let change = Update { events: vec![event(current.id, current.revision)], ..update(&current) };
        assert_eq!(store.update_connection(&change).await.unwrap(), Write::Done);
        current = read(&store, current.id).await;
        say(current.revision);
    }
}

#[tokio::test]
async fn a_read_only_disk_is_read_and_not_written() {
    let (dir, path) = closed_store().await;
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o500)).unwrap();
    let mut command = child(dir.path(), "child_that_may_only_read");
    // Permissions mean nothing to root.
    const NOBODY: u32 = 65534;
    if rustix::process::getuid().is_root() {
        chown(&path, Some(NOBODY), None).unwrap();
        chown(dir.path(), Some(NOBODY), None).unwrap();
        command.uid(NOBODY);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_may_only_read() {
    let store = open(Path::new("db")).await.unwrap();
    let current = read(&store, connection_id(1)).await;
    for _ in 0..2 {
        let refused = store.update_connection(&update(&current)).await.unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
        assert_eq!(read(&store, connection_id(1)).await, current);
    }
}

#[tokio::test]
async fn a_full_disk_is_read_and_what_others_write_then_is_seen() {
    let (dir, path) = closed_store().await;
    // No file may grow beyond 512 bytes: none for shared memory can be made, as on a full disk.
    let mut shell = Command::new("sh");
    let limited = child(dir.path(), "child_that_has_no_room");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).current_dir(dir.path());
    shell.arg(limited.get_program()).args(limited.get_args());
    let mut reading = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut asks = reading.stdin.take().unwrap();
    let mut lines = BufReader::new(reading.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = move || lines.find_map(|line| line.parse::<u64>().ok());
    let first = told().expect("it reads");
    for more in 1..=2 {
        let store = open(&path).await.unwrap();
        let current = read(&store, connection_id(1)).await;
        assert_eq!(store.update_connection(&update(&current)).await.unwrap(), Write::Done);
        let store = match more {
            // While it is open, and once it is closed, when all is in the one file again.
            1 => Some(store),
            _ => {
                store.close().await;
                None
            }
        };
        writeln!(asks, "again").unwrap();
        assert_eq!(told(), Some(first + more));
        drop(store);
    }
    drop(asks);
    assert!(reading.wait().unwrap().success());
}

#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_that_has_no_room() {
    let store = open(Path::new("db")).await.unwrap();
    say(read(&store, connection_id(1)).await.revision);
    for line in std::io::stdin().lines() {
        line.unwrap();
        say(read(&store, connection_id(1)).await.revision);
    }
    store.close().await;
}

#[tokio::test]
async fn a_disk_that_fails_loses_nothing_that_was_acknowledged() {
    let (dir, path) = closed_store().await;
    // No file may grow beyond 100 KiB: writing more fails as a broken disk does.
    let mut shell = Command::new("sh");
    let limited = child(dir.path(), "child_whose_disk_fails");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]).current_dir(dir.path());
    shell.arg(limited.get_program()).args(limited.get_args());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let acknowledged = said.lines().filter_map(|line| line.parse::<u64>().ok()).max().unwrap();

    let store = open(&path).await.unwrap();
    let current = read(&store, connection_id(1)).await;
    assert!(current.revision >= acknowledged, "{} {acknowledged}", current.revision);
    assert_eq!(store.update_connection(&update(&current)).await.unwrap(), Write::Done);
    let intact: String = raw(&path).pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}

#[tokio::test]
#[ignore = "is run as a child process"]
async fn child_whose_disk_fails() {
    let store = open(Path::new("db")).await.unwrap();
    let mut failures = 0;
    for n in 0..200 {
        let current = read(&store, connection_id(1)).await;
        let begin = Begin { lease_for: Duration::ZERO, ..begin(&current, n) };
        match store.begin_attempt(&begin).await {
            Ok(written) => {
                assert_eq!(written, Write::Done);
                say(current.revision + 1);
            }
            Err(StoreError::OutcomeUnknown { .. }) => {
                // What is read back is what goes on from here.
                let status = store.attempt(attempt_id(n)).await.unwrap();
                let known = status.is_some();
                assert_eq!(
                    read(&store, connection_id(1)).await.revision,
                    current.revision + u64::from(known)
                );
                failures += 1;
            }
            Err(StoreError::Unavailable { .. }) => {
                assert_eq!(store.attempt(attempt_id(n)).await.unwrap(), None, "nothing was changed");
                failures += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
        if failures == 5 {
            return;
        }
    }
    panic!("the disk did not fail");
}
