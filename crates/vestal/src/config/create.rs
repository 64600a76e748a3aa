//! Making a configuration and a master key. What is there is never overwritten.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use vestal_core::clock::Entropy;
use vestal_core::seal::MasterKey;
use vestal_core::secret::ExposeSecret;

use super::Config;
use super::master_key::read_private_file;
use crate::failure::Failure;

/// What a new file says: everything that can be set.
pub(super) const TEMPLATE: &str = include_str!("template.toml");

/// What was made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The master key.
    pub(crate) master_key: Option<PathBuf>,
}

/// Makes the configuration file and the master key, those of them that are missing.
///
/// Refuses to make a key for a store that exists: it was sealed with another one.
pub(crate) fn create(config: &Config, entropy: &dyn Entropy) -> Result<Made, Failure> {
    let mut made = Made::default();
    if let Some(path) = config.master_key.missing_file() {
        if config.store.exists() {
            return Err(Failure::failed(format!("the master key {} is missing", path.display()))
                .why(format!(
                    "the store {} was sealed with it, and a new one would not open it",
                    config.store.display()
                ))
                .next("restore the master key from its copy"));
        }
        let mut text = MasterKey::generate(entropy).expose_secret().to_owned();
        text.push('\n');
        write_new(path, text.as_bytes())?;
        made.master_key = Some(path.to_owned());
    }
    if !config.exists {
        let text = match config.store.parent() == config.path.parent() {
            // Said in so many words, so that the file means the same wherever it is read from.
            true => TEMPLATE.replacen("#[store]\n#path = \"vestal.db\"          # default: vestal/vestal.db under $XDG_STATE_HOME (~/.local/state)", "[store]\npath = \"vestal.db\"", 1),
            false => TEMPLATE.to_owned(),
        };
        write_new(&config.path, text.as_bytes())?;
        made.config = Some(config.path.clone());
    }
    Ok(made)
}

/// Adds a new master key to a file as its last line. Those that are in it are never lost: another file takes its place as a
/// whole, once it is on the disk.
pub(crate) fn add_key(path: &Path, entropy: &dyn Entropy) -> Result<(), Failure> {
    let old = read_private_file(path, true)?;
    let add = || -> io::Result<()> {
        // What a link leads to is replaced, not the link.
        let path = path.canonicalize()?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = folder.join(name);
        // What somebody was killed at.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let before = fs::metadata(&path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        if file.metadata()?.uid() != before.uid() {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        let old = old.expose_secret();
        file.write_all(old.as_bytes())?;
        if !old.is_empty() && !old.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        file.write_all(MasterKey::generate(entropy).expose_secret().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    add().map_err(|error| {
        Failure::failed(format!("no key could be added to {}", path.display()))
            .why(error)
            .next("see that its folder can be written, and has room; nothing was changed")
    })
}

/// Writes a file that nobody else may read, in a folder that nobody else may enter, and makes sure that it lasts.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            fs::File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|error| {
        let next = match error.kind() {
            io::ErrorKind::AlreadyExists => "change that one, or take it away first",
            _ => "see to its folder and its disk",
        };
        Failure::failed(format!("{} could not be made", path.display())).why(error).next(next)
    })
}
