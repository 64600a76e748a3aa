//! The providers' files that users have written themselves.

use std::io;
use std::path::{Path, PathBuf};

use vestal_engine::OwnFile;

use super::text_file;
use crate::failure::Failure;

/// More files than these are no providers' files.
const FILES_MAX: usize = 1000;

/// The files of a folder that end in `.toml`, by name; none where there is no such folder. Hidden ones are editors' own.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths: Vec<PathBuf> = paths.map_err(|error| unreadable(folder, error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !is_hidden(path));
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(Failure::failed(format!("{} holds {} files", folder.display(), paths.len()))
            .why(format!("at most {FILES_MAX} are read"))
            .next("name another [providers] folder in the configuration"));
    }
    Ok(paths)
}

/// A file that a user has written.
pub(super) fn read(path: &Path) -> Result<OwnFile, Failure> {
    let text = text_file::read(path).map_err(|error| unreadable(path, error))?;
    Ok(OwnFile { name: path.display().to_string(), text })
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let next = match error.kind() {
        io::ErrorKind::PermissionDenied => "give this user the right to read it",
        _ => "correct it, or take it away",
    };
    Failure::failed(format!("{} cannot be read", path.display()))
        .why(error)
        .next(format!("{next}; or name another [providers] folder in the configuration"))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_editors_leave_and_what_never_ends_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("acme.toml"), "\u{feff}id = \"acme\"\n").unwrap();
        symlink("user@host.1:2", at(".#acme.toml")).unwrap();
        assert_eq!(paths(folder.path()).ok(), Some(vec![at("acme.toml")]));
        assert_eq!(read(&at("acme.toml")).ok().unwrap().text, "id = \"acme\"\n");
        symlink("/dev/zero", at("zero.toml")).unwrap();
        let refused = read(&at("zero.toml")).err().unwrap().view().unwrap();
        assert!(refused.error.contains("zero.toml") && refused.why.unwrap().contains("no regular file"));
    }
}
