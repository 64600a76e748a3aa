//! The real HTTP against real sockets.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vestal_oauth::http::*;
use vestal_oauth::reqwest_http::*;
use bytes::Bytes;

async fn probe(name: &str, url: &str, body: usize) {
    let http = ReqwestHttp::new(&Settings { user_agent: "vestal/0".into(), ..Settings::default() }).unwrap();
    let mut req = ::http::Request::new(Bytes::from("x".repeat(body)));
    *req.uri_mut() = url.parse().unwrap();
    *req.method_mut() = ::http::Method::POST;
    let mut req2 = reqwest::Request::try_from(req.clone()).unwrap();
    *req2.timeout_mut() = Some(Duration::from_secs(2));
    let started = std::time::Instant::now();
    let x = http.send(req, Duration::from_secs(2)).await;
    println!("{name}: {x:?} in {:?}", started.elapsed());
    let c = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).retry(reqwest::retry::never()).build().unwrap();
    match c.execute(req2).await { Ok(mut r) => { loop { match r.chunk().await { Ok(Some(_)) => {}, Ok(None) => break, Err(e) => {println!("    body {e:?}"); break} } } }, Err(e) => println!("    {e:?}") }
}

async fn server<F, Fut>(f: F) -> String where F: Fn(TcpStream) -> Fut + Send + 'static, Fut: Future<Output = ()> + Send + 'static {
    let l = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let a = l.local_addr().unwrap();
    tokio::spawn(async move { loop { let (s, _) = l.accept().await.unwrap(); tokio::spawn(f(s)); } });
    format!("http://{a}/t?secret=1")
}

async fn request(s: &mut TcpStream) { let mut b = [0; 65536]; let _ = s.read(&mut b).await; }

#[tokio::test]
async fn x() {
    let t = std::time::Instant::now();
    ReqwestHttp::new(&Settings { user_agent: "vestal/0".into(), ..Settings::default() }).unwrap();
    println!("build {:?}", t.elapsed());
    probe("refused", "http://127.0.0.1:1/", 5).await;
    probe("dns", "https://no-such-host.invalid/", 5).await;
    probe("elsewhere", "http://example.com/", 5).await;
    let u = server(|s| async move { drop(s) }).await;
    for _ in 0..3 { probe("accept+drop", &u, 5).await; }
    probe("accept+drop big", &u, 5000000).await;
    let u = server(|s| async move { s.set_zero_linger().unwrap(); drop(s) }).await;
    for _ in 0..3 { probe("accept+rst", &u, 5).await; }
    let u = server(|mut s| async move { request(&mut s).await }).await;
    probe("read+drop", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 200 OK\r\nContent-").await.unwrap(); }).await;
    probe("half head", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap(); }).await;
    probe("cut CL", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap(); }).await;
    probe("cut chunked", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"garbage here\r\n\r\n").await.unwrap(); }).await;
    probe("garbage", &u, 5).await;
    probe("tls garbage", &u.replace("http:", "https:"), 5).await;
    let u = server(|s| async move { std::future::pending::<()>().await; drop(s) }).await;
    probe("silence", &u, 5).await;
    probe("tls silence", &u.replace("http:", "https:"), 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap(); while s.write_all(b"5\r\nabcde\r\n").await.is_ok() {} }).await;
    probe("endless", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await.unwrap(); std::future::pending::<()>().await; }).await;
    probe("stall body", &u, 5).await;
    let u = server(|mut s| async move { request(&mut s).await; s.write_all(b"HTTP/1.1 413 Too\r\nContent-Length: 0\r\n\r\n").await.unwrap();  }).await;
    probe("early answer to big body", &u, 50000000).await;
}
