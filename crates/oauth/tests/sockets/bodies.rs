//! What is read of an answer.

use http::Request;
use tokio::io::AsyncWriteExt as _;
use vestal_oauth::http::{BODY_MAX_BYTES, BodyEnd, BodyMax, Http as _};

use super::{BODY, LONG, SHORT, Server, answer, client, no_answer, read_request, send};

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

/// All requests share one thread: hyper, which passes over interim answers as long as they come, must not keep it.
#[tokio::test]
async fn interim_answers_without_end_keep_nobody_else_from_being_answered() {
    let flood = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let flooding = format!("http://{}/token", flood.local_addr().unwrap());
    // As fast as it can, while this thread reads.
    let writer = std::thread::spawn(move || {
        let (mut stream, _) = flood.accept().unwrap();
        assert_ne!(std::io::Read::read(&mut stream, &mut [0; 1024]).unwrap(), 0);
        let many = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
        while std::io::Write::write_all(&mut stream, &many).is_ok() {}
    });
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let url = server.url();
    let (flooded, beside) = tokio::join!(send(&flooding, LONG), send(&url, SHORT));
    assert_eq!(answer(beside).status, 200);
    let said = no_answer(flooded);
    assert_eq!(said, "the head of what 127.0.0.1 answered cannot be read: it has no end");
    writer.join().unwrap();
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
