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

fn key(n: u8) -> MasterKey {
    MasterKey::from_bytes(&[n; 32])
}

#[test]
fn any_key_of_the_ring_opens_and_the_one_of_the_identity_seals() {
    let entropy = Counting(0.into());
    let ring = |keys: &[u8]| {
        let mut keys: Vec<_> = keys.iter().map(|n| key(*n)).collect();
        KeyRing::new(keys.pop().unwrap(), keys)
    };
    let identity = Vault::found(&ring(&[1]), StoreId::from_uuid(Uuid::from_u128(1)), &entropy);
    let old = Vault::unlock(ring(&[1]), &identity).unwrap();
    let both = Vault::unlock(ring(&[1, 2]), &identity).unwrap();
    assert_eq!((both.holds(), both.seals_with()), (vec![key(1).id(), key(2).id()], key(1).id()));
    assert!(both.open(&place(), &old.seal(&place(), b"x", &entropy)).is_ok());
    assert!(old.open(&place(), &both.seal(&place(), b"x", &entropy)).is_ok());
    assert_eq!(
        Vault::found(&ring(&[1, 2]), StoreId::from_uuid(Uuid::from_u128(1)), &entropy).fingerprint_key.key(),
        Ok(key(2).id()),
        "a new store is the newest key's"
    );

    let moved = both.identity_under(key(2).id(), &entropy).unwrap();
    assert!(both.identity_under(key(3).id(), &entropy).is_none());
    assert_eq!(both.seals_with(), key(1).id(), "until the store says so");
    assert_eq!(both.follow(&moved), Ok(true));
    assert_eq!(both.follow(&moved), Ok(false));
    let by_new = both.seal(&place(), b"x", &entropy);
    assert_eq!(by_new.key(), Ok(key(2).id()));
    assert_eq!(old.open(&place(), &by_new).unwrap_err(), OpenError::KeyMissing(key(2).id()));
    assert_eq!(old.follow(&moved), Err(OpenError::KeyMissing(key(2).id())));
    assert_eq!(old.seals_with(), key(1).id());

    // A process that is given the new key while it runs.
    old.add(&ring(&[2]));
    assert_eq!(old.holds(), [key(1).id(), key(2).id()]);
    assert_eq!(old.follow(&moved), Ok(true));
    assert!(old.open(&place(), &by_new).is_ok());
    assert_eq!(old.fingerprint("t"), both.fingerprint("t"), "fingerprints outlive a change of key");
    assert_ne!(old.fingerprint("t"), old.fingerprint("u"));
}

#[test]
fn nobody_follows_what_is_not_the_stores_identity() {
    let (vault, entropy) = vault(1);
    let ring = KeyRing::new(key(1), vec![]);
    let other_store = Vault::found(&ring, StoreId::from_uuid(Uuid::from_u128(2)), &entropy);
    let other_fingerprints = Vault::found(&ring, vault.store(), &entropy);
    let mut moved_here = other_store.clone();
    moved_here.id = vault.store();
    for identity in [other_store, other_fingerprints, moved_here] {
        assert_eq!(vault.follow(&identity), Err(OpenError::Corrupt), "{identity:?}");
    }
}

#[test]
fn keys_are_read_line_by_line_and_the_last_is_the_newest() {
    use secrecy::ExposeSecret;
    let texts: Vec<_> =
        (0..17).map(|n| MasterKey::generate(&Counting(n.into())).expose_secret().to_owned()).collect();
    let id = |n: usize| MasterKey::parse(&texts[n]).unwrap().id();
    let ring = |text: &str| KeyRing::parse(text).map(|ring| ring.ids());
    assert_eq!(ring(&texts[0]), Ok(vec![id(0)]));
    let two = format!("\r\n# made in May\n{}\r\n\n  {}  \n# the newest\n", texts[1], texts[0]);
    assert_eq!(ring(&two), Ok(vec![id(1), id(0)]));
    let again = [&*texts[0], &texts[1], &texts[0]].join("\n");
    assert_eq!(ring(&again), Ok(vec![id(1), id(0)]), "as new as where it stands last");
    assert_eq!(ring(&texts[..16].join("\n")).map(|ids| ids.len()), Ok(16));
    assert_eq!(ring(&texts.join("\n")), Err(NotKeys::TooMany));
    assert_eq!(ring(" \n# nothing\n"), Err(NotKeys::Empty));
    assert_eq!(ring(&format!("{}\nhunter2\n", texts[0])), Err(NotKeys::Line { line: 2 }));
}

#[test]
fn a_key_is_named_as_it_is_written() {
    let name = key(1).id().to_string();
    assert_eq!(name.parse(), Ok(key(1).id()));
    assert_eq!(serde_json::from_value::<KeyId>(serde_json::json!(name)).unwrap(), key(1).id());
    for other in ["", "1", &name.to_uppercase(), &format!("+{}", &name[1..]), &format!("{name}0")] {
        assert!(other.parse::<KeyId>().is_err(), "{other}");
    }
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
