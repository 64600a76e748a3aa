//! The shell, over real sockets with requests written by hand.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Server, Trouble, serve};

/// A server with a grant, whose first refresh token comes with it.
async fn start() -> (Server, String) {
    let mut world = World::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server =
        serve(listener, Arc::new(Mutex::new(Sandbox::new(world.sandbox.settings().clone(), 7)))).unwrap();
    // The grant is begun at the server's own time.
    world.now_ms = server.now_ms();
    std::mem::swap(&mut world.sandbox, &mut server.sandbox());
    let tokens = world.connect();
    std::mem::swap(&mut world.sandbox, &mut server.sandbox());
    (server, tokens.refresh)
}

/// All bytes that come back for one request on a connection of its own.
async fn send(server: &Server, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let request =
        format!("{head} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Length: {length}\r\n");
    let credentials = STANDARD.encode(BASIC);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let request = format!("{request}{form}\r\nAuthorization: Basic {credentials}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn refresh(server: &Server, refresh_token: &str) -> String {
    let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
    send(server, "POST /token", &body).await
}

/// The announced length of an answer, and its body as it came.
fn body_of(answer: &str) -> (usize, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (length.unwrap(), body)
}

#[tokio::test]
async fn it_answers_and_stops() {
    let (server, refresh_token) = start().await;
    let answer = refresh(&server, &refresh_token).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (length, body) = body_of(&answer);
    assert_eq!(length, body.len());
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(server.sandbox().is_active(body["access_token"].as_str().unwrap(), server.now_ms()));
    let answer = send(&server, "GET /.well-known/oauth-authorization-server", "").await;
    assert!(answer.contains(ISSUER), "{answer}");

    let address = server.address();
    // An idle connection does not hold up the stop.
    let mut idle = TcpStream::connect(address).await.unwrap();
    server.stop().await.unwrap();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn it_carries_out_every_delivery() {
    let (server, refresh_token) = start().await;
    let add = |trouble| server.sandbox().add_fault(Fault::on_refresh(trouble));
    let refreshes = || server.sandbox().stats().refreshes;

    add(Trouble::LoseRequest);
    assert_eq!(refresh(&server, &refresh_token).await, "");
    assert_eq!(refreshes(), 0);

    add(Trouble::AnswerUnprocessed(Trouble::html_page(StatusCode::BAD_GATEWAY)));
    assert!(refresh(&server, &refresh_token).await.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    assert_eq!(refreshes(), 0);

    add(Trouble::Truncate(10));
    let answer = refresh(&server, &refresh_token).await;
    let (length, body) = body_of(&answer);
    assert!(length > 100, "{answer}");
    assert_eq!(body.len(), 10, "{answer}");
    assert_eq!(refreshes(), 1);
    server.stop().await.unwrap();

    let (server, refresh_token) = start().await;
    server.sandbox().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    assert_eq!(refresh(&server, &refresh_token).await, "");
    assert_eq!(server.sandbox().stats().refreshes, 1);
}

#[tokio::test]
async fn delays_come_before_and_after_processing() {
    let (server, refresh_token) = start().await;
    server.sandbox().add_fault(Fault::on_refresh(Trouble::Hold(40)));
    server.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(40)));
    let sent_ms = server.now_ms();
    let answer = refresh(&server, &refresh_token).await;
    let received_ms = server.now_ms();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let processed_ms = server.sandbox().grants(received_ms)[0].last_refresh_ms.unwrap();
    assert!(processed_ms - sent_ms >= 40, "held for {} ms", processed_ms - sent_ms);
    assert!(received_ms - processed_ms >= 40, "delayed for {} ms", received_ms - processed_ms);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_unread() {
    let (server, _) = start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"POST /token HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 65537\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn it_stays_on_this_machine() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let sandbox = Arc::new(Mutex::new(Sandbox::new(Settings::new(ISSUER), 1)));
    let refusal = serve(listener, sandbox).unwrap_err().to_string();
    assert!(refusal.contains("bind 127.0.0.1 or [::1]"), "{refusal}");
}
