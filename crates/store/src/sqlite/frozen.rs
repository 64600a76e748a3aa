//! A database that is read as if nobody could change it: where its readers and writers cannot share memory beside it, since its disk is
//! read-only or full.
//!
//! It is read without a lock. Others can change it as soon as there is room again, so it is looked whether they have.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::filesystem::has_no_log;

/// A database all of which is in its file, as it was when that was last written.
pub(super) struct Frozen {
    path: PathBuf,
    written: Written,
}

/// When, to the nanosecond, and how long the file was then.
type Written = (i64, i64, u64);

impl Frozen {
    /// `None` where something lies in the log, which would not be read.
    pub(super) fn at(path: &Path) -> Option<Self> {
        // Looked at first: what is moved from the log into the file meanwhile makes another one of it.
        let written = written(path)?;
        has_no_log(path).then(|| Self { path: path.to_owned(), written })
    }

    /// Whether what was read since is what the database held: whoever writes does so into the log, and from there into the file.
    pub(super) fn is_unchanged(&self) -> bool {
        has_no_log(&self.path) && written(&self.path) == Some(self.written)
    }
}

fn written(path: &Path) -> Option<Written> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}
