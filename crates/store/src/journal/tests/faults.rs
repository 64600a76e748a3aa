//! Any single step of the operating system's may fail.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;

use super::super::disk::Disk;
use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    Never,
    /// This step alone.
    Once(usize),
    /// This step, and all that follow.
    From(usize),
}

/// A disk of which steps fail. What was written since the last fsync of a file is lost when its next one fails, as
/// on a system that drops the pages that it could not write.
struct Faulty {
    fails: Fails,
    steps: AtomicUsize,
    syncs: AtomicUsize,
    /// By inode.
    unsafe_yet: Mutex<BTreeMap<u64, Vec<Overwritten>>>,
}

/// What was written over and is not safe yet: where, and what was there before.
type Overwritten = (u64, Vec<u8>);

impl Faulty {
    fn new(fails: Fails) -> Arc<Self> {
        let (steps, syncs) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { fails, steps, syncs, unsafe_yet: Mutex::default() })
    }

    fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// The machine goes down: nothing stays that was not synced. That costs marks too, and so brings back what was
    /// settled; the store knows better.
    fn crash(&self, folders: &[PathBuf]) {
        let mut lost = self.unsafe_yet.lock().unwrap();
        for path in folders.iter().filter(|folder| folder.exists()).flat_map(|folder| listing(folder)) {
            let file = File::options().write(true).open(path).unwrap();
            restore(&file, lost.remove(&inode(&file)).unwrap_or_default());
        }
    }

    fn step(&self) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        match self.fails {
            Fails::Once(k) if k == step => Err(io::Error::other("injected")),
            Fails::From(k) if k <= step => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}

fn restore(file: &File, lost: Vec<Overwritten>) {
    for (offset, before) in lost.into_iter().rev() {
        file.write_all_at(&before, offset).unwrap();
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

impl Disk for Faulty {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.step().and_then(|()| Os.make_folder(folder))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let file = self.step().and_then(|()| Os.create(path))?;
        // Its inode may have been another's.
        self.unsafe_yet.lock().unwrap().remove(&inode(&file));
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step().and_then(|()| Os.rename(from, to))
    }

    fn allocate(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        self.step().and_then(|()| Os.allocate(file, from, to))
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failed = self.step();
        let written = if failed.is_err() { &bytes[..bytes.len() / 2] } else { bytes };
        let mut before = vec![0; written.len()];
        // What lies behind the end is zeros.
        file.read_at(&mut before, offset).unwrap();
        self.unsafe_yet.lock().unwrap().entry(inode(file)).or_default().push((offset, before));
        Os.write(file, written, offset).and(failed)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        let failed = self.step();
        let lost = self.unsafe_yet.lock().unwrap().remove(&inode(file)).unwrap_or_default();
        if failed.is_err() {
            restore(file, lost);
        }
        failed
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step().and_then(|()| Os.sync_folder(folder))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step().and_then(|()| Os.remove(path))
    }
}

/// The sixth is a long one.
fn sized(n: u8) -> Entry {
    if n == 6 { answer(6, 100_000) } else { entry(n) }
}

/// Writes and settles; says which answers were acknowledged and not settled.
async fn live(journal: &FileJournal) -> Vec<u8> {
    let mut kept = Vec::new();
    for step in 1..=14_u8 {
        match step {
            // Another two are settled now and then, at last all of them.
            5 | 8 | 11 => {
                let settled: Vec<u8> =
                    kept.drain(..if step == 8 { kept.len() } else { kept.len().min(2) }).collect();
                let attempts: Vec<AttemptId> = settled.iter().copied().map(attempt).collect();
                // That a mark could not be written is told, and remembered.
                let _ = journal.settle(&attempts).await;
                let left = journal.entries().await.unwrap();
                for n in settled {
                    assert!(!left.contains(&sized(n)), "{n} comes back to the process that settled it");
                }
            }
            n => {
                let room = journal.reserve().await;
                if journal.append(&sized(n)).await.is_ok() {
                    kept.push(n);
                }
                drop(room);
            }
        }
    }
    kept
}

#[tokio::test]
async fn what_is_acknowledged_is_found_whatever_fails() {
    let runs = (0..).flat_map(|k| [Fails::Once(k), Fails::From(k)]);
    let mut failed_runs = 0;
    for fails in runs {
        let dir = tempfile::tempdir().unwrap();
        let folders = vec![dir.path().join("first"), dir.path().join("second")];
        let disk = Faulty::new(fails);
        let journal = FileJournal::on(disk.clone(), folders.clone(), store(1), node(1));
        let kept = live(&journal).await;
        if matches!(fails, Fails::Once(_)) {
            assert_eq!(kept, [12, 13, 14], "one failure costs no answer: {fails:?}");
        }
        let (Fails::Once(k) | Fails::From(k)) = fails else { unreachable!() };
        let none_failed = k >= disk.steps();
        drop(journal);
        disk.crash(&folders);

        let heir = FileJournal::new(folders.clone(), store(1), node(2));
        let left: Vec<Entry> = entries(&heir).await;
        for n in &kept {
            assert!(left.contains(&sized(*n)), "{n} is lost when these fail: {fails:?}");
        }
        let all: Vec<AttemptId> = left.iter().map(|entry| entry.attempt.id).collect();
        heir.settle(&all).await.unwrap();
        assert_eq!(entries(&heir).await, []);
        let files = folders.iter().filter(|folder| folder.exists()).flat_map(|folder| listing(folder));
        let files: Vec<PathBuf> = files.filter(|file| file.extension().unwrap() == EXTENSION).collect();
        assert_eq!(files, <[PathBuf; 0]>::default(), "{fails:?}");
        if none_failed {
            break;
        }
        failed_runs += 1;
    }
    assert!(failed_runs > 60, "{failed_runs}");
}

#[tokio::test]
async fn what_was_in_a_removed_file_is_found_whatever_fails() {
    for k in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let folders = vec![dir.path().join("first"), dir.path().join("second")];
        let disk = Faulty::new(Fails::Once(k));
        let journal = FileJournal::on(disk.clone(), folders.clone(), store(1), node(1));
        let mut kept = Vec::new();
        for n in 1..=6 {
            let room = journal.reserve().await;
            journal.append(&sized(n)).await.unwrap();
            drop(room);
            kept.push(sized(n));
            if n % 2 == 0 {
                for file in folders.iter().filter(|folder| folder.exists()).flat_map(|folder| listing(folder))
                {
                    fs::remove_file(file).unwrap();
                }
            }
        }
        assert_eq!(entries(&journal).await, kept, "by its own process, {k}");
        journal.close().await;
        let heir = FileJournal::new(folders, store(1), node(2));
        assert_eq!(entries(&heir).await, kept, "by others, {k}");
        if k >= disk.steps() {
            return;
        }
    }
}

#[tokio::test]
async fn after_a_failed_fsync_a_file_is_not_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    // make_folder, create, rename, write, allocate, sync, sync_folder; append: write, sync.
    let disk = Faulty::new(Fails::Once(10));
    let journal = FileJournal::on(disk.clone(), vec![dir.path().to_owned()], store(1), node(1));
    drop(journal.reserve().await.unwrap());
    journal.append(&entry(1)).await.unwrap();
    let before = fs::read(only_file(dir.path())).unwrap();
    journal.append(&entry(2)).await.unwrap();
    journal.append(&entry(3)).await.unwrap();
    let files = listing(dir.path());
    assert_eq!(files.len(), 2);
    assert!(files.iter().any(|file| fs::read(file).unwrap() == before), "the first is as it was");
    assert_eq!(entries(&journal).await, [entry(1), entry(2), entry(3)]);
    journal.settle(&[attempt(1)]).await.unwrap();
    assert_eq!(listing(dir.path()).len(), 1, "nothing is needed of it any more");
}

#[tokio::test]
async fn answers_that_come_together_share_an_fsync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::new(Fails::Never);
    let journal = FileJournal::on(disk.clone(), vec![dir.path().to_owned()], store(1), node(1));
    let written: Vec<Entry> = (0..60).map(entry).collect();
    // Each twice.
    let appends = written.iter().chain(&written).map(|entry| journal.append(entry));
    futures_util::future::try_join_all(appends).await.unwrap();
    assert_eq!(entries(&journal).await, written);
    let syncs = disk.syncs.load(Ordering::SeqCst);
    assert!(syncs <= 4, "{syncs} for making the file, the first answer and all others");
    journal.settle(&written.iter().map(|entry| entry.attempt.id).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(entries(&journal).await, []);
}

#[tokio::test]
async fn an_answer_that_was_sent_to_be_written_is_written_though_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(&[dir.path()], 1);
    let given_up = entry(1);
    let mut append = journal.append(&given_up);
    assert!(append.as_mut().now_or_never().is_none());
    drop(append);
    journal.append(&entry(2)).await.unwrap();
    assert_eq!(entries(&journal).await, [entry(1), entry(2)]);
}
