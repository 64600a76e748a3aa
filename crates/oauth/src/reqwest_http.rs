//! The real HTTP.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::iter::successors;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, NoProxy, Proxy};
use rustls::AlertDescription;
use secrecy::ExposeSecret;
use tower::util::AndThenLayer;
use url::{Position, Url};
use vestal_core::secret::redact;

use crate::certificate::ClientCertificate;
use crate::connected::{Bounded, Endless, connected, taken};
use crate::departure::Departure;
use crate::endpoint;
use crate::http::{Answer, BODY_MAX_BYTES, BodyEnd, BodyMax, Exchange, Http};
use crate::patience::Patience;

/// How long a connection may take, with name resolution and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// More lines than any token endpoint was seen to put before its answer: an answer with more of them is lost.
const HEADERS_MAX: usize = 1000;

/// So much of what comes may be no body: the head, which hyper bounds by less, interim ones before it, and the sizes of chunks.
const HEAD_MAX_BYTES: usize = 512 * 1024;

/// HTTP/1.1 over rustls: one connection for each request, no redirects, no retries, no cookies, no
/// compression, and no proxy unless it is named.
pub struct ReqwestHttp {
    settings: Settings,
    client: reqwest::Client,
    /// For requests that show a certificate: one for each, by its fingerprint, so that none is shown with another's.
    with_certificates: Mutex<HashMap<[u8; 32], reqwest::Client>>,
}

/// What is said by the verifier of certificates where it trusts nobody.
const NO_AUTHORITIES: &str = "No CA certificates were loaded";

/// So many clients with certificates are kept; building one takes a while, and a process uses few.
const CERTIFICATES_MAX: usize = 64;

/// What the real HTTP is to be like.
#[derive(Clone, Default)]
pub struct Settings {
    /// The `User-Agent`, as `vestal/0.1.0`.
    pub user_agent: String,
    /// The HTTP proxy through which to reach other machines. The environment is not asked.
    pub proxy: Option<Url>,
    /// Certificates of authorities to trust besides the machine's own, as PEM. Empty: none.
    pub extra_roots: Vec<u8>,
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The extra certificates cannot be read.
    #[error(
        "the extra root certificates cannot be read: {detail}; they must be in PEM, \"-----BEGIN CERTIFICATE-----\" and so on"
    )]
    Roots {
        /// What is wrong.
        detail: String,
    },
    /// A client's certificate or its key cannot be used.
    #[error("the client's certificate and key cannot be used: {detail}")]
    Certificate {
        /// What is wrong.
        detail: String,
    },
    /// Nobody is trusted, so that nobody can be reached.
    #[error(
        "this machine has no certificates of authorities to trust; install them (Debian: ca-certificates), or name a file of them as ca_file under [http]"
    )]
    NoAuthorities,
    /// Anything else.
    #[error("the HTTP client cannot be set up: {detail}")]
    Setup {
        /// What is wrong.
        detail: String,
    },
}

impl ReqwestHttp {
    /// Reads the machine's certificates, so it takes a while.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            settings: settings.clone(),
            client: client(settings, None)?,
            with_certificates: Mutex::default(),
        })
    }

    /// The client for a request: the one with its certificate, if it has one.
    fn client_for(&self, certificate: Option<&ClientCertificate>) -> Result<reqwest::Client, SettingsError> {
        let Some(certificate) = certificate else { return Ok(self.client.clone()) };
        let mut known = self.with_certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&certificate.fingerprint()) {
            return Ok(client.clone());
        }
        let client = client(&self.settings, Some(certificate))?;
        if known.len() >= CERTIFICATES_MAX {
            known.clear();
        }
        known.insert(certificate.fingerprint(), client.clone());
        Ok(client)
    }

    /// The request as it is written.
    fn in_full(&self, request: Request<Bytes>, url: &Url) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = request.map(Full::new);
        *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse()?;
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])?;
        let user_agent = HeaderValue::from_str(&self.settings.user_agent)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.entry(USER_AGENT).or_insert(user_agent);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        Ok(request)
    }
}

fn client(
    settings: &Settings,
    certificate: Option<&ClientCertificate>,
) -> Result<reqwest::Client, SettingsError> {
    let setup = |error: reqwest::Error| match cause(&error.without_url()) {
        detail if detail.contains(NO_AUTHORITIES) => SettingsError::NoAuthorities,
        detail => SettingsError::Setup { detail },
    };
    let unusable = |error: reqwest::Error| SettingsError::Certificate { detail: cause(&error.without_url()) };
    let roots = read_roots(&settings.extra_roots)?;
    // Whatever the resolver says, what is sent in the clear stays on this machine.
    let loopback = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    #[expect(clippy::disallowed_methods, reason = "this is the one place where an HTTP client is built")]
    let mut builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT)
        .resolve_to_addrs("localhost", &loopback)
        .tls_certs_merge(roots)
        .connector_layer(AndThenLayer::new(connected));
    if let Some(proxy) = &settings.proxy {
        let directly = NoProxy::from_string("localhost,127.0.0.0/8,::1");
        builder = builder.proxy(Proxy::all(proxy.clone()).map_err(setup)?.no_proxy(directly));
    }
    if let Some(certificate) = certificate {
        let identity = Identity::from_pem(certificate.pem().expose_secret().as_bytes());
        builder = builder.identity(identity.map_err(unusable)?);
    }
    builder.build().map_err(if certificate.is_some() { unusable } else { setup })
}

fn read_roots(pem: &[u8]) -> Result<Vec<Certificate>, SettingsError> {
    let unreadable = |detail| SettingsError::Roots { detail };
    let roots = Certificate::from_pem_bundle(pem).map_err(|error| unreadable(cause(&error)))?;
    if roots.is_empty() && !pem.is_empty() {
        Err(unreadable("there is no certificate in them".to_owned()))
    } else {
        Ok(roots)
    }
}

#[async_trait]
impl Http for ReqwestHttp {
    /// A deadline shorter than the 5 s that a connection may take can pass while nothing was sent yet, which
    /// then is [`Exchange::NoAnswer`] all the same: the cautious side.
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange {
        let departure = Departure::of(&request).cloned();
        let BodyMax(most) = request.extensions().get().copied().unwrap_or(BodyMax(BODY_MAX_BYTES));
        let certificate = ClientCertificate::of(&request);
        let shows_one = certificate.is_some();
        let client = match self.client_for(certificate) {
            Ok(client) => client,
            Err(error @ SettingsError::Certificate { .. }) => {
                return Exchange::ClientUnfit { detail: error.to_string() };
            }
            Err(error) => return Exchange::NotSent { detail: error.to_string() },
        };
        let url = match request.uri().to_string().parse::<Url>() {
            Ok(url) => url,
            Err(error) => return Exchange::NotSent { detail: error.to_string() },
        };
        if let Err(unfit) = endpoint::check(&url) {
            return Exchange::NotSent { detail: unfit.to_string() };
        }
        let request = match self.in_full(request, &url) {
            Ok(request) => request,
            Err(error) => return Exchange::NotSent { detail: error.to_string() },
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        let patience = Patience::starting_now(deadline);
        let late = || Exchange::NoAnswer {
            detail: format!("{host} did not answer within {:.1} s", deadline.as_secs_f64()),
        };
        let Some(connecting) = patience.wait(taken(departure, client.get(url).send())).await else {
            return late();
        };
        let connection = match connecting {
            (Some(connection), _) => Bounded::new(connection, most.saturating_add(HEAD_MAX_BYTES)),
            (None, Err(error)) => {
                let error = error.without_url();
                if let Some(alert) = refused_handshake(&error, shows_one) {
                    return refused(&host, &alert);
                }
                return Exchange::NotSent { detail: format!("no connection to {host}: {}", cause(&error)) };
            }
            (None, Ok(_)) => return Exchange::NotSent { detail: format!("no connection to {host}") },
        };
        let unsent = |error: &hyper::Error| match refused_handshake(error, shows_one) {
            Some(alert) => refused(&host, &alert),
            None => Exchange::NotSent { detail: format!("{host} hung up at once: {}", cause(error)) },
        };
        let mut sender = match patience.wait(open(connection)).await {
            Some(Ok(sender)) => sender,
            Some(Err(error)) => return unsent(&error),
            None => return late(),
        };
        let Some(answered) = patience.wait(sender.send_request(request)).await else { return late() };
        match answered {
            Ok(response) => Exchange::Answered(read(response, &patience, most).await),
            Err(error) => match refused_handshake(&error, shows_one) {
                Some(alert) => refused(&host, &alert),
                // Before the first byte of the request was written: hyper then gives the request back.
                None if error.is_canceled() => unsent(&error),
                None if is_timeout(&error) => late(),
                None if error.is_parse() || is_endless(&error) => Exchange::NoAnswer {
                    detail: format!("the head of what {host} answered cannot be read: {}", cause(&error)),
                },
                None => Exchange::NoAnswer {
                    detail: format!("{host} broke off before it answered: {}", cause(&error)),
                },
            },
        }
    }
}

fn refused(host: &str, alert: &str) -> Exchange {
    Exchange::ClientUnfit {
        detail: format!("{host} refused the TLS connection, or the client's certificate: {alert}"),
    }
}

/// Begins to speak HTTP. Nothing is written yet, and an error says that nothing can be.
async fn open(connection: Bounded) -> hyper::Result<SendRequest<Full<Bytes>>> {
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        // A bad line in its head must not hide the tokens in an answer. No connection is used twice, so nothing can
        // be taken for the beginning of another answer.
        .ignore_invalid_headers_in_responses(true)
        .handshake(connection)
        .await?;
    let connection = tokio::spawn(connection);
    match sender.ready().await {
        Ok(()) => Ok(sender),
        // Why, who reads from it knows: it may have been refused.
        Err(closed) => Err(connection.await.ok().and_then(Result::err).unwrap_or(closed)),
    }
}

/// Reads an answer, of whose body at `most` so many bytes.
async fn read(mut response: Response<Incoming>, patience: &Patience, most: usize) -> Answer {
    let mut body = BytesMut::new();
    let end = loop {
        let Some(frame) = patience.wait(response.body_mut().frame()).await else { break BodyEnd::TimedOut };
        // What follows the last chunk is of no interest.
        match frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())) {
            Some(Ok(chunk)) if body.len() + chunk.len() > most => {
                body.extend_from_slice(&chunk[..most - body.len()]);
                break BodyEnd::TooLarge;
            }
            Some(Ok(chunk)) => body.extend_from_slice(&chunk),
            None => break BodyEnd::Complete,
            Some(Err(error)) if is_timeout(&error) => break BodyEnd::TimedOut,
            Some(Err(_)) => break BodyEnd::Truncated,
        }
    };
    Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
        end,
    }
}

/// Whether the system gave a connection up.
fn is_timeout(error: &hyper::Error) -> bool {
    error.is_timeout() || io_errors(error).any(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Whether there was no end of what came.
fn is_endless(error: &hyper::Error) -> bool {
    io_errors(error).any(|error| error.get_ref().is_some_and(|inner| inner.is::<Endless>()))
}

fn io_errors(error: &hyper::Error) -> impl Iterator<Item = &io::Error> {
    sources(error).filter_map(|source| source.downcast_ref())
}

/// The alert by which a server ended a handshake (RFC 8446 §6.2), if it did. Under TLS 1.3 a client's part ends first, so that
/// its request is on the way already; the server has looked at the certificate, and at nothing that came behind it. Where none
/// was shown, only that one is wanted says something of the client.
fn refused_handshake(error: &(dyn Error + 'static), shows_one: bool) -> Option<String> {
    let ended_by = |error: &rustls::Error| match error {
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired),
        ) if shows_one || *alert == AlertDescription::CertificateRequired => Some(format!("{alert:?}")),
        _ => None,
    };
    sources(error).find_map(tls_error).and_then(ended_by)
}

/// The TLS error that an error is, or that is wrapped in it.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = || {
        let inner: &'a (dyn Error + 'static) = error.downcast_ref::<io::Error>()?.get_ref()?;
        tls_error(inner)
    };
    error.downcast_ref().or_else(wrapped)
}

/// What is at the bottom of an error. Of the request itself it names nothing, if it has no URL.
fn cause(error: &(dyn Error + 'static)) -> String {
    sources(error).last().map(|deepest| redact(&deepest.to_string())).unwrap_or_default()
}

/// The error, what caused it, what caused that, and so on.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}
