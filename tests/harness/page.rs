//! Somebody else's server: it looks at the head of each request and answers it. HTTP/1.1, one request per connection.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Starts one, whose answers are a status and a body. Returns its address, such as `http://127.0.0.1:4711`.
pub(crate) fn server(mut answer: impl FnMut(&str) -> (&'static str, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.extend(byte);
            }
            // What is left unread when a connection is closed takes the answer with it.
            let mut sent = vec![0; length(&String::from_utf8_lossy(&head))];
            let _ = stream.read_exact(&mut sent);
            let (status, body) = answer(&String::from_utf8_lossy(&head));
            let length = body.len();
            let head = "content-type: application/json\r\nconnection: close";
            // Whoever asked may be gone.
            let _ = write!(stream, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    address
}

/// How much follows a head.
fn length(head: &str) -> usize {
    let lengths = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    lengths.sum()
}

/// What a request asks for.
pub(crate) fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// The token that a request comes with.
pub(crate) fn bearer(head: &str) -> Option<&str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(": Bearer ")?;
        name.eq_ignore_ascii_case("authorization").then_some(value)
    })
}
