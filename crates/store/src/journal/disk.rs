//! What a journal asks of the operating system: a port, so that a test can let any single step of it fail.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

use crate::keeper;

pub(super) trait Disk: Send + Sync + 'static {
    /// Makes a folder (0700), and those above it, if it is not there. Its name survives a crash.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes a file (0600) that must not be there yet.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives blocks to a part of a file that holds nothing yet.
    fn allocate(&self, file: &File, from: u64, to: u64) -> io::Result<()>;

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns once what was written and allocated survives a crash of the machine.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// As [`Disk::sync`], of the names in a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's own.
pub(super) struct Os;

impl Disk for Os {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        keeper::make_folder(folder)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        check_ours(path.parent().unwrap_or(Path::new(".")))?;
        keeper::create_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn allocate(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), from, to - from)) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => write_zeros(file, from, to),
            allocated => Ok(allocated?),
        }
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        // Also makes the size and the blocks durable, without which the data could not be read again.
        file.sync_data()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Whoever else can write to the folder could remove what is in it. Where root works for somebody, that one may.
pub(super) fn check_ours(folder: &Path) -> io::Result<()> {
    let metadata = fs::metadata(folder)?;
    let is_ours = geteuid().is_root() || metadata.uid() == geteuid().as_raw();
    if is_ours && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = format!("{} belongs to another user, or others can write to it", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// For file systems that cannot allocate.
fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    const ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];
    let mut at = from;
    while at < to {
        let now = usize::try_from(to - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..now], at)?;
        at += now as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_fill_exactly_what_was_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = Os.create(&path).unwrap();
        file.write_all_at(b"before", 0).unwrap();
        write_zeros(&file, 6, 40_000).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 40_000);
        assert!(bytes.starts_with(b"before\0") && bytes[6..].iter().all(|byte| *byte == 0));
    }
}
