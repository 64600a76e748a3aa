use std::sync::Arc;

use uuid::Uuid;
use vestal_core::client::{Client, ClientNotes};
use vestal_core::id::StoreId;
use vestal_core::seal::{Sealed, StoreIdentity};
use vestal_core::store::{
    Add, Brought, ClientUpdate, Finished, Reseal, SealedOf, SealedOwner, SealedPage, Update, Write,
};
use vestal_core::token::{Candidate, CandidateAnswer, WhyCandidate};

use super::connections::authorization;
use super::data::*;
use super::{ManualClock, Subject};

pub async fn an_identity_is_replaced_by_who_knows_it(store: Arc<dyn Subject>, _: &ManualClock) {
    let identity = |id: u128, key: &str| StoreIdentity {
        id: StoreId::from_uuid(Uuid::from_u128(id)),
        fingerprint_key: sealed(key),
    };
    let [old, new, newer] = ["old", "new", "newer"].map(|key| identity(1, key));
    assert!(!store.replace_identity(&old, &new).await.unwrap(), "there is none");
    store.claim_identity(&old).await.unwrap();
    assert!(!store.replace_identity(&new, &newer).await.unwrap(), "that is not the one");
    assert!(!store.replace_identity(&identity(2, "old"), &newer).await.unwrap(), "another store's");
    assert_eq!(store.identity().await.unwrap(), Some(old.clone()));
    assert!(store.replace_identity(&old, &new).await.unwrap());
    assert_eq!(store.identity().await.unwrap(), Some(new.clone()));
    assert!(!store.replace_identity(&old, &newer).await.unwrap(), "somebody was faster");
    assert_eq!(store.claim_identity(&old).await.unwrap(), new);
}

/// Connection 1 was refreshed, and 2 was consented to once more; both have answers that were kept aside, and somebody is being
/// asked for consent to 1.
async fn filled(store: &Arc<dyn Subject>) {
    let mut current = added(store, &connection(1)).await;
    current = refreshed(store, &current, 1).await;
    let mut other = added(store, &connection(2)).await;
    other = refreshed(store, &other, 2).await;
    let consent = Update { grant: Some(grant(7, 3)), ..update(&other) };
    assert_eq!(store.update_connection(&consent).await.unwrap(), Write::Done);
    other = read(store, other.id).await;
    let answers = [
        (&mut current, 3, CandidateAnswer::Raw(sealed("raw"))),
        (&mut other, 4, CandidateAnswer::Tokens(Box::new(tokens(9)))),
    ];
    for (on, n, answer) in answers {
        let held = begun(store, on, n).await;
        let candidate = Candidate {
            attempt: attempt_id(n),
            kept_at: at(0),
            why: WhyCandidate::NewerGrant,
            sealed_for: Some((grant_id(n), 8)),
            answer,
        };
        let kept = finish(&held, n, Brought::Candidate(Box::new(candidate)));
        assert_eq!(store.finish_attempt(&kept).await.unwrap(), Finished::Done);
        *on = read(store, on.id).await;
    }
    store.begin_authorization(&authorization(1)).await.unwrap();
}

/// All values that are sealed of a connection.
fn values(of: &SealedOf) -> Vec<Sealed> {
    let grant = of.connection.grant.iter();
    let current = grant.flat_map(|grant| grant.means.iter().chain(grant.tokens.sealed().map(|(_, it)| it)));
    let earlier =
        of.earlier.iter().flat_map(|it| it.means.iter().chain(it.tokens.sealed().map(|(_, it)| it)));
    let candidates = of.candidates.iter().flat_map(|candidate| match &candidate.answer {
        CandidateAnswer::Raw(raw) => vec![raw],
        CandidateAnswer::Tokens(tokens) => tokens.sealed().map(|(_, it)| it).collect(),
    });
    let verifiers = of.authorizations.iter().map(|authorization| &authorization.code_verifier);
    current.chain(earlier).chain(candidates).chain(verifiers).cloned().collect()
}

fn anew(old: &Sealed) -> Sealed {
    Sealed::from_bytes([b"anew ", old.as_bytes()].concat())
}

pub async fn all_that_is_sealed_is_read(store: Arc<dyn Subject>, _: &ManualClock) {
    assert_eq!(store.sealed(None, 10).await.unwrap(), SealedPage::default());
    filled(&store).await;
    let all = store.sealed(None, 10).await.unwrap();
    assert_eq!((all.damaged.len(), all.next), (0, None));
    let [one, two] = &all.of[..] else { panic!("{all:?}") };
    assert_eq!(one.connection, read(&store, connection_id(1)).await);
    assert_eq!(two.connection, read(&store, connection_id(2)).await);
    let earlier = |of: &SealedOf| -> Vec<_> {
        of.earlier.iter().map(|it| (it.grant, it.tokens.generation, it.site.len())).collect()
    };
    assert_eq!(earlier(one), [(grant_id(1), 1, 1)]);
    assert_eq!(one.earlier[0].tokens, tokens(1));
    assert_eq!(earlier(two), [(grant_id(2), 1, 0), (grant_id(2), 2, 0)]);
    assert_eq!(two.earlier[1].means, Some(sealed("means")), "the new grant has its own");
    assert_eq!(one.candidates, store.candidates(one.connection.id, 10).await.unwrap());
    assert_eq!(two.candidates[0].sealed_for, Some((grant_id(4), 8)));
    assert_eq!((one.authorizations.len(), two.authorizations.len()), (1, 0));
    assert_eq!(one.authorizations[0].code_verifier, authorization(1).code_verifier);

    let first = store.sealed(None, 1).await.unwrap();
    assert_eq!((&first.of[..], first.next), (&all.of[..1], Some(connection_id(1))));
    let second = store.sealed(first.next, 1).await.unwrap();
    assert_eq!((&second.of[..], second.next), (&all.of[1..], Some(connection_id(2))));
    assert_eq!(store.sealed(second.next, 1).await.unwrap(), SealedPage::default());
}

pub async fn what_was_sealed_anew_takes_its_place(store: Arc<dyn Subject>, _: &ManualClock) {
    filled(&store).await;
    let before = store.sealed(None, 10).await.unwrap().of;
    let reseal = |of: &SealedOf| Reseal {
        of: SealedOwner::Connection(of.connection.id),
        values: values(of).into_iter().map(|old| (old.clone(), anew(&old))).collect(),
    };
    let reseals: Vec<_> = before.iter().map(reseal).collect();
    let expected: Vec<_> = before.iter().map(|of| values(of).iter().map(anew).collect::<Vec<_>>()).collect();
    let count = expected.iter().map(Vec::len).sum::<usize>() as u64;
    assert!(count > 25, "{count}");
    assert_eq!(store.reseal(reseals.clone()).await.unwrap(), count);

    let after = store.sealed(None, 10).await.unwrap().of;
    assert_eq!(after.iter().map(values).collect::<Vec<_>>(), expected);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.connection.revision, after.connection.revision);
        assert_eq!(before.connection.plan, after.connection.plan);
    }
    assert_eq!(store.reseal(reseals).await.unwrap(), 0, "nothing is as it was");
    assert_eq!(store.sealed(None, 10).await.unwrap().of, after);

    // What comes after it finds all as it was.
    let current = refreshed(&store, &after[0].connection, 11).await;
    assert_eq!(current.generation(), 3);
    let reseal = Reseal {
        of: SealedOwner::Connection(connection_id(9)),
        values: vec![(sealed("access 3"), sealed("x"))],
    };
    assert_eq!(store.reseal(vec![reseal]).await.unwrap(), 0, "no such connection");
}

pub async fn a_clients_secrets_are_not_written_back(store: Arc<dyn Subject>, _: &ManualClock) {
    let new = Client { second_secret: Some(sealed("second")), ..client(1) };
    assert_eq!(store.add_client(&new).await.unwrap(), Add::Done);
    let reseal = |values: &[(&str, &str)]| {
        let values = values.iter().map(|(old, new)| (sealed(old), sealed(new))).collect();
        store.reseal(vec![Reseal { of: SealedOwner::Client(client_id(1)), values }])
    };
    assert_eq!(reseal(&[("another", "x")]).await.unwrap(), 0);
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(new.clone()));
    assert_eq!(reseal(&[("client secret", "a"), ("second", "b")]).await.unwrap(), 2);
    let stale = ClientUpdate {
        id: new.id,
        expected: new.revision,
        auth: new.auth,
        secret: new.secret.clone(),
        second_secret: None,
        notes: ClientNotes::default(),
    };
    assert!(!store.update_client(&stale).await.unwrap());
    let stored = store.client(client_id(1)).await.unwrap().unwrap();
    assert_eq!((stored.secret, stored.second_secret), (Some(sealed("a")), Some(sealed("b"))));
}
