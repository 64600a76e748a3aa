//! The form on a socket, the API at the other end of one, and the clock of the machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response as Answer};
use bytes::BytesMut;
use http::StatusCode;
use http::request::Parts;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::sign_up::PATIENCE;
use crate::{Api, BODY_BYTES, Clock, Form, Request, Response, Unanswered};

/// How long an answer of the API may take: a visitor waits.
const ANSWER: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// How long a request may take to arrive, its head and then its body.
const ARRIVAL: Duration = Duration::from_secs(10);

/// How long a connection may be open: a request arrives, a visitor waits, and the answer is read.
pub(crate) const VISIT: Duration = Duration::from_secs(2 * ARRIVAL.as_secs() + 2 * PATIENCE.as_secs());

/// So many connections at once; more have to wait.
const CONNECTIONS: usize = 512;

/// After an `accept` that failed, for want of files for one.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves the form, until this is dropped. A reverse proxy in front of it speaks TLS, and keeps away who asks too often.
pub async fn serve(listener: TcpListener, form: Arc<Form>) {
    let app = Router::new().fallback(handle).with_state(form);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(app.clone());
                    // `axum::serve` would wait for ever for a head, and for whoever reads no answer.
                    let visit = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(ARRIVAL)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    connections.spawn(async move {
                        tokio::select! {
                            // Whoever goes away in the middle is nobody's concern.
                            _ = visit => {}
                            () = SystemClock.sleep(VISIT) => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    SystemClock.sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn handle(State(form): State<Arc<Form>>, parts: Parts, body: Body) -> Answer {
    let body = tokio::select! {
        body = to_bytes(body, BODY_BYTES) => body,
        () = SystemClock.sleep(ARRIVAL) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    match body {
        Ok(body) => form.handle(&Request::from_parts(parts, body)).await.map(Body::from),
        // Too large, or cut off: then nobody hears this.
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    }
}

/// The API over HTTP.
pub struct HttpApi {
    client: reqwest::Client,
    base: Url,
}

impl HttpApi {
    /// The API at this address, `https://api.cc.email` for one.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    #[expect(
        clippy::disallowed_methods,
        reason = "an example stands for itself: it does not use Vestal's HTTP client"
    )]
    pub fn new(base: Url) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(ANSWER)
            // A redirect would be sent the access token.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("opt-in-form/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, base })
    }

    async fn exchange(&self, request: Request) -> Result<Response, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let mut url = self.base.clone();
        url.set_path(parts.uri.path());
        let request = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let mut answer = request.send().await?;
        let mut response = Response::default();
        *response.status_mut() = answer.status();
        let mut body = BytesMut::new();
        // What is longer is no answer of this API; its beginning tells as much.
        while body.len() < ANSWER_BYTES
            && let Some(chunk) = answer.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        *response.body_mut() = body.freeze();
        Ok(response)
    }
}

#[async_trait]
impl Api for HttpApi {
    async fn send(&self, request: Request) -> Result<Response, Unanswered> {
        self.exchange(request).await.map_err(|error| Unanswered(format!("the API does not answer: {error}")))
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "here real time enters; the form is given it")]
    fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "here real time enters; the form is given it")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
