//! The files of all processes, as they lie in the folders: reading them, and clearing up after those that are gone.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use vestal_core::id::{AttemptId, StoreId};

use super::disk::Disk;
use super::format::{self, MARK_OFFSET, Record, SETTLED, Unreadable};
use super::{EXTENSION, FILE_MAX_BYTES, own};

/// The journal files in a folder, of whatever store. None when there is no such folder.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match fs::read_dir(folder) {
        // What this user may not enter does not hold what this user wrote.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
            ) =>
        {
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
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// What a file holds for one store.
pub(super) enum Holds {
    /// It is another store's, or it went away just now.
    Nothing,
    /// It is one of this store, or was not begun yet.
    Records(Vec<Record>),
    /// It may be one of this store.
    Unreadable(Unreadable),
}

/// Reads a file without disturbing whoever writes it.
pub(super) fn read(path: &Path, store: StoreId) -> io::Result<Holds> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Holds::Nothing),
        file => read_open(&file?, store),
    }
}

fn read_open(file: &File, store: StoreId) -> io::Result<Holds> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(match format::owner(&bytes) {
        Ok(Some(owner)) if owner == store => Holds::Records(format::records(store, &bytes)),
        Ok(Some(_)) => Holds::Nothing,
        Ok(None) => Holds::Records(Vec::new()),
        Err(unreadable) => Holds::Unreadable(unreadable),
    })
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
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Settled::ByItsProcess),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Read again: nobody writes it from here on.
    let Holds::Records(records) = read_open(&file, store)? else { return Ok(Settled::Here) };
    let (settled, unsettled): (Vec<_>, Vec<_>) = records
        .iter()
        .filter(|record| !record.settled)
        .partition(|record| is_settled(record.entry.attempt.id));
    for record in settled {
        disk.write(&file, &[SETTLED], (record.offset + MARK_OFFSET) as u64)?;
    }
    if unsettled.is_empty() {
        own::remove(disk, path);
    }
    Ok(Settled::Here)
}

/// The attempts among these records that are not settled.
pub(super) fn unsettled(records: &[Record]) -> BTreeSet<AttemptId> {
    records.iter().filter(|record| !record.settled).map(|record| record.entry.attempt.id).collect()
}
