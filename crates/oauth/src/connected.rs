//! The last moment before a request is on its way.
//!
//! A connection takes its time, and a machine may sleep meanwhile. Whoever must not send late is asked once more when the
//! connection stands, right before the first byte. No connection is used twice, so there is one for each request, and it
//! is made by the task that sends.
//!
//! reqwest makes the connection: it knows of names, proxies and TLS. It is then taken from it, and the request sent over it by
//! hyper itself, since there is no other way to bound what a server may say before it answers: hyper passes over as many
//! interim answers (`100 Continue`) as come, all at once where they come fast enough, and this thread does nothing else.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::departure::Departure;

/// So much is read at once.
const CHUNK_BYTES: usize = 8 * 1024;

/// Bytes to and from a server.
pub(crate) trait Stream: Read + Write + Send + Unpin {}

impl<C: Read + Write + Send + Unpin> Stream for C {}

#[derive(Clone, Default)]
struct Handover {
    departure: Option<Departure>,
    connection: Arc<Mutex<Option<Box<dyn Stream>>>>,
}

tokio::task_local! {
    /// For the connection that is being made by this task.
    static CURRENT: Handover;
}

/// Does the connecting, of which the connection is taken: it then ends with an error. One that came too late is given up.
pub(crate) async fn taken<F: Future>(
    departure: Option<Departure>,
    connecting: F,
) -> (Option<Box<dyn Stream>>, F::Output) {
    let handover = Handover { departure, ..Handover::default() };
    let output = CURRENT.scope(handover.clone(), connecting).await;
    let connection = handover.connection.lock().unwrap_or_else(PoisonError::into_inner).take();
    (connection, output)
}

/// A connection stands.
pub(crate) async fn connected<C: Stream + 'static>(connection: C) -> Result<C, Box<dyn Error + Send + Sync>> {
    let take = |handover: &Handover| {
        if handover.departure.as_ref().is_some_and(|departure| !departure.is_in_time()) {
            return Err(TooLate);
        }
        *handover.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(connection));
        Ok(())
    };
    match CURRENT.try_with(take) {
        Ok(Err(too_late)) => Err(Box::new(too_late)),
        Ok(Ok(())) | Err(_) => Err(Box::new(Taken)),
    }
}

/// The request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("it came too late, since it took long or this machine slept; nothing was sent")]
struct TooLate;

/// Whoever made a connection has it no more.
#[derive(Debug, thiserror::Error)]
#[error("the connection is used otherwise; nothing was sent")]
struct Taken;

/// More came than an answer may have.
#[derive(Debug, thiserror::Error)]
#[error("it has no end")]
pub(crate) struct Endless;

/// A connection of whose bytes so many are read.
pub(crate) struct Bounded {
    connection: Box<dyn Stream>,
    left: usize,
}

impl Bounded {
    pub(crate) fn new(connection: Box<dyn Stream>, most: usize) -> Self {
        Self { connection, left: most }
    }
}

impl Read for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other(Endless)));
        }
        let mut chunk = [0; CHUNK_BYTES];
        let most = chunk.len().min(to.remaining()).min(self.left);
        let mut chunk = ReadBuf::new(&mut chunk[..most]);
        ready!(Pin::new(&mut self.connection).poll_read(context, chunk.unfilled()))?;
        to.put_slice(chunk.filled());
        self.left -= chunk.filled().len();
        Poll::Ready(Ok(()))
    }
}

impl Write for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, bytes)
    }
}
