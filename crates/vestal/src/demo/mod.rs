//! `vestal demo`: the main job, on this machine alone.
//!
//! A sandbox authorization server in this process, spoken to over real loopback HTTP, whose days last seconds;
//! the real engine over a temporary store, keeping one connection alive; a program that uses its token all the
//! time; and beside it a grant that nobody refreshes. What is shown is what the store and the sandbox say.

mod calendar;
mod caller;
mod frame;
mod happening;
mod left_alone;
mod observer;
mod picture;
mod reader;
mod reasons;
mod sandbox;
mod show;
mod summary;
mod text;
mod timeline;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use url::Url;
use vestal_api::DemoSummary;
use vestal_core::client::ClientAuth;
use vestal_core::clock::{Clock, Entropy};
use vestal_core::connection::ConnectionName;
use vestal_core::id::{NodeId, StoreId};
use vestal_core::seal::{KeyRing, MasterKey, Vault};
use vestal_core::secret::{ExposeSecret as _, SecretString};
use vestal_core::store::Store;
use vestal_core::token::saturating_add;
use vestal_engine::{Account, BeginConnect, Catalogue, Engine, Limits, NewClient, Parts, UnknownNodes};
use vestal_oauth::http::Http;
use vestal_store::SqliteStore;
use vestal_store::journal::FileJournal;

use crate::output::Palette;

use calendar::Calendar;
use caller::Caller;
use left_alone::{LeftAlone, Program};
use observer::{Observer, Seen};
use reader::Reader;
use show::Show;

/// A refresh token dies after this many of the demo's days in which it is not used.
const IDLE_LIMIT_DAYS: u32 = 3;

/// The connection that is kept alive.
const NAME: &str = "shop";

/// How the demo is to run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How long a day lasts, in whole seconds: answers tell lives in seconds.
    pub(crate) day: Duration,
    /// How long it runs; `None` until it is stopped.
    pub(crate) run_for: Option<Duration>,
    /// Keep stdout free, and show everything on stderr.
    pub(crate) on_stderr: bool,
    /// Whether a terminal can be drawn on, where there is one.
    pub(crate) can_draw: bool,
    /// The colours of where it is shown.
    pub(crate) palette: Palette,
    /// Where to write the last frame as a picture.
    pub(crate) picture: Option<PathBuf>,
}

impl Options {
    /// Lines as they are shown.
    fn written(&self, lines: &[text::Line]) -> Vec<String> {
        lines.iter().map(|line| line.painted(self.palette).trim_end().to_owned()).collect()
    }
}

/// What the demo takes from outside.
pub(crate) struct Outside {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) http: Arc<dyn Http>,
}

/// Runs the demo until its time is over or `stop` completes, shows it all the while, and says at the end what it
/// came to. The temporary store is gone afterwards, however it ends.
///
/// # Errors
///
/// When something could not be set up, the store fails, or the terminal does.
pub(crate) async fn run(
    options: &Options,
    outside: Outside,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<DemoSummary> {
    let Outside { clock, entropy, http } = outside;
    let folder = tempfile::Builder::new().prefix("vestal-demo-").tempdir();
    let folder = folder.context("no temporary folder could be made; TMPDIR may name a place for it")?;
    let secret = MasterKey::generate(&*entropy);
    let (server, issuer) = sandbox::start(options.day, &secret, &*entropy).await?;
    let calendar = Calendar::new(clock.now(), options.day);
    let caller = Caller::new(Arc::clone(&http), &issuer);

    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::create_or_open(&folder.path().join("demo.db"), Arc::clone(&clock)).await?);
    let catalogue = Catalogue::builtin();
    catalogue.insert(sandbox::provider(&issuer, options.day, &*clock)?);
    let vault = unlock(&*store, &*clock, &*entropy).await?;
    let node = NodeId::new(clock.now(), &*entropy);
    let engine = Engine::new(Parts {
        journal: Arc::new(FileJournal::new(vec![folder.path().join("journal")], vault.store(), node)),
        vault,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        node,
        entropy,
        http,
        catalogue,
        nodes: Arc::new(UnknownNodes),
        limits: Limits::default(),
    });
    let name: ConnectionName = NAME.parse()?;
    connect(&engine, &name, &issuer, &secret, &caller).await?;
    let program = Program {
        client_id: sandbox::LEFT_ALONE,
        client_secret: &secret,
        redirect_uri: sandbox::REDIRECT_URI,
        scope: &sandbox::SCOPES.join(" "),
    };
    let authorization = Url::parse(&format!("{issuer}/authorize"))?;
    let left_alone = LeftAlone::take(program, caller.clone(), &authorization, &*clock).await?;

    let reader = Reader::new(engine.clone(), name.clone(), caller, Arc::clone(&clock));
    // Before anything is shown: a token that nobody has used yet is scheduled as one that nobody needs.
    reader.read().await;
    let until = options.run_for.map(|length| saturating_add(calendar.start(), length));
    let mut observer = Observer {
        engine: &engine,
        server: &server,
        reader: &reader,
        left_alone,
        name,
        issuer,
        calendar,
        until,
        seen: Seen::default(),
    };
    let mut show = Show::begin(options, clock)?;

    let (over, watched) = watch::channel(false);
    let is_over = || {
        let mut watched = watched.clone();
        // A sender that is gone means the same.
        async move { drop(watched.wait_for(|over| *over).await) }
    };
    let shown = async {
        let shown = show.run(&mut observer, stop).await;
        over.send_replace(true);
        shown
    };
    let reading = async {
        tokio::select! {
            () = reader.run() => {}
            () = is_over() => {}
        }
    };
    let ((), (), shown) = tokio::join!(engine.serve(is_over()), reading, shown);
    let summary = match shown {
        Ok(()) => show.end(&observer.observe().await?),
        Err(error) => Err(error),
    };
    store.close().await;
    server.stop().await.context("the sandbox failed")?;
    folder.close().context("the temporary folder could not be removed")?;
    summary
}

/// Makes the vault of a new store, under a master key that is nowhere but in this process.
async fn unlock(store: &dyn Store, clock: &dyn Clock, entropy: &dyn Entropy) -> anyhow::Result<Vault> {
    let key = MasterKey::parse(MasterKey::generate(entropy).expose_secret())?;
    let ring = KeyRing::new(key, vec![]);
    let identity = Vault::found(&ring, StoreId::new(clock.now(), entropy), entropy);
    let identity = store.claim_identity(&identity).await?;
    Ok(Vault::unlock(ring, &identity)?)
}

/// Registers the client and connects: what `vestal connect` does, with the demo as the person's browser.
async fn connect(
    engine: &Engine,
    name: &ConnectionName,
    issuer: &str,
    secret: &SecretString,
    caller: &Caller,
) -> anyhow::Result<()> {
    let client = NewClient {
        name: "sandbox".to_owned(),
        provider: "sandbox".to_owned(),
        client_id: sandbox::KEPT.to_owned(),
        auth: ClientAuth::ClientSecretBasic,
        secret: Some(secret.clone()),
        redirect_uri: Url::parse(sandbox::REDIRECT_URI)?,
        scopes: sandbox::SCOPES.map(str::to_owned).to_vec(),
        endpoints: sandbox::endpoints(issuer)?,
    };
    let client = engine.add_client(client).await?;
    let begin = BeginConnect {
        name: name.clone(),
        client: client.name,
        scopes: None,
        site: BTreeMap::new(),
        parameters: BTreeMap::new(),
    };
    let consent = engine.begin_connect(begin).await?;
    let redirected = caller.consent(&consent.url).await?;
    engine.finish_connect(&redirected, Account::AsBefore).await?;
    Ok(())
}
