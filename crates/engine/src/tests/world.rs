//! A world in virtual time: the real engine and the real response reader, a sandbox provider, and a store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;
use uuid::Uuid;
use vestal_core::client::{ClientAuth, Endpoints};
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::{NodeId, StoreId};
use vestal_core::journal::Journal;
use vestal_core::provider::Provider;
use vestal_core::seal::{KeyRing, MasterKey, StoreIdentity, Vault};
use vestal_core::store::Store;
use vestal_oauth::http::Http;
use vestal_sandbox::{Client, Grace, RefreshTokens, Reuse, Rotation, Sandbox, Settings};
use vestal_store::MemoryStore;
use vestal_store::journal::MemoryJournal;

use super::faulty_store::FaultyStore;
use super::virtual_time::{Seeded, VirtualClock};
use super::warnings;
use super::wire::Wire;
use crate::{
    Account, BeginConnect, Catalogue, Connected, Engine, Fate, Limits, NewClient, Nodes, Parts, Refreshed,
    UnknownNodes,
};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// One provider, one store, and as many nodes as a test starts.
pub(crate) struct World {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) journal: Arc<MemoryJournal>,
    identity: StoreIdentity,
    profile: String,
    nodes: AtomicU64,
}

/// How the world's provider behaves.
pub(crate) struct Behaviour {
    pub(crate) access_token_life: Duration,
    pub(crate) idle_limit: Duration,
    pub(crate) rotation: Rotation,
    /// The `[refresh_token]` table of its file, as far as Vestal knows.
    pub(crate) facts: &'static str,
}

impl Behaviour {
    /// 24 hours, 180 days; every refresh token is used once, and a second use is punished.
    pub(crate) fn strict() -> Self {
        Self {
            access_token_life: DAY,
            idle_limit: 180 * DAY,
            rotation: Rotation::Always { grace: Grace::None, reuse: Reuse::Punished },
            facts: r#"
                idle_limit = { is = "180d", unverified = true }
                rotation = { is = "always", unverified = true }
                grace = { is = "none", unverified = true }
                reuse = { is = "punished", unverified = true }"#,
        }
    }

    /// The same with a grace of 30 seconds.
    pub(crate) fn graceful() -> Self {
        Self {
            rotation: Rotation::Always { grace: Grace::For(30_000), reuse: Reuse::Punished },
            facts: r#"
                idle_limit = { is = "180d", unverified = true }
                rotation = { is = "always", unverified = true }
                grace = { is = "30s", unverified = true }
                reuse = { is = "punished", unverified = true }"#,
            ..Self::strict()
        }
    }

    /// The same refresh token for ever.
    pub(crate) fn lasting() -> Self {
        Self {
            rotation: Rotation::Never { returns_old: false },
            facts: r#"
                idle_limit = { is = "180d", unverified = true }
                rotation = { is = "never", unverified = true }"#,
            ..Self::strict()
        }
    }
}

const ISSUER: &str = "https://sandbox.example";
const REDIRECT_URI: &str = "http://localhost:8724/callback";

impl World {
    pub(crate) fn new(behaviour: &Behaviour) -> Self {
        Self::with_store(behaviour, |store| store)
    }

    /// One whose store can be made to fail.
    pub(crate) fn faulty(behaviour: &Behaviour) -> (Self, Arc<FaultyStore>) {
        let mut faulty = None;
        let world = Self::with_store(behaviour, |inner| {
            let store = Arc::new(FaultyStore::new(inner, Arc::new(VirtualClock::new())));
            faulty = Some(Arc::clone(&store));
            store
        });
        (world, faulty.unwrap())
    }

    fn with_store(behaviour: &Behaviour, wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        warnings::count();
        let clock = Arc::new(VirtualClock::new());
        let mut settings = Settings::new(ISSUER)
            .client(Client::confidential("vestal", "the client's secret").redirect_uri(REDIRECT_URI));
        settings.access_token_life_ms = ms(behaviour.access_token_life);
        settings.refresh_tokens = RefreshTokens {
            rotation: behaviour.rotation,
            idle_limit_ms: Some(ms(behaviour.idle_limit)),
            only_with_scope: Some("offline_access".into()),
            ..RefreshTokens::default()
        };
        let profile = format!(
            r#"
            id = "sandbox"
            name = "Sandbox"
            register = "Nothing to do."
            [endpoints]
            token = {{ is = "{ISSUER}/token", unverified = true }}
            [authorization]
            without_refresh_token = "Ask for offline_access."
            [refresh_token]
            {}"#,
            behaviour.facts
        );
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>));
        Self {
            wire: Arc::new(Wire::to(Sandbox::new(settings, 1), Arc::clone(&clock) as Arc<dyn Clock>)),
            store: wrap(store),
            journal: Arc::default(),
            identity: Vault::found(&ring(), StoreId::from_uuid(Uuid::from_u128(1)), &Seeded::from(7)),
            clock,
            profile,
            nodes: AtomicU64::new(1),
        }
    }

    /// The same with another provider's file.
    pub(crate) fn with_profile(mut self, change: impl FnOnce(String) -> String) -> Self {
        self.profile = change(self.profile);
        self
    }

    /// The store's identity, which it has claimed.
    pub(crate) async fn identity(&self) -> StoreIdentity {
        self.store.claim_identity(&self.identity).await.unwrap()
    }

    /// Another node over the same store.
    pub(crate) fn node(&self) -> Engine {
        self.node_with(|parts| parts)
    }

    pub(crate) fn node_with(&self, change: impl FnOnce(Parts) -> Parts) -> Engine {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        let catalogue = Catalogue::builtin();
        catalogue.insert(Provider::parse(&self.profile).unwrap());
        Engine::new(change(Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(Seeded::from(number << 40)),
            http: Arc::clone(&self.wire) as Arc<dyn Http>,
            vault: Vault::unlock(ring(), &self.identity).unwrap(),
            catalogue,
            node: NodeId::from_uuid(Uuid::from_u128(number.into())),
            nodes: Arc::new(UnknownNodes),
            journal: Arc::clone(&self.journal) as Arc<dyn Journal>,
            // Seldom enough that months pass quickly.
            limits: Limits { look: Duration::from_secs(1800), ..Limits::default() },
        }))
    }

    /// A node that can tell which of the others have ended: all of them.
    pub(crate) fn node_that_knows_of_the_dead(&self) -> Engine {
        struct AllGone(NodeId);
        impl Nodes for AllGone {
            fn fate(&self, node: NodeId) -> Fate {
                if node == self.0 { Fate::Alive } else { Fate::Gone }
            }
        }
        self.node_with(|parts| {
            let nodes = Arc::new(AllGone(parts.node));
            Parts { nodes, ..parts }
        })
    }

    /// A node, and a connection `shop` made through it.
    pub(crate) async fn connected(&self) -> Engine {
        let engine = self.node();
        engine.add_client(client()).await.unwrap();
        self.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
        engine
    }

    /// A person consents to `shop`.
    pub(crate) async fn consent(&self, engine: &Engine, scopes: &[&str]) -> Result<Connected, crate::Error> {
        self.consent_to(engine, shop(), "sandbox", scopes).await
    }

    /// A person consents to a connection of this name.
    pub(crate) async fn consent_to(
        &self,
        engine: &Engine,
        name: ConnectionName,
        client: &str,
        scopes: &[&str],
    ) -> Result<Connected, crate::Error> {
        let begin = BeginConnect {
            name,
            client: client.into(),
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
            site: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let asked = engine.begin_connect(begin).await.unwrap();
        engine.finish_connect(&self.browse(&asked.url), Account::Vouched).await
    }

    /// So many connections, `NAME-0` and so on, made with a client of that name whose token endpoint is at this host.
    pub(crate) async fn fleet(&self, engine: &Engine, client: &str, host: &str, count: usize) {
        let mut new = NewClient { name: client.into(), ..self::client() };
        new.endpoints.token = format!("https://{host}/token").parse().unwrap();
        engine.add_client(new).await.unwrap();
        for number in 0..count {
            let name = format!("{client}-{number}").parse().unwrap();
            self.consent_to(engine, name, client, &["contacts", "offline_access"]).await.unwrap();
        }
    }

    pub(crate) async fn named(&self, name: &str) -> Connection {
        self.store.connection_named(&name.parse().unwrap()).await.unwrap().unwrap()
    }

    /// The token requests that were sent to this host.
    pub(crate) fn sent_to(&self, host: &str) -> usize {
        self.wire.hosts().iter().filter(|sent| *sent == host).count()
    }

    /// What a browser would be redirected to.
    pub(crate) fn browse(&self, url: &Url) -> Url {
        let request = http::Request::get(url.as_str()).body(Bytes::new()).unwrap();
        let reply = self.wire.sandbox.lock().unwrap().handle(&request, self.wire.now_ms());
        let location = reply.response.headers().get("location").expect("a redirect").to_str().unwrap();
        location.parse().unwrap()
    }

    pub(crate) async fn shop(&self) -> Connection {
        self.store.connection_named(&shop()).await.unwrap().unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets our clock, not the provider's.
    pub(crate) fn set_clock_by(&self, seconds: i64) {
        self.clock.set_by(seconds);
    }

    pub(crate) async fn pass(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    /// Lets `engine` keep to the schedule for this long.
    pub(crate) async fn serve(&self, engine: &Engine, duration: Duration) {
        self.store.claim_identity(&self.identity).await.unwrap();
        engine.serve(self.clock.sleep(duration)).await;
    }

    /// Whether the provider still honours the grant that `shop` has.
    pub(crate) fn families(&self) -> (usize, usize) {
        let families = self.wire.sandbox.lock().unwrap().families(self.wire.now_ms());
        (families.alive, families.dead)
    }

    pub(crate) fn reuses(&self) -> u64 {
        self.wire.sandbox.lock().unwrap().stats().reuses
    }
}

pub(crate) fn shop() -> ConnectionName {
    "shop".parse().unwrap()
}

/// Somebody asks for a refresh of `shop`, and does not wait here.
pub(crate) fn start_refresh(engine: &Engine) -> tokio::task::JoinHandle<Result<Refreshed, crate::Error>> {
    let engine = engine.clone();
    tokio::spawn(async move { engine.refresh(&shop()).await })
}

pub(crate) fn client() -> NewClient {
    NewClient {
        name: "sandbox".into(),
        provider: "sandbox".into(),
        client_id: "vestal".into(),
        auth: ClientAuth::ClientSecretBasic,
        secret: Some("the client's secret".into()),
        redirect_uri: REDIRECT_URI.parse().unwrap(),
        scopes: vec!["contacts".into(), "offline_access".into()],
        endpoints: Endpoints {
            issuer: Some(ISSUER.into()),
            authorization: Some(format!("{ISSUER}/authorize").parse().unwrap()),
            revocation: Some(format!("{ISSUER}/revoke").parse().unwrap()),
            device_authorization: Some(format!("{ISSUER}/device_authorization").parse().unwrap()),
            dpop: false,
            sends_iss: true,
            ..Endpoints::at(format!("{ISSUER}/token").parse().unwrap())
        },
    }
}

fn ring() -> KeyRing {
    KeyRing::new(MasterKey::from_bytes(&[9; 32]), vec![])
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
