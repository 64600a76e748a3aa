//! The stamp in each form: when it was given out, signed, so that a program cannot make one up, and good once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Mutex as AsyncMutex;

use crate::entry::Person;

/// Nobody fills in the form in less.
pub const LEAST_FILL_TIME: Duration = Duration::from_secs(3);

/// A page that lay open for longer is shown anew.
const LONGEST_FILL_TIME: Duration = Duration::from_secs(24 * 3600);

/// So many stamps that were used are remembered. The oldest is forgotten first, and then good again: the API writes a
/// contact once, however often it is sent.
const USED_MAX: usize = 10_000;

/// What identifies a stamp: when it was given out, and its number.
type Issued = (u64, u64);

/// What tells one person's form from another's, and nothing else of them.
pub(crate) type Tag = [u8; 32];

/// Whose form with some stamp has been dealt with. Held while that is being done.
pub(crate) type Dealt = Arc<AsyncMutex<Option<Tag>>>;

/// Gives out stamps, and takes each once.
pub(crate) struct Stamps {
    key: [u8; 32],
    given_out: AtomicU64,
    used: Mutex<BTreeMap<Issued, Dealt>>,
}

/// Why a stamp is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is ours, and was given out just now.
    TooSoon,
    /// It is too old, or not ours: of a form of before a restart, mostly. Or the clock was set back since.
    Stale,
}

impl Stamps {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, given_out: AtomicU64::new(0), used: Mutex::default() }
    }

    pub(crate) fn give(&self, now_ms: u64) -> String {
        let number = self.given_out.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [now_ms.to_be_bytes(), number.to_be_bytes()].concat();
        let signature = self.sign(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place to note what becomes of the form with this stamp: the same, whoever brings it again.
    pub(crate) fn take(&self, stamp: &str, now_ms: u64) -> Result<Dealt, Refused> {
        let issued = self.open(stamp).ok_or(Refused::Stale)?;
        let age = Duration::from_millis(now_ms.checked_sub(issued.0).ok_or(Refused::Stale)?);
        if age > LONGEST_FILL_TIME {
            return Err(Refused::Stale);
        }
        if age < LEAST_FILL_TIME {
            return Err(Refused::TooSoon);
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let dealt = Arc::clone(used.entry(issued).or_default());
        while used.len() > USED_MAX {
            used.pop_first();
        }
        Ok(dealt)
    }

    pub(crate) fn tag(&self, person: &Person) -> Tag {
        self.sign(format!("{person:?}").as_bytes()).finalize().into_bytes().into()
    }

    fn open(&self, stamp: &str) -> Option<Issued> {
        let bytes = URL_SAFE_NO_PAD.decode(stamp).ok()?;
        let (signed, signature) = bytes.split_at_checked(16)?;
        self.sign(signed).verify_slice(signature).ok()?;
        let (issued, number) = signed.split_at(8);
        Some((u64::from_be_bytes(issued.try_into().ok()?), u64::from_be_bytes(number.try_into().ok()?)))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
    fn sign(&self, bytes: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key).expect("a key").chain_update(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_is_taken_neither_too_soon_nor_too_late() {
        let stamps = Stamps::new([7; 32]);
        let stamp = stamps.give(1_000_000);
        let at = |ms| stamps.take(&stamp, ms).map(|_| ());
        assert_eq!(at(1_000_000 + 2_999), Err(Refused::TooSoon));
        assert_eq!(at(1_000_000 + 3_000), Ok(()));
        assert_eq!(at(1_000_000 + 86_400_000), Ok(()));
        assert_eq!(at(1_000_000 + 86_400_001), Err(Refused::Stale));
        assert_eq!(
            at(1_000_000 - 1),
            Err(Refused::Stale),
            "the clock was set back: it would stay too soon for long"
        );
        let other = Stamps::new([8; 32]).give(1_000_000);
        let altered = format!("AAAB{}", &stamp[4..]);
        for not_ours in [&other, &altered, &stamp[..20], "", "!"] {
            assert_eq!(stamps.take(not_ours, 1_010_000).map(|_| ()), Err(Refused::Stale), "{not_ours}");
        }
    }

    #[tokio::test]
    async fn whoever_brings_one_again_finds_what_became_of_it() {
        let stamps = Stamps::new([7; 32]);
        let (first, second) = (stamps.give(0), stamps.give(0));
        *stamps.take(&first, 5_000).unwrap().lock().await = Some([1; 32]);
        assert!(stamps.take(&first, 6_000).unwrap().lock().await.is_some());
        assert!(stamps.take(&second, 6_000).unwrap().lock().await.is_none(), "another form is another");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let stamps = Stamps::new([7; 32]);
        for _ in 0..USED_MAX + 10 {
            assert!(stamps.take(&stamps.give(0), 5_000).is_ok());
        }
        assert_eq!(stamps.used.lock().unwrap().len(), USED_MAX);
    }
}
