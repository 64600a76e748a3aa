use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use vestal_core::client::{Client, ClientAuth, ClientNotes, Trouble};
use vestal_core::evidence::{Evidence, Seen};
use vestal_core::id::StoreId;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::{Add, ClientUpdate, Mark, RemoveClient, Skew, StoreError};

use super::data::*;
use super::{ManualClock, Subject};

pub async fn identity_is_claimed_once(store: Arc<dyn Subject>, _: &ManualClock) {
    let identity = |n: u128| StoreIdentity {
        id: StoreId::from_uuid(Uuid::from_u128(n)),
        fingerprint_key: sealed(&format!("key {n}")),
    };
    assert_eq!(store.identity().await.unwrap(), None);
    assert_eq!(store.claim_identity(&identity(1)).await.unwrap(), identity(1));
    assert_eq!(store.claim_identity(&identity(2)).await.unwrap(), identity(1), "the first claim stands");
    assert_eq!(store.identity().await.unwrap(), Some(identity(1)));
}

pub async fn clients_are_found_and_their_names_are_unique(store: Arc<dyn Subject>, _: &ManualClock) {
    let public = Client { secret: None, auth: ClientAuth::None, scopes: vec![], ..client(2) };
    let first = Client { name: "z".to_owned(), ..client(1) };
    assert_eq!(store.add_client(&first).await.unwrap(), Add::Done);
    assert_eq!(store.add_client(&public).await.unwrap(), Add::Done);
    assert_eq!(store.add_client(&Client { name: "z".to_owned(), ..client(3) }).await.unwrap(), Add::Taken);
    assert_eq!(
        store.add_client(&Client { name: "other".to_owned(), ..client(1) }).await.unwrap(),
        Add::Taken
    );

    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.client_named("client-2").await.unwrap(), Some(public.clone()));
    assert_eq!(store.client(client_id(3)).await.unwrap(), None);
    assert_eq!(store.client_named("other").await.unwrap(), None);
    assert_eq!(store.clients().await.unwrap().clients, [public, first], "by name");
}

pub async fn an_update_of_a_client_names_its_revision(store: Arc<dyn Subject>, _: &ManualClock) {
    store.add_client(&Client { revision: 17, ..client(1) }).await.unwrap();
    store.add_client(&client(2)).await.unwrap();
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(client(1)), "its first revision");

    let seen = Some(Seen { value: Duration::from_millis(3_599_999), since: at(1) });
    let notes = ClientNotes {
        trouble: Some(Trouble {
            detail: "\"said\" so\n".to_owned(),
            since: at(2),
            canary: connection_id(1),
            agreed: true,
        }),
        evidence: Evidence {
            rotates: Some(Seen { value: false, since: at(3) }),
            access_token_life: seen,
            idle_limit: None,
            accepted_again_after: None,
            refused_after: seen,
        },
    };
    let update = ClientUpdate {
        id: client_id(1),
        expected: 1,
        auth: ClientAuth::ClientSecretPost,
        secret: Some(sealed("new")),
        second_secret: Some(sealed("client secret")),
        notes: notes.clone(),
    };
    assert!(store.update_client(&update).await.unwrap());
    let expected = Client {
        revision: 2,
        auth: ClientAuth::ClientSecretPost,
        secret: Some(sealed("new")),
        second_secret: Some(sealed("client secret")),
        notes,
        ..client(1)
    };
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(expected.clone()));
    assert_eq!(store.client_named("client-1").await.unwrap(), Some(expected.clone()));

    let bare = ClientUpdate {
        auth: ClientAuth::None,
        secret: None,
        second_secret: None,
        notes: ClientNotes::default(),
        ..update
    };
    for (id, expected) in [(1, 1), (1, 3), (1, u64::MAX), (3, 1)] {
        let late = ClientUpdate { id: client_id(id), expected, ..bare.clone() };
        assert!(!store.update_client(&late).await.unwrap(), "client {id}, revision {expected}");
    }
    assert_eq!(store.clients().await.unwrap().clients, [expected.clone(), client(2)], "nothing was changed");

    assert!(store.update_client(&ClientUpdate { expected: 2, ..bare }).await.unwrap());
    let expected = Client { revision: 3, auth: ClientAuth::None, secret: None, ..client(1) };
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(expected));
}

pub async fn a_client_in_use_stays(store: Arc<dyn Subject>, _: &ManualClock) {
    added(&store, &connection(1)).await;
    store.add_connection(&connection(2), &[]).await.unwrap();
    assert_eq!(store.remove_client(client_id(1)).await.unwrap(), RemoveClient::InUse(2));
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(client(1)));

    store.remove_connection(connection_id(1)).await.unwrap();
    store.remove_connection(connection_id(2)).await.unwrap();
    assert_eq!(store.remove_client(client_id(1)).await.unwrap(), RemoveClient::Done);
    assert_eq!(store.remove_client(client_id(1)).await.unwrap(), RemoveClient::Unknown);
}

pub async fn the_last_mark_stands(store: Arc<dyn Subject>, _: &ManualClock) {
    let first = Mark { at: START, facts: "f00".to_owned(), skew: None };
    assert_eq!(store.mark().await.unwrap(), None);
    let unclaimed = store.set_mark(&first).await;
    assert!(matches!(unclaimed, Err(StoreError::Corrupt { .. })), "{unclaimed:?}");
    assert_eq!(store.mark().await.unwrap(), None);

    let identity =
        StoreIdentity { id: StoreId::from_uuid(Uuid::from_u128(1)), fingerprint_key: sealed("key") };
    store.claim_identity(&identity).await.unwrap();
    let skew = Skew { ahead_s: -7, host: "provider.example".to_owned(), at: at(8) };
    let second = Mark { at: at(9), facts: String::new(), skew: Some(skew) };
    for mark in [first, second] {
        store.set_mark(&mark).await.unwrap();
        assert_eq!(store.mark().await.unwrap(), Some(mark));
    }
    assert_eq!(store.claim_identity(&identity).await.unwrap(), identity, "which stays");
}
