//! The world of one life, and its course.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;
use vestal_core::client::Endpoints;
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::{ConnectionId, NodeId, StoreId};
use vestal_core::provider::Provider;
use vestal_core::seal::{KeyRing, MasterKey, StoreIdentity, Vault};
use vestal_core::store::Store;
use vestal_engine::{Catalogue, Engine, Limits, NewClient, Parts, UnknownNodes};
use vestal_oauth::http::Http;
use vestal_sandbox::{ExpiresIn, Sandbox};
use vestal_store::MemoryStore;
use vestal_store::journal::MemoryJournal;

use crate::dice::{Dice, Seeded};
use crate::lives::behaviour::{CLIENT_ID, ISSUER, REDIRECT_URI, SECRET, auth, longest_outage};
use crate::lives::books::Ledger;
use crate::lives::wire::{Spans, State, Wire};
use crate::lives::{Behaviour, Course, Habit, Mistake, Outcome, checks, in_days, lasts, people};
use crate::lock;
use crate::time::{DAY, HOUR, MINUTE, SECOND, Timeline, WallClock, sleep};

/// The daemon is restarted this often.
const RESTART_EVERY: Duration = Duration::from_secs(30 * 86_400);

/// Everything a part of the world may need.
pub(crate) struct World {
    pub(crate) timeline: Timeline,
    /// When the world began, as the provider counts.
    pub(crate) begun_ms: u64,
    pub(crate) lasts: Duration,
    pub(crate) course: Course,
    pub(crate) provider: Provider,
    pub(crate) behaviour: Behaviour,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) names: Vec<ConnectionName>,
    /// What the engine is told of the provider.
    believed: Provider,
    clock: Arc<WallClock>,
    journal: Arc<MemoryJournal>,
    identity: StoreIdentity,
    nodes: AtomicU64,
    entropy: Mutex<Dice>,
    /// The engine of the daemon that runs.
    daemon: Mutex<Option<Engine>>,
}

/// Lives through it.
pub(crate) async fn live(provider: &Provider, behaviour: &Behaviour, course: &Course) -> Outcome {
    let mut dice = Dice::new(course.seed);
    let world = Arc::new(World::new(provider, behaviour, course, &mut dice));
    let engine = world.boot();
    engine.add_client(world.client()).await.expect("a new client");
    people::begin(&world, &mut dice);
    let watching = Arc::clone(&world);
    tokio::spawn(async move { checks::watch(&watching).await });
    tokio::spawn(housekeeping(Arc::clone(&world)));
    match course.mistake {
        Some(Mistake::OnlyWhenRead) => sleep(world.lasts).await,
        _ => keep_running(&world).await,
    }
    checks::at_the_end(&world).await;
    world.outcome()
}

/// Runs a daemon until the end, which is restarted now and then.
async fn keep_running(world: &World) {
    for (from, until) in &world.wire.restarts {
        serve_until(world, *from).await;
        world.ledger.note(|| "the daemon is restarted".to_owned());
        sleep(until.saturating_sub(world.timeline.elapsed())).await;
    }
    serve_until(world, world.lasts).await;
}

async fn serve_until(world: &World, until: Duration) {
    let engine = world.boot();
    world.store.claim_identity(&world.identity).await.expect("a store in memory");
    *lock(&world.daemon) = Some(engine.clone());
    engine.serve(sleep(until.saturating_sub(world.timeline.elapsed()))).await;
    *lock(&world.daemon) = None;
}

/// What a daemon does beside: old rows go.
async fn housekeeping(world: Arc<World>) {
    loop {
        sleep(DAY).await;
        world.store.prune(world.clock.now()).await.expect("a store in memory");
    }
}

impl World {
    fn new(provider: &Provider, behaviour: &Behaviour, course: &Course, dice: &mut Dice) -> Self {
        let timeline = Timeline::start();
        let clock = Arc::new(WallClock::new(timeline));
        let ledger = Arc::new(Ledger::new(timeline, course.traced));
        let lasts = lasts(behaviour);
        let wire = Wire {
            timeline,
            ledger: Arc::clone(&ledger),
            endpoints: endpoints(provider),
            outages: outages(lasts, longest_outage(behaviour), dice),
            restarts: restarts(lasts, dice),
            survives_lost_answers: behaviour.survives_lost_answers,
            sandbox: Mutex::new(Sandbox::new(behaviour.settings.clone(), dice.roll())),
            state: Mutex::new(State { dice: dice.fork(), lost: false }),
        };
        let name = |habit: &Habit| format!("{habit:?}").to_lowercase().parse().expect("a name");
        let world = Self {
            timeline,
            begun_ms: timeline.unix_ms(),
            lasts,
            course: *course,
            provider: provider.clone(),
            behaviour: behaviour.clone(),
            ledger,
            store: Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            wire: Arc::new(wire),
            names: Habit::ALL.iter().map(name).collect(),
            believed: Mistake::believed(course.mistake, provider),
            clock,
            journal: Arc::default(),
            identity: Vault::found(
                &ring(),
                StoreId::from_uuid(Uuid::from_u128(1)),
                &Seeded::new(dice.fork()),
            ),
            nodes: AtomicU64::new(1),
            entropy: Mutex::new(dice.fork()),
            daemon: Mutex::default(),
        };
        world.ledger.note(|| format!("{}: {}", world.provider.id, world.behaviour.chosen.join("; ")));
        for (from, until) in &world.wire.outages {
            world.ledger.note(|| {
                format!("it will not be there from day {:.1} to {:.1}", in_days(*from), in_days(*until))
            });
        }
        world
    }

    /// The daemon's engine, or that of a command while none runs.
    pub(crate) fn engine(&self) -> Engine {
        lock(&self.daemon).clone().unwrap_or_else(|| self.boot())
    }

    /// A new process.
    fn boot(&self) -> Engine {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        let catalogue = Catalogue::builtin();
        catalogue.insert(self.believed.clone());
        Engine::new(Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(Seeded::new(lock(&self.entropy).fork())),
            http: Arc::clone(&self.wire) as Arc<dyn Http>,
            vault: Vault::unlock(ring(), &self.identity).expect("its own key"),
            catalogue,
            node: NodeId::from_uuid(Uuid::from_u128(number.into())),
            nodes: Arc::new(UnknownNodes),
            journal: Arc::clone(&self.journal) as Arc<_>,
            // It knows itself when something is due; only what another process has done is seen by looking.
            limits: Limits { look: 6 * HOUR, ..Limits::default() },
        })
    }

    fn client(&self) -> NewClient {
        let auth = auth(&self.provider);
        let authorization = &self.provider.authorization;
        let mut scopes = authorization.default_scopes().to_vec();
        scopes.extend(authorization.offline_scope.as_ref().map(|fact| fact.value.clone()));
        scopes.dedup();
        NewClient {
            name: self.provider.id.clone(),
            provider: self.provider.id.clone(),
            client_id: CLIENT_ID.into(),
            auth,
            secret: auth.needs_secret().then(|| SECRET.into()),
            redirect_uri: REDIRECT_URI.parse().expect("a URL"),
            scopes,
            endpoints: self.wire.endpoints.clone(),
        }
    }

    /// What the store holds of a connection.
    pub(crate) async fn stored(&self, account: usize) -> Option<Connection> {
        self.store.connection_named(&self.names[account]).await.expect("a store in memory")
    }

    /// Whose connection it is.
    pub(crate) async fn account_of(&self, id: ConnectionId) -> Option<usize> {
        let connection = self.store.connection(id).await.expect("a store in memory")?;
        self.names.iter().position(|name| *name == connection.name)
    }

    /// Whether an answer or the provider's file says how long access tokens live.
    pub(crate) fn says_how_long_tokens_live(&self) -> bool {
        self.provider.access_token.life.is_some() || self.behaviour.settings.expires_in != ExpiresIn::Absent
    }

    /// Whether nothing is refreshed that would show a death: it is known by a token that the API rejects.
    pub(crate) fn is_known_by_rejection(&self) -> bool {
        let is_renewed = self.provider.issues_refresh_tokens() || self.provider.exchange.renew.is_some();
        self.provider.access_tokens_are_endless() || !is_renewed
    }

    fn outcome(&self) -> Outcome {
        let grants = self.wire.grants();
        let refreshes: [u64; 4] = std::array::from_fn(|account| {
            let own = grants.iter().filter(|grant| grant.subject == account.to_string());
            own.map(|grant| grant.refreshes).sum()
        });
        let years = in_days(self.lasts) / 365.0;
        #[expect(clippy::cast_precision_loss, reason = "shown rounded")]
        let refreshes_a_year = refreshes.map(|refreshes| refreshes as f64 / years);
        self.ledger.with(|books| Outcome {
            violations: std::mem::take(&mut books.violations),
            lasted: self.lasts,
            refreshes_a_year,
            refreshes: refreshes.iter().sum(),
            ends: std::mem::take(&mut books.ends),
            reads: books.reads,
            lost_answers: books.lost_answers,
            trace: std::mem::take(&mut books.trace),
        })
    }
}

fn ring() -> KeyRing {
    KeyRing::new(MasterKey::from_bytes(&[9; 32]), vec![])
}

/// Where the file says that the provider is; for one that has no fixed place, somewhere.
fn endpoints(provider: &Provider) -> Endpoints {
    let at = |path: &str| format!("{ISSUER}{path}").parse().expect("a URL");
    let facts = &provider.endpoints;
    let stated =
        |fact: &Option<vestal_core::provider::Fact<url::Url>>| fact.as_ref().map(|fact| fact.value.clone());
    let endpoints = Endpoints {
        issuer: Some(ISSUER.to_owned()),
        authorization: Some(stated(&facts.authorization).unwrap_or_else(|| at("/authorize"))),
        refresh: stated(&facts.refresh),
        lengthen: stated(&facts.lengthen),
        revocation: stated(&facts.revocation),
        dpop: false,
        sends_iss: true,
        ..Endpoints::at(stated(&facts.token).unwrap_or_else(|| at("/token")))
    };
    // One that is at many places is lived with at one of them.
    let one_of_them = |variable: String| {
        let fact = &provider.site[&variable];
        let first = fact.allowed.first().map(|pattern| pattern.to_string().replace('*', "acme"));
        let value = fact.default.clone().or(first).expect("some value is allowed");
        (variable, value)
    };
    let site = endpoints.variables().into_iter().map(one_of_them).collect();
    endpoints.filled(&site, provider).expect("a place that the file allows")
}

/// Two outages: one soon, one in the later part.
fn outages(lasts: Duration, longest: Duration, dice: &mut Dice) -> Spans {
    let first = dice.between(20 * DAY, 60 * DAY);
    let second = lasts.mul_f64(0.6 + 0.3 * dice.share());
    [first, second].map(|from| (from, from + longest)).into()
}

fn restarts(lasts: Duration, dice: &mut Dice) -> Spans {
    let mut restarts = Spans::new();
    let mut from = RESTART_EVERY;
    while from + HOUR < lasts {
        restarts.push((from, from + dice.between(SECOND, 10 * MINUTE)));
        from += RESTART_EVERY;
    }
    restarts
}
