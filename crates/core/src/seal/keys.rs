//! Master keys, and the ring of those in use.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::{Entropy, random};

/// The length of a master key, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;

pub(super) const KEY_ID_BYTES: usize = 8;

/// So many keys are on a ring, at most: whoever has filled one with more has made a mistake.
pub const KEYS_MAX: usize = 16;

/// The public name of a master key, derived from it; written in front of every value it seals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    pub(super) fn from_bytes(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A text that names no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is named by 16 hexadecimal digits")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = u64::from_str_radix(text, 16).map_err(|_| NotAKeyId)?;
        let id = Self(number.to_be_bytes());
        // Only as it is written.
        if id.to_string() == text { Ok(id) } else { Err(NotAKeyId) }
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A key that seals. Never lies inside the database that it locks.
pub struct MasterKey {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// A text that is not a master key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a master key is 32 random bytes in base64 (44 characters); this is not")]
pub struct NotAMasterKey;

impl MasterKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: &[u8; MASTER_KEY_BYTES]) -> Self {
        let mut cipher_key = prf(bytes, b"vestal/v1/seal");
        let cipher = XChaCha20Poly1305::new(&cipher_key.into());
        cipher_key.zeroize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&prf(bytes, b"vestal/v1/key-id")[..KEY_ID_BYTES]);
        Self { id: KeyId(id), cipher }
    }

    /// Reads a key as [`MasterKey::generate`] writes it; white space around it is allowed.
    ///
    /// # Errors
    ///
    /// When the text is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, NotAMasterKey> {
        let bytes = Zeroizing::new(BASE64.decode(text.trim()).map_err(|_| NotAMasterKey)?);
        let bytes = <&[u8; MASTER_KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| NotAMasterKey)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The text of a new key: 32 random bytes in base64.
    pub fn generate(entropy: &dyn Entropy) -> SecretString {
        let bytes = Zeroizing::new(random::<MASTER_KEY_BYTES>(entropy));
        BASE64.encode(bytes.as_slice()).into()
    }

    /// The key's public name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// The master keys in use: any of them opens. The newest one seals what is new, or is to.
#[derive(Clone, Debug)]
pub struct KeyRing {
    newest: Arc<MasterKey>,
    /// The oldest first.
    older: Vec<Arc<MasterKey>>,
}

/// A text that holds no master keys. Says nothing of what it does hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKeys {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// A line is something else.
    #[error("line {line} is no master key, which is 32 random bytes in base64 (44 characters)")]
    Line {
        /// Which one, from 1.
        line: usize,
    },
    /// There are too many.
    #[error("it holds more than {KEYS_MAX} keys")]
    TooMany,
}

impl KeyRing {
    /// A ring with these keys, the oldest first.
    pub fn new(newest: MasterKey, older: Vec<MasterKey>) -> Self {
        Self { newest: Arc::new(newest), older: older.into_iter().map(Arc::new).collect() }
    }

    /// Reads keys, one a line, the newest last. Empty lines and those that begin with `#` mean nothing.
    ///
    /// # Errors
    ///
    /// When there is no key, or something else.
    pub fn parse(text: &str) -> Result<Self, NotKeys> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = MasterKey::parse(line).map_err(|NotAMasterKey| NotKeys::Line { line: number + 1 })?;
            // The same one again is as new as where it stands last.
            keys.retain(|other| other.id != key.id);
            keys.push(key);
        }
        if keys.len() > KEYS_MAX {
            return Err(NotKeys::TooMany);
        }
        let newest = keys.pop().ok_or(NotKeys::Empty)?;
        Ok(Self::new(newest, keys))
    }

    /// The names of the keys, the newest last.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().map(|key| key.id).collect()
    }

    /// The newest key.
    pub fn newest(&self) -> &MasterKey {
        &self.newest
    }

    fn keys(&self) -> impl Iterator<Item = &Arc<MasterKey>> {
        self.older.iter().chain([&self.newest])
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&Arc<MasterKey>> {
        self.keys().find(|key| key.id == id)
    }

    /// The keys of both; the newest is the other's.
    pub(super) fn joined_with(&self, other: &Self) -> Self {
        let ours = self.keys().filter(|key| other.find(key.id).is_none());
        Self { newest: Arc::clone(&other.newest), older: ours.chain(&other.older).cloned().collect() }
    }
}

pub(super) fn prf(key: &[u8], message: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(message).finalize().into_bytes().into(),
        Err(_) => unreachable!("HMAC takes a key of any length"),
    }
}
