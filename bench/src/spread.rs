//! The hosts that requests go to, and the refresh tokens that are good there.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::client::ClientAuth;
use vestal_oauth::client_auth::Prover;

pub(crate) const HOSTS: u8 = 64;
pub(crate) const CLIENT_ID: &str = "bench";
pub(crate) const CLIENT_SECRET: &str = "the client's secret";

/// Where to send requests, and with what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) hosts: Vec<SocketAddr>,
    pub(crate) refresh_tokens: Vec<String>,
}

impl Spread {
    pub(crate) fn token_endpoint(&self, number: usize) -> Result<Url> {
        let host = self.hosts.get(number % self.hosts.len()).context("no hosts")?;
        Ok(format!("http://{host}/token").parse()?)
    }
}

pub(crate) fn prover() -> Result<Prover> {
    let (id, secret) = (CLIENT_ID.to_owned(), Some(CLIENT_SECRET.into()));
    Ok(Prover::new(id, ClientAuth::ClientSecretPost, secret, String::new())?)
}

/// The refresh tokens in a file, one a line.
pub(crate) fn read_tokens(path: &Path) -> Result<Vec<String>> {
    Ok(std::fs::read_to_string(path)?.lines().map(str::to_owned).collect())
}
