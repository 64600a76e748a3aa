//! The providers' files that users have written themselves.

use std::io;
use std::path::{Path, PathBuf};

use vestal_engine::OwnFile;

use crate::failure::Failure;

/// More files than these are no providers' files.
const FILES_MAX: usize = 1000;

/// No file about a provider is as large.
const BYTES_MAX: u64 = 1 << 20;

/// The files of a folder that end in `.toml`, by name; none where there is no such folder.
pub(super) fn own_files(folder: &Path) -> Result<Vec<OwnFile>, Failure> {
    let unreadable = |path: &Path, error: io::Error| {
        Failure::failed(format!("{} cannot be read", path.display())).why(error).next(
            "give this user the right to read it, or name another [providers] folder in the configuration",
        )
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths: Vec<PathBuf> = paths.map_err(|error| unreadable(folder, error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(Failure::failed(format!("{} holds {} files", folder.display(), paths.len()))
            .why(format!("at most {FILES_MAX} are read"))
            .next("name another [providers] folder in the configuration"));
    }
    paths.iter().map(|path| read(path).map_err(|error| unreadable(path, error))).collect()
}

fn read(path: &Path) -> io::Result<OwnFile> {
    if std::fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {BYTES_MAX} bytes"),
        ));
    }
    Ok(OwnFile { name: path.display().to_string(), text: std::fs::read_to_string(path)? })
}
