//! Tokens from the command `vestal`, which finds its own store, or a remote service.

use std::fmt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::{NoToken, Token, Tokens};

/// The exit code of `vestal` where only a person can help.
const NEEDS_PERSON: i32 = 3;

/// More of what `vestal` says is not passed on.
const SAID: usize = 500;

/// As many of its processes run at once; others wait for their turn. A fresh token takes each a few milliseconds.
const AT_ONCE: usize = 4;

/// As many may wait, and run: whoever comes then is told to come again.
const WAITING: usize = 100;

/// A connection of Vestal's.
#[derive(Debug)]
pub struct Vestal {
    program: PathBuf,
    connection: String,
    waiting: Semaphore,
    running: Arc<Semaphore>,
}

impl Vestal {
    /// The connection of this name, by this program: `vestal`, or a path to it.
    pub fn new(program: PathBuf, connection: String) -> Self {
        let (waiting, running) = (Semaphore::new(WAITING), Arc::new(Semaphore::new(AT_ONCE)));
        Self { program, connection, waiting, running }
    }
}

#[derive(Deserialize)]
struct Printed {
    access_token: String,
    generation: u64,
}

#[async_trait]
impl Tokens for Vestal {
    async fn token(&self) -> Result<Token, NoToken> {
        let output = self.run(&["token", &self.connection, "--json"]).await?;
        if !output.status.success() {
            let said = said(&output);
            return Err(match output.status.code() {
                Some(NEEDS_PERSON) => NoToken::NeedsPerson(said),
                _ => NoToken::NotNow(said),
            });
        }
        match serde_json::from_slice(&output.stdout) {
            Ok(Printed { access_token, generation }) => Ok(Token { access_token, generation }),
            // Not what it printed: that holds a token.
            Err(_) => Err(NoToken::NotNow("`vestal token --json` printed something else".to_owned())),
        }
    }

    async fn rejected(&self, generation: u64) {
        let generation = generation.to_string();
        let ran = self.run(&["refresh", &self.connection, "--rejected", &generation]).await;
        // Whether there is another token now, the next call for one tells.
        if let Ok(output) =
            ran.as_ref().map_err(|why| tracing::warn!(?why, "a rejected token was not reported"))
            && !output.status.success()
        {
            tracing::warn!(said = %said(output), "a rejected token was not replaced");
        }
    }
}

impl Vestal {
    async fn run(&self, args: &[&str]) -> Result<Output, NoToken> {
        let too_many = || NoToken::NotNow("too many want a token at once".to_owned());
        let _waiting = self.waiting.try_acquire().map_err(|_| too_many())?;
        // It is never closed.
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| too_many())?;
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null());
        // In a task of its own: a visitor who waits no longer takes nobody's turn along. `vestal` ends by itself: it waits
        // 35 s at most for a fresh token.
        let ran = tokio::spawn(async move {
            let _running = running;
            command.output().await
        });
        let cannot_run = |error: &dyn fmt::Display| {
            NoToken::NotNow(format!("cannot run {}: {error}", self.program.display()))
        };
        ran.await.map_err(|error| cannot_run(&error))?.map_err(|error| cannot_run(&error))
    }
}

/// What it said on stderr, on one line; before that, what ended it, which it could not say.
fn said(output: &Output) -> String {
    let ended = match output.status.code() {
        Some(_) => String::new(),
        None => format!("`vestal` was ended by {}. ", output.status),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = text.split_whitespace().collect();
    (ended + &words.join(" ")).trim_end().chars().take(SAID).collect()
}
