//! A store with very many connections, some of which hold refresh tokens that are good.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use vestal_core::client::{Client, ClientAuth, ClientNotes, Endpoints};
use vestal_core::clock::Clock as _;
use vestal_core::connection::{Connection, Policy};
use vestal_core::id::{ClientId, ConnectionId, GrantId, StoreId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Field, KeyRing, MasterKey, Place, Vault};
use vestal_core::state::State;
use vestal_core::store::{Add, Mark, Store as _, Update, Write};
use vestal_core::token::{About, Grant, Renewal, StoredRefreshToken, TokenSet};
use vestal_engine::Catalogue;
use vestal_store::SqliteStore;

use crate::real::{RealClock, RealEntropy};
use crate::spread::{CLIENT_ID, CLIENT_SECRET, Spread};

/// How many connections are made and written at once.
const BATCH: usize = 10_000;

const HOUR: Duration = Duration::from_secs(3600);

/// A store of so many connections, of which those that hold a good refresh token lie far apart, as in life. Their access
/// tokens have expired, and still none is due.
pub(crate) struct Filled {
    /// Those with a good refresh token.
    pub(crate) good: Vec<ConnectionId>,
}

/// Makes the store.
pub(crate) async fn fill(path: &Path, key: MasterKey, count: usize, spread: &Spread) -> Result<Filled> {
    let clock = Arc::new(RealClock::new());
    let now = clock.now();
    let store = SqliteStore::create_or_open(path, clock).await?;
    let ring = KeyRing::new(key, Vec::new());
    let identity = Vault::found(&ring, StoreId::new(now, &RealEntropy), &RealEntropy);
    let vault = Vault::unlock(ring, &store.claim_identity(&identity).await?)?;
    // Otherwise the node would first plan every connection anew.
    let facts = Catalogue::builtin().fingerprint();
    store.set_mark(&Mark { at: now, facts, skew: None }).await?;

    let mut clients = Vec::new();
    for number in 0..spread.hosts.len() {
        let client = client(number, spread, &vault, now)?;
        ensure!(store.add_client(&client).await? == Add::Done, "the client {} is there", client.name);
        clients.push(client);
    }
    let apart = count / spread.refresh_tokens.len();
    let mut filled = Filled { good: Vec::new() };
    for start in (0..count).step_by(BATCH) {
        let mut batch = Vec::with_capacity(BATCH);
        for number in start..(start + BATCH).min(count) {
            let token = spread.refresh_tokens.get(number / apart).filter(|_| number % apart == 0);
            let client = clients.get(number / apart % clients.len()).context("no client")?;
            let connection = connection(number, client, token.map(String::as_str), &vault, now)?;
            if token.is_some() {
                filled.good.push(connection.id);
            }
            batch.push(connection);
        }
        store.add_connections(batch).await?;
    }
    store.close().await;
    Ok(filled)
}

/// Makes these connections due.
pub(crate) async fn make_due(path: &Path, connections: &[ConnectionId]) -> Result<()> {
    let clock = Arc::new(RealClock::new());
    let store = Arc::new(SqliteStore::open(path, Arc::clone(&clock) as _).await?);
    let due_at = Some(clock.now());
    let mut writes = tokio::task::JoinSet::new();
    for id in connections.iter().copied() {
        let store = Arc::clone(&store);
        writes.spawn(async move {
            let connection = store.connection(id).await?.context("a connection is gone")?;
            let update = Update {
                id,
                expected: connection.revision,
                state: connection.state,
                plan: Plan { due_at, ..connection.plan },
                policy: connection.policy,
                tags: None,
                external_id: None,
                grant: None,
                about: None,
                events: Vec::new(),
            };
            ensure!(store.update_connection(&update).await? == Write::Done, "somebody else writes");
            Ok(())
        });
    }
    while let Some(written) = writes.join_next().await {
        written??;
    }
    store.close().await;
    Ok(())
}

/// How many of these connections have been refreshed.
pub(crate) async fn refreshed(path: &Path, connections: &[ConnectionId]) -> Result<usize> {
    let store = SqliteStore::open(path, Arc::new(RealClock::new())).await?;
    let mut refreshed = 0;
    for id in connections {
        let connection = store.connection(*id).await?.context("a connection is gone")?;
        refreshed += usize::from(connection.generation() > 2 && connection.state == State::Active);
    }
    store.close().await;
    Ok(refreshed)
}

fn client(number: usize, spread: &Spread, vault: &Vault, now: Timestamp) -> Result<Client> {
    let mut client = Client {
        id: ClientId::new(now, &RealEntropy),
        revision: 1,
        name: format!("client-{number}"),
        provider: "custom".to_owned(),
        client_id: CLIENT_ID.to_owned(),
        auth: ClientAuth::ClientSecretPost,
        secret: None,
        second_secret: None,
        redirect_uri: "http://localhost:8724/callback".parse()?,
        scopes: vec!["contacts".to_owned()],
        endpoints: Endpoints::at(spread.token_endpoint(number)?),
        created_at: now,
        notes: ClientNotes::default(),
    };
    let binding = client.binding();
    let place = Client::secret_place(client.id, &binding);
    client.secret = Some(vault.seal(&place, CLIENT_SECRET.as_bytes(), &RealEntropy));
    Ok(client)
}

/// A connection as it is after its first refresh: with a good refresh token hours ago, otherwise now.
fn connection(
    number: usize,
    client: &Client,
    refresh_token: Option<&str>,
    vault: &Vault,
    now: Timestamp,
) -> Result<Connection> {
    // One after the other, as people come.
    let created_at = now - 8000 * HOUR + Duration::from_secs(20 * number as u64);
    let id = ConnectionId::new(created_at, &RealEntropy);
    let grant = GrantId::new(created_at, &RealEntropy);
    let (issued_at, life) = match refresh_token {
        Some(_) => (now - 2 * HOUR, HOUR),
        None => (now, 30 * 24 * HOUR),
    };
    let place = |field| Place { owner: id.as_uuid(), field, grant: Some(grant), generation: 2, bound: "" };
    let binding = client.binding();
    let refresh_token = refresh_token.unwrap_or("no token that is good anywhere, of a customary length");
    let tokens = TokenSet {
        generation: 2,
        issued_at,
        expires_at: Some(issued_at + life),
        token_type: "Bearer".to_owned(),
        scope: Some("contacts".to_owned()),
        access_token: Some(vault.seal(
            &place(Field::AccessToken),
            b"an access token of a customary length, which is some 60 bytes",
            &RealEntropy,
        )),
        refresh_token: Some(StoredRefreshToken {
            sealed: vault.seal(
                &Place { bound: &binding, ..place(Field::RefreshToken) },
                refresh_token.as_bytes(),
                &RealEntropy,
            ),
            fingerprint: vault.fingerprint(refresh_token),
            end: None,
        }),
        id_token: None,
        extra: None,
    };
    // Spread over a day, in another order than that in which they were made.
    let spread = Duration::from_millis(number as u64 * 611_953 % 1_000_000 * 86);
    Ok(Connection {
        id,
        revision: 1,
        name: format!("connection-{number:07}").parse()?,
        client: client.id,
        external_id: None,
        tags: [("org".to_owned(), number.to_string())].into(),
        policy: Policy::Always,
        created_at,
        last_read_at: None,
        state: State::Active,
        grant: Some(Grant {
            id: grant,
            consented_at: created_at,
            renewal: Renewal::RefreshToken,
            means: None,
            tokens,
            about: About::default(),
        }),
        plan: Plan {
            due_at: Some(now + 48 * HOUR + spread),
            dies_at: Some(now + 144 * HOUR + spread),
            warned_at: None,
        },
        lease: None,
    })
}
