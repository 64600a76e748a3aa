//! Whether a request was sent, how often, and where to.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use vestal_oauth::departure::Departure;
use vestal_oauth::http::{BodyEnd, Exchange, Http as _};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings};

use super::{
    BODY, LONG, SHORT, Server, answer, client, never, no_answer, not_sent, read_request, request, send,
};

#[tokio::test]
async fn without_a_connection_nothing_is_sent() {
    // Bound and not listening: nobody else gets it meanwhile.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let free = bound.local_addr().unwrap();
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
    assert_eq!(said, "127.0.0.1 did not answer within 2.0 s");
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
