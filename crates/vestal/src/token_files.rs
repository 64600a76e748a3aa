//! The files of `[files]`: each holds the access token of a connection, and is kept up to date.
//!
//! A file is a reader who never stops: its connection is kept fresh, under whichever policy.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use vestal_core::clock::Clock as _;
use vestal_core::connection::ConnectionName;
use vestal_core::token::saturating_add;
use vestal_engine::{Engine, Error, IssuedToken, Want};

use crate::clock::SystemClock;
use crate::context::Vestal;
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::token_file::{self, Format};

/// How often a connection is looked at for a token that another process may have got.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Between two looks, at least.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How long to leave alone what could not be had, or written.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A file that is to hold a connection's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptFile {
    pub(crate) connection: ConnectionName,
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
}

/// Why a file is not up to date.
enum Trouble {
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

/// Keeps all files up to date, for as long as it is polled.
pub(crate) async fn keep(vestal: &Vestal) {
    let files = vestal.config.files.iter().cloned();
    // Each by itself: a slow provider holds up no other's file.
    let mut keepers: JoinSet<()> = files.map(|file| keep_one(vestal.engine.clone(), file)).collect();
    while keepers.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

async fn keep_one(engine: Engine, file: KeptFile) {
    let mut seen = None;
    let mut look_again = Timestamp::MIN;
    let mut told = None;
    loop {
        let stored = engine.store().connection_named(&file.connection).await.ok().flatten();
        let generation = stored.map(|connection| connection.generation());
        if generation != seen || engine.now() >= look_again {
            seen = generation;
            let updated = update(&engine, file.clone()).await;
            look_again = match &updated {
                Ok(issued) if !issued.short => end_of_use(issued),
                Ok(_) | Err(_) => saturating_add(engine.now(), AGAIN_AFTER),
            };
            let trouble = updated.err().map(|trouble| trouble.to_string());
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
    let update = |file| {
        let engine = vestal.engine.clone();
        async move { update(&engine, file).await }
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

async fn update(engine: &Engine, file: KeptFile) -> Result<IssuedToken, Trouble> {
    let KeptFile { connection, path, format } = file;
    let want = Want { min_ttl: None, extra: format == Format::Json };
    let issued = engine.issue_token(&connection, want).await.map_err(Trouble::Token)?;
    let text = format.text(&issued, engine.now(), None).map_err(|error| Trouble::File(error.into()))?;
    let write = move || match token_file::holds(&path, &text) {
        true => Ok(()),
        false => token_file::write(&path, &text, &SystemEntropy),
    };
    let written = tokio::task::spawn_blocking(write).await;
    let written = written.unwrap_or_else(|error| Err(Failure::failed("a file was not written").why(error)));
    written.map(|()| issued).map_err(Trouble::File)
}
