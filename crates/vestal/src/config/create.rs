//! Making a configuration and a master key. What is there is never overwritten.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use vestal_core::clock::Entropy;
use vestal_core::seal::MasterKey;
use vestal_core::secret::ExposeSecret;

use super::Config;
use crate::failure::Failure;
use crate::token_file::folder_of;

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

/// Makes the configuration file and the master key, those of them that are missing. What another process has made meanwhile is as good.
///
/// Refuses to make a key for a store that exists: it was sealed with another one.
pub(crate) fn create(config: &Config, entropy: &dyn Entropy) -> Result<Made, Failure> {
    let mut made = Made::default();
    // Looked at first: whoever makes a store has made its key before.
    let has_store = config.store.exists();
    if let Some(path) = config.master_key.missing_file() {
        if has_store {
            return Err(Failure::failed(format!("the master key {} is missing", path.display()))
                .why(format!(
                    "the store {} was sealed with it, and a new one would not open it",
                    config.store.display()
                ))
                .next("restore the master key from its copy"));
        }
        let mut text = MasterKey::generate(entropy).expose_secret().to_owned();
        text.push('\n');
        made.master_key = make(path, text.as_bytes())?.then(|| path.to_owned());
    }
    if !config.exists {
        let text = match config.store.parent() == config.path.parent() {
            // Said in so many words, so that the file means the same wherever it is read from.
            true => TEMPLATE.replacen("#[store]\n#path = \"vestal.db\"          # default: vestal/vestal.db under $XDG_STATE_HOME (~/.local/state)", "[store]\npath = \"vestal.db\"", 1),
            false => TEMPLATE.to_owned(),
        };
        made.config = make(&config.path, text.as_bytes())?.then(|| config.path.clone());
    }
    Ok(made)
}

/// Writes a file that nobody else may read, in a folder that nobody else may enter, and makes sure that it lasts.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if make(path, bytes)? {
        return Ok(());
    }
    Err(not_made(path).why("it is there already").next("change that one, or take it away first"))
}

/// The same. Whoever finds it finds it whole; returns `false` where there is one already.
fn make(path: &Path, bytes: &[u8]) -> Result<bool, Failure> {
    let folder = folder_of(path);
    let make = || -> io::Result<bool> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // With the mode 0600.
        let mut file = tempfile::Builder::new().prefix(".vestal-new-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            put => put.map_err(|error| error.error)?,
        };
        fs::File::open(folder)?.sync_all()?;
        Ok(true)
    };
    make().map_err(|error| not_made(path).why(error).next("see to its folder and its disk"))
}

fn not_made(path: &Path) -> Failure {
    Failure::failed(format!("{} could not be made", path.display()))
}
