//! Adding a key to a file that holds some, in turn with whoever else adds one: the rotation of another store's may be under way.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vestal_core::clock::Entropy;
use vestal_core::seal::{KeyId, KeyRing, MasterKey};
use vestal_core::secret::ExposeSecret;
use vestal_store::Locked;

use super::master_key::read_private_file;
use crate::failure::Failure;

/// So often at most the file that is to be locked is another one by the time it is.
const TRIES: usize = 100;

/// This process's turn to put another file in the place of one that holds keys.
pub(crate) struct KeyFileTurn {
    /// What is locked is that other file: it goes to its place under its lock, and whoever waited for it finds it gone from here.
    new: Locked,
    beside: PathBuf,
    path: PathBuf,
}

impl KeyFileTurn {
    /// Takes it, unless somebody else has it.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>, Failure> {
        Self::try_take(path).map_err(|error| not_added(path, &error))
    }

    fn try_take(path: &Path) -> io::Result<Option<Self>> {
        // What a link leads to is replaced, not the link.
        let path = path.canonicalize()?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = path.with_file_name(name);
        for _ in 0..TRIES {
            // There may be one that somebody was killed at.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&beside)?;
            let new = match Locked::take(file) {
                Ok(new) => new,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            };
            if is_at(&new, &beside)? {
                return Ok(Some(Self { new, beside, path }));
            }
        }
        Ok(None)
    }

    /// Adds a new key as the last line, where the keys that are there are those that are `known`; otherwise somebody has changed them,
    /// and nothing is done. None that is there is ever lost: another file takes its place as a whole, once it is on the disk.
    pub(crate) fn add_key(self, known: &[KeyId], entropy: &dyn Entropy) -> Result<Option<KeyId>, Failure> {
        let old = read_private_file(&self.path, true)?;
        if KeyRing::parse(old.expose_secret()).map_or_else(|_| Vec::new(), |ring| ring.ids()) != known {
            return Ok(None);
        }
        let key = MasterKey::generate(entropy);
        let id = MasterKey::parse(key.expose_secret()).map(|key| key.id());
        let replace = || {
            let id = id.map_err(io::Error::other)?;
            self.replace(&[old.expose_secret(), key.expose_secret()])?;
            Ok(id)
        };
        replace().map(Some).map_err(|error| not_added(&self.path, &error))
    }

    fn replace(&self, texts: &[&str]) -> io::Result<()> {
        let before = fs::metadata(&self.path)?;
        let mut file: &File = &self.new;
        file.set_len(0)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        if file.metadata()?.uid() != before.uid() {
            fchown(file, Some(before.uid()), Some(before.gid()))?;
        }
        for text in texts {
            file.write_all(text.as_bytes())?;
            if !text.is_empty() && !text.ends_with('\n') {
                file.write_all(b"\n")?;
            }
        }
        file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

impl Drop for KeyFileTurn {
    /// Leaves nothing behind, while nobody else can have begun with it.
    fn drop(&mut self) {
        if is_at(&self.new, &self.beside).unwrap_or(false) {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Whether this very file is at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let file = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (file.dev(), file.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn not_added(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("no key could be added to {}", path.display()))
        .why(error)
        .next("see that its folder can be written, and has room; nothing was changed")
}
