//! Where answers are kept that the store does not take: one file per process, written ahead of need.
//!
//! [`FileJournal`] is what programs use; [`MemoryJournal`] is for tests and simulations. [`inspect`] says what can be
//! said of the folders beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::spawn_blocking;
use vestal_core::id::{AttemptId, NodeId, StoreId};
use vestal_core::journal::{Entry, Incomplete, Journal, JournalError, Room};

mod disk;
mod files;
pub mod format;
mod inspect;
mod memory;
mod named;
mod others;
mod own;
mod rooms;
#[cfg(test)]
mod tests;

pub use inspect::{FolderState, JournalFolder, Unread, WhyUnread, WhyUnusable, inspect};
pub use memory::MemoryJournal;

use disk::{Disk, Os};
use files::Files;
use format::{Record, Unreadable};
use others::{Holds, Settled};
use own::Names;
use rooms::Rooms;

const EXTENSION: &str = "journal";

/// What is reserved for one answer. Most are below 4 KiB; one with three signed tokens that carry many groups comes
/// to some 12 KiB. What is longer is tried all the same.
const ROOM_BYTES: u64 = 16 * 1024;

/// The longest file in which room is reserved: a thousand answers that wait for the store.
const RESERVED_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The longest file that is written or read. Answers that came although there was no room lie behind the reserved.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// How often the folders are listed for files that have come meanwhile, as long as what comes may have to do with a move: a
/// process may be moving its answers from one file to another, and each of the two may be passed by when they are not in it.
const LOOKS: usize = 8;

/// A journal in files. Leaves no trace of a process that only reads.
///
/// A file is made when room is first asked for, in the first folder that takes it; a folder that fails is replaced by
/// the next. After a failed write or fsync a file is not written any more: what is in it stays until it is settled,
/// and what comes next goes to a new one.
pub struct FileJournal(Arc<Inner>);

struct Inner {
    disk: Arc<dyn Disk>,
    folders: Arc<[PathBuf]>,
    store: StoreId,
    rooms: Arc<Rooms>,
    files: Arc<AsyncMutex<Files>>,
    /// Answers to be written down: whoever writes next writes all of them.
    waiting: Mutex<Vec<Waiting>>,
    noted: Mutex<Noted>,
}

struct Waiting {
    entry: Entry,
    done: oneshot::Sender<Result<(), JournalError>>,
}

/// What this process knows of files that it does not write.
#[derive(Default)]
struct Noted {
    /// Answers that are settled in files of processes that live.
    settled: BTreeSet<AttemptId>,
    /// What was reported already.
    reported: BTreeSet<PathBuf>,
}

/// What a file that came meanwhile tells of answers that are being moved.
enum Shown {
    /// It holds some, or went away before it was read: they may be in another that comes.
    MayMove,
    /// Nothing: as that of a process that has just begun.
    Quiet,
}

impl FileJournal {
    /// A journal in the first of these folders that takes it. The others are fallbacks, and all are read.
    pub fn new(folders: Vec<PathBuf>, store: StoreId, node: NodeId) -> Self {
        Self::on(Arc::new(Os), folders, store, node)
    }

    fn on(disk: Arc<dyn Disk>, folders: Vec<PathBuf>, store: StoreId, node: NodeId) -> Self {
        let folders: Arc<[PathBuf]> = folders.into();
        let rooms = Arc::new(Rooms::default());
        let files = Files {
            disk: disk.clone(),
            folders: folders.clone(),
            store,
            names: Names::new(node),
            rooms: rooms.clone(),
            current: None,
            aside: Vec::new(),
        };
        let files = Arc::new(AsyncMutex::new(files));
        Self(Arc::new(Inner {
            disk,
            folders,
            store,
            rooms,
            files,
            waiting: Mutex::default(),
            noted: Mutex::default(),
        }))
    }

    /// Does what blocks with the files of this process. It is done to its end, also when the caller goes away.
    async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files) -> T + Send + 'static,
    ) -> Result<T, JournalError> {
        let mut files = self.0.files.clone().lock_owned().await;
        spawn_blocking(move || work(&mut files)).await.map_err(|error| interrupted(&error))
    }

    async fn with_all_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, JournalError> {
        let inner = self.0.clone();
        spawn_blocking(move || work(&inner)).await.map_err(|error| interrupted(&error))
    }
}

fn interrupted(error: &dyn std::error::Error) -> JournalError {
    JournalError { detail: format!("it was interrupted: {error}") }
}

#[async_trait]
impl Journal for FileJournal {
    async fn reserve(&self) -> Result<Room, JournalError> {
        if let Some(taken) = self.0.rooms.take() {
            return Ok(Room::kept_by(taken));
        }
        self.with_files(Files::make_room).await?.map(Room::kept_by)
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        let (done, written) = oneshot::channel();
        self.0.waiting().push(Waiting { entry: entry.clone(), done });
        let inner = self.0.clone();
        self.with_files(move |files| {
            // Another caller may have written it meanwhile, together with its own.
            let waiting = mem::take(&mut *inner.waiting());
            let entries: Vec<&Entry> = waiting.iter().map(|waiting| &waiting.entry).collect();
            let written = if entries.is_empty() { Vec::new() } else { files.append(&entries) };
            for (waiting, result) in waiting.into_iter().zip(written) {
                // Who does not listen any more does not need to know.
                let _ = waiting.done.send(result);
            }
        })
        .await?;
        written.await.map_err(|error| interrupted(&error))?
    }

    async fn entries(&self) -> Result<Vec<Entry>, Incomplete> {
        let read = async {
            let lost = self.with_files(Files::rescue).await?;
            self.with_all_files(|inner| inner.entries(lost)).await
        };
        match read.await {
            Ok(entries) => entries,
            Err(why) => Err(Incomplete { found: Vec::new(), why }),
        }
    }

    async fn settle(&self, attempts: &[AttemptId]) -> Result<(), JournalError> {
        let own = attempts.to_vec();
        self.with_files(move |files| files.settle(&own)).await?;
        let attempts = attempts.iter().copied().collect();
        self.with_all_files(move |inner| inner.settle_elsewhere(&attempts)).await?
    }

    async fn close(&self) {
        if let Err(error) = self.with_files(Files::close).await {
            tracing::warn!(%error, "the journal was not closed");
        }
    }
}

impl Inner {
    /// `lost`: those that are in no file that can be found.
    fn entries(&self, lost: Vec<Entry>) -> Result<Vec<Entry>, Incomplete> {
        let mut found: BTreeMap<_, _> = lost.into_iter().map(|entry| (entry.attempt.id, entry)).collect();
        let mut present: BTreeSet<_> = found.keys().copied().collect();
        let read = self.each_file(|path, records| {
            let unsettled = others::unsettled(&records);
            if unsettled.is_empty() {
                // Nobody else clears up after a process that was killed. Where it cannot be done, nothing is lost.
                let _ = others::settle(&*self.disk, path, self.store, |_| false);
                return Ok(());
            }
            present.extend(unsettled);
            for record in records.into_iter().filter(|record| !record.settled) {
                found.entry(record.entry.attempt.id).or_insert(record.entry);
            }
            Ok(())
        });
        let mut noted = self.noted();
        if read.is_ok() {
            noted.settled.retain(|attempt| present.contains(attempt));
        }
        let mut entries: Vec<Entry> =
            found.into_values().filter(|entry| !noted.settled.contains(&entry.attempt.id)).collect();
        entries.sort_by_key(|entry| (entry.attempt.started_at, entry.attempt.id));
        match read {
            Ok(()) => Ok(entries),
            Err(why) => Err(Incomplete { found: entries, why }),
        }
    }

    fn settle_elsewhere(&self, attempts: &BTreeSet<AttemptId>) -> Result<(), JournalError> {
        self.each_file(|path, records| {
            let unsettled = others::unsettled(&records);
            let here: Vec<AttemptId> = unsettled.intersection(attempts).copied().collect();
            if here.is_empty() && !unsettled.is_empty() {
                return Ok(());
            }
            let is_settled = |attempt| attempts.contains(&attempt);
            match others::settle(&*self.disk, path, self.store, is_settled) {
                Ok(Settled::Here) => Ok(()),
                Ok(Settled::ByItsProcess) => {
                    self.noted().settled.extend(here);
                    Ok(())
                }
                // They will not be told as unsettled again, by this process.
                Err(error) => {
                    self.noted().settled.extend(here);
                    Err(error)
                }
            }
        })
    }

    /// Shows the records of each file of this store to `look`. A file in which nothing can be found any more is reported
    /// and left alone. That one could not be read which somebody else can read is an error once the others have been seen.
    fn each_file(
        &self,
        mut look: impl FnMut(&Path, Vec<Record>) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let (mut seen, mut unread) = (BTreeSet::new(), BTreeSet::new());
        for look_number in 1..=LOOKS {
            let mut new = Vec::new();
            for (index, folder) in self.folders.iter().enumerate() {
                match others::files((index, folder)) {
                    Ok(files) => new.extend(files.into_iter().filter(|path| seen.insert(path.clone()))),
                    Err(error) => drop(unread.insert(format!("{}: {error}", folder.display()))),
                }
            }
            let mut may_move = look_number == 1 && !new.is_empty();
            for path in new {
                match self.show(&path, &mut look) {
                    Ok(Shown::Quiet) => {}
                    Ok(Shown::MayMove) => may_move = true,
                    Err(error) => {
                        may_move = true;
                        unread.insert(format!("{}: {error}", path.display()));
                    }
                }
            }
            if !may_move {
                break;
            }
            if look_number == LOOKS {
                unread.insert("files kept coming while they were read".to_owned());
            }
        }
        let detail = Vec::from_iter(unread).join("; ");
        if detail.is_empty() { Ok(()) } else { Err(JournalError { detail }) }
    }

    fn show(
        &self,
        path: &Path,
        look: &mut impl FnMut(&Path, Vec<Record>) -> io::Result<()>,
    ) -> io::Result<Shown> {
        match others::read(path, self.store)? {
            Holds::Gone => Ok(Shown::MayMove),
            Holds::Anothers => Ok(Shown::Quiet),
            Holds::Records(records) => {
                let holds_answers = records.iter().any(|record| !record.settled);
                look(path, records)?;
                Ok(if holds_answers { Shown::MayMove } else { Shown::Quiet })
            }
            Holds::Unreadable(Unreadable::Damaged) => {
                self.report(path);
                Ok(Shown::Quiet)
            }
            Holds::Unreadable(why @ Unreadable::UnknownVersion { .. }) => Err(io::Error::other(why)),
        }
    }

    /// Once.
    fn report(&self, path: &Path) {
        if self.noted().reported.insert(path.to_owned()) {
            let why = Unreadable::Damaged;
            tracing::warn!(path = %path.display(), %why, "a journal cannot be read, and is left alone");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
