//! What lies in the folders, and what becomes of it.

use std::os::unix::fs::{FileExt, PermissionsExt};

use sha2::{Digest, Sha256};

use super::super::format::{BLOCK_BYTES, MARK_OFFSET, header};
use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn who_only_reads_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("journal");
    let journal = journal(&[&folder], 1);
    assert_eq!(entries(&journal).await, []);
    journal.settle(&[attempt(1)]).await.unwrap();
    journal.close().await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn answers_are_private_and_go_away_when_they_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("gone");
    let folder = dir.path().join("a/b");
    let journal = journal(&[&store.join("journal"), &folder], 1);
    for n in [2, 1] {
        journal.append(&entry(n)).await.unwrap();
        journal.append(&entry(n)).await.unwrap();
    }
    let file = only_file(&folder);
    assert_eq!((mode(&file), mode(&folder), mode(&dir.path().join("a"))), (0o600, 0o700, 0o700));
    assert!(!store.exists(), "the place of a store whose folder is gone is taken");
    assert!(file.file_name().unwrap().to_str().unwrap().contains(&node(1).to_string()));
    assert_eq!(entries(&journal).await, [entry(1), entry(2)], "in the order of their attempts");

    journal.settle(&[attempt(2)]).await.unwrap();
    assert_eq!(entries(&journal).await, [entry(1)]);
    journal.settle(&[attempt(2), attempt(1)]).await.unwrap();
    assert_eq!(entries(&journal).await, []);
    journal.append(&entry(3)).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), 3 * BLOCK_BYTES as u64, "it was written from its start");
    let behind = fs::OpenOptions::new().write(true).open(&file).unwrap();
    behind.write_all_at(&[0], (2 * BLOCK_BYTES + MARK_OFFSET) as u64).unwrap();
    assert_eq!(entries(&journal).await, [entry(3)], "what lies behind it is old, also without its mark");

    journal.settle(&[attempt(3)]).await.unwrap();
    journal.close().await;
    assert_eq!(listing(&folder), <[PathBuf; 0]>::default());
}

#[tokio::test]
async fn what_is_not_settled_is_left_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let first = journal(&[dir.path()], 1);
    for n in 1..4 {
        first.append(&entry(n)).await.unwrap();
    }
    first.settle(&[attempt(2)]).await.unwrap();
    first.close().await;

    let second = journal(&[dir.path()], 2);
    assert_eq!(entries(&second).await, [entry(1), entry(3)]);
    second.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(entries(&journal(&[dir.path()], 3)).await, [entry(3)], "also for a third");
    second.settle(&[attempt(3)]).await.unwrap();
    assert_eq!(listing(dir.path()), <[PathBuf; 0]>::default());
}

#[tokio::test]
async fn of_a_process_that_lives_nothing_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (living, other) = (journal(&[dir.path()], 1), journal(&[dir.path()], 2));
    living.append(&entry(1)).await.unwrap();
    other.append(&entry(2)).await.unwrap();
    assert_eq!(entries(&other).await, [entry(1), entry(2)]);

    other.settle(&[attempt(1), attempt(2)]).await.unwrap();
    assert_eq!(entries(&other).await, [], "it knows");
    assert_eq!(entries(&living).await, [entry(1)], "it finds out for itself");
    assert_eq!(listing(dir.path()).len(), 2);

    living.settle(&[attempt(1)]).await.unwrap();
    living.append(&entry(3)).await.unwrap();
    assert_eq!(entries(&other).await, [entry(3)]);
}

#[tokio::test]
async fn an_empty_file_of_a_process_that_is_gone_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let killed = journal(&[dir.path()], 1);
    drop(killed.reserve().await.unwrap());
    let living = journal(&[dir.path()], 2);
    drop(living.reserve().await.unwrap());
    drop(killed);
    let just_made = dir.path().join(format!("{}-1.journal", node(4)));
    fs::write(&just_made, "").unwrap();
    assert_eq!(listing(dir.path()).len(), 3);
    assert_eq!(entries(&living).await, []);
    assert_eq!(
        only_file(dir.path()).file_name().unwrap().to_str().unwrap(),
        format!("{}-1.journal", node(2))
    );
}

#[tokio::test]
async fn files_that_are_no_concern_of_ours_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let foreign = FileJournal::new(vec![dir.path().to_owned()], store(2), node(1));
    foreign.append(&entry(1)).await.unwrap();
    drop(foreign);
    fs::write(file("empty.journal"), header(store(2))).unwrap();
    fs::write(file("notes.txt"), "journal").unwrap();
    fs::write(file("other.journal"), "not one of ours").unwrap();
    let mut damaged = header(store(1));
    damaged[20] ^= 1;
    fs::write(file("damaged.journal"), damaged).unwrap();

    let journal = journal(&[dir.path()], 2);
    assert_eq!(entries(&journal).await, []);
    journal.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(listing(dir.path()).len(), 5);
    let inspected = inspect(&[dir.path().to_owned()], store(1));
    assert_eq!(
        inspected[0].damaged,
        [file("damaged.journal"), file("other.journal")],
        "either may hold an answer"
    );
}

/// The header of a file that a later version wrote.
fn later_header(store: StoreId) -> Vec<u8> {
    const CHECKED: usize = 8 + 4 + 16;
    let mut header = header(store);
    header[8] += 1;
    let checksum = Sha256::digest(&header[..CHECKED]);
    header[CHECKED..CHECKED + checksum.len()].copy_from_slice(&checksum);
    header
}

#[tokio::test]
async fn what_a_later_version_wrote_may_be_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let gone = journal(&[dir.path()], 1);
    gone.append(&entry(1)).await.unwrap();
    drop(gone);
    let journal = journal(&[dir.path()], 2);
    fs::write(dir.path().join("another-store.journal"), later_header(store(2))).unwrap();
    assert_eq!(entries(&journal).await, [entry(1)]);

    let later = dir.path().join("later.journal");
    fs::write(&later, later_header(store(1))).unwrap();
    let Incomplete { found, why } = journal.entries().await.unwrap_err();
    assert_eq!(found, [entry(1)]);
    assert!(why.detail.contains("later.journal") && why.detail.contains("format 2"), "{why}");
    let inspected = &inspect(&[dir.path().to_owned()], store(1))[0];
    assert_eq!(inspected.unread, [Unread { path: later.clone(), why: WhyUnread::Newer { version: 2 } }]);
    assert_eq!(inspected.unsettled, 1);
    fs::remove_file(later).unwrap();
    assert_eq!(entries(&journal).await, [entry(1)]);
}

#[tokio::test]
async fn a_damaged_header_hides_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let gone = journal(&[dir.path()], 1);
    for n in 1..3 {
        gone.append(&entry(n)).await.unwrap();
    }
    drop(gone);
    let file = fs::OpenOptions::new().write(true).open(only_file(dir.path())).unwrap();
    let journal = journal(&[dir.path()], 2);
    for with in [[0xaa; BLOCK_BYTES], [0; BLOCK_BYTES]] {
        file.write_all_at(&with, 0).unwrap();
        assert_eq!(entries(&journal).await, [entry(1), entry(2)]);
        assert_eq!(inspect(&[dir.path().to_owned()], store(1))[0].unsettled, 2);
    }
    journal.settle(&[attempt(1), attempt(2)]).await.unwrap();
    assert_eq!(listing(dir.path()), <[PathBuf; 0]>::default());
}

#[tokio::test]
async fn an_answer_that_lies_in_two_files_is_given_once_and_settled_in_both() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..3 {
        journal(&[dir.path()], n).append(&entry(1)).await.unwrap();
    }
    assert_eq!(listing(dir.path()).len(), 2);
    let reader = journal(&[dir.path()], 3);
    assert_eq!(entries(&reader).await, [entry(1)]);
    reader.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(listing(dir.path()), <[PathBuf; 0]>::default());
}

#[tokio::test]
async fn an_answer_that_is_moved_while_the_files_are_read_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    for folder in [&first, &second] {
        drop(journal(&[folder], 1).append(&entry(1)).await);
    }
    let moved = first.join("moved.journal");
    fs::rename(only_file(&first), first.join("before.journal")).unwrap();
    let reader = journal(&[&first, &second], 2);
    let mut seen = Vec::new();
    let look = |path: &Path, _: Vec<Record>| {
        seen.push(path.to_owned());
        if path.starts_with(&first) && !moved.exists() {
            fs::rename(only_file(&second), &moved)?;
        }
        Ok(())
    };
    reader.0.each_file(look).unwrap();
    assert_eq!(seen, [first.join("before.journal"), moved]);
}

#[tokio::test]
async fn an_answer_is_moved_through_a_crowd_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let idle = journal(&[dir.path()], 1);
    let room = idle.reserve().await.unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| dir.path().join(format!("{name}.journal")));
    fs::rename(only_file(dir.path()), &a).unwrap();
    let reader = journal(&[dir.path()], 2);
    let mut seen = Vec::new();
    let look = |path: &Path, _: Vec<Record>| {
        seen.push(path.to_owned());
        if path == a {
            fs::copy(&a, &b)?;
            fs::copy(&a, &c)?;
        } else if path == b {
            fs::rename(&c, &d)?;
        }
        Ok(())
    };
    reader.0.each_file(look).unwrap();
    assert_eq!(seen, [a, b, d], "since one went away before it was read");
    drop(room);
}

#[tokio::test]
async fn processes_that_begin_in_a_crowd_fail_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let idle = journal(&[dir.path()], 1);
    let room = idle.reserve().await.unwrap();
    let reader = journal(&[dir.path()], 2);
    let mut shown = 0;
    let look = |path: &Path, _: Vec<Record>| {
        shown += 1;
        fs::copy(path, dir.path().join(format!("{shown}.journal"))).map(drop)
    };
    reader.0.each_file(look).unwrap();
    assert!(shown < LOOKS, "{shown}");
    drop(room);
}

#[tokio::test]
async fn where_files_keep_coming_there_may_be_more() {
    let dir = tempfile::tempdir().unwrap();
    drop(journal(&[dir.path()], 1).append(&entry(1)).await);
    let reader = journal(&[dir.path()], 2);
    let mut shown = 0;
    let look = |path: &Path, _: Vec<Record>| {
        shown += 1;
        fs::copy(path, dir.path().join(format!("{shown}.journal"))).map(drop)
    };
    reader.0.each_file(look).unwrap_err();
    assert_eq!(shown, LOOKS);
}

#[tokio::test]
async fn a_damaged_record_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let gone = journal(&[dir.path()], 1);
    for n in 1..4 {
        gone.append(&entry(n)).await.unwrap();
    }
    drop(gone);
    let file = fs::OpenOptions::new().write(true).open(only_file(dir.path())).unwrap();
    file.write_all_at(&[0xaa; BLOCK_BYTES], 2 * BLOCK_BYTES as u64).unwrap();
    assert_eq!(entries(&journal(&[dir.path()], 2)).await, [entry(1), entry(3)]);
}

#[tokio::test]
async fn a_damaged_record_is_kept_when_the_others_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let gone = journal(&[dir.path()], 1);
    for n in 1..4 {
        gone.append(&entry(n)).await.unwrap();
    }
    drop(gone);
    let path = only_file(dir.path());
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0xaa], 2 * BLOCK_BYTES as u64 + 100).unwrap();
    let other = journal(&[dir.path()], 2);
    other.settle(&[attempt(1), attempt(3)]).await.unwrap();
    assert_eq!(entries(&other).await, []);
    assert_eq!(inspect(&[dir.path().to_owned()], store(1))[0].damaged, [path.with_extension("damaged")]);
    assert!(!path.exists());
}

#[tokio::test]
async fn folders_are_looked_at_without_being_made() {
    let dir = tempfile::tempdir().unwrap();
    let (present, absent, file) =
        (dir.path().join("present"), dir.path().join("a/b"), dir.path().join("file"));
    fs::create_dir(&present).unwrap();
    fs::write(&file, "").unwrap();
    let gone = journal(&[&present], 1);
    gone.append(&entry(1)).await.unwrap();
    gone.append(&entry(2)).await.unwrap();
    gone.settle(&[attempt(2)]).await.unwrap();
    let [present, absent, file] = &inspect(&[present, absent.clone(), file], store(1))[..] else { panic!() };
    assert_eq!((&present.state, present.unsettled), (&FolderState::Writable, 1));
    assert_eq!((&absent.state, absent.unsettled), (&FolderState::Absent, 0));
    assert!(matches!(&file.state, FolderState::Unusable { why: WhyUnusable::InTheWay, .. }));
    assert_eq!(present.file_system, absent.file_system);
    assert!(!absent.path.exists());

    let [memory] = &inspect(&["/dev/shm".into()], store(1))[..] else { panic!() };
    if memory.file_system.as_deref() == Some("tmpfs") {
        assert!(memory.fleeting.unwrap().contains("when the machine restarts"));
    }
}

#[tokio::test]
async fn memory_behaves_alike() {
    let journal = MemoryJournal::default();
    for n in [2, 1, 2] {
        journal.append(&entry(n)).await.unwrap();
    }
    assert_eq!(journal.entries().await.unwrap(), [entry(1), entry(2)]);
    journal.set_full(true);
    assert!(journal.reserve().await.is_err());
    assert!(journal.append(&entry(3)).await.is_err());
    journal.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(journal.entries().await.unwrap(), [entry(2)]);
    journal.set_full(false);
    assert!(journal.reserve().await.is_ok());
}
