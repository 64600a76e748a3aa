//! A wire-tap between `vestal` and its provider: whatever secret goes over the wire becomes known to the record.

use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::record::{Kind, Record, SHORTEST, Secret};
use super::wire::{Brought, Wire};

/// Passes on every connection to `to`, until the runtime ends.
pub(crate) async fn tap(
    listener: TcpListener,
    to: std::net::SocketAddr,
    record: Arc<Record>,
    wire: Arc<Wire>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (record, wire) = (Arc::clone(&record), Arc::clone(&wire));
        tokio::spawn(async move {
            let _open = wire.opened();
            let Ok(server) = TcpStream::connect(to).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            // Our client makes one request on each connection.
            let exchange = OnceLock::new();
            let request = |message: &str| {
                learn_from_request(message, &record);
                if let Some(presented) = token_request(message) {
                    let _ = exchange.set(wire.asked(presented));
                }
            };
            let answer = |message: &str| {
                learn_from_answer(message, &record);
                if let (Some(number), Some(brought)) = (exchange.get(), tokens(message)) {
                    wire.answered(*number, brought);
                }
            };
            let delivered = || exchange.get().into_iter().for_each(|number| wire.delivered(*number));
            let requests = pass(from_client, to_server, &wire, request, || {});
            let answers = pass(from_server, to_client, &wire, answer, delivered);
            tokio::join!(requests, answers);
        });
    }
}

/// Passes bytes on as they come, or a little later. Shows each whole message to `learn` before its last byte is passed
/// on, and tells when it was.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    wire: &Wire,
    learn: impl Fn(&str),
    passed_on: impl Fn(),
) {
    let (mut buffer, mut message) = ([0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        message.extend_from_slice(&buffer[..length]);
        let mut is_whole = false;
        while let Some(whole) = length_of_first(&message) {
            learn(&String::from_utf8_lossy(&message[..whole]));
            message.drain(..whole);
            is_whole = true;
        }
        wire.take_a_while().await;
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
        if is_whole {
            passed_on();
        }
    }
    // A message that was cut short may hold a secret all the same.
    learn(&String::from_utf8_lossy(&message));
    let _ = to.shutdown().await;
}

/// How long the first message is, once it is there as a whole. The sandbox and our client announce every length.
fn length_of_first(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let announced = String::from_utf8_lossy(&bytes[..head])
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    (bytes.len() >= head + announced).then_some(head + announced)
}

fn learn_from_request(message: &str, record: &Record) {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let query = head.lines().next().and_then(|line| line.split(' ').nth(1)?.split_once('?'));
    for form in [body, query.map_or("", |(_, query)| query)] {
        for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
            let kind = match &*name {
                "code" => Kind::Code,
                "code_verifier" => Kind::Verifier,
                "refresh_token" => Kind::RefreshToken,
                "client_secret" => Kind::ClientSecret,
                "state" => Kind::State,
                _ => continue,
            };
            record.add_secret(Secret::new(kind, value.as_bytes()));
        }
    }
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
            && let Some((_, credentials)) = value.trim().split_once(' ')
        {
            record.add_secret(Secret::new(Kind::ClientSecret, credentials));
        }
    }
}

fn learn_from_answer(message: &str, record: &Record) {
    for (field, kind) in [("access_token", Kind::AccessToken), ("refresh_token", Kind::RefreshToken)] {
        let start = format!("\"{field}\":\"");
        for part in message.split(&start).skip(1) {
            let value = part.split('"').next().unwrap_or_default();
            // What was cut short within its first bytes tells nothing.
            if value.len() >= SHORTEST {
                record.add_secret(Secret::new(kind, value));
            }
        }
    }
}

/// The refresh token of a token request, or none where it presents a code; `None` for any other request.
fn token_request(message: &str) -> Option<Option<String>> {
    let (_, body) = message.split_once("\r\n\r\n")?;
    let form = || url::form_urlencoded::parse(body.as_bytes());
    let field = |wanted: &str| form().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    match field("grant_type")?.as_str() {
        "authorization_code" => Some(None),
        "refresh_token" => Some(field("refresh_token")),
        _ => None,
    }
}

/// The tokens of an answer that brings both.
fn tokens(message: &str) -> Option<Brought> {
    let (_, body) = message.split_once("\r\n\r\n")?;
    let fields: serde_json::Value = serde_json::from_str(body).ok()?;
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    Some(Brought { access_token: text("access_token")?, refresh_token: text("refresh_token")? })
}
