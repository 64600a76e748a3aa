//! Fresh access tokens within a Rust program, from the store that the command line uses.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::OnceCell;
use vestal_api::{Code, ErrorView};
use vestal_core::connection::{BadName, ConnectionName};
use vestal_core::secret::ExposeSecret;
use vestal_engine::{IssuedToken, Rejection, Want};

use crate::commands::refresh::not_refreshed;
use crate::config::{Config, Environment};
use crate::context::{Opened, Vestal, nothing_there, open};
use crate::daemon;
use crate::failure::Failure;

#[cfg(feature = "reqwest-middleware")]
mod authorize;
#[cfg(feature = "reqwest-middleware")]
pub use authorize::Authorize;

/// Hands out fresh access tokens, and refreshes them first where they need it. Cheap to clone.
///
/// It is one more node of its store: a daemon, cron jobs, commands and other programs may use the same one at once, and a lease keeps them from
/// refreshing one token twice. Connections are made by `vestal connect`.
///
/// A refresh goes on in a task of its own when whoever wanted it goes away. [`Keeper::close`] waits for those that are under way; a program
/// that ends without it may lose an answer, and with it a refresh token where the provider replaces them.
#[derive(Clone)]
pub struct Keeper {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    environment: Environment,
    opened: OnceCell<(Vestal, Opened)>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("store", &self.inner.config.store).finish_non_exhaustive()
    }
}

impl Keeper {
    /// The store at this path. How it is sealed is said by the `vestal.toml` beside it, or else by the user's own configuration. It is opened
    /// when a token is asked for first.
    ///
    /// # Errors
    ///
    /// Where there is no such store, or a configuration cannot be read.
    pub fn open(store: impl AsRef<Path>) -> Result<Self, Error> {
        let store = store.as_ref();
        let beside = store.with_file_name("vestal.toml");
        let mut keeper = Self::configured(beside.is_file().then_some(&*beside))?;
        if let Some(inner) = Arc::get_mut(&mut keeper.inner) {
            inner.config.store = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
        }
        keeper.that_exists()
    }

    /// The store that this configuration names.
    ///
    /// # Errors
    ///
    /// As [`Keeper::open`].
    pub fn with_config(config: impl AsRef<Path>) -> Result<Self, Error> {
        Self::configured(Some(config.as_ref()))?.that_exists()
    }

    /// The store of `vestal` on the command line, by `VESTAL_CONFIG` or the user's own configuration.
    ///
    /// # Errors
    ///
    /// As [`Keeper::open`].
    pub fn of_user() -> Result<Self, Error> {
        Self::configured(None)?.that_exists()
    }

    fn configured(config: Option<&Path>) -> Result<Self, Error> {
        let environment = Environment::of_process();
        let config = Config::load(&environment, config)?;
        Ok(Self { inner: Arc::new(Inner { config, environment, opened: OnceCell::new() }) })
    }

    fn that_exists(self) -> Result<Self, Error> {
        match self.inner.config.store.exists() {
            true => Ok(self),
            false => Err(nothing_there(&self.inner.config).into()),
        }
    }

    /// A fresh access token of this connection. One that is still valid is served while its refresh fails, is stuck or paused.
    ///
    /// # Errors
    ///
    /// [`Code::NeedsReauth`] where only a person can help, [`Code::TemporarilyUnavailable`] where trying again may.
    pub async fn token(&self, connection: &str) -> Result<Token, Error> {
        self.issue(connection, None).await
    }

    /// The same, of a token that lives for so long still; a wish of more than half of its life is cut to that.
    ///
    /// # Errors
    ///
    /// As [`Keeper::token`].
    pub async fn token_for(&self, connection: &str, min_ttl: Duration) -> Result<Token, Error> {
        self.issue(connection, Some(min_ttl)).await
    }

    async fn issue(&self, connection: &str, min_ttl: Option<Duration>) -> Result<Token, Error> {
        let name = name(connection)?;
        let vestal = self.vestal().await?;
        let want = Want { min_ttl, extra: false };
        match vestal.engine.issue_token(&name, want).await {
            Ok(issued) => Ok(Token(issued)),
            Err(error) => Err(vestal.failure(error, &name).await.into()),
        }
    }

    /// The API answered 401 to this token (RFC 6750 §3.1): another one. However many say so of one token, it is refreshed once.
    ///
    /// # Errors
    ///
    /// As [`Keeper::token`]; and where it was refreshed just now, or fresh tokens are rejected too: their age is not what is wrong.
    pub async fn rejected(&self, connection: &str, token: &Token) -> Result<Token, Error> {
        let name = name(connection)?;
        let vestal = self.vestal().await?;
        match vestal.engine.reject(&name, token.generation()).await {
            Ok(Rejection::Newer(_)) => self.token(connection).await,
            Ok(refused) => Err(not_refreshed(&name, &refused).into()),
            Err(error) => Err(vestal.failure(error, &name).await.into()),
        }
    }

    /// Keeps every connection of the store alive until `stop` completes, as `vestal serve` does, with its token files and its heartbeat; then
    /// waits for what is under way.
    ///
    /// # Errors
    ///
    /// Where the store cannot be opened.
    pub async fn keep_alive(&self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let vestal = self.vestal().await?;
        daemon::begin(vestal).await;
        daemon::keep(vestal, stop).await;
        Ok(())
    }

    /// Waits for the refreshes that are under way, and closes the store. To be called before the program ends. An answer that neither the
    /// store nor its journal takes is never given up, and waited for.
    pub async fn close(self) {
        if let Some((_, opened)) = self.inner.opened.get() {
            opened.end().await;
        }
    }

    async fn vestal(&self) -> Result<&Vestal, Error> {
        let Inner { config, environment, opened } = &*self.inner;
        Ok(&opened.get_or_try_init(|| open(daemon::patient(config.clone()), environment)).await?.0)
    }
}

fn name(connection: &str) -> Result<ConnectionName, Error> {
    connection.parse().map_err(|why: BadName| Failure::usage(why).into())
}

/// An access token to use. Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Token(IssuedToken);

impl Token {
    /// The token itself.
    pub fn expose(&self) -> &str {
        self.0.access_token.expose_secret()
    }

    /// What it is, mostly `Bearer`.
    pub fn token_type(&self) -> &str {
        &self.0.token_type
    }

    /// When it ends; `None` where nobody says.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at.map(SystemTime::from)
    }

    /// Its number: it grows with each refresh.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }

    /// The value of an `Authorization` header (RFC 6750 §2.1), which is not shown in logs. `None` where the token holds what no header can.
    pub fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{} {}", self.0.scheme(), self.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Why there is no token: what happened, why, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<ErrorView>);

impl Error {
    /// The kind: whether a person has to act, or trying again may help.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Why, where that is known.
    pub fn why(&self) -> Option<&str> {
        self.0.why.as_deref()
    }

    /// What to do next, where there is something.
    pub fn next(&self) -> Option<&str> {
        self.0.next.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ErrorView { error, why, next, .. } = &*self.0;
        f.write_str(error)?;
        let why = why.iter().map(|why| ("", why));
        for (what, said) in why.chain(next.iter().map(|next| ("next: ", next))) {
            write!(f, "; {what}{}", said.replace('\n', " "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let code = failure.kind();
        let silent = || ErrorView { error: "it failed".to_owned(), why: None, next: None, code };
        Self(Box::new(failure.view().unwrap_or_else(silent)))
    }
}
