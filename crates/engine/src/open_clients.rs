//! Clients whose secret is open, kept for a moment: under many refreshes, each is read and opened once a second instead
//! of once an attempt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vestal_core::client::Client;
use vestal_core::id::ClientId;
use vestal_core::provider::Provider;
use vestal_oauth::client_auth::Prover;

use crate::{Error, Inner};

/// What another process writes of a client, such as a new secret, is heard after at most this time. That is less than may
/// pass anyway from reading a client to sending with it ([`crate::attempt::SEND_WITHIN`]).
const OPEN_FOR: Duration = Duration::from_secs(1);

/// A client, ready to be sent with.
pub(crate) struct OpenClient {
    pub(crate) client: Arc<Client>,
    pub(crate) provider: Arc<Provider>,
    /// Or why there is none.
    pub(crate) prover: Result<Prover, Error>,
    /// When it was read, in the clock's uptime.
    read_at: Duration,
}

impl OpenClient {
    fn is_known(&self, uptime: Duration) -> bool {
        uptime.saturating_sub(self.read_at) < OPEN_FOR
    }
}

/// Those that were used last.
#[derive(Default)]
pub(crate) struct OpenClients {
    by_id: Mutex<HashMap<ClientId, Arc<OpenClient>>>,
}

impl OpenClients {
    /// Makes a client be read anew: this process has changed it.
    pub(crate) fn forget(&self, id: ClientId) {
        self.by_id().remove(&id);
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<ClientId, Arc<OpenClient>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A client as it was at most [`OPEN_FOR`] ago.
    pub(crate) async fn open_client(&self, id: ClientId) -> Result<Arc<OpenClient>, Error> {
        let uptime = self.clock.uptime();
        if let Some(known) = self.open_clients.by_id().get(&id).filter(|known| known.is_known(uptime)) {
            return Ok(Arc::clone(known));
        }
        let client = self.client_with_id(id).await?;
        let provider = self.facts_of(&client)?;
        let prover = self.prover(&client, &provider.client);
        let opened = Arc::new(OpenClient { client: Arc::new(client), provider, prover, read_at: uptime });
        let mut by_id = self.open_clients.by_id();
        // No secret stays open that is not used any more.
        by_id.retain(|_, known| known.is_known(uptime));
        by_id.insert(id, Arc::clone(&opened));
        Ok(opened)
    }
}
