//! Sealed values: only what was sealed here, untouched and at its own place, opens.

#![no_main]

use std::hash::{DefaultHasher, Hasher};

use libfuzzer_sys::fuzz_target;
use vestal_core::clock::Entropy;
use vestal_core::id::{GrantId, StoreId};
use vestal_core::seal::{Field, KeyRing, MASTER_KEY_BYTES, MasterKey, OpenError, Place, Sealed, Vault};
use vestal_fuzz::{Input, store, uuid};

/// No entropy at all: every run is the same.
struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

const FIELDS: [Field; 7] = [
    Field::AccessToken,
    Field::RefreshToken,
    Field::IdToken,
    Field::Extra,
    Field::ClientSecret,
    Field::CodeVerifier,
    Field::RawAnswer,
];

fuzz_target!(|bytes: &[u8]| {
    // Each input has a key of its own: libFuzzer watches comparisons, and would read from them what a seal should be.
    let mut hash = DefaultHasher::new();
    hash.write(bytes);
    let key = hash.finish().to_be_bytes();
    let vault = vault(store(), &key);
    let mut input = Input::new(bytes);
    match input.byte() % 4 {
        0 => {
            let place = place(&mut input);
            let made_up = Sealed::from_bytes(input.rest().to_vec());
            assert!(vault.open(&place, &made_up).is_err(), "what nobody sealed does not open");
        }
        1 => {
            // With version and key as they should be.
            let place = place(&mut input);
            let sealed = vault.seal(&place, b"", &Fixed(0));
            let made_up = [&sealed.as_bytes()[..9], input.rest()].concat();
            let opened = vault.open(&place, &Sealed::from_bytes(made_up));
            assert_eq!(opened, Err(OpenError::Corrupt), "what nobody sealed does not open");
        }
        _ => sealed(&vault, &key, input),
    }
});

fn sealed(vault: &Vault, key: &[u8; 8], mut input: Input) {
    let (here, there) = (place(&mut input), place(&mut input));
    let length = input.byte();
    let plain = input.take(length.into());
    let sealed = vault.seal(&here, plain, &Fixed(input.byte()));
    assert_eq!(vault.open(&here, &sealed).as_deref().map(Vec::as_slice), Ok(plain), "what is sealed opens");
    if !is_same(&here, &there) {
        assert_eq!(vault.open(&there, &sealed), Err(OpenError::Corrupt), "nowhere but at its own place");
    }
    let elsewhere = self::vault(StoreId::from_uuid(uuid(2)), key);
    assert_eq!(elsewhere.open(&here, &sealed), Err(OpenError::Corrupt), "in no other store");
    let other_key = self::vault(store(), &key.map(|byte| !byte));
    assert!(matches!(other_key.open(&here, &sealed), Err(OpenError::KeyMissing(_))), "with no other key");

    let mut changed = sealed.as_bytes().to_vec();
    while !input.is_empty() {
        let at = usize::from(input.byte());
        match input.byte() % 4 {
            0 => changed.truncate(at),
            1 => changed.push(input.byte()),
            _ => {
                let at = at % changed.len().max(1);
                if let Some(byte) = changed.get_mut(at) {
                    *byte = input.byte();
                }
            }
        }
    }
    let opened = vault.open(&here, &Sealed::from_bytes(changed.clone()));
    assert_eq!(opened.is_ok(), changed == sealed.as_bytes(), "only what is untouched");
}

fn vault(store: StoreId, key: &[u8; 8]) -> Vault {
    let mut bytes = [0; MASTER_KEY_BYTES];
    bytes[..8].copy_from_slice(key);
    let ring = || KeyRing::new(MasterKey::from_bytes(&bytes), Vec::new());
    let identity = Vault::found(&ring(), store, &Fixed(7));
    Vault::unlock(ring(), &identity).expect("its own key unlocks a store")
}

fn place<'a>(input: &mut Input<'a>) -> Place<'a> {
    let owner = uuid(input.byte() % 4);
    let field = FIELDS[usize::from(input.byte()) % FIELDS.len()];
    let grant = Some(input.byte() % 4).filter(|n| *n > 0).map(|n| GrantId::from_uuid(uuid(n)));
    let generation = u64::from(input.byte() % 4);
    let length = input.byte() % 32;
    let bound = std::str::from_utf8(input.take(length.into())).unwrap_or("https://as.example/token");
    Place { owner, field, grant, generation, bound }
}

fn is_same(one: &Place, other: &Place) -> bool {
    let all = |place: &Place| {
        (place.owner, place.field as u8, place.grant, place.generation, place.bound.to_owned())
    };
    all(one) == all(other)
}
