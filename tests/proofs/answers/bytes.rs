//! Answers, byte by byte.

use super::cases::{Answer, Issued, Step};

/// A token set, with more fields behind the tokens.
pub(super) fn tokens(Issued { access, refresh }: &Issued, more: &str) -> String {
    format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}"{more}}}"#)
}

/// A status line and headers, each of which ends its line.
pub(in crate::proofs) fn head(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n")
}

pub(super) fn with_body(status: &str, headers: &str, body: &[u8]) -> Answer {
    let mut bytes = head(status, &format!("{headers}Content-Length: {}\r\n", body.len())).into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Bytes(bytes)]
}

pub(in crate::proofs) fn json(status: &str, body: &str) -> Answer {
    with_body(status, "Content-Type: application/json\r\n", body.as_bytes())
}

pub(super) fn page(status: &str, body: &str) -> Answer {
    with_body(status, "Content-Type: text/html; charset=utf-8\r\n", body.as_bytes())
}

/// One chunk (RFC 9112 §7.1).
pub(super) fn chunk(part: &str) -> String {
    format!("{:x}\r\n{part}\r\n", part.len())
}

/// RFC 1952, with one block that is stored as it is (RFC 1951 §3.2.4).
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend_from_slice(bytes);
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend(u32::from(length).to_le_bytes());
    packed
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
