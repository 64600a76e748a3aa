//! How Vestal keeps them: a daemon, over a store; each command is a process of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use opt_in_form::{NoToken, Token, Tokens};
use uuid::Uuid;
use vestal_core::client::{ClientAuth, Endpoints};
use vestal_core::clock::Clock;
use vestal_core::connection::ConnectionName;
use vestal_core::id::{NodeId, StoreId};
use vestal_core::seal::{KeyRing, MasterKey, StoreIdentity, Vault};
use vestal_core::secret::ExposeSecret;
use vestal_core::store::Store;
use vestal_engine::{
    Account, BeginConnect, Catalogue, Engine, Error, Fate, Limits, NewClient, Nodes, Parts, Want,
};
use vestal_oauth::http::{Answer, BodyEnd, Exchange, Http};
use vestal_store::MemoryStore;
use vestal_store::journal::MemoryJournal;

use crate::dice::{Dice, Seeded};
use crate::lock;
use crate::story::Trouble;
use crate::story::world::{CLIENT_ID, Heard, ISSUER, REDIRECT_URI, SCOPES, SECRET, World};
use crate::time::{DAY, HOUR, WallClock, sleep};

/// systemd starts again what was killed.
const STARTS_AGAIN_AFTER: Duration = Duration::from_secs(5);

const CLIENT: &str = "constant-contact";

/// Everything of Vestal's that outlives a process.
pub(super) struct House {
    pub(super) world: Arc<World>,
    pub(super) store: Arc<dyn Store>,
    clock: Arc<WallClock>,
    journal: Arc<MemoryJournal>,
    identity: StoreIdentity,
    processes: AtomicU64,
    killed: Mutex<Vec<NodeId>>,
    entropy: Mutex<Dice>,
}

impl House {
    /// `vestal connect shop --provider constant-contact`, and `vestal serve`.
    pub(super) async fn connect(world: &Arc<World>) -> Arc<Self> {
        let mut dice = Dice::new(11);
        let clock = Arc::new(WallClock::new(world.timeline));
        let identity =
            Vault::found(&ring(), StoreId::from_uuid(Uuid::from_u128(1)), &Seeded::new(dice.fork()));
        let house = Arc::new(Self {
            world: Arc::clone(world),
            store: Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            clock,
            journal: Arc::default(),
            identity,
            processes: AtomicU64::new(1),
            killed: Mutex::default(),
            entropy: Mutex::new(dice),
        });
        house.store.claim_identity(&house.identity).await.expect("a store in memory");
        let command = house.start().engine;
        command.add_client(client(world)).await.expect("a new client");
        house.consent().await.expect("a first consent");
        tokio::spawn(Arc::clone(&house).keep_up(Trouble::None));
        if world.tale.trouble == Trouble::SecondCopy {
            tokio::spawn(Arc::clone(&house).keep_up(Trouble::SecondCopy));
        }
        tokio::spawn(Arc::clone(&house).clean());
        house
    }

    /// Somebody consents, at a browser.
    pub(super) async fn consent(self: &Arc<Self>) -> Result<(), Error> {
        let engine = self.start().engine;
        let begin = BeginConnect {
            name: shop(),
            client: CLIENT.into(),
            scopes: None,
            site: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let asked = engine.begin_connect(begin).await?;
        if let Some(redirected) = self.world.browse(&asked.url) {
            engine.finish_connect(&redirected, Account::Vouched).await?;
        }
        engine.drain().await;
        Ok(())
    }

    /// The one that it would give away now.
    #[cfg(test)]
    pub(super) async fn access_token(self: &Arc<Self>) -> String {
        let issued = self.start().engine.issue_token(&shop(), Want::default()).await;
        issued.expect("a token").access_token.expose_secret().to_owned()
    }

    /// `vestal client set-secret`.
    pub(super) async fn set_secret(self: &Arc<Self>, secret: &str) {
        let engine = self.start().engine;
        engine.set_client_secret(CLIENT, &secret.into(), false).await.expect("a client that has one");
    }

    /// `vestal serve`, and systemd: the first one, or the one that comes with `since`.
    async fn keep_up(self: Arc<Self>, since: Trouble) {
        while since != Trouble::None && !self.world.has_come(since) {
            sleep(HOUR).await;
        }
        loop {
            let daemon = self.start();
            tokio::select! {
                biased;
                () = daemon.engine.serve(std::future::pending()) => {}
                () = self.world.killed.notified() => {
                    lock(&self.killed).push(daemon.node);
                    sleep(STARTS_AGAIN_AFTER).await;
                }
            }
        }
    }

    /// What a daemon does beside: old rows go.
    async fn clean(self: Arc<Self>) {
        loop {
            sleep(DAY).await;
            self.store.prune(self.clock.now()).await.expect("a store in memory");
        }
    }

    fn start(self: &Arc<Self>) -> Process {
        let node = NodeId::from_uuid(Uuid::from_u128(self.processes.fetch_add(1, Ordering::Relaxed).into()));
        let life = Arc::new(Life { house: Arc::clone(self), is_over: AtomicBool::new(false) });
        let engine = Engine::new(Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&life) as Arc<dyn Clock>,
            entropy: Arc::new(Seeded::new(lock(&self.entropy).fork())),
            http: Arc::clone(&life) as Arc<dyn Http>,
            vault: Vault::unlock(ring(), &self.identity).expect("its own key"),
            catalogue: Catalogue::builtin(),
            node,
            nodes: Arc::clone(&life) as Arc<dyn Nodes>,
            journal: Arc::clone(&self.journal) as Arc<_>,
            // It knows itself when something is due; only what another process has done is seen by looking.
            limits: Limits { look: 6 * HOUR, ..Limits::default() },
        });
        Process { node, engine }
    }
}

/// A process of Vestal's.
struct Process {
    node: NodeId,
    engine: Engine,
}

/// The ports of one process: what is killed neither hears an answer nor wakes up.
struct Life {
    house: Arc<House>,
    is_over: AtomicBool,
}

#[async_trait]
impl Http for Life {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Exchange {
        match self.house.world.carry(&request).await {
            Heard::Answer(response) => {
                let (parts, body) = response.into_parts();
                let status = parts.status.as_u16();
                Exchange::Answered(Answer { status, headers: parts.headers, body, end: BodyEnd::Complete })
            }
            Heard::Nobody => Exchange::NotSent { detail: "nobody is there".to_owned() },
            Heard::Killed => {
                self.is_over.store(true, Ordering::Relaxed);
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Clock for Life {
    fn now(&self) -> Timestamp {
        self.house.clock.now()
    }

    fn uptime(&self) -> Duration {
        self.house.clock.uptime()
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
        if self.is_over.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl Nodes for Life {
    fn fate(&self, node: NodeId) -> Fate {
        if lock(&self.house.killed).contains(&node) { Fate::Gone } else { Fate::Unknown }
    }
}

/// `vestal token shop --json` and `vestal refresh shop --rejected N`, as the form calls them.
pub(super) struct Commands(pub(super) Arc<House>);

#[async_trait]
impl Tokens for Commands {
    async fn token(&self) -> Result<Token, NoToken> {
        let engine = self.0.start().engine;
        let issued = engine.issue_token(&shop(), Want::default()).await;
        engine.drain().await;
        let issued = issued.map_err(|error| match error {
            Error::NeedsReauth { .. } => NoToken::NeedsPerson(error.to_string()),
            error => NoToken::NotNow(error.to_string()),
        })?;
        let access_token = issued.access_token.expose_secret().to_owned();
        Ok(Token { access_token, generation: issued.generation })
    }

    async fn rejected(&self, generation: u64) {
        let engine = self.0.start().engine;
        // Whether there is another token now, the next call for one tells.
        let _ = engine.reject(&shop(), generation).await;
        engine.drain().await;
    }
}

fn shop() -> ConnectionName {
    "shop".parse().expect("a name")
}

fn client(world: &World) -> NewClient {
    let stated = &world.provider.endpoints;
    let token = stated.token.as_ref().expect("its file says where").value.clone();
    NewClient {
        name: CLIENT.into(),
        provider: CLIENT.into(),
        client_id: CLIENT_ID.into(),
        auth: ClientAuth::ClientSecretBasic,
        secret: Some(SECRET.into()),
        redirect_uri: REDIRECT_URI.parse().expect("a URL"),
        scopes: SCOPES.map(str::to_owned).into(),
        endpoints: Endpoints {
            issuer: Some(ISSUER.to_owned()),
            authorization: stated.authorization.as_ref().map(|fact| fact.value.clone()),
            ..Endpoints::at(token)
        },
    }
}

fn ring() -> KeyRing {
    KeyRing::new(MasterKey::from_bytes(&[9; 32]), vec![])
}
