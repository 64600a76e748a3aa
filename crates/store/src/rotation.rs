//! That a master key is being rotated, for all processes of the machine to see: which key they are to hold.
//!
//! One process at a time rotates, under a lock that the system drops when it ends, however it ends. What it was at stays
//! written down until it is done, so that whoever goes on knows that something was begun.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use vestal_core::id::NodeId;
use vestal_core::seal::KeyId;

use crate::keeper::{create_file, make_folder};
use crate::locked::Locked;
use crate::nodes::{Sign, sign_of};

const NAME: &str = "rotation";

/// More than there is in it.
const MAX_BYTES: usize = 256;

/// What is written down of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    to: KeyId,
    by: NodeId,
}

/// The right to rotate.
#[derive(Debug)]
pub struct Rotation {
    file: Locked,
}

impl Rotation {
    /// Takes the right to rotate the key of the store whose nodes are in this folder. `None` where another process has it.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or locked.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        make_folder(dir)?;
        let path = dir.join(NAME);
        let file = match create_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::OpenOptions::new().read(true).write(true).open(&path)?
            }
            made => made?,
        };
        match Locked::take(file) {
            Ok(file) => Ok(Some(Self { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The key that a rotation was begun to which has not ended.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub fn begun(&self) -> io::Result<Option<KeyId>> {
        Ok(read(&self.file)?.map(|begun| begun.to))
    }

    /// Says that the processes of this machine are to hold this key, as long as the node lives whose file is in this folder.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn begin(&self, to: KeyId, by: NodeId) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Begun { to, by })?;
        line.push(b'\n');
        self.file.write_all_at(&line, 0)?;
        self.file.sync_all()
    }

    /// It has ended.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub fn end(self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_all()
    }
}

/// The key that a process which lives rotates to: everybody is to hold it.
///
/// # Errors
///
/// When that cannot be read.
pub fn wanted(dir: &Path) -> io::Result<Option<KeyId>> {
    let file = match File::open(dir.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let Some(begun) = read(&file)? else { return Ok(None) };
    Ok((sign_of(dir, begun.by)? == Sign::Lives).then_some(begun.to))
}

fn read(file: &File) -> io::Result<Option<Begun>> {
    let mut text = [0; MAX_BYTES];
    let length = file.read_at(&mut text, 0)?;
    // What was half written says nothing.
    let line = text[..length].split(|byte| *byte == b'\n').next();
    Ok(line.and_then(|line| serde_json::from_slice(line).ok()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vestal_core::seal::MasterKey;

    use super::*;
    use crate::nodes::NodeFile;

    #[test]
    fn one_rotates_at_a_time_and_what_was_begun_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let node = NodeId::from_uuid(Uuid::from_u128(1));
        let key = |n| MasterKey::from_bytes(&[n; 32]).id();
        assert_eq!(wanted(dir.path()).unwrap(), None);
        let rotation = Rotation::take(dir.path()).unwrap().unwrap();
        assert!(Rotation::take(dir.path()).unwrap().is_none(), "somebody is at it");
        assert_eq!(rotation.begun().unwrap(), None);

        rotation.begin(key(1), node).unwrap();
        assert_eq!(wanted(dir.path()).unwrap(), None, "that node is gone");
        let lives = NodeFile::hold(dir.path(), node).unwrap();
        assert_eq!(wanted(dir.path()).unwrap(), Some(key(1)));
        rotation.begin(key(2), node).unwrap();
        assert_eq!(wanted(dir.path()).unwrap(), Some(key(2)));

        // It is killed, and another goes on.
        drop((rotation, lives));
        assert_eq!(wanted(dir.path()).unwrap(), None);
        let rotation = Rotation::take(dir.path()).unwrap().unwrap();
        assert_eq!(rotation.begun().unwrap(), Some(key(2)));
        rotation.end().unwrap();
        assert_eq!(Rotation::take(dir.path()).unwrap().unwrap().begun().unwrap(), None);
    }
}
