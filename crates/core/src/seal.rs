//! Sealing at rest: XChaCha20-Poly1305 under a ring of master keys.
//!
//! A sealed value is bound (as additional data) to the store, the row, the field, the grant and the
//! generation it belongs to, so that whoever can write to the database can neither swap two rows nor roll
//! one back. 192-bit nonces are drawn at random: collisions stay out of reach at any size of fleet.
//!
//! Layout of a sealed value: version (1 byte), key id (8), nonce (24), ciphertext and tag.
//!
//! Any key of the ring opens. Which one seals is said by the store, for all who use it: the one that its identity is
//! sealed with.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use secrecy::SecretString;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::{Entropy, random};
use crate::id::{GrantId, StoreId};

mod keys;

use keys::{KEY_ID_BYTES, prf};
pub use keys::{KEYS_MAX, KeyId, KeyRing, MASTER_KEY_BYTES, MasterKey, NotAKeyId, NotAMasterKey, NotKeys};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

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

impl Field {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AccessToken,
        Self::RefreshToken,
        Self::IdToken,
        Self::Extra,
        Self::ClientSecret,
        Self::CodeVerifier,
        Self::RawAnswer,
        Self::JournalAnswer,
        Self::GrantMeans,
        Self::FingerprintKey,
    ];
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

    /// The key that it was sealed with.
    ///
    /// # Errors
    ///
    /// [`OpenError::Corrupt`] and [`OpenError::UnknownFormat`].
    pub fn key(&self) -> Result<KeyId, OpenError> {
        self.parts().map(|(key, ..)| key)
    }

    /// The key, the nonce and the ciphertext.
    fn parts(&self) -> Result<(KeyId, &[u8; NONCE_BYTES], &[u8]), OpenError> {
        let (&version, rest) = self.0.split_first().ok_or(OpenError::Corrupt)?;
        if version != VERSION {
            return Err(OpenError::UnknownFormat(version));
        }
        let (id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>().ok_or(OpenError::Corrupt)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Corrupt)?;
        Ok((KeyId::from_bytes(*id), nonce, ciphertext))
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

fn seal(key: &MasterKey, store: StoreId, place: &Place<'_>, plain: &[u8], entropy: &dyn Entropy) -> Sealed {
    let nonce = random::<NONCE_BYTES>(entropy);
    let aad = additional_data(store, place);
    let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + 16);
    sealed.push(VERSION);
    sealed.extend_from_slice(key.id().as_bytes());
    sealed.extend_from_slice(&nonce);
    let payload = Payload { msg: plain, aad: &aad };
    match key.cipher().encrypt(&XNonce::from(nonce), payload) {
        Ok(ciphertext) => sealed.extend_from_slice(&ciphertext),
        // The cipher refuses only what is longer than 256 GiB; every body is bounded long before.
        Err(_) => unreachable!("a value of {} bytes is within the cipher's bounds", plain.len()),
    }
    Sealed(sealed)
}

fn open(
    ring: &KeyRing,
    store: StoreId,
    place: &Place<'_>,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (id, nonce, ciphertext) = sealed.parts()?;
    let key = ring.find(id).ok_or(OpenError::KeyMissing(id))?;
    let payload = Payload { msg: ciphertext, aad: &additional_data(store, place) };
    key.cipher().decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| OpenError::Corrupt)
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

/// Seals and opens the values of one store. Its keys can be exchanged while it is in use.
pub struct Vault {
    keys: RwLock<Keys>,
    store: StoreId,
    fingerprint_key: Zeroizing<Vec<u8>>,
}

/// The keys of a vault. It forgets none: a value may be on its way that only that one opens.
#[derive(Debug)]
struct Keys {
    ring: KeyRing,
    /// The one that seals.
    sealing: Arc<MasterKey>,
}

impl Vault {
    /// The identity for a new store, which the newest key of the ring is to seal.
    pub fn found(ring: &KeyRing, store: StoreId, entropy: &dyn Entropy) -> StoreIdentity {
        let key = Zeroizing::new(random::<32>(entropy));
        identity(ring.newest(), store, &key[..], entropy)
    }

    /// Unlocks a store.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyMissing`] when its master key is not on the ring.
    pub fn unlock(ring: KeyRing, identity: &StoreIdentity) -> Result<Self, OpenError> {
        let (fingerprint_key, sealing) = open_identity(&ring, identity)?;
        Ok(Self { keys: RwLock::new(Keys { ring, sealing }), store: identity.id, fingerprint_key })
    }

    /// The store this vault belongs to.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// The keys that it opens with, the newest last.
    pub fn holds(&self) -> Vec<KeyId> {
        self.read(|keys| keys.ring.ids())
    }

    /// The key that it seals with.
    pub fn seals_with(&self) -> KeyId {
        self.read(|keys| keys.sealing.id())
    }

    /// Opens with these too from now on.
    pub fn add(&self, ring: &KeyRing) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.ring = keys.ring.joined_with(ring);
    }

    /// Seals from now on with the key that the store's identity is sealed with. Returns whether that is another one than
    /// before.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyMissing`] when it does not hold that one; [`OpenError::Corrupt`] when this is another store's
    /// identity, or none. Then it seals as before.
    pub fn follow(&self, identity: &StoreIdentity) -> Result<bool, OpenError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let (fingerprint_key, sealing) = open_identity(&keys.ring, identity)?;
        if identity.id != self.store || fingerprint_key != self.fingerprint_key {
            return Err(OpenError::Corrupt);
        }
        let changed = sealing.id() != keys.sealing.id();
        keys.sealing = sealing;
        Ok(changed)
    }

    /// The store's identity, sealed with a key that it holds: what makes everybody seal with that one. `None` where it does
    /// not hold it.
    pub fn identity_under(&self, key: KeyId, entropy: &dyn Entropy) -> Option<StoreIdentity> {
        let key = self.read(|keys| keys.ring.find(key).cloned())?;
        Some(identity(&key, self.store, &self.fingerprint_key, entropy))
    }

    /// Seals a value for one place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], entropy: &dyn Entropy) -> Sealed {
        let key = self.read(|keys| Arc::clone(&keys.sealing));
        seal(&key, self.store, place, plain, entropy)
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.read(|keys| open(&keys.ring, self.store, place, sealed))
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

    /// What panics while it writes here has changed nothing yet.
    fn read<T>(&self, read: impl FnOnce(&Keys) -> T) -> T {
        read(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|keys| write!(f, "Vault({}, {keys:?})", self.store))
    }
}

fn identity(key: &MasterKey, store: StoreId, fingerprint_key: &[u8], entropy: &dyn Entropy) -> StoreIdentity {
    let place = fingerprint_key_place(store);
    StoreIdentity { id: store, fingerprint_key: seal(key, store, &place, fingerprint_key, entropy) }
}

/// The fingerprint key, and the master key that it is sealed with.
fn open_identity(
    ring: &KeyRing,
    identity: &StoreIdentity,
) -> Result<(Zeroizing<Vec<u8>>, Arc<MasterKey>), OpenError> {
    let sealed = &identity.fingerprint_key;
    let fingerprint_key = open(ring, identity.id, &fingerprint_key_place(identity.id), sealed)?;
    let id = sealed.key()?;
    let sealing = ring.find(id).ok_or(OpenError::KeyMissing(id))?;
    Ok((fingerprint_key, Arc::clone(sealing)))
}

fn fingerprint_key_place(store: StoreId) -> Place<'static> {
    Place { owner: store.as_uuid(), field: Field::FingerprintKey, grant: None, generation: 0, bound: "" }
}

#[cfg(test)]
mod tests;
