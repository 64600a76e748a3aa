//! The files of all processes, as they lie in the folders: reading them, and clearing up after those that are gone.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use vestal_core::id::{AttemptId, StoreId};

use super::disk::Disk;
use super::format::{self, MARK_OFFSET, Record, SETTLED, Unreadable};
use super::named::Named;
use super::{EXTENSION, FILE_MAX_BYTES, own};
use crate::locked::Locked;

/// What a file is called whose answers cannot be read any more.
const DAMAGED: &str = "damaged";

/// The journal files in a folder, by its place in the list, of whatever store. None when there is no such folder.
pub(super) fn files(folder: (usize, &Path)) -> io::Result<Vec<PathBuf>> {
    let (index, folder) = folder;
    match named(folder, EXTENSION) {
        // What this user may not enter does not hold what this user wrote. But the first is the store's: whoever writes
        // to that may have written there.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && index > 0 => Ok(Vec::new()),
        files => files,
    }
}

/// Those that were kept although they cannot be read.
pub(super) fn damaged(folder: &Path) -> io::Result<Vec<PathBuf>> {
    named(folder, DAMAGED)
}

fn named(folder: &Path, wanted: &str) -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        listing => listing?,
    };
    let mut files = Vec::new();
    for file in listing {
        let file = file?;
        // Anything else that bears such a name may never end.
        if !file.file_type()?.is_file() {
            continue;
        }
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == wanted) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// What a file holds for one store.
pub(super) enum Holds {
    /// It went away just now.
    Gone,
    /// It is another store's.
    Anothers,
    /// It is one of this store, or was not begun yet.
    Records(Vec<Record>),
    /// It may be one of this store.
    Unreadable(Unreadable),
}

/// Reads a file without disturbing whoever writes it.
pub(super) fn read(path: &Path, store: StoreId) -> io::Result<Holds> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Holds::Gone),
        file => Ok(holds(&contents(&file?)?, store)),
    }
}

pub(super) fn contents(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(bytes: &[u8], store: StoreId) -> Holds {
    match format::owner(bytes) {
        Ok(Some(owner)) if owner == store => Holds::Records(format::records(store, bytes)),
        Ok(Some(_)) => Holds::Anothers,
        Ok(None) => Holds::Records(Vec::new()),
        Err(Unreadable::UnknownVersion { owner, .. }) if owner != store => Holds::Anothers,
        Err(unreadable @ Unreadable::UnknownVersion { .. }) => Holds::Unreadable(unreadable),
        // A record says by itself whose it is.
        Err(Unreadable::Damaged) => match format::records(store, bytes) {
            records if records.is_empty() => Holds::Unreadable(Unreadable::Damaged),
            records => Holds::Records(records),
        },
    }
}

/// What became of answers in a file that this process does not write.
pub(super) enum Settled {
    /// They are marked; and the file is gone if nothing else is in it.
    Here,
    /// Its process lives, and finds out for itself.
    ByItsProcess,
}

/// Marks these answers, and removes the file when nothing else is in it, if its process is gone.
pub(super) fn settle(
    disk: &dyn Disk,
    path: &Path,
    store: StoreId,
    is_settled: impl Fn(AttemptId) -> bool,
) -> io::Result<Settled> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settled::Here),
        file => file?,
    };
    let file = match Locked::take(file) {
        Ok(file) => file,
        Err(TryLockError::WouldBlock) => return Ok(Settled::ByItsProcess),
        Err(TryLockError::Error(error)) => return Err(error),
    };
    // Read again: nobody writes it from here on.
    let bytes = contents(&file)?;
    let Holds::Records(records) = holds(&bytes, store) else { return Ok(Settled::Here) };
    let (settled, unsettled): (Vec<_>, Vec<_>) = records
        .iter()
        .filter(|record| !record.settled)
        .partition(|record| is_settled(record.entry.attempt.id));
    for record in settled {
        disk.write(&file, &[SETTLED], (record.offset + MARK_OFFSET) as u64)?;
    }
    match (unsettled.is_empty(), format::is_damaged(store, &bytes)) {
        (false, _) => {}
        (true, false) => own::remove(disk, &Named::new(path.to_owned(), &file)?),
        // An answer may be in it that somebody can still read with better means.
        (true, true) => {
            let kept = path.with_extension(DAMAGED);
            tracing::error!(path = %kept.display(), "an answer in a journal is damaged; it is kept, and not read any more");
            disk.rename(path, &kept)?;
        }
    }
    Ok(Settled::Here)
}

/// The attempts among these records that are not settled.
pub(super) fn unsettled(records: &[Record]) -> BTreeSet<AttemptId> {
    records.iter().filter(|record| !record.settled).map(|record| record.entry.attempt.id).collect()
}
