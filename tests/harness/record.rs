//! All that was said, all that must not be, and the search for the one in the other.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What is shorter would be found anywhere.
pub(crate) const SHORTEST: usize = 8;

/// What is in every URL that asks for a consent.
const CONSENT: &[u8] = b"response_type=code";

/// What kind of secret it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    AccessToken,
    RefreshToken,
    ClientSecret,
    Code,
    Verifier,
    State,
    MasterKey,
}

/// Something that must stay where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Secret {
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
}

impl Secret {
    pub(crate) fn new(kind: Kind, bytes: impl Into<Vec<u8>>) -> Self {
        Self { kind, bytes: bytes.into() }
    }
}

/// What one process wrote to one stream.
pub(crate) struct Emission {
    /// Its arguments.
    pub(crate) what: Vec<String>,
    pub(crate) stream: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Emission {
    /// Whether somebody asked for what this secret is: an access token, or an export with its tokens.
    fn is_asked_for(&self, kind: Kind) -> bool {
        let asked = |for_what: &str| self.stream == "stdout" && self.what.iter().any(|arg| arg == for_what);
        match kind {
            Kind::AccessToken => asked("token") || asked("--with-secrets"),
            Kind::RefreshToken => asked("--with-secrets"),
            _ => false,
        }
    }
}

/// Everything that the `vestal`s of one test said, and every secret that it knows of.
#[derive(Default)]
pub(crate) struct Record {
    emissions: Mutex<Vec<Emission>>,
    secrets: Mutex<BTreeSet<Secret>>,
    consents: Mutex<Vec<String>>,
}

impl Record {
    pub(crate) fn add(&self, emission: Emission) {
        self.emissions.lock().unwrap().push(emission);
    }

    pub(crate) fn add_secret(&self, secret: Secret) {
        self.secrets.lock().unwrap().insert(secret);
    }

    /// A URL that was printed for a person to open. Its `state` is no secret there: once, and whole.
    pub(crate) fn add_consent(&self, url: &str) {
        self.consents.lock().unwrap().push(url.to_owned());
    }

    /// How many streams were recorded.
    pub(crate) fn emissions(&self) -> usize {
        self.emissions.lock().unwrap().len()
    }

    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.secrets.lock().unwrap().iter().cloned().collect()
    }

    /// Everything that was said where it should not have been, and everything that lies open in `folder`.
    pub(crate) fn leaks(&self, folder: &Path) -> Vec<String> {
        let needles = Needles::new(&self.secrets());
        let mut leaks = Vec::new();
        for emission in self.emissions.lock().unwrap().iter() {
            let bytes = self.without_consents(&emission.bytes);
            for leak in needles.find(&bytes) {
                if !emission.is_asked_for(leak.kind) {
                    leaks.push(format!(
                        "{leak}, in {} of `vestal {}`",
                        emission.stream,
                        emission.what.join(" ")
                    ));
                }
            }
        }
        for file in files(folder) {
            let Ok(bytes) = std::fs::read(&file) else { continue };
            for leak in needles.find(&bytes) {
                let is_the_key_file = leak.kind == Kind::MasterKey && file.ends_with("master.key");
                if !is_the_key_file {
                    leaks.push(format!("{leak}, in {}", file.display()));
                }
            }
        }
        leaks
    }

    fn without_consents(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = bytes.to_vec();
        // What asks for no consent need not be searched for the URLs of hundreds.
        if !text.windows(CONSENT.len()).any(|window| window == CONSENT) {
            return text;
        }
        for url in self.consents.lock().unwrap().iter() {
            if let Some(at) = text.windows(url.len()).position(|window| window == url.as_bytes()) {
                text.drain(at..at + url.len());
            }
        }
        text
    }
}

/// Where a secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    pub(crate) kind: Kind,
    pub(crate) disguise: &'static str,
    at: usize,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({}) at byte {}", self.kind, self.disguise, self.at)
    }
}

/// Finds secrets in whatever disguise.
pub(crate) fn find_leaks(secrets: &[Secret], bytes: &[u8]) -> Vec<Leak> {
    Needles::new(secrets).find(bytes)
}

/// Every secret in every disguise, by the first bytes.
struct Needles(HashMap<Vec<u8>, Vec<Needle>>);

struct Needle {
    bytes: Vec<u8>,
    kind: Kind,
    disguise: &'static str,
}

impl Needles {
    fn new(secrets: &[Secret]) -> Self {
        let mut needles = HashMap::<_, Vec<_>>::new();
        for Secret { kind, bytes } in secrets {
            assert!(bytes.len() >= SHORTEST, "a {kind:?} of {} bytes would be found anywhere", bytes.len());
            for (disguise, bytes) in disguises(bytes) {
                let beginning = bytes[..SHORTEST].to_vec();
                needles.entry(beginning).or_default().push(Needle { bytes, kind: *kind, disguise });
            }
        }
        Self(needles)
    }

    fn find(&self, bytes: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        for (at, window) in bytes.windows(SHORTEST).enumerate() {
            for needle in self.0.get(window).into_iter().flatten() {
                if bytes[at..].starts_with(&needle.bytes) {
                    leaks.push(Leak { kind: needle.kind, disguise: needle.disguise, at });
                }
            }
        }
        leaks
    }
}

fn disguises(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let form: String = url::form_urlencoded::byte_serialize(secret).collect();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut disguises = vec![
        ("plain", secret.to_vec()),
        ("hex", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("percent-encoded", form.replace('+', "%20").into_bytes()),
        ("form-encoded", form.clone().into_bytes()),
    ];
    if let Ok(text) = str::from_utf8(secret) {
        disguises.push(("quoted", format!("{text:?}").trim_matches('"').into()));
    }
    for plain in [secret, form.as_bytes()] {
        for offset in 0..3 {
            disguises.push(("base64", base64_within(&STANDARD_NO_PAD, plain, offset)));
            disguises.push(("base64", base64_within(&URL_SAFE_NO_PAD, plain, offset)));
        }
    }
    disguises.sort_by(|(_, one), (_, other)| one.cmp(other));
    disguises.dedup_by(|(_, one), (_, other)| one == other);
    disguises
}

/// The part of a base64 text that depends on the secret alone, where `offset` other bytes came before it.
fn base64_within(engine: &impl base64::Engine, secret: &[u8], offset: usize) -> Vec<u8> {
    let shifted: Vec<u8> = std::iter::repeat_n(0, offset).chain(secret.iter().copied()).collect();
    let (first, last) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
    engine.encode(shifted).as_bytes()[first..last].to_vec()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(self::files(&path)),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
    files
}
