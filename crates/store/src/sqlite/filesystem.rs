//! Whether a place is fit for a database.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use vestal_core::store::StoreError;

use crate::filesystem::{magic, network};

/// Refuses a network file system: SQLite's locks and its shared memory do not work there, and a lost lock costs
/// a refresh token.
pub(super) fn check_local(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    let Some(kind) = magic(folder).and_then(network) else { return Ok(()) };
    Err(StoreError::Unfit {
        detail: format!(
            "{} lies on a network or shared file system ({kind}), where SQLite's locks cannot be trusted; keep the \
             store on a local disk",
            path.display()
        ),
    })
}

/// How much may still be written to the disk that this file lies on; `None` where the system does not tell.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Refuses a database that other users of the machine can read or write.
pub(super) fn check_private(path: &Path) -> Result<(), StoreError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        let metadata = match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && file != path => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Unfit { detail: format!("there is no store at {}", path.display()) });
            }
            Err(error) => {
                return Err(StoreError::Unavailable { detail: format!("{}: {error}", file.display()) });
            }
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() {
            return Err(StoreError::Unfit {
                detail: format!("{} is not a file; choose another path for the store", file.display()),
            });
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::Unfit {
                detail: format!(
                    "other users of this machine can read or write {file} (mode {mode:04o}); run: chmod 600 '{file}'",
                    file = file.display()
                ),
            });
        }
    }
    Ok(())
}

/// Tells a database that may only be read, or whose log could not be written beside it. Whatever else there is to
/// say against it, SQLite says better.
pub(super) fn check_writable(path: &Path) -> Result<(), StoreError> {
    for needed in [path, path.parent().unwrap_or(path)] {
        if let Err(error @ (Errno::ROFS | Errno::ACCESS | Errno::PERM)) = access(needed, Access::WRITE_OK) {
            return Err(StoreError::ReadOnly { detail: format!("{}: {error}", needed.display()) });
        }
    }
    Ok(())
}

/// Whether nothing lies in a write-ahead log beside the database.
pub(super) fn has_no_log(path: &Path) -> bool {
    match fs::metadata(beside(path, "-wal")) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// A file that SQLite keeps beside the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        for (file, mode, fits) in [
            (path.clone(), 0o600, true),
            (path.clone(), 0o400, true),
            (path.clone(), 0o640, false),
            (path.clone(), 0o602, false),
            (beside(&path, "-wal"), 0o644, false),
            (beside(&path, "-shm"), 0o604, false),
        ] {
            fs::write(&path, "").unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let checked = check_private(&path);
            assert_eq!(checked.is_ok(), fits, "{} {mode:o}", file.display());
            if let Err(error) = checked {
                assert!(error.to_string().contains(&format!("chmod 600 '{}'", file.display())), "{error}");
            }
            fs::remove_file(&file).unwrap();
        }
        let _ = fs::remove_file(&path);
        assert!(matches!(check_private(&path), Err(StoreError::Unfit { .. })), "nothing there");
    }
}
