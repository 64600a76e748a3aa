//! What `pizauth dump` writes: the state of pizauth 1, with its access and refresh tokens.
//!
//! The dump is encrypted with a key that is the same for everybody, so that tokens are not found by a search through files; its
//! manual says that this protects nothing. Inside it is the first version of bincode, with integers of a fixed length.
//! Read in pizauth's src/server/state.rs and src/config.rs (<https://github.com/ltratt/pizauth>), 2026-11-29.

use std::time::Duration;

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use jiff::Timestamp;
use url::Url;
use vestal_api::ConnectionRecord;
use vestal_core::token::saturating_add;

use super::found::{Bad, Found, GivenClient};

/// The key that is in pizauth's source.
const KEY: [u8; 32] = *b"\x66\xa2\x47\xa8\x5e\x48\xcf\xec\xaa\xed\x9b\x36\xeb\xa9\x7d\x53\
    \x50\xd4\x28\x63\x75\x09\x7a\x44\xee\xff\xb9\xc4\x54\x6b\x65\xa3";
const NONCE_BYTES: usize = 12;

/// The version of the dump that is known.
const VERSION: u64 = 1;

/// Reads a dump. An account that waits for its consent has nothing to import.
pub(crate) fn read(dump: &[u8]) -> Result<Vec<Found>, Bad> {
    let no_dump = || Bad::new("it is no dump of pizauth 1").next("give what this writes: pizauth dump");
    let (nonce, sealed) = dump.split_first_chunk::<NONCE_BYTES>().ok_or_else(no_dump)?;
    let cipher = ChaCha20Poly1305::new(&KEY.into());
    let plain = cipher.decrypt(&Nonce::from(*nonce), sealed).map_err(|_| no_dump())?;
    let plain = zeroize::Zeroizing::new(plain);
    let mut rest = Bytes(&plain);
    if rest.long().ok_or_else(no_dump)? != VERSION {
        return Err(Bad::new("it is a dump of a later pizauth than is known here"));
    }
    let mut found = accounts(&mut rest).ok_or_else(no_dump)?;
    // Their order is a hash table's.
    found.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let found = found.into_iter().zip(1..).filter_map(|((name, client, tokens), line)| {
        let tokens = tokens?;
        let record = record(&name, tokens).map_err(|bad| Bad { name: Some(name), ..bad });
        Some(Found { client: Some(client), is_all: true, ..Found::line(line, record) })
    });
    Ok(found.collect())
}

/// What pizauth has of an active account.
struct Tokens {
    access_token: String,
    obtained: Timestamp,
    expiry: Timestamp,
    refresh_token: Option<String>,
}

fn record(name: &str, tokens: Tokens) -> Result<ConnectionRecord, Bad> {
    Ok(ConnectionRecord {
        refresh_token: tokens.refresh_token,
        access_token: Some(tokens.access_token),
        issued_at: Some(tokens.obtained),
        expires_at: Some(tokens.expiry),
        ..ConnectionRecord::named(name.parse().map_err(Bad::new)?)
    })
}

type Account = (String, GivenClient, Option<Tokens>);

fn accounts(rest: &mut Bytes<'_>) -> Option<Vec<Account>> {
    let count = rest.length()?;
    let mut accounts = Vec::new();
    for _ in 0..count {
        accounts.push((rest.text()?, client(rest)?, tokens(rest)?));
    }
    Some(accounts)
}

fn client(rest: &mut Bytes<'_>) -> Option<GivenClient> {
    let authorization = rest.text()?;
    for _ in 0..rest.length()? {
        // Further parameters of the authorization request.
        let _ = (rest.text()?, rest.text()?);
    }
    let client_id = rest.text()?;
    let secret = if rest.is_some()? { Some(rest.text()?) } else { None };
    let _redirect_uri = rest.text()?;
    let scopes = (0..rest.length()?).map(|_| rest.text()).collect::<Option<Vec<_>>>()?;
    let token_endpoint = Url::parse(&rest.text()?).ok()?;
    let host = token_endpoint.host_str()?.to_owned();
    Some(GivenClient {
        secret: secret.map(Into::into),
        authorization_endpoint: Url::parse(&authorization).ok(),
        token_endpoint: Some(token_endpoint),
        scopes,
        ..GivenClient::with_id(host, client_id)
    })
}

fn tokens(rest: &mut Bytes<'_>) -> Option<Option<Tokens>> {
    match rest.short()? {
        0 => Some(None),
        1 => Some(Some(Tokens {
            access_token: rest.text()?,
            obtained: rest.time()?,
            expiry: rest.time()?,
            refresh_token: if rest.is_some()? { Some(rest.text()?) } else { None },
        })),
        _ => None,
    }
}

/// What is left of a value in bincode. Everything is `None` where it cannot be.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn short(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// How many of something follow. Each takes a byte, at least.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.long()?).ok()?;
        (length <= self.0.len()).then_some(length)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn is_some(&mut self) -> Option<bool> {
        match self.take::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = (self.long()?, self.short()?);
        let since_1970 =
            Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()))?;
        Some(saturating_add(Timestamp::UNIX_EPOCH, since_1970))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes what serde and bincode 1 would.
    #[derive(Default)]
    struct Writer(Vec<u8>);

    impl Writer {
        fn long(mut self, value: u64) -> Self {
            self.0.extend(value.to_le_bytes());
            self
        }

        fn short(mut self, value: u32) -> Self {
            self.0.extend(value.to_le_bytes());
            self
        }

        fn text(self, text: &str) -> Self {
            let mut with_length = self.long(text.len() as u64);
            with_length.0.extend(text.as_bytes());
            with_length
        }

        fn option(mut self, text: Option<&str>) -> Self {
            self.0.push(u8::from(text.is_some()));
            text.map_or(Self(self.0.clone()), |text| Self(self.0.clone()).text(text))
        }

        /// An account's part of the configuration.
        fn account(self, name: &str, secret: Option<&str>) -> Self {
            let begun = self.text(name).text("https://login.example/authorize");
            let fields = begun.long(1).text("login_hint").text("me@example.com").text("app").option(secret);
            fields.text("http://localhost/").long(2).text("a").text("b").text("https://login.example/token")
        }

        fn sealed(self, version: u64) -> Vec<u8> {
            let plain = [&version.to_le_bytes()[..], &self.0].concat();
            let nonce = [7; NONCE_BYTES];
            let cipher = ChaCha20Poly1305::new(&KEY.into());
            [&nonce[..], &cipher.encrypt(&Nonce::from(nonce), &plain[..]).unwrap()].concat()
        }
    }

    fn dump() -> Writer {
        let first =
            Writer::default().long(3).account("work", Some("s")).short(1).text("at").long(1_764_417_600);
        let first = first.short(0).long(1_764_421_200).short(500_000_000).option(Some("rt"));
        let second = first.account("asleep", None).short(0);
        second.account("home", None).short(1).text("at-2").long(5).short(0).long(6).short(0).option(None)
    }

    #[test]
    fn a_dump_is_read() {
        let found = read(&dump().sealed(1)).unwrap();
        let names: Vec<_> = found.iter().map(|found| found.record.as_ref().unwrap().name.as_str()).collect();
        assert_eq!(names, ["home", "work"], "the third waits for its consent");
        let work = found[1].record.as_ref().unwrap();
        assert_eq!((work.refresh_token.as_deref(), work.access_token.as_deref()), (Some("rt"), Some("at")));
        assert_eq!(work.issued_at, Some("2025-11-29T12:00:00Z".parse().unwrap()));
        assert_eq!(work.expires_at, Some("2025-11-29T13:00:00.5Z".parse().unwrap()));
        assert!(found[0].is_all && found[0].record.as_ref().unwrap().refresh_token.is_none());
        let client = found[1].client.as_ref().unwrap();
        assert_eq!((client.name.as_str(), client.client_id.as_str()), ("login.example", "app"));
        assert_eq!(client.token_endpoint.as_ref().unwrap().as_str(), "https://login.example/token");
        assert!(client.secret.is_some() && client.scopes == ["a", "b"]);
    }

    #[test]
    fn a_time_past_all_times_is_no_dump() {
        let account = Writer::default().long(1).account("work", None).short(1).text("at");
        let dump = account.long(u64::MAX).short(u32::MAX).long(0).short(0).option(None);
        assert_eq!(read(&dump.sealed(1)).unwrap_err().why, "it is no dump of pizauth 1");
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let whole = dump().sealed(1);
        let mut changed = whole.clone();
        changed[40] ^= 1;
        for bytes in [&b""[..], b"short", &whole[..whole.len() - 1], &changed] {
            assert_eq!(read(bytes).unwrap_err().why, "it is no dump of pizauth 1");
        }
        let later = read(&dump().sealed(2)).unwrap_err().why;
        assert_eq!(later, "it is a dump of a later pizauth than is known here");
        let plain = dump().0;
        for length in 0..plain.len() {
            let cut = Writer(plain[..length].to_vec()).sealed(1);
            assert_eq!(read(&cut).unwrap_err().why, "it is no dump of pizauth 1", "cut after {length}");
        }
    }
}
