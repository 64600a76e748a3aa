//! One file that this process writes.

use std::collections::BTreeMap;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vestal_core::id::{AttemptId, NodeId, StoreId};
use vestal_core::journal::Entry;

use super::disk::Disk;
use super::format::{self, BLOCK_BYTES, MARK_OFFSET, SETTLED};
use super::named::Named;
use super::{EXTENSION, FILE_MAX_BYTES, others};
use crate::locked::Locked;

/// What a file grows by.
const STEP_BYTES: u64 = 64 * 1024;
const FIRST_RECORD: u64 = BLOCK_BYTES as u64;

/// The names of this process's files.
pub(super) struct Names {
    node: NodeId,
    last: u32,
}

pub(super) struct OwnFile {
    pub(super) named: Arc<Named>,
    /// Its folder, by its place in the list.
    pub(super) folder: usize,
    /// Locked for as long as it is open.
    file: Locked,
    /// Up to here it has blocks.
    allocated: u64,
    /// Where the next record goes.
    position: u64,
    sequence: u64,
    since: u64,
    unsettled: BTreeMap<AttemptId, Held>,
    /// A write or an fsync has failed: what the system remembers of this file need not be what the disk holds, and
    /// an fsync that succeeds later would prove nothing. Or it was removed or replaced.
    failed: bool,
}

struct Held {
    offset: u64,
    /// Whether it survives a crash of the machine. One that may not is kept all the same: it may be all there is.
    durable: bool,
}

impl OwnFile {
    /// Makes a file with at least these bytes for records. Leaves nothing behind when that fails.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: (usize, &Path),
        store: StoreId,
        names: &mut Names,
        bytes: u64,
    ) -> io::Result<Self> {
        let (index, folder) = folder;
        // The first one is the store's: a store whose folder is gone must find its place free when it comes back.
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        if index == 0 && above.is_some_and(|above| !above.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the store's folder is not there"));
        }
        disk.make_folder(folder)?;
        let (starting, path) = names.next(folder)?;
        let file = disk.create(&starting)?;
        // It shows under its name only once it is locked: nobody can take it for the file of a process that is gone.
        let locked = Locked::take(file).map_err(io::Error::from);
        let named = locked.and_then(|file| {
            disk.rename(&starting, &path)?;
            Ok((Named::new(path, &file)?, file))
        });
        let (named, file) = named.inspect_err(|_| leave_nothing(disk, &starting))?;
        let mut own = Self {
            named: Arc::new(named),
            folder: index,
            file,
            allocated: FIRST_RECORD,
            position: FIRST_RECORD,
            sequence: 0,
            since: 1,
            unsettled: BTreeMap::new(),
            failed: false,
        };
        let end = if bytes == 0 { FIRST_RECORD } else { stepped(FIRST_RECORD + bytes) };
        let ready = disk
            .write(&own.file, &format::header(store), 0)
            .and_then(|()| own.allocate(disk, end))
            .and_then(|()| disk.sync(&own.file))
            .and_then(|()| disk.sync_folder(folder));
        ready.inspect_err(|_| leave_nothing(disk, own.named.path()))?;
        Ok(own)
    }

    /// The bytes that records can still take without more blocks.
    pub(super) fn free_bytes(&self) -> u64 {
        self.allocated.saturating_sub(self.position)
    }

    /// The bytes that records take.
    pub(super) fn used_bytes(&self) -> u64 {
        self.position
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsettled.is_empty()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether it is not at its path any more: then nothing in it survives this process.
    pub(super) fn is_lost(&mut self) -> bool {
        let is_lost = self.named.check().is_err();
        if is_lost {
            self.failed = true;
            self.unsettled.values_mut().for_each(|held| held.durable = false);
        }
        is_lost
    }

    /// The answers that may be in here alone, as they were written.
    pub(super) fn unsettled(&self, store: StoreId) -> io::Result<Vec<Entry>> {
        (&*self.file).rewind()?;
        let records = format::records(store, &others::contents(&self.file)?);
        let entries = records.into_iter().map(|record| record.entry);
        Ok(entries.filter(|entry| self.may_keep(entry.attempt.id)).collect())
    }

    /// Whether this answer was written down here and survives a crash.
    pub(super) fn keeps(&self, attempt: AttemptId) -> bool {
        self.unsettled.get(&attempt).is_some_and(|held| held.durable)
    }

    /// Whether this answer may lie here.
    pub(super) fn may_keep(&self, attempt: AttemptId) -> bool {
        self.unsettled.contains_key(&attempt)
    }

    /// Nobody has to look for this answer here.
    pub(super) fn forget(&mut self, attempt: AttemptId) {
        self.unsettled.remove(&attempt);
    }

    /// Makes room for this many more bytes of records, durably.
    pub(super) fn grow(&mut self, disk: &dyn Disk, bytes: u64) -> io::Result<()> {
        if bytes <= self.free_bytes() {
            return Ok(());
        }
        self.allocate(disk, stepped(self.position + bytes))?;
        disk.sync(&self.file).inspect_err(|_| self.failed = true)
    }

    fn allocate(&mut self, disk: &dyn Disk, end: u64) -> io::Result<()> {
        if end > self.allocated {
            disk.allocate(&self.file, self.allocated, end)?;
            self.allocated = end;
        }
        Ok(())
    }

    /// Writes answers down, with one fsync. After an error any of them may be there, or not; unless
    /// [`OwnFile::has_failed`], there was no room for them, and the file is as it was.
    pub(super) fn append(&mut self, disk: &dyn Disk, store: StoreId, entries: &[&Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(entries.len());
        for entry in entries {
            offsets.push(self.position + bytes.len() as u64);
            self.sequence += 1;
            bytes.extend(format::record(store, self.sequence, self.since, entry)?);
        }
        let end = self.position + bytes.len() as u64;
        if end > FILE_MAX_BYTES {
            return Err(io::Error::other("its file is as long as it may be"));
        }
        self.allocate(disk, end)?;
        disk.write(&self.file, &bytes, self.position).inspect_err(|_| self.failed = true)?;
        let kept = disk.sync(&self.file).and_then(|()| self.named.check());
        let synced = kept.inspect_err(|_| self.failed = true);
        let durable = synced.is_ok();
        let held = offsets.into_iter().map(|offset| Held { offset, durable });
        self.unsettled.extend(entries.iter().map(|entry| entry.attempt.id).zip(held));
        self.position = end;
        synced
    }

    /// Marks these answers as settled, as far as they lie here. What is not is found by others once this process is
    /// gone: a mark that is lost costs them a look at the store. So it is not waited for.
    pub(super) fn settle(&mut self, disk: &dyn Disk, attempts: &[AttemptId]) {
        for attempt in attempts {
            if let Some(held) = self.unsettled.remove(attempt) {
                let marked = disk.write(&self.file, &[SETTLED], held.offset + MARK_OFFSET as u64);
                self.failed |= marked.is_err();
            }
        }
        if self.is_empty() {
            // What is written next says that all that lies behind it is old.
            self.position = FIRST_RECORD;
            self.since = self.sequence + 1;
        }
    }

    /// Removes the file, of which nothing is needed any more.
    pub(super) fn remove(self, disk: &dyn Disk) {
        remove(disk, &self.named);
    }
}

/// Removes a file, and none that has taken its place. That it stays, or comes back after a crash, harms nobody: what is
/// in it is settled.
pub(super) fn remove(disk: &dyn Disk, file: &Named) {
    let path = file.path();
    let folder = path.parent().unwrap_or(Path::new("."));
    let removed = file.check().and_then(|()| disk.remove(path)).and_then(|()| disk.sync_folder(folder));
    if let Err(error) = removed {
        tracing::debug!(path = %path.display(), %error, "an empty journal could not be removed");
    }
}

fn stepped(end: u64) -> u64 {
    end.next_multiple_of(STEP_BYTES)
}

fn leave_nothing(disk: &dyn Disk, path: &Path) {
    // What went wrong first is what to tell; the leftover is empty.
    let _ = disk.remove(path);
}

impl Names {
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, last: 0 }
    }

    /// The names of a file that starts, and of the same once it is locked, which are not in use. None is given twice: a file
    /// that was removed may still be open here, and its name must not come to mean another.
    fn next(&mut self, folder: &Path) -> io::Result<(PathBuf, PathBuf)> {
        loop {
            self.last = self.last.checked_add(1).ok_or(io::ErrorKind::AlreadyExists)?;
            let name = |extension| folder.join(format!("{}-{}.{extension}", self.node, self.last));
            let (starting, path) = (name("starting"), name(EXTENSION));
            if !starting.exists() && !path.exists() {
                return Ok((starting, path));
            }
        }
    }
}
