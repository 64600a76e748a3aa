//! A world: what a seed makes of it, and its course.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;
use vestal_core::clock::Clock;
use vestal_core::connection::{ConnectionName, Policy};
use vestal_core::id::{NodeId, StoreId};
use vestal_core::seal::{KeyRing, MasterKey, StoreIdentity, Vault};
use vestal_core::store::{Filter, Store, Update};
use vestal_engine::{BeginConnect, Catalogue, Engine, Limits, Parts};
use vestal_oauth::http::Http;
use vestal_store::MemoryStore;

use crate::dice::{Dice, Seeded};
use crate::journal::OwnJournal;
use crate::ledger::{Account, Ledger, Violation};
use crate::lock;
use crate::machine::Machine;
use crate::mutations::{Mistaken, Mutated, Mutation};
use crate::network::Network;
use crate::ports::{Neighbours, ProcessClock, Socket};
use crate::process::Process;
use crate::provider::{Place, Places};
use crate::seat::Seat;
use crate::store::{Remote, Watched};
use crate::time::{DAY, HOUR, SECOND, Timeline, WallClock, sleep};
use crate::weather::Weather;
use crate::{faults, people};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long a world lasts.
    pub days: u32,
    /// A mistake to be found.
    pub mutation: Option<Mutation>,
    /// After so many violations it has said enough.
    pub violations: usize,
    /// How many of the last lines of what happens are kept, for whoever reads them.
    pub trace_lines: usize,
}

/// What became of a world.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must never happen, and did.
    pub violations: Vec<Violation>,
    /// How many connections it had.
    pub connections: usize,
    /// How often a provider issued tokens for a refresh token.
    pub refreshes: u64,
    /// What happened, by kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// The last of what happened.
    pub trace: Vec<String>,
}

/// Everything a part of the world may need.
pub(crate) struct World {
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) places: Places,
    pub(crate) machines: Vec<Arc<Machine>>,
    pub(crate) seats: Vec<Arc<Seat>>,
    pub(crate) names: Vec<ConnectionName>,
    /// When the faults end.
    pub(crate) calm_from: Duration,
    store: Arc<dyn Store>,
    network: Arc<Network>,
    mutation: Option<Mutation>,
    identity: StoreIdentity,
    nodes: AtomicU64,
    entropy: Mutex<Dice>,
}

/// Lives through the world of this seed.
///
/// # Panics
///
/// When it cannot be built, which is a mistake in the simulation.
pub fn run(seed: u64, plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can always be built");
    runtime.block_on(live(seed, plan))
}

async fn live(seed: u64, plan: &Plan) -> Outcome {
    let mut dice = Dice::new(seed);
    let timeline = Timeline::start();
    let places: Places =
        Arc::new((0..1 + dice.below(3)).map(|index| Place::draw(index, &mut dice)).collect());
    let accounts = 2 + dice.below(5);
    let accounts: Vec<Account> = (0..accounts)
        .map(|index| Account {
            name: format!("c{index}"),
            id: None,
            place: index % places.len(),
            stored: None,
            lease: None,
            dead: false,
            due_at: None,
            journalled: 0,
            asked: None,
            warned: None,
            rejected: 0,
        })
        .collect();
    let names: Vec<ConnectionName> =
        accounts.iter().map(|account| account.name.parse().expect("a name")).collect();

    // Either one machine with a file, whose clock is everybody's, or several around a server.
    let store_clock = Arc::new(WallClock::new(timeline));
    let nodes = 2 + dice.below(3);
    let machines: Vec<Arc<Machine>> = if dice.chance(0.5) {
        vec![Machine::new(Arc::clone(&store_clock), dice.chance(0.7))]
    } else {
        (0..nodes).map(|_| Machine::new(Arc::new(WallClock::new(timeline)), dice.chance(0.7))).collect()
    };
    let seats = (0..nodes).map(|index| Arc::new(Seat::new(index % machines.len()))).collect();

    let store_id = StoreId::from_uuid(Uuid::from_u128(1));
    let identity = Vault::found(&ring(), store_id, &Seeded::new(dice.fork()));
    let vault = Arc::new(Vault::unlock(ring(), &identity).expect("its own key"));
    let weather = Arc::new(Weather::fine(places.len(), dice.fork()));
    let ledger = Ledger::new(timeline, Arc::clone(&store_clock), Arc::clone(&places), accounts, vault, plan);
    let memory = MemoryStore::new(Arc::clone(&store_clock) as Arc<dyn Clock>);
    let mut store: Arc<dyn Store> = Arc::new(memory);
    if plan.mutation == Some(Mutation::SkipTheFsync) {
        store = Mutated::new(store, Mutation::SkipTheFsync, Arc::clone(&ledger), None);
    }
    let mut store: Arc<dyn Store> = Arc::new(Watched {
        inner: store,
        clock: Arc::clone(&store_clock),
        ledger: Arc::clone(&ledger),
        machines: machines.clone(),
    });
    if let Some(mutation) = plan.mutation.filter(|it| *it != Mutation::SkipTheFsync) {
        store = Mutated::new(store, mutation, Arc::clone(&ledger), None);
    }
    let network = Arc::new(Network {
        places: Arc::clone(&places),
        timeline,
        ledger: Arc::clone(&ledger),
        weather: Arc::clone(&weather),
        dice: Mutex::new(dice.fork()),
    });
    let lasts = DAY * plan.days;
    let world = Arc::new(World {
        timeline,
        ledger,
        weather,
        places,
        machines,
        seats,
        names,
        calm_from: lasts - (4 * DAY).min(lasts / 4),
        store,
        network,
        mutation: plan.mutation,
        identity,
        nodes: AtomicU64::new(1),
        entropy: Mutex::new(dice.fork()),
    });
    for place in world.places.iter() {
        world.ledger.note(|| format!("{place:?}"));
    }
    world.settle_in(&mut dice).await;
    for seat in &world.seats {
        seat.start(&world);
    }
    people::begin(&world, &mut dice);
    faults::begin(&world, &mut dice);
    world.pass(lasts).await
}

fn ring() -> KeyRing {
    KeyRing::new(MasterKey::from_bytes(&[9; 32]), vec![])
}

impl World {
    /// Lets time go by, until the world ends or has said enough.
    async fn pass(&self, lasts: Duration) -> Outcome {
        tokio::select! {
            biased;
            () = self.ledger.full() => {}
            () = sleep(lasts.saturating_sub(self.timeline.elapsed())) => {}
        }
        if !self.ledger.is_full() {
            let connections = self.store.connections(&Filter::default(), None, 1000).await;
            let journalled: Vec<_> =
                self.machines.iter().flat_map(|machine| machine.shelf.attempts()).collect();
            self.ledger.finale(&connections.expect("a store in memory").connections, &journalled);
        }
        let (violations, counts, trace) = self.ledger.take();
        let refreshes = self.places.iter().map(Place::refreshes).sum();
        Outcome { violations, connections: self.names.len(), refreshes, counts, trace }
    }

    /// A new process on a machine, and its engine.
    pub(crate) fn boot(&self, machine: usize) -> (Arc<Process>, Engine) {
        let number = self.nodes.fetch_add(1, Ordering::Relaxed);
        let node = NodeId::from_uuid(Uuid::from_u128(number.into()));
        let process = Process::start(node, &self.machines[machine], &self.ledger);
        let catalogue = Catalogue::builtin();
        for place in self.places.iter() {
            catalogue.insert(place.profile.clone());
        }
        let mut store = Arc::clone(&self.store);
        let mut http: Arc<dyn Http> =
            Arc::new(Socket { process: Arc::clone(&process), network: Arc::clone(&self.network) });
        if let Some(mutation) = self.mutation {
            http = Arc::new(Mistaken { inner: http, process: Arc::clone(&process), mutation });
            if mutation == Mutation::PublishBeforeSaving {
                store = Mutated::new(store, mutation, Arc::clone(&self.ledger), Some(Arc::clone(&process)));
            }
        }
        let engine = Engine::new(Parts {
            store: Arc::new(Remote {
                inner: store,
                process: Arc::clone(&process),
                weather: Arc::clone(&self.weather),
            }),
            clock: Arc::new(ProcessClock(Arc::clone(&process))),
            entropy: Arc::new(Seeded::new(lock(&self.entropy).fork())),
            http,
            vault: Vault::unlock(ring(), &self.identity).expect("its own key"),
            catalogue,
            node,
            nodes: Arc::new(Neighbours(Arc::clone(&process))),
            journal: Arc::new(OwnJournal(Arc::clone(&process))),
            // A daemon that looks more seldom, and at once when there is something to be seen: see `ProcessClock`.
            limits: Limits { look: HOUR, ..Limits::default() },
        });
        self.ledger.note(|| format!("{} starts on machine {machine}", crate::ledger::short(node)));
        (process, engine)
    }

    /// Clients, connections and policies, before anything goes wrong.
    async fn settle_in(self: &Arc<Self>, dice: &mut Dice) {
        let (process, engine) = self.boot(0);
        for place in self.places.iter() {
            engine.add_client(place.client()).await.expect("a new client");
        }
        for account in 0..self.names.len() {
            // Where a quota is small, everybody gets a turn.
            sleep(3 * SECOND).await;
            self.consent(&engine, account).await.expect("a consent in fine weather");
            let connection =
                self.store.connection_named(&self.names[account]).await.ok().flatten().expect("it was made");
            let short_lived = self.place(account).access_token_life <= HOUR;
            let policy = if short_lived {
                dice.pick(&[Policy::Auto, Policy::Auto, Policy::OnDemand])
            } else {
                dice.pick(&[Policy::Auto, Policy::Auto, Policy::Always, Policy::OnDemand])
            };
            let update = Update {
                id: connection.id,
                expected: connection.revision,
                plan: engine.schedule(&connection, &self.place(account).profile).plan(),
                state: connection.state,
                policy,
                tags: None,
                external_id: None,
                grant: None,
                about: None,
                events: vec![],
            };
            self.store.update_connection(&update).await.expect("a store in memory");
        }
        engine.drain().await;
        process.end();
    }

    pub(crate) fn place(&self, account: usize) -> &Place {
        &self.places[account % self.places.len()]
    }

    /// A person consents, through this engine.
    pub(crate) async fn consent(&self, engine: &Engine, account: usize) -> Result<(), vestal_engine::Error> {
        let place = self.place(account);
        let begin = BeginConnect {
            name: self.names[account].clone(),
            client: place.profile.id.clone(),
            scopes: None,
            site: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let asked = engine.begin_connect(begin).await?;
        let redirected = place.consent(&asked.url, &account.to_string(), self.timeline).expect("a yes");
        engine.finish_connect(&redirected, vestal_engine::Account::Vouched).await.map(drop)
    }

    /// What the store holds of a connection, as nobody of the world sees it.
    pub(crate) async fn stored(&self, account: usize) -> Option<vestal_core::connection::Connection> {
        self.store.connection_named(&self.names[account]).await.ok().flatten()
    }

    /// Whether the faults are over.
    pub(crate) fn is_calm(&self) -> bool {
        self.timeline.elapsed() >= self.calm_from
    }

    /// Waits as events do that happen at random, every so often on average. `None` when the faults are over.
    pub(crate) async fn next(&self, dice: &mut Dice, mean: Duration) -> Option<()> {
        let wait = dice.wait(mean);
        if self.timeline.elapsed().saturating_add(wait) >= self.calm_from {
            return None;
        }
        sleep(wait).await;
        Some(())
    }

    /// One of the daemons that run.
    pub(crate) fn any_daemon(&self, dice: &mut Dice) -> Option<crate::seat::Daemon> {
        let daemons: Vec<_> = self.seats.iter().filter_map(|seat| seat.daemon()).collect();
        (!daemons.is_empty()).then(|| dice.pick(&daemons))
    }
}
