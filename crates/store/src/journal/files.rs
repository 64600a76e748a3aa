//! The files that this process writes: the one in use, and those that were put aside.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vestal_core::id::{AttemptId, StoreId};
use vestal_core::journal::{Entry, JournalError};

use super::disk::Disk;
use super::own::{Names, OwnFile};
use super::rooms::{Rooms, Taken};
use super::{RESERVED_MAX_BYTES, ROOM_BYTES};

pub(super) struct Files {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) folders: Arc<[PathBuf]>,
    pub(super) store: StoreId,
    pub(super) names: Names,
    pub(super) rooms: Arc<Rooms>,
    pub(super) current: Option<OwnFile>,
    /// Not written any more. They stay open, and so locked, until what may be in them is settled.
    pub(super) aside: Vec<OwnFile>,
}

impl Files {
    /// Takes a room that had to be made first.
    pub(super) fn make_room(&mut self) -> Result<Taken, JournalError> {
        self.rescue();
        self.leave_fallback();
        let made = self.try_make_room();
        self.offer();
        made
    }

    fn try_make_room(&mut self) -> Result<Taken, JournalError> {
        // Somebody else's wish may have made enough for this one too.
        if let Some(taken) = self.current.is_some().then(|| self.rooms.take_anywhere()).flatten() {
            return Ok(taken);
        }
        let wanted = self.rooms.wanted_bytes();
        let mut refusals = Refusals::default();
        if let Some(current) = &mut self.current {
            let grown = if current.used_bytes() + wanted > RESERVED_MAX_BYTES {
                Err(io::Error::other(format!(
                    "its {RESERVED_MAX_BYTES} bytes for answers that wait are taken"
                )))
            } else {
                current.grow(&*self.disk, wanted)
            };
            match grown {
                Ok(()) => return self.take(),
                Err(error) => refusals.add(&self.folders[current.folder], &error),
            }
        }
        let in_use =
            self.current.as_ref().filter(|current| !current.has_failed()).map(|current| current.folder);
        for folder in (0..self.folders.len()).filter(|folder| Some(*folder) != in_use) {
            match self.create(folder, wanted) {
                Ok(file) => {
                    self.put_aside_if(|_| true);
                    self.current = Some(file);
                    return self.take();
                }
                Err(error) => refusals.add(&self.folders[folder], &error),
            }
        }
        self.put_aside_if(|current| current.has_failed());
        Err(refusals.into())
    }

    fn take(&self) -> Result<Taken, JournalError> {
        self.offer();
        let nobody = || JournalError { detail: "there was room, and now there is none".to_owned() };
        self.rooms.take_anywhere().ok_or_else(nobody)
    }

    /// Writes answers down, with one write as long as that can be done, else one by one, wherever there is a place.
    /// Says of each what came of it.
    pub(super) fn append(&mut self, entries: &[&Entry]) -> Vec<Result<(), JournalError>> {
        self.rescue();
        let mut appended = Vec::with_capacity(entries.len());
        while let Some((first, _)) = entries[appended.len()..].split_first() {
            let left = entries[appended.len()..].iter().copied();
            let mut seen = BTreeSet::new();
            let mut is_new = |attempt| !self.keeps(attempt) && seen.insert(attempt);
            let new: Vec<&Entry> = left.filter(|entry| is_new(entry.attempt.id)).collect();
            if new.is_empty() || self.append_here(&new).is_ok() {
                appended.resize(entries.len(), Ok(()));
            } else {
                appended.push(self.append_anywhere(first));
            }
        }
        self.keep_rooms(entries.len() as u64);
        self.offer();
        appended
    }

    /// Appends to the file in use, which is put aside when it fails.
    fn append_here(&mut self, entries: &[&Entry]) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let appended = self.append_to(&mut current, entries);
        if current.has_failed() {
            self.put_aside(current);
        } else {
            self.current = Some(current);
        }
        appended
    }

    /// Appends one answer to the file in use, else to a new one: in the same folder, else in another.
    fn append_anywhere(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if self.keeps(entry.attempt.id) {
            return Ok(());
        }
        let mut refusals = Refusals::default();
        let first = self.current.as_ref().or(self.aside.last()).map_or(0, |file| file.folder);
        if self.current.is_some() {
            match self.append_here(&[entry]) {
                Ok(()) => return Ok(()),
                Err(error) => refusals.add(&self.folders[first], &error),
            }
        }
        for folder in (first..self.folders.len()).chain(0..first) {
            // No more is asked for than this answer needs: on a disk that is nearly full it may just fit.
            let appended = self.create(folder, 0).and_then(|mut file| {
                let appended = self.append_to(&mut file, &[entry]);
                // The file in use stays in use, for those who have room in it.
                if appended.is_err() || self.current.is_some() {
                    self.put_aside(file);
                } else {
                    self.current = Some(file);
                }
                appended
            });
            match appended {
                Ok(()) => return Ok(()),
                Err(error) => refusals.add(&self.folders[folder], &error),
            }
        }
        Err(refusals.into())
    }

    /// An answer that may lie in one file already is waited for there until it lies in another for sure.
    fn append_to(&mut self, file: &mut OwnFile, entries: &[&Entry]) -> io::Result<()> {
        let appended = file.append(&*self.disk, self.store, entries);
        for attempt in entries.iter().map(|entry| entry.attempt.id) {
            let earlier = self.aside.iter_mut().filter(|earlier| earlier.may_keep(attempt));
            if appended.is_ok() {
                earlier.for_each(|earlier| earlier.forget(attempt));
            } else if earlier.count() > 0 {
                file.forget(attempt);
            }
        }
        self.remove_needless();
        appended
    }

    /// Sees to it that those who have a room still have it, after so many have used theirs: a long answer took more,
    /// or the file was put out of use. If they cannot, their answers find a place, or none, when they come.
    fn keep_rooms(&mut self, used: u64) {
        let wanted = self.rooms.taken().saturating_sub(used) * ROOM_BYTES;
        if let Some(current) = &mut self.current
            && let Err(error) = current.grow(&*self.disk, wanted)
        {
            tracing::warn!(path = %current.named.path().display(), %error, "the journal has no room for all that is under way");
        }
        self.put_aside_if(|current| current.has_failed());
    }

    /// These answers are in the store, or not needed any more.
    pub(super) fn settle(&mut self, attempts: &[AttemptId]) {
        for file in self.current.iter_mut().chain(&mut self.aside) {
            file.settle(&*self.disk, attempts);
        }
        self.put_aside_if(|current| current.has_failed());
        self.remove_needless();
        self.offer();
    }

    /// Writes what lies in files that were removed or replaced down again, elsewhere: it would be gone with this process.
    /// Returns what could not be.
    pub(super) fn rescue(&mut self) -> Vec<Entry> {
        self.put_aside_if(OwnFile::is_lost);
        let mut lost = Vec::new();
        for file in self.aside.iter_mut().filter_map(|file| file.is_lost().then_some(file)) {
            match file.unsettled(self.store) {
                Ok(entries) => lost.extend(entries),
                Err(error) => {
                    let path = file.named.path().display();
                    tracing::error!(%path, %error, "a journal was removed, and cannot be read any more");
                }
            }
        }
        let found = lost.len();
        lost.retain(|entry| self.append_anywhere(entry).is_err());
        if lost.len() < found {
            let answers = found - lost.len();
            tracing::warn!(answers, "a journal was removed while it was in use; its answers are in another");
        }
        self.offer();
        lost
    }

    /// Removes what is empty, and lets go of the rest: others will find it.
    pub(super) fn close(&mut self) {
        let lost = self.rescue().len();
        if lost > 0 {
            tracing::error!(
                lost,
                "answers that lay in a journal that was removed could not be written down again"
            );
        }
        self.put_aside_if(|_| true);
        self.aside.clear();
        self.offer();
    }

    fn keeps(&self, attempt: AttemptId) -> bool {
        self.current.iter().chain(&self.aside).any(|file| file.keeps(attempt))
    }

    fn create(&mut self, folder: usize, bytes: u64) -> io::Result<OwnFile> {
        OwnFile::create(&*self.disk, (folder, &self.folders[folder]), self.store, &mut self.names, bytes)
    }

    /// A fallback is given up as soon as nothing needs it: the first folder may be well again.
    fn leave_fallback(&mut self) {
        if self.rooms.taken() == 0 {
            self.put_aside_if(|current| current.folder > 0 && current.is_empty());
        }
    }

    fn put_aside_if(&mut self, condition: impl FnOnce(&mut OwnFile) -> bool) {
        if let Some(current) = self.current.take_if(|current| condition(current)) {
            self.put_aside(current);
        }
    }

    fn put_aside(&mut self, file: OwnFile) {
        self.aside.push(file);
        self.remove_needless();
    }

    fn remove_needless(&mut self) {
        for file in self.aside.extract_if(.., |file| file.is_empty()) {
            file.remove(&*self.disk);
        }
    }

    fn offer(&self) {
        let free_bytes = self.current.as_ref().map_or(0, OwnFile::free_bytes);
        let fallback = self.current.as_ref().is_some_and(|current| current.folder > 0);
        let file = self.current.as_ref().map(|current| current.named.clone());
        self.rooms.offer(free_bytes, fallback, file);
    }
}

/// Why each folder could not be used.
#[derive(Default)]
struct Refusals(Vec<String>);

impl Refusals {
    fn add(&mut self, folder: &Path, error: &io::Error) {
        self.0.push(format!("{}: {error}", folder.display()));
    }
}

impl From<Refusals> for JournalError {
    fn from(refusals: Refusals) -> Self {
        let detail = match refusals.0.as_slice() {
            [] => "no folder was given for it".to_owned(),
            told => told.join("; "),
        };
        Self { detail }
    }
}
