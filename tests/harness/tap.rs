//! A wire-tap between `vestal` and its provider: whatever secret goes over the wire becomes known to the record.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::record::{Kind, Record, SHORTEST, Secret};

/// Passes on every connection to `to`, until the runtime ends.
pub(crate) async fn tap(listener: TcpListener, to: std::net::SocketAddr, record: Arc<Record>) {
    while let Ok((client, _)) = listener.accept().await {
        let record = Arc::clone(&record);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(to).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            let requests = pass(from_client, to_server, |message| learn_from_request(message, &record));
            let answers = pass(from_server, to_client, |message| learn_from_answer(message, &record));
            tokio::join!(requests, answers);
        });
    }
}

/// Passes bytes on as they come, and shows each whole message to `learn` before its last byte is passed on.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, learn: impl Fn(&str)) {
    let (mut buffer, mut message) = ([0; 16 * 1024], Vec::new());
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        message.extend_from_slice(&buffer[..length]);
        while let Some(whole) = length_of_first(&message) {
            learn(&String::from_utf8_lossy(&message[..whole]));
            message.drain(..whole);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
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
