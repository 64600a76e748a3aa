//! Whether the files that are open are still those at the store's path.
//!
//! A file that is removed or replaced takes writes as before from whoever has it open, and they are gone with the
//! last of these processes. SQLite does not look; so this does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vestal_core::store::StoreError;

use super::filesystem::beside;
use crate::file_id::FileId;

/// The files of a store as they were when it was opened.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    files: Vec<(PathBuf, FileId)>,
}

impl Place {
    /// The database at this path, without the files that come and go with its connections.
    pub(super) fn of_database(path: &Path) -> Result<Self, StoreError> {
        let mut place = Self { path: path.to_owned(), files: Vec::new() };
        let id = place.id(path)?.ok_or_else(|| place.lost(path))?;
        place.files.push((path.to_owned(), id));
        Ok(place)
    }

    /// The same with its log and its shared memory, which stay the same ones while a connection is open. A
    /// read-only disk may have neither.
    pub(super) fn with_log(&self) -> Result<Self, StoreError> {
        let mut place = self.clone();
        for suffix in ["-wal", "-shm"] {
            let file = beside(&self.path, suffix);
            if let Some(id) = self.id(&file)? {
                place.files.push((file, id));
            }
        }
        Ok(place)
    }

    /// Fails unless the same files are there. What the open ones take would be lost, and is not to be written.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (file, id) in &self.files {
            if self.id(file)? != Some(*id) {
                return Err(self.lost(file));
            }
        }
        Ok(())
    }

    /// As [`Place::check`], once something was written: it is in the files that are open, wherever they are by now.
    pub(super) fn confirm(&self) -> Result<(), StoreError> {
        self.check().map_err(|lost| match lost {
            StoreError::Unavailable { detail } => StoreError::OutcomeUnknown { detail },
            other => other,
        })
    }

    fn id(&self, file: &Path) -> Result<Option<FileId>, StoreError> {
        match fs::metadata(file) {
            Ok(metadata) => Ok(Some(metadata.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Unavailable {
                detail: format!("the store at {}: {}: {error}", self.path.display(), file.display()),
            }),
        }
    }

    /// Not [`StoreError::Unfit`]: an answer that waits to be saved must go on waiting, since whoever moved the
    /// file may move it back.
    fn lost(&self, file: &Path) -> StoreError {
        StoreError::Unavailable {
            detail: format!(
                "the store at {} was removed or replaced while it was open ({} is not the file that was opened); \
                 stop this process and start it again",
                self.path.display(),
                file.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use jiff::Timestamp;
    use tempfile::TempDir;
    use vestal_core::clock::Clock;
    use vestal_core::store::{Finish, Finished, Store as _};

    use super::*;
    use crate::SqliteStore;
    use crate::conformance::data::{
        START, added, begun, connection, connection_id, finish, next_tokens, read,
    };
    use crate::conformance::{ManualClock, Subject};

    async fn open(path: &Path) -> Arc<dyn Subject> {
        Arc::new(SqliteStore::create_or_open(path, Arc::new(ManualClock::new())).await.unwrap())
    }

    /// An open store, and the end of an attempt that is under way in it.
    async fn refreshing() -> (Arc<dyn Subject>, Finish, PathBuf, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let store = open(&path).await;
        let held = begun(&store, &added(&store, &connection(1)).await, 1).await;
        (store, finish(&held, 1, next_tokens(&held)), path, dir)
    }

    async fn refuses(store: &Arc<dyn Subject>, finish: &Finish) {
        // Each time, also on connections that are opened anew.
        for _ in 0..2 {
            let (written, checked, known) = (
                store.finish_attempt(finish).await.map(drop),
                store.check_writable().await,
                store.connection(finish.id).await.map(drop),
            );
            for refused in [written, checked, known] {
                let Err(StoreError::Unavailable { detail }) = refused else { panic!("{refused:?}") };
                assert!(detail.contains("removed or replaced while it was open"), "{detail}");
            }
        }
    }

    #[tokio::test]
    async fn a_removed_database_is_not_written_to() {
        let (store, finish, path, dir) = refreshing().await;
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(beside(&path, suffix)).unwrap();
        }
        refuses(&store, &finish).await;
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nor made anew");
        store.close().await;
    }

    #[tokio::test]
    async fn what_waits_is_saved_when_the_files_come_back() {
        let (store, finish, path, dir) = refreshing().await;
        let away = dir.path().join("away");
        for suffix in ["", "-wal"] {
            fs::rename(beside(&path, suffix), beside(&away, suffix)).unwrap();
        }
        refuses(&store, &finish).await;
        for suffix in ["", "-wal"] {
            fs::rename(beside(&away, suffix), beside(&path, suffix)).unwrap();
        }
        assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Done);
        assert_eq!(read(&store, connection_id(1)).await.generation(), 2);
    }

    #[tokio::test]
    async fn a_copy_in_its_place_is_not_taken_for_it() {
        let (store, _, path, dir) = refreshing().await;
        store.close().await;
        let copy = dir.path().join("copy");
        fs::copy(&path, &copy).unwrap();
        let bytes = fs::read(&copy).unwrap();

        let store = open(&path).await;
        let held = read(&store, connection_id(1)).await;
        store.check_writable().await.unwrap();
        fs::rename(&copy, &path).unwrap();
        refuses(&store, &finish(&held, 1, next_tokens(&held))).await;
        store.close().await;
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left alone");

        let restarted = open(&path).await;
        let done = finish(&held, 1, next_tokens(&held));
        assert_eq!(restarted.finish_attempt(&done).await.unwrap(), Finished::Done);
    }

    /// A clock that does something when it is asked next: a write asks it between its BEGIN and its COMMIT.
    #[derive(Default)]
    struct Meddling(Mutex<Option<Box<dyn FnOnce() + Send>>>);

    #[async_trait]
    impl Clock for Meddling {
        fn now(&self) -> Timestamp {
            if let Some(meddle) = self.0.lock().unwrap().take() {
                meddle();
            }
            START
        }

        fn uptime(&self) -> Duration {
            Duration::ZERO
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[tokio::test]
    async fn what_is_committed_to_files_that_went_away_is_not_acknowledged() {
        let (_, finish, path, dir) = refreshing().await;
        let clock = Arc::new(Meddling::default());
        let store = SqliteStore::open(&path, clock.clone()).await.unwrap();
        store.check_writable().await.unwrap();
        let away = dir.path().join("away");
        let moved = |from: PathBuf, to: PathBuf| {
            for suffix in ["", "-wal", "-shm"] {
                fs::rename(beside(&from, suffix), beside(&to, suffix)).unwrap();
            }
        };
        let (from, to) = (path.clone(), away.clone());
        *clock.0.lock().unwrap() = Some(Box::new(move || moved(from, to)));
        let unknown = store.finish_attempt(&finish).await.unwrap_err();
        assert!(matches!(unknown, StoreError::OutcomeUnknown { .. }), "{unknown:?}");
        let refused = store.finish_attempt(&finish).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable { .. }), "{refused:?}");

        moved(away, path);
        assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Already);
    }

    #[tokio::test]
    async fn what_is_committed_to_a_log_that_was_removed_is_stored_once() {
        for suffix in ["-wal", "-shm"] {
            let (other, finish, path, _dir) = refreshing().await;
            other.close().await;
            let clock = Arc::new(Meddling::default());
            let store = SqliteStore::open(&path, clock.clone()).await.unwrap();
            store.check_writable().await.unwrap();
            let log = beside(&path, suffix);
            *clock.0.lock().unwrap() = Some(Box::new(move || fs::remove_file(log).unwrap()));
            let unknown = store.finish_attempt(&finish).await.unwrap_err();
            assert!(matches!(unknown, StoreError::OutcomeUnknown { .. }), "{unknown:?}");
            store.close().await;

            let restarted = open(&path).await;
            let again = restarted.finish_attempt(&finish).await.unwrap();
            assert!(matches!(again, Finished::Done | Finished::Already), "{again:?}");
            assert_eq!(read(&restarted, finish.id).await.generation(), 2, "{suffix}");
        }
    }

    #[tokio::test]
    async fn a_removed_log_takes_nothing_with_it() {
        for suffix in ["-wal", "-shm"] {
            let (store, finish, path, _dir) = refreshing().await;
            fs::remove_file(beside(&path, suffix)).unwrap();
            refuses(&store, &finish).await;
            store.close().await;

            let restarted = open(&path).await;
            assert_eq!(read(&restarted, finish.id).await.revision, finish.expected, "what was acknowledged");
            assert_eq!(restarted.finish_attempt(&finish).await.unwrap(), Finished::Done);
        }
    }

    #[tokio::test]
    async fn the_log_may_be_another_when_nobody_has_it_open() {
        let (store, _, path, _dir) = refreshing().await;
        store.close().await;
        let opener = super::super::open::Opener::existing(&path).unwrap();
        for _ in 0..2 {
            let opened = opener.writer().map_err(StoreError::from).unwrap();
            opened.place.check().unwrap();
            drop(opened);
            assert!(!beside(&path, "-wal").exists());
        }
    }
}
