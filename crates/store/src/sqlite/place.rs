//! Whether the files that are open are still those at the store's path.
//!
//! A file that is removed or replaced takes writes as before from whoever has it open, and they are gone with the
//! last of these processes. SQLite does not look; so this does.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use vestal_core::store::StoreError;

use super::filesystem::beside;

/// Device and inode: which file it is, whatever its name.
type FileId = (u64, u64);

/// The files of a store as they were when it was opened.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    files: Vec<(PathBuf, FileId)>,
}

impl Place {
    /// The database at this path, without the files that come and go with its connections.
    pub(super) fn of_database(path: &Path) -> Result<Self, StoreError> {
        let mut place = Self { path: path.to_owned(), files: Vec::new() };
        let id = place.id(path)?.ok_or_else(|| place.lost(path))?;
        place.files.push((path.to_owned(), id));
        Ok(place)
    }

    /// The same with its log and its shared memory, which stay the same ones while a connection is open. A
    /// read-only disk may have neither.
    pub(super) fn with_log(&self) -> Result<Self, StoreError> {
        let mut place = self.clone();
        for suffix in ["-wal", "-shm"] {
            let file = beside(&self.path, suffix);
            if let Some(id) = self.id(&file)? {
                place.files.push((file, id));
            }
        }
        Ok(place)
    }

    /// Fails unless the same files are there. What the open ones take would be lost, and is not to be written.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (file, id) in &self.files {
            if self.id(file)? != Some(*id) {
                return Err(self.lost(file));
            }
        }
        Ok(())
    }

    fn id(&self, file: &Path) -> Result<Option<FileId>, StoreError> {
        match fs::metadata(file) {
            Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Unavailable {
                detail: format!("the store at {}: {}: {error}", self.path.display(), file.display()),
            }),
        }
    }

    /// Not [`StoreError::Unfit`]: an answer that waits to be saved must go on waiting, since whoever moved the
    /// file may move it back.
    fn lost(&self, file: &Path) -> StoreError {
        StoreError::Unavailable {
            detail: format!(
                "the store at {} was removed or replaced while it was open ({} is not the file that was opened); \
                 nothing was written; stop this process and start it again",
                self.path.display(),
                file.display()
            ),
        }
    }
}
