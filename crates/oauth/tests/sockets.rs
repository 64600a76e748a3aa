//! The real HTTP against real sockets: what each way to fail is taken for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use vestal_oauth::certificate::ClientCertificate;
use vestal_oauth::departure::Departure;
use vestal_oauth::http::{Answer, BODY_MAX_BYTES, BodyEnd, BodyMax, Exchange, Http};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings, SettingsError};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

/// The request's body: a secret, as is its query.
const BODY: &str = "refresh_token=hunter2";

fn client() -> ReqwestHttp {
    ReqwestHttp::new(&Settings { user_agent: "vestal/0.0.1".into(), ..Settings::default() }).unwrap()
}

async fn send(url: &str, deadline: Duration) -> Exchange {
    client().send(request(url), deadline).await
}

fn request(url: &str) -> Request<Bytes> {
    Request::builder().method(Method::POST).uri(url).body(BODY.into()).unwrap()
}

/// A server that treats each connection the same way, and keeps what `talk` returns for each.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start<F, Talk>(talk: F) -> Self
    where
        F: Fn(TcpStream) -> Talk + Send + 'static,
        Talk: Future<Output = String> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (talk, writer) = (talk(stream), Arc::clone(&writer));
                tokio::spawn(async move {
                    let request = talk.await;
                    writer.lock().unwrap().push(request);
                });
            }
        });
        Self { address, seen }
    }

    /// Reads a request, writes `answer`, and closes.
    async fn answering(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                let request = read_request(&mut stream).await;
                stream.write_all((*answer).as_ref()).await.unwrap();
                request
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/token?tenant=hunter2", self.address)
    }

    fn connections(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.ends_with(BODY.as_bytes()) {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the request came in full");
    }
    String::from_utf8(read).unwrap()
}

async fn never() -> String {
    std::future::pending().await
}

fn answer(exchange: Exchange) -> Answer {
    match exchange {
        Exchange::Answered(answer) => answer,
        other => panic!("an answer was expected: {other:?}"),
    }
}

/// What it says, if it is the expected kind.
fn not_sent(exchange: Exchange) -> String {
    let Exchange::NotSent { detail } = exchange else { panic!("nothing could be sent: {exchange:?}") };
    assert!(!detail.contains("hunter2"), "{detail}");
    detail
}

fn unfit(exchange: Exchange) -> String {
    let Exchange::ClientUnfit { detail } = exchange else { panic!("the client is not known: {exchange:?}") };
    assert!(!detail.contains("hunter2"), "{detail}");
    detail
}

fn no_answer(exchange: Exchange) -> String {
    let Exchange::NoAnswer { detail } = exchange else {
        panic!("it was sent and not answered: {exchange:?}")
    };
    assert!(!detail.contains("hunter2"), "{detail}");
    detail
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let said = not_sent(send(&format!("http://{free}/token?secret=hunter2"), LONG).await);
    assert_eq!(said, "no connection to 127.0.0.1: Connection refused (os error 111)");

    let said = not_sent(send("https://no-such-host.invalid/token?secret=hunter2", LONG).await);
    assert!(said.starts_with("no connection to no-such-host.invalid: "), "{said}");

    let plain = Server::start(|mut stream| async move {
        stream.write_all(b"220 this is not TLS\r\n").await.unwrap();
        never().await
    })
    .await;
    not_sent(send(&plain.url().replace("http:", "https:"), LONG).await);
}

/// Takes the five seconds that a connection may take.
#[tokio::test]
async fn a_connection_that_is_never_ready_is_given_up_before_anything_is_sent() {
    let silent = Server::start(|stream| async move {
        let _open = stream;
        never().await
    })
    .await;
    let said = not_sent(send(&silent.url().replace("http:", "https:"), LONG).await);
    assert_eq!(said, "no connection to 127.0.0.1: operation timed out");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_to_other_machines() {
    let said = not_sent(send("http://provider.example/token?secret=hunter2", LONG).await);
    assert!(said.starts_with("provider.example is not spoken to over http"), "{said}");
    not_sent(send("ftp://127.0.0.1/token", LONG).await);
    not_sent(send("/token", LONG).await);
}

/// A balancer without a server behind it: it accepts, and hangs up. Where nothing was written, it is known.
#[tokio::test]
async fn a_connection_that_ends_at_once_counts_as_not_sent_only_if_nothing_was_written() {
    let server = Server::start(|mut stream| async move {
        stream.shutdown().await.unwrap();
        let mut read = String::new();
        stream.read_to_string(&mut read).await.unwrap();
        read
    })
    .await;
    let http = client();
    let mut not_sent = 0;
    for round in 1..=20 {
        let exchange = http.send(request(&server.url()), LONG).await;
        while server.connections() < round {
            tokio::task::yield_now().await;
        }
        let read = server.seen.lock().unwrap().last().unwrap().clone();
        match exchange {
            Exchange::NotSent { .. } => {
                assert_eq!(read, "");
                not_sent += 1;
            }
            Exchange::NoAnswer { .. } => {}
            odd => panic!("{odd:?}"),
        }
    }
    assert!(not_sent > 0, "it is seen at least sometimes");
}

#[tokio::test]
async fn an_odd_head_hides_no_body() {
    for line in
        ["X-Fill: y\r\n".repeat(900).as_str(), "no colon\r\n", "X Y: z\r\n", "X : y\r\n", "X: y\r\n z\r\n"]
    {
        let server =
            Server::answering(format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 2\r\n\r\n{{}}")).await;
        let answer = answer(send(&server.url(), LONG).await);
        assert_eq!(
            (answer.status, &answer.body[..], answer.end),
            (200, &b"{}"[..], BodyEnd::Complete),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_was_sent_and_not_answered() {
    for cut in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"] {
        let server = Server::answering(cut).await;
        let said = no_answer(send(&server.url(), LONG).await);
        assert!(said.starts_with("127.0.0.1 broke off before it answered: "), "{said}");
        assert_eq!(server.connections(), 1, "it is sent once");
    }
    let long_head = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(2000));
    let differing = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}";
    for head in ["garbage\r\n\r\n", &long_head, differing] {
        let server = Server::answering(head.to_owned()).await;
        let said = no_answer(send(&server.url(), LONG).await);
        assert!(said.starts_with("the head of what 127.0.0.1 answered cannot be read: "), "{said}");
    }
    let silent = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        never().await
    })
    .await;
    let said = no_answer(send(&silent.url(), SHORT).await);
    assert_eq!(said, "127.0.0.1 did not answer within 0.4 s");
}

#[tokio::test]
async fn bodies_that_break_off() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"a\":",
    ] {
        let server = Server::answering(cut).await;
        let answer = answer(send(&server.url(), LONG).await);
        assert_eq!(
            (answer.status, answer.end, &*answer.body),
            (200, BodyEnd::Truncated, &b"{\"a\":"[..]),
            "{cut}"
        );
        assert_eq!(server.connections(), 1, "it is sent once");
    }
}

#[tokio::test]
async fn bodies_that_do_not_end() {
    let endless = Server::start(|mut stream| async move {
        let request = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
        request
    })
    .await;
    let much = answer(send(&endless.url(), LONG).await);
    assert_eq!((much.end, much.body.len()), (BodyEnd::TooLarge, BODY_MAX_BYTES));

    let dripping = Server::start(|mut stream| async move {
        let request = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "the server is slow on purpose")]
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
        request
    })
    .await;
    let little = answer(send(&dripping.url(), SHORT).await);
    assert_eq!(little.end, BodyEnd::TimedOut);
    assert!((1..=20).contains(&little.body.len()), "what came is kept: {}", little.body.len());
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_complete() {
    for (length, end) in [(BODY_MAX_BYTES, BodyEnd::Complete), (BODY_MAX_BYTES + 1, BodyEnd::TooLarge)] {
        let mut sent = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        sent.resize(sent.len() + length, b'x');
        let server = Server::start(move |mut stream| {
            let sent = sent.clone();
            async move {
                let request = read_request(&mut stream).await;
                // The client may hang up before the last byte.
                let _ = stream.write_all(&sent).await;
                request
            }
        })
        .await;
        let read = answer(send(&server.url(), LONG).await);
        assert_eq!((read.end, read.body.len()), (end, BODY_MAX_BYTES));

        // A request may want more of its answer.
        let request = Request::post(server.url()).extension(BodyMax(2 * BODY_MAX_BYTES)).body(BODY.into());
        let read = answer(client().send(request.unwrap(), LONG).await);
        assert_eq!((read.end, read.body.len()), (BodyEnd::Complete, length));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    for status in [301, 302, 303, 307, 308] {
        let head =
            format!("HTTP/1.1 {status} x\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
        let server = Server::answering(head).await;
        let answer = answer(send(&server.url(), LONG).await);
        assert_eq!((answer.status, answer.end), (status, BodyEnd::Complete));
        assert!(answer.headers.contains_key("location"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own_and_is_sent_once() {
    let server = Server::start(|mut stream| async move {
        let mut seen = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
        // It stays open, for as long as the client likes.
        let _ = stream.read_to_string(&mut seen).await;
        seen
    })
    .await;
    let http = client();
    for _ in 0..3 {
        assert_eq!(answer(http.send(request(&server.url()), LONG).await).status, 503);
    }
    drop(http);
    while server.connections() < 3 {
        tokio::task::yield_now().await;
    }
    for seen in server.seen.lock().unwrap().iter() {
        assert_eq!(seen.matches(BODY).count(), 1, "{seen}");
    }
}

#[tokio::test]
async fn what_may_not_leave_any_more_when_its_connection_stands_is_not_sent() {
    let server = Server::start(|mut stream| async move {
        let mut seen = String::new();
        stream.read_to_string(&mut seen).await.unwrap();
        seen
    })
    .await;
    let mut late = request(&server.url());
    late.extensions_mut().insert(Departure::new(|| false));
    let said = not_sent(client().send(late, LONG).await);
    assert!(said.contains("too late"), "{said}");
    while server.connections() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*server.seen.lock().unwrap(), [""], "a byte was sent");

    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut in_time = request(&server.url());
    in_time.extensions_mut().insert(Departure::new(|| true));
    assert_eq!(answer(client().send(in_time, LONG).await).status, 200);
}

#[tokio::test]
async fn only_the_headers_that_are_needed_are_sent() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n").await;
    let http = client();
    for _ in 0..2 {
        answer(http.send(request(&server.url()), LONG).await);
    }
    for request in server.seen.lock().unwrap().iter() {
        let head = request.split("\r\n\r\n").next().unwrap().to_lowercase();
        let mut lines: Vec<&str> = head.lines().collect();
        assert_eq!(lines.remove(0), "post /token?tenant=hunter2 http/1.1");
        lines.sort_unstable();
        let host = format!("host: {}", server.address);
        assert_eq!(lines, ["accept: */*", "content-length: 21", &host, "user-agent: vestal/0.0.1"]);
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_only_with_its_authority() {
    let pem = |name| std::fs::read(format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&pem("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pem("server.key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
            let request = read_request(&mut stream).await;
            finish(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
            request
        }
    })
    .await;
    let url = format!("https://localhost:{}/token", server.address.port());

    let said = not_sent(send(&url, LONG).await);
    assert_eq!(said, "no connection to localhost: invalid peer certificate: UnknownIssuer");

    let settings = |extra_roots| Settings { user_agent: "vestal/0.0.1".into(), proxy: None, extra_roots };
    let trusting = ReqwestHttp::new(&settings(pem("ca.pem"))).unwrap();
    let answer = answer(trusting.send(request(&url), LONG).await);
    assert_eq!((answer.status, answer.end, &*answer.body), (200, BodyEnd::Complete, &b"{}"[..]));

    let broken = b"-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n".to_vec();
    assert!(matches!(ReqwestHttp::new(&settings(broken)), Err(SettingsError::Roots { .. })));
    assert!(matches!(ReqwestHttp::new(&settings(b"no PEM".to_vec())), Err(SettingsError::Roots { .. })));
}

/// Under TLS 1.2 a handshake ends before anything is sent; under 1.3 the client's part of it does.
#[tokio::test]
async fn a_client_shows_its_own_certificate_and_nobody_elses() {
    for version in [&TLS12, &TLS13] {
        shows_its_own_certificate(version).await;
    }
}

async fn shows_its_own_certificate(version: &'static SupportedProtocolVersion) {
    let pem = |name| std::fs::read(format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let certificate = move |name| CertificateDer::from_pem_slice(&pem(name)).unwrap();
    let mut authorities = RootCertStore::empty();
    authorities.add(certificate("client-ca.pem")).unwrap();
    let verifier =
        WebPkiClientVerifier::builder(Arc::new(authorities)).allow_unauthenticated().build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem("server.key.pem")).unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return "refused".to_owned() };
            let shown = stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
            read_request(&mut stream).await;
            finish(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
            match shown {
                None => "nobody".to_owned(),
                Some(shown) if shown == certificate("client.pem").to_vec() => "vestal".to_owned(),
                Some(_) => "a stranger".to_owned(),
            }
        }
    })
    .await;
    let url = format!("https://localhost:{}/token", server.address.port());
    let settings = Settings { user_agent: "vestal/0.0.1".into(), proxy: None, extra_roots: pem("ca.pem") };
    let http = ReqwestHttp::new(&settings).unwrap();
    let both = |certificate, key| [pem(certificate), pem(key)].concat();
    let shown_by = |pem: Vec<u8>| {
        let mut request = request(&url);
        let certificate = ClientCertificate::read(String::from_utf8(pem).unwrap().into()).unwrap();
        request.extensions_mut().insert(certificate);
        request
    };
    let ours = || shown_by(both("client.pem", "client.key.pem"));

    for request in [ours(), request(&url), ours(), request(&url)] {
        assert_eq!(answer(http.send(request, LONG).await).status, 200);
    }
    // An authority that the server does not know has issued it.
    let strange = http.send(shown_by(both("server.pem", "server.key.pem")), LONG).await;
    let said = unfit(strange);
    assert!(
        said.starts_with("localhost refused the TLS connection, or the client's certificate: "),
        "{said}"
    );
    while server.connections() < 5 {
        tokio::task::yield_now().await;
    }
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen, ["vestal", "nobody", "vestal", "nobody", "refused"]);

    // A key of another certificate: nothing is sent.
    let said = unfit(http.send(shown_by(both("client.pem", "server.key.pem")), LONG).await);
    assert!(said.starts_with("the client's certificate and key cannot be used: "), "{said}");
    assert_eq!(server.connections(), 5);
}

async fn finish(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8]) {
    stream.write_all(answer).await.unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_named_proxy_is_used_for_other_machines_only() {
    let proxy = Server::start(|mut stream| async move {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await.unwrap();
        String::from_utf8(asked).unwrap()
    })
    .await;
    let settings = Settings {
        user_agent: "vestal/0.0.1".into(),
        proxy: Some(format!("http://{}", proxy.address).parse().unwrap()),
        extra_roots: vec![],
    };
    let http = ReqwestHttp::new(&settings).unwrap();

    let said = not_sent(http.send(request("https://provider.example/token?secret=hunter2"), LONG).await);
    assert!(said.starts_with("no connection to provider.example: "), "{said}");
    let asked = proxy.seen.lock().unwrap().join("");
    assert!(asked.starts_with("CONNECT provider.example:443 HTTP/1.1\r\n"), "{asked}");

    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    for url in [server.url(), server.url().replace("127.0.0.1", "localhost")] {
        assert_eq!(answer(http.send(request(&url), LONG).await).status, 200);
    }
    assert_eq!(proxy.connections(), 1);
}
