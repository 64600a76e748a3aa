//! Who connects and asks for nothing, or not for all of it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
#[tokio::test(start_paused = true)]
async fn nobody_keeps_a_place_by_asking_for_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(crate::serve(listener, World::new().form));
    let long = "a".repeat(crate::BODY_BYTES + 1);
    let long = format!("POST / HTTP/1.1\r\nhost: form\r\ncontent-length: {}\r\n\r\n{long}", long.len());
    for (begun, answer) in [
        ("", ""),
        ("GET / HTTP/1.1\r\nhost:", ""),
        ("POST / HTTP/1.1\r\nhost: form\r\ncontent-length: 5\r\n\r\nemai", "HTTP/1.1 408 "),
        (&long, "HTTP/1.1 413 "),
        ("GET / HTTP/1.1\r\nhost: form\r\n\r\n", "HTTP/1.1 200 "),
        // One that asks on and on need not be read to.
        (&"GET / HTTP/1.1\r\nhost: form\r\n\r\n".repeat(20), "HTTP/1.1 200 "),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(begun.as_bytes()).await.unwrap();
        let mut said = String::new();
        let ended = tokio::time::timeout(Duration::from_secs(60), connection.read_to_string(&mut said)).await;
        ended.expect("it is ended").unwrap();
        assert!(said.starts_with(answer) && said.is_empty() == answer.is_empty(), "{begun:?}: {said}");
        assert!(said.matches("HTTP/1.1 ").count() <= 1, "{begun:?}: {said}");
    }
}

#[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
#[tokio::test(start_paused = true)]
async fn nobody_keeps_a_place_by_not_reading() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // More than sockets hold.
    let title = "News".repeat(1 << 24);
    let form = World::form(&World::new().outside, &title);
    tokio::spawn(crate::serve(listener, form));
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nhost: form\r\n\r\n").await.unwrap();
    tokio::time::sleep(crate::serve::VISIT + Duration::from_secs(1)).await;
    let mut said = Vec::new();
    let _ = connection.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 200 ") && said.len() < title.len(), "{} bytes", said.len());
}
