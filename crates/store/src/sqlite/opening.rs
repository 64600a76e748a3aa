//! Opening a store, and making one.

use std::path::Path;
use std::sync::Arc;

use vestal_core::clock::Clock;
use vestal_core::store::StoreError;

use super::SqliteStore;
use super::failure::Failure;
use super::open::{self, Opener};
use super::readers::Readers;
use super::writer::Writer;

impl SqliteStore {
    /// Opens the store at this path, and brings it to this version's schema if it is older. The clock judges
    /// leases.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfit`] when nothing is there, when it is something else, when other users can read it, or
    /// when it lies on a network file system; [`StoreError::NewerSchema`] when a later version wrote it;
    /// [`StoreError::ReadOnly`] when it is older and may not be written; and whatever keeps SQLite from it.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let (opener, reader) = apart(move || {
            let opener = Opener::existing(&path)?;
            let (reader, schema) = opener.reader()?;
            if schema < open::newest() {
                opener.migrate()?;
            }
            Ok((Arc::new(opener), reader))
        })
        .await?;
        Ok(Self {
            clock,
            readers: Readers::new(&opener, reader),
            writer: Writer::new(Arc::clone(&opener)),
            opener,
        })
    }

    /// The schema of the store at this path, and that of this version, to which [`SqliteStore::open`] would bring it. Changes nothing.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`].
    pub async fn schema(path: &Path) -> Result<(i64, i64), StoreError> {
        let path = path.to_owned();
        apart(move || Ok((Opener::existing(&path)?.reader()?.1, open::newest()))).await
    }

    /// Opens the store at this path; makes one (0600), and its folders (0700), if nothing is there.
    ///
    /// # Errors
    ///
    /// As [`SqliteStore::open`], and when the file or a folder cannot be made.
    pub async fn create_or_open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        if !path.exists() {
            let path = path.to_owned();
            apart(move || open::create(&path)).await?;
        }
        Self::open(path, clock).await
    }
}

/// Does what waits for the disk on a thread for that.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(StoreError::Unavailable { detail: error.to_string() }),
    }
}
