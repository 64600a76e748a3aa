//! Any answer of a token endpoint. An input is written as HTTP would write it: status and end of the body on the first
//! line, headers, an empty line, the body. `@TOKEN@` stands for a token, and `@SENT@` for the refresh token that was
//! sent.

#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vestal_core::outcome::Reply;
use vestal_core::secret::{ExposeSecret, Redactor};
use vestal_core::token::LONGEST_LIFE;
use vestal_oauth::http::{Answer, BodyEnd, Exchange};
use vestal_oauth::read::{Reading, read_token_answer};

/// One that is told by its looks.
const TOKEN: &str = "rt.9dKq2mVb7Xw1-PzL4_sTg0";
/// One that looks like a word.
const SENT: &str = "correcthorsebatterystaple";

fuzz_target!(|bytes: &[u8]| {
    let answer = answer(bytes);
    let (status, end, body) = (answer.status, answer.end, answer.body.clone());
    let successful = (200..300).contains(&status);
    let sent = Redactor::knowing([SENT.into()]);
    let reading = read_token_answer(Exchange::Answered(answer), started_at(), &sent);
    let Reading { reply, raw, .. } = &reading;
    assert!(raw.as_ref().is_none_or(|raw| *raw == body && !body.is_empty()), "what is kept is the body");
    match reply {
        Reply::Tokens(tokens) => {
            assert!(successful && end != BodyEnd::TooLarge && raw.is_none());
            assert!(!tokens.access_token.expose_secret().trim().is_empty(), "an access token says something");
            let refresh_token = tokens.refresh_token.as_ref().map(ExposeSecret::expose_secret);
            assert!(refresh_token.is_none_or(|token| !token.trim().is_empty()), "so does a refresh token");
            for text in [
                tokens.access_token.expose_secret(),
                refresh_token.unwrap_or_default(),
                &tokens.token_type,
                tokens.scope.as_deref().unwrap_or_default(),
            ] {
                assert!(!text.contains(char::is_control), "{text:?} can be put into a header");
            }
            assert!(tokens.expires_in.is_none_or(|life| !life.is_zero() && life <= LONGEST_LIFE));
        }
        Reply::Error { status: told, code, detail, .. } => {
            assert_eq!(*told, status);
            assert!(!code.is_empty(), "an error has a code");
            check_words(&[code, detail]);
        }
        Reply::Unreadable { status: told, detail, .. } => {
            assert_eq!(*told, status);
            assert!(raw.is_some() || !successful || body.is_empty(), "a success that cannot be read is kept");
            // The host of a redirect is told, whatever it is.
            if !(300..400).contains(&status) {
                check_words(&[detail]);
            }
        }
        Reply::NotSent { .. } | Reply::ClientUnfit { .. } | Reply::NoAnswer { .. } => {
            panic!("there was an answer")
        }
    }
});

/// What others said, as it is kept and shown.
fn check_words(words: &[&String]) {
    for text in words {
        assert!(text.chars().count() <= 400, "{text:?} is short");
        assert!(!text.contains(char::is_control), "{text:?} can be shown");
        assert!(!text.contains(TOKEN) && !text.contains(SENT), "{text:?} holds no token");
    }
}

/// 3 November 2026, 12:00:00 UTC.
fn started_at() -> Timestamp {
    Timestamp::constant(1_793_707_200, 0)
}

fn answer(input: &[u8]) -> Answer {
    let mut rest = input;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    };
    let first = String::from_utf8_lossy(line()).into_owned();
    let (status, end) = first.split_once(' ').unwrap_or((&first, ""));
    let status = status.parse().ok().filter(|status| (100..1000).contains(status)).unwrap_or(200);
    let end = match end {
        "truncated" => BodyEnd::Truncated,
        "too-large" => BodyEnd::TooLarge,
        "timed-out" => BodyEnd::TimedOut,
        _ => BodyEnd::Complete,
    };
    let mut headers = HeaderMap::new();
    for _ in 0..32 {
        let field = line();
        if field.is_empty() {
            break;
        }
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&field[..colon], planted(field[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(&value)) {
            headers.append(name, value);
        }
    }
    Answer { status, headers, body: Bytes::from(planted(rest)), end }
}

/// With secrets in the places that are left for them.
fn planted(bytes: &[u8]) -> Vec<u8> {
    let mut planted = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = if let Some(after) = rest.strip_prefix(b"@TOKEN@") {
            planted.extend_from_slice(TOKEN.as_bytes());
            after
        } else if let Some(after) = rest.strip_prefix(b"@SENT@") {
            planted.extend_from_slice(SENT.as_bytes());
            after
        } else {
            planted.push(*first);
            after
        };
    }
    planted
}
