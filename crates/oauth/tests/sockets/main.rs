//! The real HTTP against real sockets: what each way to fail is taken for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vestal_oauth::http::{Answer, Exchange, Http};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings};

mod bodies;
mod sending;
mod tls;

const LONG: Duration = Duration::from_secs(20);
/// Long enough for a request to leave, and a first byte to come, on a machine that is busy.
const SHORT: Duration = Duration::from_secs(2);

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
