//! The files of `[files]`: each holds the access token of a connection, and is kept up to date.
//!
//! A file is a reader who never stops: its connection is kept fresh, under whichever policy.

use std::fmt;
use std::fs::{OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use vestal_api::Code;
use vestal_core::clock::Clock as _;
use vestal_core::connection::ConnectionName;
use vestal_core::token::saturating_add;
use vestal_engine::{Engine, Error, IssuedToken, Want};
use vestal_store::Locked;

use crate::clock::SystemClock;
use crate::context::Vestal;
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::token_file::{self, Format, Left};

/// How often a connection is looked at for a token that another process may have got.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Between two looks, at least.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// So often a newer token may come while one is being written.
const TRIES: usize = 5;

/// So often, and at these intervals, somebody's turn is waited for: none takes longer than a write.
const TURN_TRIES: usize = 500;
const TURN_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How long to leave alone what could not be had, or written.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A file that is not as it was left at so many looks in a row is mended at once, and after that as seldom as what cannot be written:
/// some disks leave none as it was.
const MENDS: u32 = 5;

/// A file that is to hold a connection's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptFile {
    pub(crate) connection: ConnectionName,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

impl KeptFile {
    fn want(&self) -> Want {
        Want { min_ttl: None, extra: self.format == Format::Json }
    }
}

/// Why a file is not up to date.
pub(crate) enum Trouble {
    /// There is no token for it.
    Token(Error),
    /// It cannot be written.
    File(Failure),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::File(Failure::Told(view)) => {
                write!(f, "{}: {}", view.error, view.why.as_deref().unwrap_or("nothing more is known"))
            }
            Self::File(_) => f.write_str("it could not be written"),
        }
    }
}

/// Whoever puts tokens into files, in turn with all others that have the store open.
#[derive(Clone)]
pub(crate) struct Writer {
    engine: Engine,
    /// Locked by whoever's turn it is.
    lock: PathBuf,
}

impl Writer {
    pub(crate) fn of(vestal: &Vestal) -> Self {
        let mut lock = vestal.config.store.clone().into_os_string();
        lock.push("-files");
        Self { engine: vestal.engine.clone(), lock: lock.into() }
    }

    /// Puts a connection's newest token into its file, which was left so `before`. An older one never takes a newer one's place, however
    /// long it was under way.
    pub(crate) async fn put(
        &self,
        file: &KeptFile,
        want: Want,
        before: Option<&Left>,
    ) -> Result<Put, Trouble> {
        let KeptFile { connection, path, format } = file;
        for _ in 0..TRIES {
            let issued = self.engine.issue_token(connection, want).await.map_err(Trouble::Token)?;
            let turn = turn(&self.lock).await;
            if self.newest(connection).await.is_some_and(|newest| newest > issued.generation) {
                continue;
            }
            let text = format.text(&issued, None, None);
            let text = text.map_err(|error| Trouble::File(error.into()))?;
            let (path, before) = (path.clone(), before.cloned());
            let write = move || {
                let _turn = turn;
                token_file::keep(&path, &text, before.as_ref(), &SystemEntropy)
            };
            let written = tokio::task::spawn_blocking(write).await;
            let written =
                written.unwrap_or_else(|error| Err(Failure::failed("a file was not written").why(error)));
            return written.map(|left| Put { issued, left }).map_err(Trouble::File);
        }
        let error = format!("{} was not written", path.display());
        let failure = Failure::new(Code::TemporarilyUnavailable, error);
        Err(Trouble::File(failure.why("its connection was refreshed again each time").next("try again")))
    }

    async fn newest(&self, connection: &ConnectionName) -> Option<u64> {
        let stored = self.engine.store().connection_named(connection).await.ok().flatten();
        stored.map(|connection| connection.generation())
    }
}

/// Waits for this process's turn; it lasts until what is returned is dropped. Where there is no lock to be had, as on a read-only disk,
/// or whoever holds it is stopped, nobody is waited for.
async fn turn(lock: &Path) -> Option<Locked> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(lock).ok()?;
    for _ in 0..TURN_TRIES {
        match Locked::take(file.try_clone().ok()?) {
            Ok(turn) => return Some(turn),
            Err(TryLockError::WouldBlock) => SystemClock.sleep(TURN_AGAIN_AFTER).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// A token that was put into a file.
pub(crate) struct Put {
    pub(crate) issued: IssuedToken,
    /// The file as it was left.
    left: Left,
}

/// Keeps all files up to date, for as long as it is polled.
pub(crate) async fn keep(vestal: &Vestal) {
    let writer = Writer::of(vestal);
    // Each by itself: a slow provider holds up no other's file.
    let files = vestal.config.files.iter().cloned();
    let mut keepers: JoinSet<()> = files.map(|file| keep_one(writer.clone(), file)).collect();
    while keepers.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

async fn keep_one(writer: Writer, file: KeptFile) {
    let engine = &writer.engine;
    let (mut seen, mut left) = (None, None);
    let mut look_again = Timestamp::MIN;
    let mut told = None;
    let mut mended = Mended::default();
    loop {
        let generation = writer.newest(&file.connection).await;
        let is_due = generation != seen || engine.now() >= look_again;
        let mend = match is_due {
            true => Mend::Now,
            false => mended.look(was_touched(&file.path, left.as_ref()).await),
        };
        if mend == Mend::Later {
            look_again = look_again.min(saturating_add(engine.now(), AGAIN_AFTER));
            if mended.is_given_up() {
                let path = file.path.display();
                tracing::warn!(connection = %file.connection, file = %path, "a file does not stay as it is written; it is looked after less often");
            }
        }
        if mend == Mend::Now {
            seen = generation;
            let updated = writer.put(&file, file.want(), left.as_ref()).await;
            look_again = match &updated {
                Ok(Put { issued, .. }) if !issued.short => end_of_use(issued),
                Ok(_) | Err(_) => saturating_add(engine.now(), AGAIN_AFTER),
            };
            let trouble = updated.as_ref().err().map(ToString::to_string);
            left = updated.ok().map(|put| put.left);
            if trouble != told
                && let Some(why) = &trouble
            {
                let path = file.path.display();
                tracing::warn!(connection = %file.connection, file = %path, %why, "a file holds no fresh token");
            }
            told = trouble;
        }
        let left = Duration::try_from(look_again.duration_since(engine.now())).unwrap_or_default();
        SystemClock.sleep(left.clamp(LOOK_AGAIN_AFTER, LOOK_EVERY)).await;
    }
}

/// What to do about a file.
#[derive(Debug, PartialEq, Eq)]
enum Mend {
    Never,
    Now,
    Later,
}

/// In how many looks in a row a file was not as it was left.
#[derive(Default)]
struct Mended(u32);

impl Mended {
    fn look(&mut self, touched: bool) -> Mend {
        self.0 = if touched { self.0.saturating_add(1) } else { 0 };
        match self.0 {
            0 => Mend::Never,
            1..=MENDS => Mend::Now,
            _ => Mend::Later,
        }
    }

    /// Whether it was mended at once until now, and no longer is.
    fn is_given_up(&self) -> bool {
        self.0 == MENDS + 1
    }
}

/// Whether somebody has removed or changed a file since it was written, or opened it to others.
async fn was_touched(path: &Path, left: Option<&Left>) -> bool {
    let Some(left) = left.cloned() else { return false };
    let path = path.to_owned();
    // Its disk may be slow.
    tokio::task::spawn_blocking(move || Left::of(&path) != Some(left)).await.unwrap_or(false)
}

/// When a token has to be replaced at the latest. Where nobody knows, only a new one tells.
fn end_of_use(issued: &IssuedToken) -> Timestamp {
    let end = issued.expires_at.unwrap_or(Timestamp::MAX);
    end.checked_sub(issued.min_ttl.effective).unwrap_or(Timestamp::MIN)
}

/// Brings the files up to date, those of one connection or all: what a command does that has refreshed. That there is no token for one is told by
/// whoever has tried to get it.
pub(crate) async fn update_all(vestal: &Vestal, of: Option<&ConnectionName>) -> Result<(), Failure> {
    let files =
        vestal.config.files.iter().filter(|file| of.is_none_or(|name| *name == file.connection)).cloned();
    let writer = Writer::of(vestal);
    let update = |file: KeptFile| {
        let writer = writer.clone();
        async move { writer.put(&file, file.want(), None).await }
    };
    let mut updates: JoinSet<_> = files.map(update).collect();
    let mut first = Ok(());
    while let Some(updated) = updates.join_next().await {
        match updated {
            Ok(Err(Trouble::File(failure))) => first = first.and(Err(failure)),
            Ok(Ok(_) | Err(Trouble::Token(_))) => {}
            Err(error) => first = first.and(Err(Failure::failed("a file was not written").why(error))),
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[tokio::test]
    async fn a_turn_ends_although_a_child_that_is_being_started_holds_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        let first = turn(&lock).await.unwrap();
        let held_by_child = first.try_clone().unwrap();
        drop(first);
        assert!(File::open(&lock).unwrap().try_lock().is_ok());
        drop(held_by_child);
    }

    #[test]
    fn a_file_that_never_stays_as_it_was_is_not_written_for_ever() {
        let mut mended = Mended::default();
        assert_eq!(mended.look(false), Mend::Never);
        let at_once = (0..1_000).filter(|_| mended.look(true) == Mend::Now).count();
        assert_eq!(at_once, MENDS as usize);
        assert_eq!((mended.look(true), mended.is_given_up()), (Mend::Later, false));
        assert_eq!((mended.look(false), mended.look(true)), (Mend::Never, Mend::Now), "it stayed for once");
    }
}
