//! What the cases are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use vestal_core::client::{Client, ClientAuth, ClientNotes, Endpoints};
use vestal_core::connection::{Attempt, Connection, Policy};
use vestal_core::event::{Event, What};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, Sealed};
use vestal_core::state::State;
use vestal_core::store::{Add, Begin, Brought, Finish, Finished, Update, Write};
use vestal_core::token::{
    About, AccountHash, Found, Grant, RefreshEnd, Renewal, StoredRefreshToken, TokenSet,
};

use super::Subject;

pub const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
pub const LEASE: Duration = Duration::from_secs(60);
pub const UNVERIFIED: State = State::Unverified { verify_at: START };

/// So many seconds after [`START`].
pub fn at(second: i64) -> Timestamp {
    START + SignedDuration::from_secs(second)
}

pub fn connection_id(n: u128) -> ConnectionId {
    ConnectionId::from_uuid(Uuid::from_u128(0xc000 + n))
}

pub fn client_id(n: u128) -> ClientId {
    ClientId::from_uuid(Uuid::from_u128(0xd000 + n))
}

pub fn grant_id(n: u128) -> GrantId {
    GrantId::from_uuid(Uuid::from_u128(0xe000 + n))
}

pub fn attempt_id(n: u128) -> AttemptId {
    AttemptId::from_uuid(Uuid::from_u128(0xa_0000 + n))
}

pub fn node_id(n: u128) -> NodeId {
    NodeId::from_uuid(Uuid::from_u128(0xf000 + n))
}

pub fn sealed(text: &str) -> Sealed {
    Sealed::from_bytes(text.as_bytes().to_vec())
}

pub fn client(n: u128) -> Client {
    Client {
        id: client_id(n),
        revision: 1,
        name: format!("client-{n}"),
        provider: "constant-contact".to_owned(),
        client_id: "f00".to_owned(),
        auth: ClientAuth::ClientSecretBasic,
        secret: Some(sealed("client secret")),
        second_secret: None,
        redirect_uri: "http://localhost:8724/callback".parse().unwrap(),
        scopes: vec!["contact_data".to_owned(), "offline_access".to_owned()],
        endpoints: endpoints(),
        created_at: START,
        notes: ClientNotes::default(),
    }
}

pub fn endpoints() -> Endpoints {
    Endpoints {
        issuer: Some("https://provider.example".to_owned()),
        authorization: Some("https://provider.example/authorize?tenant=a%20b".parse().unwrap()),
        sends_iss: true,
        resources: vec!["https://api.provider.example".to_owned()],
        ..Endpoints::at("https://provider.example/token".parse().unwrap())
    }
}

/// An active connection `connection-{n}` of client 1, whose grant `n` is at generation 1. Not due.
pub fn connection(n: u128) -> Connection {
    Connection {
        id: connection_id(n),
        revision: 1,
        name: format!("connection-{n}").parse().unwrap(),
        client: client_id(1),
        external_id: None,
        tags: BTreeMap::from([("org".to_owned(), "42".to_owned())]),
        policy: Policy::Auto,
        created_at: START,
        last_read_at: None,
        state: State::Active,
        grant: Some(grant(n, 1)),
        plan: Plan::default(),
        lease: None,
    }
}

pub fn grant(n: u128, generation: u64) -> Grant {
    Grant {
        id: grant_id(n),
        consented_at: START,
        renewal: Renewal::RefreshToken,
        means: Some(sealed("means")),
        tokens: tokens(generation),
        about: about(n),
    }
}

/// What is known of every second one.
fn about(n: u128) -> About {
    if n.is_multiple_of(2) {
        return About::default();
    }
    let pairs = |name: &str| BTreeMap::from([(name.to_owned(), n.to_string())]);
    About {
        site: pairs("shop"),
        redirect: pairs("realmId"),
        found: Some(Found { values: pairs("tenantId"), among: 3 }),
        account: Some(AccountHash { by: "token.id".to_owned(), hash: n.to_string() }),
    }
}

pub fn tokens(generation: u64) -> TokenSet {
    TokenSet {
        generation,
        issued_at: at(1),
        expires_at: Some(at(3601)),
        token_type: "Bearer".to_owned(),
        scope: Some("contact_data offline_access".to_owned()),
        access_token: Some(sealed(&format!("access {generation}"))),
        refresh_token: Some(StoredRefreshToken {
            sealed: sealed(&format!("refresh {generation}")),
            fingerprint: Fingerprint::from_bytes([generation.to_le_bytes()[0]; 32]),
            end: Some(RefreshEnd::Idle(at(100_000))),
        }),
        id_token: Some(sealed("id")),
        extra: Some(sealed("extra")),
    }
}

/// An event that can be told from others.
pub fn event(connection: ConnectionId, mark: u64) -> Event {
    let what = What::Consented { grant: grant_id(0), generation: mark, refresh_token: true, scope: None };
    Event { connection, at: START, what }
}

pub fn mark(event: &Event) -> u64 {
    match event.what {
        What::Consented { generation, .. } => generation,
        _ => panic!("{event:?} is no mark"),
    }
}

/// The start of attempt `n` by node `n`, decided on this connection.
pub fn begin(on: &Connection, n: u128) -> Begin {
    Begin {
        id: on.id,
        expected: on.revision,
        attempt: Attempt {
            id: attempt_id(n),
            node: node_id(n),
            grant: on.grant.as_ref().map_or(grant_id(0), |grant| grant.id),
            generation: on.generation(),
            fingerprint: Some(Fingerprint::from_bytes([7; 32])),
            started_at: at(0),
        },
        lease_for: LEASE,
    }
}

/// The end of attempt `n`, decided on this connection.
pub fn finish(on: &Connection, n: u128, brought: Brought) -> Finish {
    Finish {
        id: on.id,
        expected: on.revision,
        attempt: attempt_id(n),
        at: at(2),
        brought,
        state: State::Active,
        plan: on.plan,
        events: vec![],
    }
}

/// The token set after the connection's current one.
pub fn next_tokens(on: &Connection) -> Brought {
    Brought::Tokens(Box::new(tokens(on.generation() + 1)))
}

/// A change that changes nothing.
pub fn update(on: &Connection) -> Update {
    Update {
        id: on.id,
        expected: on.revision,
        state: on.state.clone(),
        plan: on.plan,
        policy: on.policy,
        tags: None,
        external_id: None,
        grant: None,
        about: None,
        events: vec![],
    }
}

/// Adds client 1 and this connection, and reads it back.
pub async fn added(store: &Arc<dyn Subject>, connection: &Connection) -> Connection {
    store.add_client(&client(1)).await.unwrap();
    assert_eq!(store.add_connection(connection, &[]).await.unwrap(), Add::Done);
    read(store, connection.id).await
}

pub async fn read(store: &Arc<dyn Subject>, id: ConnectionId) -> Connection {
    store.connection(id).await.unwrap().expect("the connection is there")
}

/// Begins attempt `n` and reads the connection back.
pub async fn begun(store: &Arc<dyn Subject>, on: &Connection, n: u128) -> Connection {
    assert_eq!(store.begin_attempt(&begin(on, n)).await.unwrap(), Write::Done);
    read(store, on.id).await
}

/// Refreshes once as attempt `n`, and reads the connection back.
pub async fn refreshed(store: &Arc<dyn Subject>, on: &Connection, n: u128) -> Connection {
    let on = begun(store, on, n).await;
    let finish = finish(&on, n, next_tokens(&on));
    assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Done);
    read(store, on.id).await
}
