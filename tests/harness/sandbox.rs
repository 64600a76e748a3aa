//! The sandbox as a provider, in this process, behind a wire-tap.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use vestal_sandbox::{Client, Sandbox, Server, Settings, serve};

use super::Record;
use super::record::{Kind, Secret};
use super::tap::tap;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// The client that is registered, and its planted secret.
pub(crate) const CLIENT_ID: &str = "app";
pub(crate) const CLIENT_SECRET: &str = "planted client + secret / 100%";

pub(crate) struct Provider {
    pub(crate) issuer: String,
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
        RUNTIME.spawn(tap(outer, inner.local_addr().unwrap(), Arc::clone(record)));
        let _guard = RUNTIME.enter();
        let server = serve(inner, Arc::new(Mutex::new(Sandbox::new(settings, 7)))).unwrap();
        Self { issuer, server }
    }

    pub(crate) fn sandbox(&self) -> MutexGuard<'_, Sandbox> {
        self.server.sandbox()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.server.now_ms()
    }

    /// Whether a token is good at this moment.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.sandbox().is_active(token, self.now_ms())
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
