//! What every command starts from.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vestal_api::Code;
use vestal_core::client::Client;
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::{ClientId, NodeId, StoreId};
use vestal_core::journal::Journal as _;
use vestal_core::seal::{KeyId, KeyRing, OpenError, StoreIdentity, Vault};
use vestal_core::store::Store;
use vestal_engine::{Catalogue, Engine, Error, Parts};
use vestal_oauth::http::Http;
use vestal_store::SqliteStore;
use vestal_store::journal::FileJournal;

use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::entropy::SystemEntropy;
use crate::failure::{Failure, why_sealed};
use crate::keys::{KeyWatch, Keys};
use crate::lazy_http::LazyHttp;
use crate::logging::Level;
use crate::node::Node;
use crate::output::Output;
use crate::signals::Signals;
use crate::when::Calendar;

/// How long a process that ends puts things in order.
const PUT_IN_ORDER_WITHIN: Duration = Duration::from_secs(1);

/// The process's surroundings.
pub(crate) struct Context {
    pub(crate) environment: Environment,
    /// `--config`.
    pub(crate) config_flag: Option<PathBuf>,
    /// What `--log`, `-v` or VESTAL_LOG asks for.
    pub(crate) log: Option<Level>,
    pub(crate) output: Output,
    pub(crate) signals: Signals,
    /// What was opened, and has to be put in order before the process ends.
    pub(crate) opened: OnceLock<Opened>,
}

/// What outlives a command: its refreshes may still be under way.
pub(crate) struct Opened {
    engine: Engine,
    node: Arc<Node>,
    journal: Arc<FileJournal>,
    keys: KeyWatch,
}

impl Opened {
    /// Waits for the refreshes that are under way, and puts everything in order.
    pub(crate) async fn end(&self) {
        self.engine.drain().await;
        self.put_in_order().await;
    }

    /// Puts everything in order, once nothing is under way any more.
    async fn put_in_order(&self) {
        let Self { engine, node, journal, keys } = self;
        keys.stop();
        journal.close().await;
        // Moves what was written into the database: a log that only grows would fill a small disk. Whoever has locked it
        // is not waited for: all that was acknowledged is on the disk, and others find out that this process is gone.
        let in_order = async {
            node.retire(engine.store()).await;
            engine.store().close().await;
        };
        tokio::select! {
            biased;
            () = in_order => {}
            () = SystemClock.sleep(PUT_IN_ORDER_WITHIN) => {}
        }
    }
}

/// Everything, opened.
pub(crate) struct Vestal {
    pub(crate) engine: Engine,
    pub(crate) http: Arc<dyn Http>,
    pub(crate) node: Arc<Node>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) config: Config,
}

impl Context {
    /// The configuration. Warns of variables that mean nothing.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let config = Config::load(&self.environment, self.config_flag.as_deref())?;
        for (name, nearest) in self.environment.unknown(config.key_variable.as_deref()) {
            let nearest = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
            self.output.warn(format_args!("the variable {name} means nothing to Vestal{nearest}"));
        }
        Ok(config)
    }

    /// The time, and where.
    pub(crate) fn calendar(&self) -> Calendar {
        Calendar::local(SystemClock.now())
    }

    /// Opens the store that there is.
    pub(crate) async fn open(&self) -> Result<Vestal, Failure> {
        let (vestal, opened) = open(self.config()?, &self.environment).await?;
        // Nothing opens twice.
        let _ = self.opened.set(opened);
        Ok(vestal)
    }

    /// Opens the store, and makes one if there is none.
    pub(crate) async fn open_or_create(&self, config: Config) -> Result<Vestal, Failure> {
        // Without its key, no store is made.
        let ring = config.master_key.read(&self.environment)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = SqliteStore::create_or_open(&config.store, Arc::clone(&clock)).await?;
        let vault = unlock_or_claim(&config, &store, ring).await?;
        self.assemble(config, store, vault, clock).await
    }

    /// Puts everything over a store that is open and unlocked.
    pub(crate) async fn assemble(
        &self,
        config: Config,
        store: SqliteStore,
        vault: Vault,
        clock: Arc<dyn Clock>,
    ) -> Result<Vestal, Failure> {
        let (vestal, opened) = assemble(config, store, vault, clock, &self.environment).await?;
        let _ = self.opened.set(opened);
        Ok(vestal)
    }

    /// Waits for a future that can be left at any time, or for a signal to end. What it left under way finishes
    /// all the same ([`Context::end`]).
    pub(crate) async fn or_interrupted<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let mut signals = self.signals.listen()?;
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = signals.first() => Err(Failure::interrupted()),
        }
    }

    /// Waits for a future whose request can be made once only: a first signal waits with it for its end.
    pub(crate) async fn to_its_end<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let mut signals = self.signals.listen()?;
        tokio::pin!(future);
        tokio::select! {
            biased;
            output = &mut future => return Ok(output),
            () = signals.first() => self.tell_that_it_waits("the request that is under way"),
        }
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = signals.second() => {
                Err(Failure::new(Code::Failed, "stopped at once, with a request under way")
                    .why("it was told to stop a second time"))
            }
        }
    }

    /// Puts everything in order before the process ends, whatever came of the command: an answer that is still to
    /// come may hold the only refresh token there is.
    pub(crate) async fn end(&self) {
        // Whoever reads it need not wait with us. What could not be written has been told.
        let _ = std::io::stdout().flush();
        let Some(opened) = self.opened.get() else { return };
        if !self.drained(&opened.engine).await {
            tracing::warn!("stopped at once; what was not stored is looked at by the next process");
            return;
        }
        opened.put_in_order().await;
    }

    /// Waits for the refreshes that are under way. `false` where somebody did not want to.
    async fn drained(&self, engine: &Engine) -> bool {
        let drained = engine.drain();
        tokio::pin!(drained);
        let Ok(mut signals) = self.signals.listen() else {
            drained.await;
            return true;
        };
        tokio::select! {
            biased;
            () = &mut drained => return true,
            // A last look into the store is over before anybody has read of it.
            () = signals.first() => if engine.awaits_answers() {
                self.tell_that_it_waits("the refresh that is under way");
            },
        }
        tokio::select! {
            biased;
            () = drained => true,
            () = signals.second() => false,
        }
    }

    fn tell_that_it_waits(&self, what: &str) {
        self.output.note(format_args!(
            "waiting for {what}, whose answer must be stored; another signal, a second from now, stops it at once"
        ));
    }
}

/// Opens the store that there is.
pub(crate) async fn open(config: Config, environment: &Environment) -> Result<(Vestal, Opened), Failure> {
    if !config.store.exists() {
        return Err(nothing_there(&config));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = SqliteStore::open(&config.store, Arc::clone(&clock)).await?;
    let vault = unlock_or_claim(&config, &store, config.master_key.read(environment)?).await?;
    assemble(config, store, vault, clock, environment).await
}

/// Tells of the user's own files that cannot be used: whatever needs no provider of theirs goes on.
pub(crate) fn tell_of_unfit(catalogue: &Catalogue) {
    for mistake in catalogue.unfit() {
        tracing::error!(%mistake, "a file about a provider cannot be used, nor its connections be refreshed; see: vestal providers check");
    }
}

/// Puts the engine over a store.
async fn assemble(
    config: Config,
    store: SqliteStore,
    vault: Vault,
    clock: Arc<dyn Clock>,
    environment: &Environment,
) -> Result<(Vestal, Opened), Failure> {
    let node = Arc::new(Node::new(NodeId::new(clock.now(), &SystemEntropy), config.nodes()));
    let journal = Arc::new(FileJournal::new(config.journals(), vault.store(), node.id));
    config.http.check(&config.path)?;
    let catalogue = config.catalogue()?;
    tell_of_unfit(&catalogue);
    let http: Arc<dyn Http> = Arc::new(LazyHttp::new(config.http.clone()));
    let engine = Engine::new(Parts {
        store: Arc::new(store),
        clock,
        entropy: Arc::new(SystemEntropy),
        http: Arc::clone(&http),
        vault,
        catalogue,
        node: node.id,
        nodes: Arc::clone(&node) as _,
        journal: Arc::clone(&journal) as _,
        limits: config.limits,
    });
    let keys = Keys::new(config.master_key.clone(), environment.clone(), engine.clone(), Arc::clone(&node));
    // Seen by whoever rotates the key, or the key is already another one.
    node.show(engine.vault());
    keys.begin().await?;
    let watch = Arc::clone(&keys).watch();
    let opened = Opened { engine: engine.clone(), node: Arc::clone(&node), journal, keys: watch };
    Ok((Vestal { engine, http, node, keys, config }, opened))
}

/// Unlocks the store with the master keys, or claims a new one for the newest of them.
async fn unlock_or_claim(config: &Config, store: &dyn Store, ring: KeyRing) -> Result<Vault, Failure> {
    let identity = match store.identity().await? {
        Some(identity) => identity,
        None => {
            let id = StoreId::new(SystemClock.now(), &SystemEntropy);
            store.claim_identity(&Vault::found(&ring, id, &SystemEntropy)).await?
        }
    };
    unlock(config, ring, &identity).map_err(|locked| locked.failure)
}

/// Why a store stays locked.
pub(crate) struct Locked {
    pub(crate) error: OpenError,
    /// What is told.
    pub(crate) failure: Failure,
}

/// Unlocks a store that was claimed.
pub(crate) fn unlock(config: &Config, ring: KeyRing, identity: &StoreIdentity) -> Result<Vault, Locked> {
    let given = ring.ids();
    Vault::unlock(ring, identity)
        .map_err(|error| Locked { failure: not_unlocked(config, &given, &error), error })
}

fn not_unlocked(config: &Config, given: &[KeyId], error: &OpenError) -> Failure {
    match error {
        OpenError::KeyMissing(sealed_with) => wrong_key(&config.store, &sealed_with.to_string())
            .why(match given {
                [given] => format!("the key given, in {}, is {given}", config.master_key.describe()),
                given => {
                    format!("the keys given, in {}, are {}", config.master_key.describe(), listed(given))
                }
            })
            .next("give the key that the store was sealed with, on a line of its own; nothing was changed"),
        error => {
            let (why, next) = why_sealed(error);
            Failure::failed(format!("the store {} cannot be opened", config.store.display()))
                .why(why)
                .next(next)
        }
    }
}

/// The names of keys, one after the other.
pub(crate) fn listed(keys: &[KeyId]) -> String {
    keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ")
}

fn wrong_key(store: &Path, sealed_with: &str) -> Failure {
    Failure::failed(format!("the store {} was sealed with master key {sealed_with}", store.display()))
}

pub(crate) fn nothing_there(config: &Config) -> Failure {
    let failure = Failure::failed("nothing is connected yet")
        .why(format!("there is no store at {}", config.store.display()));
    if config.exists {
        failure.next("vestal connect NAME --provider P")
    } else {
        failure.next(format!(
            "vestal connect NAME --provider P; or name the configuration that you mean with --config, since there is \
             none at {}",
            config.path.display()
        ))
    }
}

impl Vestal {
    /// The connection of this name.
    pub(crate) async fn connection(&self, name: &ConnectionName) -> Result<Connection, Failure> {
        let connection = self.engine.store().connection_named(name).await?;
        Ok(connection.ok_or_else(|| Error::NoSuchConnection { name: name.to_string() })?)
    }

    /// The same, and the client that it was made with.
    pub(crate) async fn connection_and_client(
        &self,
        name: &ConnectionName,
    ) -> Result<(Connection, Client), Failure> {
        let connection = self.connection(name).await?;
        let client = self.engine.store().client(connection.client).await?;
        let client = client.ok_or_else(|| Error::NoSuchClient { name: connection.client.to_string() })?;
        Ok((connection, client))
    }

    /// The client of this name, where one is named.
    pub(crate) async fn client_id(&self, name: Option<&str>) -> Result<Option<ClientId>, Failure> {
        match name {
            Some(name) => Ok(Some(self.engine.client_named(name).await?.id)),
            None => Ok(None),
        }
    }

    /// What an error of the engine about this connection means.
    pub(crate) async fn failure(&self, error: Error, name: &ConnectionName) -> Failure {
        let calendar = Calendar::local(self.engine.now());
        let connection = self.engine.store().connection_named(name).await.ok().flatten();
        let provider = match &connection {
            Some(connection) => self.provider_name(connection).await,
            None => None,
        };
        if let Error::Failing { name, cause, next } = &error
            && let Some(grant) = connection.and_then(|connection| connection.grant)
            && let Some(end) = grant.tokens.expires_at.filter(|end| *end > self.engine.now())
        {
            let provider = provider.as_deref().unwrap_or("the provider");
            return Failure::failing(name, cause, *next, Some(end), provider, &calendar);
        }
        Failure::of(error, provider.as_deref(), &calendar)
    }

    /// The name of a connection's provider, for people.
    async fn provider_name(&self, connection: &Connection) -> Option<String> {
        let client = self.engine.store().client(connection.client).await.ok()??;
        let provider = self.engine.catalogue().get(&client.provider).map(|provider| provider.name.clone());
        Some(provider.unwrap_or(client.provider))
    }
}
