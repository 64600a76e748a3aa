//! A file that nobody else may lock.

use std::fs::{File, TryLockError};
use std::ops::Deref;

/// A file under a lock of this process's, which the system drops when the process ends, however it ends.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// Locks a file, unless somebody else has.
    ///
    /// # Errors
    ///
    /// Where somebody has, or it cannot be locked.
    pub fn take(file: File) -> Result<Self, TryLockError> {
        file.try_lock()?;
        Ok(Self(file))
    }
}

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    /// To close the file is not enough: a child that is being started holds it open too, until it is another program (flock(2)).
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
