//! Tokens from the command `vestal`, which finds its own store, or a remote service.

use std::process::{Output, Stdio};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::process::Command;

use crate::{NoToken, Token, Tokens};

/// The exit code of `vestal` where only a person can help.
const NEEDS_PERSON: i32 = 3;

/// More of what `vestal` says is not passed on.
const SAID: usize = 500;

/// A connection of Vestal's.
#[derive(Clone, Debug)]
pub struct Vestal {
    /// The program: `vestal`, or a path to it.
    pub program: std::path::PathBuf,
    /// The connection's name.
    pub connection: String,
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
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null());
        // `vestal` ends by itself: it waits 35 s at most for a fresh token.
        command
            .output()
            .await
            .map_err(|error| NoToken::NotNow(format!("cannot run {}: {error}", self.program.display())))
    }
}

/// What it said on stderr, on one line.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SAID).collect()
}
