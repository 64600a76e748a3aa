//! HTTP as a port: request bytes in, response bytes out.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request};

/// Something that can carry one request.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends `request` at most once, and gives up after `deadline`, which counts from the call to the last
    /// byte of the answer. Follows no redirect. Where `request` carries a [`Departure`](crate::departure::Departure),
    /// sends nothing once that is over; where it carries a [`BodyMax`], reads so much of the answer.
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange;
}

/// What became of a request. The details are sentences without secrets: no query, no body.
#[derive(Clone, Debug)]
pub enum Exchange {
    /// Provably nothing of it left this machine: a name that does not resolve, no connection, no TLS.
    NotSent {
        /// What happened.
        detail: String,
    },
    /// Provably nobody has worked on it, since the client could not show who it is: its certificate cannot be used, or the
    /// server has refused it.
    ClientUnfit {
        /// What happened.
        detail: String,
    },
    /// It may have been sent, at least in part, and no complete head of an answer came.
    NoAnswer {
        /// What happened.
        detail: String,
    },
    /// An answer began.
    Answered(Answer),
}

/// An answer, of which the body may have been cut.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// As much of the body as came, within the limit.
    pub body: Bytes,
    /// How the body ended.
    pub end: BodyEnd,
}

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// As HTTP says it should.
    Complete,
    /// The connection ended before it.
    Truncated,
    /// It is longer than [`BODY_MAX_BYTES`], or the request's own [`BodyMax`]; the rest was not read.
    TooLarge,
    /// The deadline passed before it.
    TimedOut,
}

/// The longest body that is read.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// How many bytes are read of the answer to a request, where those are not enough. It travels in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct BodyMax(pub usize);

impl fmt::Debug for Answer {
    /// Without the headers and the body, which hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
