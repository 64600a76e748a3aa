//! Room is there before it is needed.

use std::io::Write;
use std::process::Command;

use super::*;

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[tokio::test]
async fn rooms_are_counted_and_given_back() {
    use std::os::unix::fs::MetadataExt;

    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&[dir.path()], 1);
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(journal.reserve().await.unwrap());
    }
    let file = only_file(dir.path());
    assert_eq!(len(&file), 64 * 1024, "three rooms and the header fit");
    assert_eq!(
        fs::metadata(&file).unwrap().blocks() * 512,
        64 * 1024,
        "the blocks are there, not only the size"
    );

    rooms.push(journal.reserve().await.unwrap());
    assert_eq!(len(&file), 128 * 1024);
    rooms.clear();
    for _ in 0..100 {
        drop(journal.reserve().await.unwrap());
    }
    assert_eq!(len(&file), 128 * 1024, "what is given back is used again");

    // An answer takes blocks until it is settled.
    for n in 0..7 {
        let room = journal.reserve().await.unwrap();
        journal.append(&answer(n, 15_000)).await.unwrap();
        drop(room);
    }
    assert_eq!(len(&file), 128 * 1024);
    drop(journal.reserve().await.unwrap());
    assert_eq!(len(&file), 192 * 1024);
    let all: Vec<AttemptId> = (0..7).map(attempt).collect();
    journal.settle(&all).await.unwrap();
    let rooms: Vec<Room> =
        futures_util::future::try_join_all((0..11).map(|_| journal.reserve())).await.unwrap();
    assert_eq!(
        (rooms.len(), len(&file)),
        (11, 192 * 1024),
        "a file that is settled is written from its start"
    );
}

#[tokio::test]
async fn no_more_is_reserved_than_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&[dir.path()], 1);
    let mut rooms = Vec::new();
    let refused = loop {
        match journal.reserve().await {
            Ok(room) => rooms.push(room),
            Err(error) => break error,
        }
    };
    assert_eq!(rooms.len(), 1023, "16 MiB less the header");
    assert!(len(&only_file(dir.path())) <= RESERVED_MAX_BYTES);
    assert!(refused.detail.contains(dir.path().to_str().unwrap()), "{refused}");
    rooms.pop();
    assert!(journal.reserve().await.is_ok());
    // An answer that is there already is not turned away.
    journal.append(&answer(1, 1_400_000)).await.unwrap();
    assert_eq!(entries(&journal).await, [answer(1, 1_400_000)]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_replaced_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let (file, second) = (dir.path().join("file"), dir.path().join("a/b"));
    fs::write(&file, "").unwrap();
    let refused = journal(&[&file, &file.join("below")], 1).reserve().await.err().unwrap();
    assert!(refused.detail.matches(file.to_str().unwrap()).count() >= 2, "names each: {refused}");

    let journal = journal(&[&file, &second], 1);
    let room = journal.reserve().await.unwrap();
    journal.append(&entry(1)).await.unwrap();
    drop(room);
    assert_eq!(listing(&second).len(), 1);
    assert_eq!(entries(&journal).await, [entry(1)]);
    journal.settle(&[attempt(1)]).await.unwrap();

    // The first is mended, and nothing holds the second.
    fs::remove_file(&file).unwrap();
    drop(journal.reserve().await.unwrap());
    assert_eq!((listing(&file).len(), listing(&second).len()), (1, 0));
}

/// A file system of 1 MiB, unmounted when this is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(dir.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Self(dir));
        }
        writeln!(io::stderr(), "skipped: a tmpfs cannot be mounted here").unwrap();
        None
    }

    fn fill(&self) {
        let full = fs::write(self.0.path().join("filler"), vec![1; 2 << 20]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status().unwrap();
        assert!(unmounted.success());
    }
}

#[tokio::test]
async fn what_is_reserved_can_be_written_on_a_disk_that_is_full() {
    let Some(disk) = Tmpfs::mount() else { return };
    let folder = disk.0.path().join("journal");
    let journal = journal(&[&folder], 1);
    let mut rooms = Vec::new();
    for _ in 0..10 {
        rooms.push(journal.reserve().await.unwrap());
    }
    disk.fill();
    let refused = loop {
        match journal.reserve().await {
            Ok(room) => rooms.push(room),
            Err(error) => break error,
        }
    };
    assert!(refused.detail.contains("No space left"), "{refused}");
    assert!(rooms.len() < 12, "no more than the blocks that were there");

    // One that is too long finds no place, and takes none from the others.
    let refused = journal.append(&answer(200, 1_400_000)).await.unwrap_err();
    assert!(refused.detail.contains(folder.to_str().unwrap()), "{refused}");
    for n in 0..10 {
        journal.append(&answer(n, 15_000)).await.unwrap();
    }
    let written: Vec<Entry> = (0..10).map(|n| answer(n, 15_000)).collect();
    assert_eq!(entries(&journal).await, written);

    disk.free();
    drop(journal.reserve().await.unwrap());
    journal.append(&entry(10)).await.unwrap();
    assert_eq!(entries(&journal).await.len(), 11);
    journal.close().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_goes_to_the_next_folder() {
    let Some(disk) = Tmpfs::mount() else { return };
    let other = tempfile::tempdir().unwrap();
    let journal = journal(&[disk.0.path(), other.path()], 1);
    let room = journal.reserve().await.unwrap();
    journal.append(&entry(1)).await.unwrap();
    disk.fill();
    journal.append(&answer(2, 1_400_000)).await.unwrap();
    drop(room);
    assert_eq!(entries(&journal).await, [entry(1), answer(2, 1_400_000)]);
    assert_eq!(listing(other.path()).len(), 1);
    journal.settle(&[attempt(1), attempt(2)]).await.unwrap();
    journal.close().await;
    assert_eq!(
        (listing(disk.0.path()).len(), listing(other.path()).len()),
        (1, 0),
        "only the filler is left"
    );
}
