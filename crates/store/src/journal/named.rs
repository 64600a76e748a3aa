//! Which file it is that lies at a path.
//!
//! A file that is removed or replaced takes writes as before from whoever has it open, and takes them along.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is open, and its name.
pub(super) struct Named {
    path: PathBuf,
    /// Device and inode: which file it is, whatever its name.
    id: (u64, u64),
}

impl Named {
    /// The file at this path, which was opened there.
    pub(super) fn new(path: PathBuf, file: &File) -> io::Result<Self> {
        let opened = file.metadata()?;
        Ok(Self { path, id: (opened.dev(), opened.ino()) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails unless this file is the one at its path.
    pub(super) fn check(&self) -> io::Result<()> {
        let there = fs::metadata(&self.path)?;
        match (there.dev(), there.ino()) == self.id {
            true => Ok(()),
            false => Err(io::Error::other("the journal's file was removed or replaced while it was open")),
        }
    }
}
