//! The HTTP shell: a sandbox on a loopback socket, in real time.
//!
//! It speaks through hyper rather than a web framework, because a fault may end a connection without a byte or
//! in the middle of a body, which frameworks rightly do not offer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Delivery, Reply, Request, Response, Sandbox, answer};

/// A sandbox that the shell and its owner both hold. Lock it briefly: every request waits for the lock.
pub type Shared = Arc<Mutex<Sandbox>>;

/// Connections served at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// The largest request body.
const BODY_BYTES: usize = 64 * 1024;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a stop waits for requests in flight.
const STOP_TIMEOUT_MS: u64 = 5_000;
/// How long to wait after a failed accept (too many open files, say), which would fail again at once.
const ACCEPT_PAUSE_MS: u64 = 50;

/// A running sandbox. Dropping it stops it too, without waiting for the end.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    sandbox: Shared,
    /// Its being dropped is the signal to stop.
    running: oneshot::Sender<Infallible>,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sandbox, locked. Let go of it before waiting for an answer of the server.
    pub fn sandbox(&self) -> MutexGuard<'_, Sandbox> {
        lock(&self.sandbox)
    }

    /// The time that the sandbox is given, for questions such as [`Sandbox::grants`]: milliseconds since the
    /// Unix epoch.
    pub fn now_ms(&self) -> u64 {
        now_ms()
    }

    /// Stops accepting, lets requests in flight finish for up to 5 s, and ends all connections.
    ///
    /// # Errors
    ///
    /// When the task that served has panicked.
    pub async fn stop(self) -> io::Result<()> {
        drop(self.running);
        Ok(self.task.await?)
    }
}

/// Serves `sandbox` to whoever connects to `listener`, within the running tokio runtime, until it is stopped.
///
/// # Errors
///
/// When the listener is not on a loopback address: what consents by itself is not for a network.
pub fn serve(listener: TcpListener, sandbox: Shared) -> io::Result<Server> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the sandbox cannot listen on {address}: it consents by itself, so it must stay on this \
                 machine; bind 127.0.0.1 or [::1]"
            ),
        ));
    }
    let (running, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, Arc::clone(&sandbox), stopped));
    Ok(Server { address, sandbox, running, task })
}

async fn accept(listener: TcpListener, sandbox: Shared, mut stopped: oneshot::Receiver<Infallible>) {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let sandbox = Arc::clone(&sandbox);
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD_TIMEOUT)
                        // A server does not notice that a caller has hung up before it tries to answer.
                        .half_close(true)
                        .serve_connection(
                            TokioIo::new(stream),
                            service_fn(move |request| respond(Arc::clone(&sandbox), request)),
                        );
                    connections.spawn(graceful.watch(connection));
                }
                Err(_) => sleep(ACCEPT_PAUSE_MS).await,
            },
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = sleep(STOP_TIMEOUT_MS) => {}
    }
}

/// Answers one request as its [`Reply`] says. The error ends the connection without a byte.
async fn respond(
    sandbox: Shared,
    request: http::Request<Incoming>,
) -> Result<http::Response<Announced>, io::Error> {
    let (parts, body) = request.into_parts();
    let too_large = || Ok(whole(answer::text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n")));
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return too_large();
    }
    let body = match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return too_large(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let request = Request::from_parts(parts, body);
    let hold_ms = lock(&sandbox).hold_ms(&request);
    sleep(hold_ms).await;
    let Reply { response, delivery } = lock(&sandbox).handle(&request, now_ms());
    match delivery {
        Delivery::Deliver => Ok(whole(response)),
        Delivery::DelayMs(delay_ms) => {
            sleep(delay_ms).await;
            Ok(whole(response))
        }
        Delivery::DropConnection => Err(io::ErrorKind::ConnectionAborted.into()),
        Delivery::Truncate(bytes) => Ok(response.map(|body| Announced::truncated(body, bytes))),
    }
}

fn whole(response: Response) -> http::Response<Announced> {
    response.map(|body| Announced::truncated(body, usize::MAX))
}

/// A body of which only a part may follow, though the whole length was announced.
struct Announced {
    data: Bytes,
    /// How many announced bytes never come.
    missing: u64,
    /// Whether the connection was given time to send what precedes the missing part.
    flushed: bool,
}

impl Announced {
    fn truncated(mut data: Bytes, bytes: usize) -> Self {
        let missing = data.len().saturating_sub(bytes) as u64;
        data.truncate(bytes);
        Self { data, missing, flushed: false }
    }
}

impl Body for Announced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.data.is_empty() {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.data)))))
        } else if self.missing == 0 {
            Poll::Ready(None)
        } else if !self.flushed {
            self.flushed = true;
            context.waker().wake_by_ref();
            Poll::Pending
        } else {
            Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.len() as u64 + self.missing)
    }
}

/// A panic elsewhere must not turn into one here: what it left behind is still a sandbox.
fn lock(sandbox: &Shared) -> MutexGuard<'_, Sandbox> {
    sandbox.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "here real time enters; all below is given it as an argument")]
fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the shell lives in real time; a simulator has its own shell")]
async fn sleep(duration_ms: u64) {
    if duration_ms > 0 {
        tokio::time::sleep(Duration::from_millis(duration_ms)).await;
    }
}
