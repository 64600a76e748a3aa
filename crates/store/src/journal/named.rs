//! A file that is open, and may not be the one at its path any more.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::file_id::FileId;

/// A file that is open, and its name.
pub(super) struct Named {
    path: PathBuf,
    id: FileId,
}

impl Named {
    /// The file at this path, which was opened there.
    pub(super) fn new(path: PathBuf, file: &File) -> io::Result<Self> {
        let id = file.metadata()?.into();
        Ok(Self { path, id })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails unless this file is the one at its path.
    pub(super) fn check(&self) -> io::Result<()> {
        match FileId::from(fs::metadata(&self.path)?) == self.id {
            true => Ok(()),
            false => Err(io::Error::other("the journal's file was removed or replaced while it was open")),
        }
    }
}
