//! Both ends of a consent in a browser on this machine: an HTTP server that sends the browser to the provider, and waits for
//! it to come back (RFC 8252 §7.3).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use url::{Host, Url};
use vestal_core::clock::{Clock, Entropy, random};

use crate::clock::SystemClock;
use crate::failure::Failure;

/// How long a browser may take to fetch the last page.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// How long a program on this machine may take to accept a connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What the paths begin with of pages that lead on.
const DOORS: &str = "/open/";

/// A browser that came back.
pub(crate) struct Arrival {
    /// The whole URL it came to.
    pub(crate) url: Url,
    /// What to show. Dropping it shows that something went wrong.
    pub(crate) reply: oneshot::Sender<Page>,
}

/// What a browser is shown. Plain text: it is escaped.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) status: StatusCode,
}

/// The server, listening.
pub(crate) struct Loopback {
    place: Arc<Place>,
    arrivals: mpsc::Receiver<Arrival>,
    stop: watch::Sender<()>,
    servers: JoinSet<()>,
}

struct Place {
    redirect_uri: Url,
    arrivals: mpsc::Sender<Arrival>,
    door: Mutex<Option<Door>>,
}

/// A page that leads to another one, once.
struct Door {
    path: String,
    to: Url,
}

impl Loopback {
    /// Whether a redirect to this URI comes to this machine.
    pub(crate) fn can_serve(redirect_uri: &Url) -> bool {
        redirect_uri.scheme() == "http" && !addresses(redirect_uri).is_empty()
    }

    /// Listens where the URI points.
    pub(crate) async fn listen(redirect_uri: &Url) -> Result<Self, Failure> {
        let port = redirect_uri.port_or_known_default().unwrap_or(80);
        let mut listeners = Vec::new();
        for address in addresses(redirect_uri) {
            match TcpListener::bind(SocketAddr::new(address, port)).await {
                Ok(listener) => listeners.push(listener),
                // A machine may well do without IPv6, or without IPv4.
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(taken(redirect_uri, port, &error)),
            }
        }
        if listeners.is_empty() {
            return Err(Failure::failed(format!("this machine has no address for {redirect_uri}")));
        }
        let (sender, arrivals) = mpsc::channel(1);
        let place =
            Arc::new(Place { redirect_uri: redirect_uri.clone(), arrivals: sender, door: Mutex::default() });
        let (stop, stopped) = watch::channel(());
        let mut servers = JoinSet::new();
        for listener in listeners {
            let router = Router::new().fallback(arrive).with_state(Arc::clone(&place));
            let mut stopped = stopped.clone();
            servers.spawn(async move {
                let stopped = async move {
                    // A sender that is gone means the same.
                    let _ = stopped.changed().await;
                };
                if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                    tracing::warn!(%error, "nobody listens for the browser any more");
                }
            });
        }
        Ok(Self { place, arrivals, stop, servers })
    }

    /// A page here that sends whoever opens it first to `to`. Everybody on the machine can read the command line of the program
    /// that opens a browser, and `to` holds what nobody else may use.
    pub(crate) fn door_to(&self, to: &Url, entropy: &dyn Entropy) -> Url {
        let number: String = random::<16>(entropy).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut page = self.place.redirect_uri.clone();
        page.set_query(None);
        page.set_path(&format!("{DOORS}{number}"));
        let door = Door { path: page.path().to_owned(), to: to.clone() };
        *self.place.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(door);
        page
    }

    /// Whether somebody else listens there. They are told nothing, and nothing is taken from whoever is about to.
    pub(crate) async fn is_taken(redirect_uri: &Url) -> bool {
        let port = redirect_uri.port_or_known_default().unwrap_or(80);
        for address in addresses(redirect_uri) {
            let answered = tokio::select! {
                connected = TcpStream::connect(SocketAddr::new(address, port)) => connected.is_ok(),
                () = SystemClock.sleep(ANSWERS_WITHIN) => false,
            };
            if answered {
                return true;
            }
        }
        false
    }

    /// Waits for a browser.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Stops listening, once what was replied has been fetched.
    pub(crate) async fn close(mut self) {
        drop(self.stop);
        let closed = async { while self.servers.join_next().await.is_some() {} };
        tokio::select! {
            () = closed => {}
            () = SystemClock.sleep(LAST_PAGE) => {}
        }
    }
}

/// The addresses that a redirect URI means; none where it is not this machine.
fn addresses(redirect_uri: &Url) -> Vec<IpAddr> {
    let addresses = match redirect_uri.host() {
        // A browser may try either.
        Some(Host::Domain("localhost")) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain(_)) | None => vec![],
    };
    addresses.into_iter().filter(IpAddr::is_loopback).collect()
}

fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::ADDRNOTAVAIL | rustix::io::Errno::AFNOSUPPORT))
}

fn taken(redirect_uri: &Url, port: u16, error: &io::Error) -> Failure {
    let failure = Failure::failed(format!("nobody can listen at {redirect_uri} for the browser"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure
            .why(format!("another program listens on port {port} already"))
            .next("end that program, or a vestal connect that still waits; or use --no-browser and paste the final URL"),
        io::ErrorKind::PermissionDenied => failure
            .why(format!("port {port} is reserved for the system"))
            .next("register a redirect URI with a port above 1023; or use --no-browser and paste the final URL"),
        _ => failure.why(error).next("use --no-browser and paste the final URL"),
    }
}

impl Place {
    /// Where a page leads, for the first who opens it.
    fn through(&self, path: &str) -> Option<Url> {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.take_if(|door| door.path == path).map(|door| door.to)
    }
}

async fn arrive(State(place): State<Arc<Place>>, method: Method, uri: Uri) -> Response {
    if let Some(to) = (method == Method::GET).then(|| place.through(uri.path())).flatten() {
        let headers = [
            (header::LOCATION, to.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        return (StatusCode::SEE_OTHER, headers).into_response();
    }
    if uri.path().starts_with(DOORS) && uri.path() != place.redirect_uri.path() {
        let text = "Use the address that the terminal shows, or start again there.".to_owned();
        return Page { title: "This page was opened already", text, status: StatusCode::GONE }
            .into_response();
    }
    if uri.path() != place.redirect_uri.path() {
        return (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response();
    }
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let mut url = place.redirect_uri.clone();
    url.set_query(uri.query());
    let (reply, replied) = oneshot::channel();
    let page = match place.arrivals.send(Arrival { url, reply }).await {
        Ok(()) => replied.await.ok(),
        Err(_) => None,
    };
    let page = page.unwrap_or_else(|| Page {
        title: "Nobody is waiting any more",
        text: "Look at the terminal, and start again there.".to_owned(),
        status: StatusCode::GONE,
    });
    page.into_response()
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (self.status, headers, Html(self.html())).into_response()
    }
}

impl Page {
    fn html(&self) -> String {
        let (title, text) = (escape(self.title), escape(&self.text));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>Vestal: {title}</title>\n\
             <style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1rem; \
             color-scheme: light dark }}</style>\n<h1>{title}</h1>\n<p>{text}</p>\n"
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::testing::ports::free_port;

    async fn get(port: u16, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_browser_is_answered_once_it_is_known_what_came_of_it() {
        let port = free_port();
        let uri: Url = format!("http://localhost:{port}/callback?own=1").parse().unwrap();
        let mut loopback = Loopback::listen(&uri).await.unwrap();
        let browser = tokio::spawn(async move {
            let elsewhere = get(port, "/favicon.ico").await;
            (elsewhere, get(port, "/callback?code=c&state=s").await)
        });
        let arrival = loopback.next().await.unwrap();
        assert_eq!(arrival.url.as_str(), format!("http://localhost:{port}/callback?code=c&state=s"));
        let text = "<script>".to_owned();
        arrival.reply.send(Page { title: "Connected", text, status: StatusCode::OK }).unwrap();
        loopback.close().await;
        let (elsewhere, page) = browser.await.unwrap();
        assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("no-store"), "{page}");
        assert!(page.contains("<h1>Connected</h1>") && page.contains("&lt;script&gt;"), "{page}");
    }

    #[tokio::test]
    async fn a_browser_is_sent_on_once() {
        let port = free_port();
        let uri: Url = format!("http://localhost:{port}/callback?own=1").parse().unwrap();
        let loopback = Loopback::listen(&uri).await.unwrap();
        let to = "https://as.example/authorize?state=planted".parse().unwrap();
        let page = loopback.door_to(&to, &SystemEntropy);
        assert!(
            page.as_str().starts_with(&format!("http://localhost:{port}/open/")) && page.query().is_none()
        );
        assert!(get(port, "/open/").await.starts_with("HTTP/1.1 410"));
        let sent_on = get(port, page.path()).await;
        assert!(sent_on.starts_with("HTTP/1.1 303"), "{sent_on}");
        assert!(sent_on.contains(&format!("location: {to}\r\n")), "{sent_on}");
        assert!(sent_on.contains("referrer-policy: no-referrer"), "{sent_on}");
        assert!(get(port, page.path()).await.starts_with("HTTP/1.1 410"), "it is for one only");
        loopback.close().await;
    }

    #[tokio::test]
    async fn a_browser_may_come_back_to_where_pages_lead_on() {
        let port = free_port();
        let uri: Url = format!("http://127.0.0.1:{port}/open/callback").parse().unwrap();
        let mut loopback = Loopback::listen(&uri).await.unwrap();
        let mut browser = tokio::spawn(async move { get(port, "/open/callback?code=c&state=s").await });
        let arrival = tokio::select! {
            arrival = loopback.next() => arrival.unwrap(),
            answer = &mut browser => panic!("nobody was told of it: {answer:?}"),
        };
        arrival.reply.send(Page { title: "Connected", text: String::new(), status: StatusCode::OK }).unwrap();
        loopback.close().await;
        assert!(browser.await.unwrap().starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let port = free_port();
        let occupied = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let uri: Url = format!("http://localhost:{port}/callback").parse().unwrap();
        let view = Loopback::listen(&uri).await.err().unwrap().view().unwrap();
        assert!(view.why.unwrap().contains(&format!("port {port}")));
        assert!(Loopback::is_taken(&uri).await);
        drop(occupied);
        assert!(!Loopback::is_taken(&uri).await);
    }

    #[test]
    fn only_redirects_to_this_machine_are_waited_for() {
        for (uri, can) in [
            ("http://localhost:8724/callback", true),
            ("http://127.0.0.1:8724/", true),
            ("http://[::1]:8724/", true),
            ("https://localhost/callback", false),
            ("http://localhost.example/callback", false),
            ("http://192.168.0.1/callback", false),
        ] {
            assert_eq!(Loopback::can_serve(&uri.parse().unwrap()), can, "{uri}");
        }
    }
}
