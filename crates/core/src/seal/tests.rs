//! What opens what, and what does not.

use super::*;

struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn vault(key: u8) -> (Vault, Counting) {
    let entropy = Counting(0.into());
    let ring = || KeyRing::new(MasterKey::from_bytes(&[key; 32]), vec![]);
    let identity = Vault::found(&ring(), StoreId::from_uuid(Uuid::from_u128(1)), &entropy);
    (Vault::unlock(ring(), &identity).unwrap(), entropy)
}

fn place() -> Place<'static> {
    Place {
        owner: Uuid::from_u128(7),
        field: Field::RefreshToken,
        grant: Some(GrantId::from_uuid(Uuid::from_u128(8))),
        generation: 3,
        bound: "",
    }
}

#[test]
fn opens_only_where_it_was_sealed() {
    let (vault, entropy) = vault(1);
    let sealed = vault.seal(&place(), b"the only one", &entropy);
    assert_eq!(vault.open(&place(), &sealed).unwrap().as_slice(), b"the only one");
    for elsewhere in [
        Place { owner: Uuid::from_u128(9), ..place() },
        Place { field: Field::AccessToken, ..place() },
        Place { grant: None, ..place() },
        Place { generation: 2, ..place() },
        Place { bound: "https://elsewhere.example/token", ..place() },
    ] {
        assert_eq!(vault.open(&elsewhere, &sealed).unwrap_err(), OpenError::Corrupt, "{elsewhere:?}");
    }
}

#[test]
fn any_changed_bit_is_noticed() {
    let (vault, entropy) = vault(1);
    let sealed = vault.seal(&place(), b"the only one", &entropy);
    for byte in 0..sealed.as_bytes().len() {
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[byte] ^= 0x10;
        assert!(vault.open(&place(), &Sealed::from_bytes(bytes)).is_err(), "byte {byte}");
    }
    for length in 0..sealed.as_bytes().len() {
        let cut = Sealed::from_bytes(sealed.as_bytes()[..length].to_vec());
        assert!(vault.open(&place(), &cut).is_err(), "cut at {length}");
    }
}

#[test]
fn an_unknown_key_is_missing_not_corrupt() {
    let (one, entropy) = vault(1);
    let (two, _) = vault(2);
    let sealed = one.seal(&place(), b"x", &entropy);
    let key = MasterKey::from_bytes(&[1; 32]).id();
    assert_eq!(two.open(&place(), &sealed).unwrap_err(), OpenError::KeyMissing(key));
}

#[test]
fn any_key_of_the_ring_opens_and_the_first_seals() {
    let entropy = Counting(0.into());
    let key = |n| MasterKey::from_bytes(&[n; 32]);
    let identity =
        Vault::found(&KeyRing::new(key(1), vec![]), StoreId::from_uuid(Uuid::from_u128(1)), &entropy);
    let old = Vault::unlock(KeyRing::new(key(1), vec![]), &identity).unwrap();
    let both = Vault::unlock(KeyRing::new(key(2), vec![key(1)]), &identity).unwrap();
    assert!(both.open(&place(), &old.seal(&place(), b"x", &entropy)).is_ok());
    let by_new = both.seal(&place(), b"x", &entropy);
    assert_eq!(old.open(&place(), &by_new).unwrap_err(), OpenError::KeyMissing(key(2).id()));
    assert_eq!(old.fingerprint("t"), both.fingerprint("t"), "fingerprints outlive a change of key");
    assert_ne!(old.fingerprint("t"), old.fingerprint("u"));
}

#[test]
fn the_wrong_key_does_not_unlock() {
    let entropy = Counting(0.into());
    let ring = |n| KeyRing::new(MasterKey::from_bytes(&[n; 32]), vec![]);
    let identity = Vault::found(&ring(1), StoreId::from_uuid(Uuid::from_u128(1)), &entropy);
    assert!(matches!(Vault::unlock(ring(2), &identity), Err(OpenError::KeyMissing(_))));
}

#[test]
fn a_key_is_read_as_it_was_written() {
    use secrecy::ExposeSecret;
    let text = MasterKey::generate(&Counting(5.into()));
    let read = MasterKey::parse(&format!(" {}\n", text.expose_secret())).unwrap();
    let mut bytes = [0; 32];
    Counting(5.into()).fill(&mut bytes);
    assert_eq!(read.id(), MasterKey::from_bytes(&bytes).id());
    assert_eq!(MasterKey::parse("too short").unwrap_err(), NotAMasterKey);
    assert_eq!(MasterKey::parse("aGk=").unwrap_err(), NotAMasterKey);
}
