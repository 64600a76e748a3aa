use std::sync::Arc;

use uuid::Uuid;
use vestal_core::client::{Client, ClientAuth};
use vestal_core::id::StoreId;
use vestal_core::seal::StoreIdentity;
use vestal_core::store::{Add, RemoveClient};

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
    assert_eq!(store.clients().await.unwrap(), [public, first], "by name");
}

pub async fn a_secret_is_replaced(store: Arc<dyn Subject>, _: &ManualClock) {
    store.add_client(&client(1)).await.unwrap();
    store.add_client(&client(2)).await.unwrap();
    let (auth, secret) = (ClientAuth::ClientSecretPost, sealed("new"));
    assert!(store.set_client_secret(client_id(1), auth, &secret).await.unwrap());
    let expected = Client { auth, secret: Some(secret.clone()), ..client(1) };
    assert_eq!(store.client(client_id(1)).await.unwrap(), Some(expected));
    assert_eq!(store.client(client_id(2)).await.unwrap(), Some(client(2)), "the others stay");
    assert!(!store.set_client_secret(client_id(3), auth, &secret).await.unwrap());
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
