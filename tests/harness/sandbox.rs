//! The sandbox as a provider, in this process, behind a wire-tap.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use vestal_sandbox::{Client, GrantId, Sandbox, Server, Settings, serve};

use super::Record;
use super::record::{Kind, Secret};
use super::tap::tap;
use super::wire::Wire;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// The client that is registered, and its planted secret.
pub(crate) const CLIENT_ID: &str = "app";
pub(crate) const CLIENT_SECRET: &str = "planted client + secret / 100%";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) wire: Arc<Wire>,
    server: Server,
}

impl Provider {
    /// A provider of which `record` learns every secret. Refresh tokens rotate at every use and reuse is punished,
    /// unless `adjust` says otherwise.
    pub(crate) fn start(record: &Arc<Record>, adjust: impl FnOnce(&mut Settings)) -> Self {
        let bind = || RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (outer, inner) = (bind(), bind());
        let issuer = format!("http://{}", outer.local_addr().unwrap());
        let client = Client::confidential(CLIENT_ID, CLIENT_SECRET)
            .redirect_uri("http://localhost:8724/callback")
            .redirect_uri("http://127.0.0.1/callback");
        let mut settings = Settings::new(&issuer).client(client);
        adjust(&mut settings);
        record.add_secret(Secret::new(Kind::ClientSecret, CLIENT_SECRET));
        let wire = Arc::default();
        RUNTIME.spawn(tap(outer, inner.local_addr().unwrap(), Arc::clone(record), Arc::clone(&wire)));
        let _guard = RUNTIME.enter();
        let server = serve(inner, Arc::new(Mutex::new(Sandbox::new(settings, 7)))).unwrap();
        Self { issuer, wire, server }
    }

    pub(crate) fn sandbox(&self) -> MutexGuard<'_, Sandbox> {
        self.server.sandbox()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.server.now_ms()
    }

    /// The times of each grant's refreshes for so long, since the Unix epoch. No grant may die meanwhile.
    pub(crate) fn watch(&self, limit: Duration) -> BTreeMap<GrantId, Vec<Duration>> {
        let mut seen = BTreeMap::<GrantId, (u64, Vec<Duration>)>::new();
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let grants = self.sandbox().grants(self.now_ms());
            for grant in grants {
                assert_eq!(grant.death, None);
                let (count, times) = seen.entry(grant.id).or_insert((grant.refreshes, vec![]));
                // More than one since the last look: they were no more than that apart.
                let last = grant.last_refresh_ms.map(Duration::from_millis);
                times.extend((*count..grant.refreshes).filter_map(|_| last));
                *count = grant.refreshes;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        seen.into_iter().map(|(id, (_, times))| (id, times)).collect()
    }

    /// Whether a token is good at this moment.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.sandbox().is_active(token, self.now_ms())
    }

    /// Whether a token had not ended yet at a time: one that is good when it is asked for may have ended when it is looked at,
    /// on a machine that is busy.
    pub(crate) fn accepted_at(&self, token: &str, time_ms: u64) -> bool {
        self.sandbox().is_active(token, time_ms)
    }
}

/// How far apart the refreshes of each grant were.
pub(crate) fn intervals(times: &BTreeMap<GrantId, Vec<Duration>>) -> Vec<Duration> {
    times.values().flat_map(|times| times.windows(2)).map(|pair| pair[1] - pair[0]).collect()
}
