//! What the form needs from outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A request with its whole body.
pub type Request = http::Request<Bytes>;

/// A response with its whole body.
pub type Response = http::Response<Bytes>;

/// All of them.
#[derive(Clone)]
pub struct Ports {
    /// Where access tokens come from.
    pub tokens: Arc<dyn Tokens>,
    /// The way to the API.
    pub api: Arc<dyn Api>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Where access tokens come from.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// One that serves now.
    async fn token(&self) -> Result<Token, NoToken>;

    /// The API did not take the one with this number.
    async fn rejected(&self, generation: u64);
}

/// An access token.
#[derive(Clone)]
pub struct Token {
    /// What goes behind `Bearer`.
    pub access_token: String,
    /// Its number.
    pub generation: u64,
}

impl fmt::Debug for Token {
    /// Without the token itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Why there is no token. The sentences are for whoever runs the form, and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// Only a person can help.
    NeedsPerson(String),
    /// It may work later, or there is something else amiss.
    NotNow(String),
}

/// The way to the API.
#[async_trait]
pub trait Api: Send + Sync {
    /// Sends a request, whose URI is a path, and waits for the answer for as long as makes sense while a visitor waits.
    async fn send(&self, request: Request) -> Result<Response, Unanswered>;
}

/// No answer came. Whether the request arrived, nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered(pub String);

/// The time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}
