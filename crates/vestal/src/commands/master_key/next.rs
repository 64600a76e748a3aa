//! What a rotation does next: a pure decision, so that it goes on from wherever an earlier one was killed.

use vestal_core::seal::KeyId;

/// How things stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// The keys that are given, the newest last.
    pub(super) given: &'a [KeyId],
    /// The one that seals.
    pub(super) seals: KeyId,
    /// The one that a rotation was begun to which has not ended.
    pub(super) begun: Option<KeyId>,
    /// How many values were found that another one had sealed; `None` until it was looked.
    pub(super) found: Option<u64>,
    /// Whether a new key can be made.
    pub(super) may_make: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To seal with this key from now on.
    To(KeyId),
    /// The newest key seals, and not everything yet: to finish that.
    Finish,
    /// The newest key seals, and others are given: to look whether they seal anything still, and to seal that anew.
    Look,
    /// Nothing is left of earlier ones: to make a new key.
    Make,
    /// The same, and only the user can add a new key.
    Ask,
}

impl Standing<'_> {
    pub(super) fn next(self) -> Next {
        let Self { given, seals, begun, found, may_make } = self;
        match given.last() {
            Some(newest) if *newest != seals => return Next::To(*newest),
            _ => {}
        }
        if begun == Some(seals) || found.is_some_and(|found| found > 0) {
            return Next::Finish;
        }
        match (given.len(), found, may_make) {
            (2.., None, _) => Next::Look,
            (_, _, true) => Next::Make,
            (_, _, false) => Next::Ask,
        }
    }
}

#[cfg(test)]
mod tests {
    use vestal_core::seal::MasterKey;

    use super::*;

    /// What is given, what seals, what was begun, what was found, whether a key can be made; and what comes next.
    type Row<'a> = (&'a [KeyId], KeyId, Option<KeyId>, Option<u64>, bool, Next);

    #[test]
    fn what_was_begun_is_finished_before_another_key_is_made() {
        let [a, b, c] = [1, 2, 3].map(|n| MasterKey::from_bytes(&[n; 32]).id());
        let table: &[Row<'_>] = &[
            // Nothing was begun.
            (&[a], a, None, None, true, Next::Make),
            (&[a], a, None, None, false, Next::Ask),
            // A key was added, by this verb or by a person.
            (&[a, b], a, None, None, true, Next::To(b)),
            (&[a, b], a, None, None, false, Next::To(b)),
            (&[a, b], a, Some(b), None, true, Next::To(b)),
            // Two were added: the newest counts.
            (&[a, b, c], a, Some(b), None, true, Next::To(c)),
            (&[a, b, c], b, Some(b), None, true, Next::To(c)),
            // The lines were put in another order: the last one counts.
            (&[b, a], b, None, None, true, Next::To(a)),
            // It seals, and was killed before everything was sealed anew.
            (&[a, b], b, Some(b), None, true, Next::Finish),
            (&[b], b, Some(b), None, true, Next::Finish),
            // What is written down of a rotation is gone, or is of another time.
            (&[a, b], b, None, None, true, Next::Look),
            (&[a, b], b, Some(a), None, false, Next::Look),
            (&[a, b], b, None, Some(7), true, Next::Finish),
            (&[a, b], b, None, Some(0), true, Next::Make),
            (&[a, b], b, Some(a), Some(0), false, Next::Ask),
        ];
        for &(given, seals, begun, found, may_make, expected) in table {
            let standing = Standing { given, seals, begun, found, may_make };
            assert_eq!(standing.next(), expected, "{standing:?}");
        }
    }
}
