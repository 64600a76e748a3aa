//! Answers behind which the provider may have rotated, and that cannot be read.

use std::time::Duration;

use super::bytes::{chunk, gzip, head, json, page, tokens, with_body};
use super::cases::{Issued, Step, Table};

/// A 2xx whose body cannot be read may hold the only refresh token.
pub(super) fn lost_in_the_body(table: &mut Table) {
    const UNREADABLE: &str = "table: truncated, empty, HTML or otherwise unreadable 2xx";
    table.ambiguous("a captive portal's page", "pizauth throws the token away", |_| {
        page("200 OK", "<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>")
    });
    for (name, body) in [
        ("an empty body", ""),
        ("blanks", "  \r\n"),
        ("words", "OK"),
        ("a number", "42"),
        ("a string", r#""ok""#),
        ("an empty list", "[]"),
        ("an empty object", "{}"),
        ("null", "null"),
        ("fields of something else", r#"{"status":"success"}"#),
    ] {
        table.ambiguous(name, UNREADABLE, move |_| json("200 OK", body));
    }
    for (name, access_token) in [
        ("no access token", ""),
        ("access token null", r#""access_token":null,"#),
        ("access token empty", r#""access_token":"","#),
        ("access token a number", r#""access_token":7,"#),
        ("access token with a line break", r#""access_token":"a\nb","#),
    ] {
        table.ambiguous(name, UNREADABLE, move |issued| {
            json("200 OK", &format!(r#"{{{access_token}"refresh_token":"{}"}}"#, issued.refresh))
        });
    }
    table.ambiguous("a refresh token that is an object", UNREADABLE, |Issued { access, refresh }| {
        json("200 OK", &format!(r#"{{"access_token":"{access}","refresh_token":{{"value":"{refresh}"}}}}"#))
    });
    table.ambiguous("a refresh token that is no text", UNREADABLE, |Issued { access, refresh }| {
        let mut body = format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"#).into_bytes();
        body.extend_from_slice(b"\xff\xfe\"}");
        with_body("200 OK", "Content-Type: application/json\r\n", &body)
    });
    for (name, keep) in [
        ("cut after the first byte", 1),
        ("cut in the access token", 25),
        ("cut before the end of the last field", usize::MAX),
    ] {
        table.ambiguous(name, UNREADABLE, move |issued| {
            let body = tokens(issued, "");
            json("200 OK", &body[..keep.min(body.len() - 2)])
        });
        table.ambiguous(&format!("{name}, and announced as whole"), "table: truncated", move |issued| {
            let body = tokens(issued, "");
            let head = head("200 OK", &format!("Content-Length: {}\r\n", body.len()));
            vec![Step::Bytes(format!("{head}{}", &body[..keep.min(body.len() - 2)]).into())]
        });
        table.ambiguous(&format!("{name}, in chunks"), "table: truncated", move |issued| {
            let body = tokens(issued, "");
            let head = head("200 OK", "Transfer-Encoding: chunked\r\n");
            vec![Step::Bytes(format!("{head}{}", chunk(&body[..keep.min(body.len() - 2)])).into())]
        });
    }
    table.ambiguous("cut in the refresh token", UNREADABLE, |issued| {
        let body = tokens(issued, "");
        let cut = body.find(&issued.refresh).unwrap() + 9;
        json("200 OK", &body[..cut])
    });
    table.ambiguous("a content-length that is too short", "table: truncated", |issued| {
        vec![Step::Bytes(
            format!("{}{}", head("200 OK", "Content-Length: 20\r\n"), tokens(issued, "")).into(),
        )]
    });
    table.ambiguous("gzip that nobody asked for", UNREADABLE, |issued| {
        let packed = gzip(tokens(issued, "").as_bytes());
        with_body("200 OK", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &packed)
    });
    table.ambiguous("a body of gigabytes", "table: oversized", |_| {
        vec![Step::Bytes(head("200 OK", "").into()), Step::Endless(vec![b' '; 64 * 1024])]
    });
    table.ambiguous("gigabytes in chunks", "table: oversized", |_| {
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        vec![
            Step::Bytes(head("200 OK", "Transfer-Encoding: chunked\r\n").into()),
            Step::Endless(chunk.into()),
        ]
    });
}

/// What the status alone makes doubtful.
pub(super) fn lost_by_status(table: &mut Table) {
    const OTHER: &str = "table: any other 5xx";
    table.ambiguous("204 and nothing", "table: empty 2xx", |_| {
        vec![Step::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())]
    });
    for (name, status, location) in [
        ("301", "301 Moved Permanently", "{origin}/elsewhere"),
        ("302", "302 Found", "{origin}/elsewhere?and=back"),
        ("303", "303 See Other", "{origin}/elsewhere"),
        ("307", "307 Temporary Redirect", "{origin}/elsewhere"),
        ("308 to another host", "308 Permanent Redirect", "http://127.9.9.9:{port}/elsewhere"),
        ("302 in a circle", "302 Found", "{origin}/token"),
        ("302 to nowhere", "302 Found", ""),
    ] {
        table.ambiguous(name, "table: a 3xx is an error, and is not followed", move |_| {
            let head = format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            vec![Step::To(head)]
        });
    }
    for (name, status) in [
        ("500 and a page", "500 Internal Server Error"),
        ("502 and a page", "502 Bad Gateway"),
        ("504 and a page", "504 Gateway Timeout"),
        ("520 and a page", "520 Unknown"),
        ("599 and a page", "599 Unknown"),
        ("408 and a page", "408 Request Timeout"),
        ("999 and a page", "999 Denied"),
    ] {
        table.ambiguous(name, OTHER, move |_| page(status, "<html>Something went wrong</html>"));
    }
    table.ambiguous("500 server_error", OTHER, |_| {
        json("500 Internal Server Error", r#"{"error":"server_error"}"#)
    });
    table.ambiguous("400 server_error", OTHER, |_| json("400 Bad Request", r#"{"error":"server_error"}"#));
    table.ambiguous("500 with a token set", OTHER, |issued| {
        json("500 Internal Server Error", &tokens(issued, ""))
    });
    table.ambiguous("500 and nothing", OTHER, |_| with_body("500 Internal Server Error", "", b""));
}

/// What happens to the connection.
pub(super) fn lost_on_the_way(table: &mut Table) {
    const AFTER: &str = "table: timeout or reset after the first byte";
    const NO_HTTP: &str = "table: unreadable";
    let bytes = |text: &str| Step::Bytes(text.as_bytes().to_vec());
    table.ambiguous("no answer at all", "Nango: no timeout, the same token twice", |_| vec![Step::Silence]);
    table.ambiguous("closed without an answer", AFTER, |_| vec![]);
    table.ambiguous("reset before the head", AFTER, |_| vec![Step::Reset]);
    table.ambiguous("reset after the head", AFTER, move |_| {
        vec![
            bytes(&head("200 OK", "Content-Length: 100\r\n")),
            Step::Pause(Duration::from_millis(50)),
            Step::Reset,
        ]
    });
    table.ambiguous("reset within the body", AFTER, move |issued| {
        let cut = format!("{}{}", head("200 OK", "Content-Length: 500\r\n"), &tokens(issued, "")[..30]);
        vec![bytes(&cut), Step::Pause(Duration::from_millis(50)), Step::Reset]
    });
    table.ambiguous("half a status line", AFTER, move |_| vec![bytes("HTTP/1.1 20")]);
    table.ambiguous("a head that ends in the middle", AFTER, move |_| {
        vec![bytes("HTTP/1.1 200 OK\r\nContent-Type: appl")]
    });
    table.ambiguous("silence after the head", AFTER, move |_| {
        vec![bytes(&head("200 OK", "Content-Length: 100\r\n")), Step::Silence]
    });
    table.ambiguous("silence within the body", AFTER, move |issued| {
        let cut = format!("{}{}", head("200 OK", "Content-Length: 500\r\n"), &tokens(issued, "")[..30]);
        vec![bytes(&cut), Step::Silence]
    });
    table.ambiguous(
        "a byte of the body a second",
        "oidc-agent: one slow provider stalls everybody",
        move |issued| {
            let body = tokens(issued, "");
            let head = head("200 OK", &format!("Content-Length: {}\r\n", body.len()));
            vec![bytes(&head), Step::Drip { bytes: body.into(), every: Duration::from_secs(1) }]
        },
    );
    table.ambiguous("a byte of the head a second", AFTER, move |_| {
        let head = head("200 OK", "Content-Length: 0\r\n").into();
        vec![Step::Drip { bytes: head, every: Duration::from_secs(1) }]
    });
    table.ambiguous("headers without end", "table: oversized", move |_| {
        vec![bytes("HTTP/1.1 200 OK\r\n"), Step::Endless(b"X-More: and more\r\n".repeat(1_000))]
    });
    table.ambiguous("a header of gigabytes", "table: oversized", move |_| {
        vec![bytes("HTTP/1.1 200 OK\r\nX-Long: "), Step::Endless(vec![b'x'; 64 * 1024])]
    });
    table.ambiguous("100 Continue without end", "table: oversized", |_| {
        vec![Step::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000))]
    });
    for (name, garbage) in [
        ("a greeting of SSH", &b"SSH-2.0-OpenSSH_9.2\r\n"[..]),
        ("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
        ("zeros", &[0; 512]),
        ("another HTTP", b"HTTP/3.0 200 OK\r\n\r\n"),
        ("HTTP/2 at once", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
        ("JSON without HTTP", br#"{"access_token":"a"}"#),
        ("a status that is none", b"HTTP/1.1 twohundred OK\r\n\r\n"),
        ("a length below zero", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}"),
        ("a chunk of no size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        (
            "101 Switching Protocols",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        ),
    ] {
        table.ambiguous(name, NO_HTTP, move |_| vec![Step::Bytes(garbage.to_vec())]);
    }
}
