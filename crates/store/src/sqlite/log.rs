//! Moving the write-ahead log into the database, which SQLite calls a checkpoint.
//!
//! That takes as long as hundreds of writes, and a log begins anew only once all of it is moved. So most of it is moved on a
//! thread of its own while the writer goes on, and what was written meanwhile by the writer, between two transactions.
//!
//! Nothing is lost where it fails: the log stays until it is moved.

use std::thread::{self, JoinHandle};

use rusqlite::Connection as Db;

use super::failure::Failure;
use super::open::Opener;

/// How many pages the writer moves itself: a matter of some milliseconds.
const FEW: u64 = 512;

/// Moves the log of one connection that writes, or leaves that to SQLite, which does it with a commit.
#[derive(Default)]
pub(super) struct Mover {
    /// From so many pages on; `None`: left to SQLite.
    from: Option<u64>,
    /// At work, or done with it.
    thread: Option<JoinHandle<()>>,
}

impl Mover {
    pub(super) fn from(pages: u64) -> Self {
        Self { from: Some(pages), thread: None }
    }

    /// Looks how long the log is, and has it moved. To be called between two transactions.
    pub(super) fn look(&mut self, opener: &Opener, db: &Db) {
        let Some(from) = self.from else { return };
        let begun = match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => {
                // If it panicked, there is more left to move.
                let _ = thread.join();
                true
            }
            None if self.thread.is_some() => return,
            None => false,
        };
        // Where this fails, SQLite moves the log with a commit once it is long enough.
        self.thread = go_on(opener, db, if begun { 1 } else { from }, begun).unwrap_or_default();
    }
}

impl Drop for Mover {
    /// Waits for the thread: whoever closes the last connection of all has the rest moved, and removes the log.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Moves what is left of the log from so many pages on, or starts a thread that does.
fn go_on(opener: &Opener, db: &Db, from: u64, begun: bool) -> Result<Option<JoinHandle<()>>, Failure> {
    let left = left(db)?;
    if left < from {
        return Ok(None);
    }
    if begun && left <= FEW {
        move_into_database(db)?;
        return Ok(None);
    }
    let opened = opener.mover()?;
    let work = move || {
        // What it could not move stays in the log.
        let _ = move_into_database(&opened.connection);
    };
    Ok(thread::Builder::new().name("vestal-log".to_owned()).spawn(work).ok())
}

/// How many pages of the log are not in the database yet.
fn left(db: &Db) -> Result<u64, Failure> {
    let mut look = db.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    // Both are -1 where there is no log.
    let (pages, moved): (i64, i64) =
        look.query_row([], |row| Ok((row.get("log")?, row.get("checkpointed")?)))?;
    Ok(u64::try_from(pages.saturating_sub(moved)).unwrap_or(0))
}

/// Moves what nobody reads, without waiting for anybody.
fn move_into_database(db: &Db) -> Result<(), Failure> {
    db.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::open::create;

    const FROM: u64 = 1_000;

    fn write(db: &Db, pages: usize) {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; INSERT OR REPLACE INTO probe VALUES (1, zeroblob({})); COMMIT",
            pages * 4_096
        ))
        .unwrap();
    }

    #[test]
    fn it_is_moved_aside_and_then_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        assert!(create(&path).is_ok());
        let opener = Opener::existing(&path).unwrap();
        let Ok(opened) = opener.writer() else { panic!("it cannot be written") };
        let db = &opened.connection;
        let pages = || left(db).unwrap_or_else(|_| panic!("it cannot be read"));
        let length = || std::fs::metadata(dir.path().join("db-wal")).unwrap().len();
        let mut mover = Mover::from(FROM);

        write(db, 100);
        mover.look(&opener, db);
        assert!(mover.thread.is_none(), "it is short");
        write(db, 1_000);
        mover.look(&opener, db);
        mover.thread.take().expect("it is long").join().unwrap();
        assert_eq!(pages(), 0);

        // What was written meanwhile, the writer moves.
        write(db, 100);
        assert!(pages() > 100);
        let done = thread::spawn(|| {});
        while !done.is_finished() {
            thread::yield_now();
        }
        mover.thread = Some(done);
        mover.look(&opener, db);
        assert!(mover.thread.is_none() && pages() == 0);
        let before = length();
        write(db, 1_000);
        assert_eq!(length(), before, "it is written over");
    }
}
