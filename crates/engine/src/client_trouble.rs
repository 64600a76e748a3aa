//! A client that its provider does not accept: one alarm for all its connections, and one of them goes on trying.

use vestal_core::client::{Client, ClientNotes, Trouble};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::id::{ClientId, ConnectionId};
use vestal_core::outcome::mended;
use vestal_core::state::State;
use vestal_core::store::{ClientUpdate, Filter};

use crate::change::{CONTENTION_TRIES, update_to};
use crate::{Error, Inner};

/// How many connections are read at once.
const PAGE: u32 = 500;

impl Inner {
    /// Takes note that the provider refused a client, as it was when it was tried. Where there is another secret, that is
    /// used from now on; only if it is refused too, something is wrong with the client.
    pub(crate) async fn client_was_refused(
        &self,
        tried: &Client,
        by: &Connection,
        detail: &str,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let alone = self.has_but_one(tried.id).await?;
        let noted = self
            .change_client(tried.id, |client| {
                // Another secret is used meanwhile: this says nothing of that.
                if client.secret != tried.secret || client.auth != tried.auth {
                    return None;
                }
                let mut update = unchanged(client);
                let other_secret = update.second_secret.is_some();
                if other_secret {
                    std::mem::swap(&mut update.secret, &mut update.second_secret);
                }
                let detail = detail.to_owned();
                update.notes.trouble = Some(match &client.notes.trouble {
                    Some(trouble) => {
                        let agreed = trouble.agreed || alone || trouble.canary != by.id;
                        Trouble { detail, agreed, ..trouble.clone() }
                    }
                    None => {
                        let agreed = alone && !other_secret;
                        Trouble { detail, since: now, canary: by.id, agreed }
                    }
                });
                Some(update)
            })
            .await?;
        let Some((before, after)) = noted else { return self.resume_if_replaced(tried).await };
        if before.trouble.is_none() && tried.second_secret.is_some() {
            // With the other secret, at once.
            return self.resume_after_trouble(tried.id).await;
        }
        let agreed = |notes: &ClientNotes| notes.trouble.as_ref().is_some_and(|trouble| trouble.agreed);
        if agreed(&before) || !agreed(&after) {
            return Ok(());
        }
        self.holds.forget_clients();
        tracing::error!(client = %tried.name, detail, "the provider refuses this client: its connections wait until that is mended");
        let what = What::ClientRefused { client: tried.name.clone(), detail: detail.to_owned() };
        self.tell(by.id, what).await
    }

    /// Takes note that the provider accepts a client: whoever waited for that goes on.
    pub(crate) async fn client_was_accepted(&self, client: &Client, by: &Connection) -> Result<(), Error> {
        if client.notes.trouble.is_none() {
            return Ok(());
        }
        let noted = self
            .change_client(client.id, |client| {
                client.notes.trouble.as_ref()?;
                let mut update = unchanged(client);
                update.notes.trouble = None;
                Some(update)
            })
            .await?;
        let Some((before, _)) = noted else { return Ok(()) };
        self.resume_after_trouble(client.id).await?;
        if before.trouble.is_some_and(|trouble| trouble.agreed) {
            tracing::info!(client = %client.name, "the provider accepts this client again");
            self.tell(by.id, What::ClientAccepted { client: client.name.clone() }).await?;
        }
        Ok(())
    }

    /// Makes every connection due now that failed because its client was refused.
    pub(crate) async fn resume_after_trouble(&self, client: ClientId) -> Result<(), Error> {
        self.holds.forget_clients();
        let filter = Filter { client: Some(client), state: Some("failing".to_owned()), tag: None };
        let mut after: Option<ConnectionName> = None;
        loop {
            let page = self.store.connections(&filter, after.as_ref(), PAGE).await?;
            for damage in &page.damaged {
                tracing::error!(%damage, "one that may wait for its client cannot be read");
            }
            for connection in page.connections {
                if !is_refused(&connection.state) {
                    continue;
                }
                let now = self.clock.now();
                let provider = match self.provider_of(&connection).await {
                    Ok(provider) => provider,
                    Err(error) => {
                        tracing::error!(connection = %connection.name, %error, "it is tried again at its own time only");
                        continue;
                    }
                };
                let Some(state) = mended(&connection, &provider, now, self.seed) else { continue };
                let mut resumed = Connection { state, ..connection };
                resumed.plan = self.plan(&resumed, &provider, now);
                // Whoever wrote in between has planned it anew.
                self.store.update_connection(&update_to(&resumed, vec![])).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Whoever was refused since the secret it was tried with is no longer one of the client's tries again, with the one
    /// that is.
    async fn resume_if_replaced(&self, tried: &Client) -> Result<(), Error> {
        let Some(client) = self.store.client(tried.id).await? else { return Ok(()) };
        if tried.secret == client.secret || tried.secret == client.second_secret {
            return Ok(());
        }
        self.open_clients.forget(tried.id);
        self.resume_after_trouble(tried.id).await
    }

    /// The connection that goes on trying for a client that is refused: the one that noticed, unless it cannot try any
    /// more. `None`: whoever comes next.
    pub(crate) async fn canary(
        &self,
        client: &Client,
        trouble: &Trouble,
    ) -> Result<Option<ConnectionId>, Error> {
        let canary = self.store.connection(trouble.canary).await?;
        let tries = canary.filter(|canary| canary.client == client.id && is_refused(&canary.state));
        if tries.is_some() {
            return Ok(tries.map(|canary| canary.id));
        }
        // The next one that hears of it takes its place.
        self.change_client(client.id, |client| {
            client.notes.trouble.as_ref()?;
            let mut update = unchanged(client);
            update.notes.trouble = None;
            Some(update)
        })
        .await?;
        Ok(None)
    }

    async fn has_but_one(&self, client: ClientId) -> Result<bool, Error> {
        let filter = Filter { client: Some(client), ..Filter::default() };
        let page = self.store.connections(&filter, None, 2).await?;
        Ok(page.connections.len() + page.damaged.len() == 1)
    }

    /// Writes one line into a connection's history, whatever else it is doing.
    pub(crate) async fn tell(&self, id: ConnectionId, what: What) -> Result<(), Error> {
        let event = Event { connection: id, at: self.clock.now(), what };
        let Some(connection) = self.store.connection(id).await? else { return Ok(()) };
        let told = |stored: &Connection| Ok(Some(update_to(stored, vec![event.clone()])));
        self.change_connection(connection, told).await.map(drop)
    }

    /// Decides on what is stored of a client, and writes that. `None`: there was nothing to write. Else its notes before
    /// and after.
    pub(crate) async fn change_client(
        &self,
        id: ClientId,
        decide: impl Fn(&Client) -> Option<ClientUpdate>,
    ) -> Result<Option<(ClientNotes, ClientNotes)>, Error> {
        let mut name = String::new();
        for _ in 0..CONTENTION_TRIES {
            let Some(client) = self.store.client(id).await? else { return Ok(None) };
            let Some(update) = decide(&client) else { return Ok(None) };
            if self.store.update_client(&update).await? {
                self.open_clients.forget(id);
                return Ok(Some((client.notes, update.notes)));
            }
            name = client.name;
        }
        Err(Error::Client { client: name, lacks: "is being changed by others all the time".to_owned() })
    }
}

/// Whether the last try of a connection failed since its client was refused.
fn is_refused(state: &State) -> bool {
    state.failing().is_some_and(|failing| failing.cause.is_client_refused())
}

/// An update that changes nothing yet.
pub(crate) fn unchanged(client: &Client) -> ClientUpdate {
    ClientUpdate {
        id: client.id,
        expected: client.revision,
        auth: client.auth,
        secret: client.secret.clone(),
        second_secret: client.second_secret.clone(),
        notes: client.notes.clone(),
    }
}
