//! Folders and files that only their owner may read. What root makes for somebody belongs to whoever keeps the folder that
//! it is made in: it is to be found by others than root.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags};
use tempfile::Builder;

/// Makes a folder (0700), and those above it, if it is not there. Its name survives a crash.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    make_folder(above)?;
    // It shows under its name only once it is the keeper's: until then nobody puts anything into it.
    let private = Permissions::from_mode(0o700);
    let starting = Builder::new().prefix(".starting-").permissions(private).tempdir_in(above)?.keep();
    warn(folder, open_empty(&starting).and_then(|made| hand_over(above, &made)));
    if let Err(error) = fs::rename(&starting, folder) {
        // What went wrong first is what to tell; the leftover is empty.
        let _ = fs::remove_dir(&starting);
        // Another process was faster.
        return if folder.is_dir() { Ok(()) } else { Err(error) };
    }
    File::open(above)?.sync_all()
}

/// Makes a file (0600) that must not be there yet.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    warn(path, hand_over(folder_of(path), &file));
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives what is root's to the keeper of this folder.
fn hand_over(folder: &Path, made: &File) -> io::Result<()> {
    let keeper = fs::metadata(folder)?;
    if made.metadata()?.uid() != 0 || keeper.uid() == 0 {
        return Ok(());
    }
    fchown(made, Some(keeper.uid()), Some(keeper.gid()))
}

/// Opens a folder that was made just now. Whoever keeps the one above it may have put something else in its place, which is
/// not to become his: so no link is followed, and nothing may be in it.
fn open_empty(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::open(folder, flags, Mode::empty())?;
    for entry in Dir::read_from(&made)? {
        if ![&b"."[..], b".."].contains(&entry?.file_name().to_bytes()) {
            return Err(io::Error::other("something was put into it or in its place"));
        }
    }
    Ok(made.into())
}

/// Where it is refused, as in a container that may not, root's own work goes on.
fn warn(path: &Path, handed_over: io::Result<()>) {
    if let Err(error) = handed_over {
        tracing::warn!(path = %path.display(), %error, "this could not be given to whoever keeps the folder that it is in");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    const NOBODY: u32 = 65534;

    fn owner(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        create_file(&folder.join("file")).unwrap();
        create_file(&folder.join("file")).unwrap_err();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("file"))), (0o700, 0o600));
        let shown = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(shown.collect::<Vec<_>>(), ["a"]);
        make_folder(&folder.join("file/c")).unwrap_err();
    }

    #[test]
    fn what_was_put_in_the_place_of_a_folder_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let [empty, full, file, link] = ["empty", "full", "file", "link"].map(|name| dir.path().join(name));
        make_folder(&empty).unwrap();
        make_folder(&full.join("in it")).unwrap();
        create_file(&file).unwrap();
        symlink(&empty, &link).unwrap();
        assert!(open_empty(&empty).is_ok());
        for other in [full, file, link] {
            assert!(open_empty(&other).is_err(), "{}", other.display());
        }
    }

    #[test]
    fn what_root_makes_is_the_keepers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let keeper = if owner(dir.path()) == 0 { NOBODY } else { owner(dir.path()) };
        chown(dir.path(), Some(keeper), None).unwrap();
        make_folder(&folder).unwrap();
        create_file(&folder.join("file")).unwrap();
        for made in [folder.parent().unwrap(), &folder, &folder.join("file")] {
            assert_eq!(owner(made), keeper);
        }
        // What is somebody else's stays so.
        let (others, file) = (NOBODY - 1, create_file(&folder.join("other")).unwrap());
        if rustix::process::geteuid().is_root() {
            fchown(&file, Some(others), None).unwrap();
            hand_over(&folder, &file).unwrap();
            assert_eq!(owner(&folder.join("other")), others);
        }
    }
}
