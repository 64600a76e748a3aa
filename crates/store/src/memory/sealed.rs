//! What is sealed, to be sealed anew under another master key.

use std::ops::Bound;

use jiff::Timestamp;
use vestal_core::id::ConnectionId;
use vestal_core::seal::Sealed;
use vestal_core::store::{Reseal, SealedOf, SealedOwner, SealedPage};
use vestal_core::token::CandidateAnswer;

use super::tables::{Row, Tables};

impl Tables {
    pub(super) fn sealed(&self, after: Option<ConnectionId>, limit: u32, now: Timestamp) -> SealedPage {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.connections.range((after, Bound::Unbounded)).take(limit as usize);
        let of: Vec<_> = rows
            .map(|(id, row)| SealedOf {
                connection: row.seen(now),
                earlier: row.earlier.clone(),
                candidates: self.candidates(*id, u32::MAX),
                authorizations: self
                    .authorizations
                    .values()
                    .filter(|authorization| authorization.connection == *id)
                    .cloned()
                    .collect(),
            })
            .collect();
        let full = of.len() >= limit as usize;
        let next = of.last().filter(|_| full).map(|last| last.connection.id);
        SealedPage { of, damaged: Vec::new(), next }
    }

    pub(super) fn reseal(&mut self, reseals: &[Reseal]) -> u64 {
        let mut replaced = 0;
        for Reseal { of, values } in reseals {
            match of {
                SealedOwner::Client(id) => {
                    let Some(client) = self.clients.get_mut(id) else { continue };
                    let secrets = client.secret.iter_mut().chain(&mut client.second_secret);
                    let secrets: u64 = secrets.map(|secret| replace(secret, values)).sum();
                    client.revision += u64::from(secrets > 0);
                    replaced += secrets;
                }
                SealedOwner::Connection(id) => {
                    for authorization in self.authorizations.values_mut().filter(|it| it.connection == *id) {
                        replaced += replace(&mut authorization.code_verifier, values);
                    }
                    if let Some(row) = self.connections.get_mut(id) {
                        row.for_each_sealed(|sealed| replaced += replace(sealed, values));
                    }
                }
            }
        }
        replaced
    }
}

/// Returns how many were replaced: one or none.
fn replace(sealed: &mut Sealed, values: &[(Sealed, Sealed)]) -> u64 {
    let Some((_, new)) = values.iter().find(|(old, _)| old == sealed) else { return 0 };
    *sealed = new.clone();
    1
}

impl Row {
    fn for_each_sealed(&mut self, mut each: impl FnMut(&mut Sealed)) {
        if let Some(grant) = &mut self.connection.grant {
            grant.means.iter_mut().chain(grant.tokens.sealed_mut()).for_each(&mut each);
        }
        for earlier in &mut self.earlier {
            earlier.means.iter_mut().chain(earlier.tokens.sealed_mut()).for_each(&mut each);
        }
        for candidate in &mut self.candidates {
            match &mut candidate.answer {
                CandidateAnswer::Raw(raw) => each(raw),
                CandidateAnswer::Tokens(tokens) => tokens.sealed_mut().for_each(&mut each),
            }
        }
    }
}
