//! Sealing at rest: XChaCha20-Poly1305 under a ring of master keys.
//!
//! A sealed value is bound (as additional data) to the store, the row, the field, the grant and the
//! generation it belongs to, so that whoever can write to the database can neither swap two rows nor roll
//! one back. 192-bit nonces are drawn at random: collisions stay out of reach at any size of fleet.
//!
//! Layout of a sealed value: version (1 byte), key id (8), nonce (24), ciphertext and tag.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::clock::{Entropy, random};
use crate::id::{GrantId, StoreId};

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// The length of a master key, in bytes.
pub const MASTER_KEY_BYTES: usize = 32;

/// The public name of a master key, derived from it; written in front of every value it seals.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

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
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

/// What a sealed value is: part of what it is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Field {
    /// An access token.
    AccessToken = 1,
    /// A refresh token.
    RefreshToken = 2,
    /// An id token.
    IdToken = 3,
    /// The further fields of a token answer, as JSON.
    Extra = 4,
    /// A client's secret.
    ClientSecret = 5,
    /// A PKCE code verifier (RFC 7636).
    CodeVerifier = 6,
    /// An answer that could not be read.
    RawAnswer = 7,
    /// An answer in the journal.
    JournalAnswer = 9,
    /// What renewing a grant needs besides its tokens and its client.
    GrantMeans = 10,
    /// The key of [`Vault::fingerprint`].
    FingerprintKey = 8,
}

/// The place a sealed value belongs to. Opened anywhere else, it is corrupt.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The row: a connection's, a client's or an authorization's id.
    pub owner: Uuid,
    /// What it is.
    pub field: Field,
    /// The grant, for what belongs to one.
    pub grant: Option<GrantId>,
    /// The generation of the token set, or 0.
    pub generation: u64,
    /// Further values that must not change without the secret's being sealed anew: a client's token endpoint.
    pub bound: &'a str,
}

/// A sealed value. Safe to store anywhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The value with these bytes, as [`Sealed::as_bytes`] gave them.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why a sealed value could not be opened.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// It was sealed with a key that is not on the ring: nothing is wrong with the value.
    #[error("it was sealed with master key {0}, which is not among the keys given")]
    KeyMissing(KeyId),
    /// It was altered, moved to another row, rolled back, or never was a sealed value.
    #[error("the sealed value is damaged, or was moved here from another place")]
    Corrupt,
    /// It was sealed by a later version of Vestal.
    #[error("it was sealed in format {0}, which this version of Vestal does not know")]
    UnknownFormat(u8),
}

/// The master keys in use. The first one seals; any of them opens.
#[derive(Debug)]
pub struct KeyRing {
    first: MasterKey,
    others: Vec<MasterKey>,
}

impl KeyRing {
    /// A ring that seals with `first` and opens with any.
    pub fn new(first: MasterKey, others: Vec<MasterKey>) -> Self {
        Self { first, others }
    }

    fn seal(&self, store: StoreId, place: &Place<'_>, plain: &[u8], entropy: &dyn Entropy) -> Sealed {
        let nonce = random::<NONCE_BYTES>(entropy);
        let aad = additional_data(store, place);
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.first.id.0);
        sealed.extend_from_slice(&nonce);
        let payload = Payload { msg: plain, aad: &aad };
        match self.first.cipher.encrypt(&XNonce::from(nonce), payload) {
            Ok(ciphertext) => sealed.extend_from_slice(&ciphertext),
            // The cipher refuses only what is longer than 256 GiB; every body is bounded long before.
            Err(_) => unreachable!("a value of {} bytes is within the cipher's bounds", plain.len()),
        }
        Sealed(sealed)
    }

    fn open(
        &self,
        store: StoreId,
        place: &Place<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (&version, rest) = sealed.0.split_first().ok_or(OpenError::Corrupt)?;
        if version != VERSION {
            return Err(OpenError::UnknownFormat(version));
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(OpenError::Corrupt)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Corrupt)?;
        let key = std::iter::once(&self.first)
            .chain(&self.others)
            .find(|key| key.id.0 == *id)
            .ok_or(OpenError::KeyMissing(KeyId(*id)))?;
        let payload = Payload { msg: ciphertext, aad: &additional_data(store, place) };
        key.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| OpenError::Corrupt)
    }
}

fn additional_data(store: StoreId, place: &Place<'_>) -> Vec<u8> {
    // Every part but the last has a fixed length, so that no two places give the same bytes.
    let mut aad = Vec::with_capacity(64 + place.bound.len());
    aad.extend_from_slice(b"vestal/v1");
    aad.extend_from_slice(store.as_uuid().as_bytes());
    aad.extend_from_slice(place.owner.as_bytes());
    aad.push(place.field as u8);
    aad.extend_from_slice(place.grant.map_or(Uuid::nil(), |grant| grant.as_uuid()).as_bytes());
    aad.extend_from_slice(&place.generation.to_be_bytes());
    aad.extend_from_slice(place.bound.as_bytes());
    aad
}

/// What tells two refresh tokens apart without revealing either: a keyed hash (HMAC-SHA256).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// What a store says of itself: who it is, and proof that a master key fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The store.
    pub id: StoreId,
    /// The fingerprint key, sealed. That it opens proves the master key.
    pub fingerprint_key: Sealed,
}

/// Seals and opens the values of one store.
pub struct Vault {
    ring: KeyRing,
    store: StoreId,
    fingerprint_key: Zeroizing<Vec<u8>>,
}

impl Vault {
    /// The identity for a new store.
    pub fn found(ring: &KeyRing, store: StoreId, entropy: &dyn Entropy) -> StoreIdentity {
        let key = Zeroizing::new(random::<32>(entropy));
        let fingerprint_key = ring.seal(store, &fingerprint_key_place(store), key.as_slice(), entropy);
        StoreIdentity { id: store, fingerprint_key }
    }

    /// Unlocks a store.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyMissing`] when this is not the store's master key.
    pub fn unlock(ring: KeyRing, identity: &StoreIdentity) -> Result<Self, OpenError> {
        let place = fingerprint_key_place(identity.id);
        let fingerprint_key = ring.open(identity.id, &place, &identity.fingerprint_key)?;
        Ok(Self { ring, store: identity.id, fingerprint_key })
    }

    /// The store this vault belongs to.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Seals a value for one place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], entropy: &dyn Entropy) -> Sealed {
        self.ring.seal(self.store, place, plain, entropy)
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.ring.open(self.store, place, sealed)
    }

    /// Opens a text that was sealed for this place.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; what is not UTF-8 is corrupt.
    pub fn open_text(&self, place: &Place<'_>, sealed: &Sealed) -> Result<SecretString, OpenError> {
        let plain = self.open(place, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| OpenError::Corrupt)?;
        Ok(text.into())
    }

    /// The keyed fingerprint of a refresh token: the same in this store for as long as it lives, also when
    /// the master key changes.
    pub fn fingerprint(&self, refresh_token: &str) -> Fingerprint {
        Fingerprint(prf(&self.fingerprint_key, refresh_token.as_bytes()))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({}, {:?})", self.store, self.ring)
    }
}

fn fingerprint_key_place(store: StoreId) -> Place<'static> {
    Place { owner: store.as_uuid(), field: Field::FingerprintKey, grant: None, generation: 0, bound: "" }
}

fn prf(key: &[u8], message: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(message).finalize().into_bytes().into(),
        Err(_) => unreachable!("HMAC takes a key of any length"),
    }
}

#[cfg(test)]
mod tests;
