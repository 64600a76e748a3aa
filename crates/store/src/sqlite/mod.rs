//! The default store: one SQLite file, for as many processes as like.
//!
//! WAL mode, so that readers and the writer do not wait for each other; `synchronous = FULL`, so that what is
//! acknowledged is on the disk. Reads go through [`readers`], writes through the one thread of [`writer`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection as Db;
use vestal_core::client::Client;
use vestal_core::clock::Clock;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, StoredEvent};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::schedule::Plan;
use vestal_core::seal::{Fingerprint, StoreIdentity};
use vestal_core::store::{
    Add, AddImport, AttemptStatus, Authorization, Begin, ClientUpdate, Clients, Due, Filter, Finish,
    Finished, Held, Holder, Import, LivingTokens, Mark, Page, RemoveClient, Renewed, Reseal, SealedPage,
    Store, StoreError, Update, Write,
};
use vestal_core::token::Candidate;

mod attempts;
mod authorizations;
#[cfg(any(test, feature = "bulk"))]
mod bulk;
mod clients;
mod connections;
mod current;
mod due;
mod events;
mod failure;
mod filesystem;
mod frozen;
mod names;
mod open;
mod opening;
mod place;
mod query;
mod readers;
mod rows;
mod sealed;
#[cfg(test)]
mod tests;
mod tokens;
mod worker;
mod writer;

use crate::rules::{kept, lease_end};
pub use names::{client_names, connection_names};
use open::Opener;
use readers::Readers;
use writer::Writer;

/// A store in one SQLite file. Several processes may use it at the same time.
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    opener: Arc<Opener>,
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// The token sets that are kept for a connection, also those of earlier grants: the grant and the
    /// generation of each, oldest first, the current one last.
    ///
    /// # Errors
    ///
    /// Those of every read.
    pub async fn kept_token_sets(&self, id: ConnectionId) -> Result<Vec<(GrantId, u64)>, StoreError> {
        self.readers.walk(move |db| connections::kept_token_sets(db, id)).await
    }

    fn now(&self) -> Timestamp {
        kept(self.clock.now())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.opener).finish()
    }
}

// What a write needs is cloned into it, since it goes on when its caller has gone; and it reads the clock when its
// turn comes.
#[async_trait]
impl Store for SqliteStore {
    async fn identity(&self) -> Result<Option<StoreIdentity>, StoreError> {
        self.readers.row(clients::identity).await
    }

    async fn claim_identity(&self, identity: &StoreIdentity) -> Result<StoreIdentity, StoreError> {
        let identity = identity.clone();
        self.writer.write(move |db| clients::claim_identity(db, &identity)).await
    }

    async fn replace_identity(&self, old: &StoreIdentity, new: &StoreIdentity) -> Result<bool, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.writer.write(move |db| clients::replace_identity(db, &old, &new)).await
    }

    async fn sealed(&self, after: Option<ConnectionId>, limit: u32) -> Result<SealedPage, StoreError> {
        let now = self.now();
        self.readers.walk(move |db| sealed::page(db, after, limit, now)).await
    }

    async fn reseal(&self, reseals: Vec<Reseal>) -> Result<u64, StoreError> {
        self.writer.write(move |db| sealed::reseal(db, &reseals)).await
    }

    async fn add_client(&self, client: &Client) -> Result<Add, StoreError> {
        let client = client.clone();
        self.writer.write(move |db| clients::add(db, &client)).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError> {
        self.readers.row(move |db| clients::by_id(db, id)).await
    }

    async fn client_named(&self, name: &str) -> Result<Option<Client>, StoreError> {
        let name = name.to_owned();
        self.readers.row(move |db| clients::by_name(db, &name)).await
    }

    async fn clients(&self) -> Result<Clients, StoreError> {
        self.readers.walk(clients::all).await
    }

    async fn update_client(&self, update: &ClientUpdate) -> Result<bool, StoreError> {
        let update = update.clone();
        self.writer.write(move |db| clients::update(db, &update)).await
    }

    async fn remove_client(&self, id: ClientId) -> Result<RemoveClient, StoreError> {
        self.writer.write(move |db| clients::remove(db, id)).await
    }

    async fn add_connection(&self, connection: &Connection, events: &[Event]) -> Result<Add, StoreError> {
        let (connection, events) = (connection.clone(), events.to_vec());
        self.writer.write(move |db| connections::add(db, &connection, &events)).await
    }

    async fn import_connections(&self, imports: Vec<Import>) -> Result<Vec<AddImport>, StoreError> {
        self.writer
            .write(move |db| imports.iter().map(|import| connections::import(db, import)).collect())
            .await
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        let now = self.now();
        self.readers.row(move |db| connections::by_id(db, id, now)).await
    }

    async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
        let (ids, now) = (ids.to_vec(), self.now());
        self.readers.walk(move |db| connections::by_ids(db, &ids, now)).await
    }

    async fn connection_named(&self, name: &ConnectionName) -> Result<Option<Connection>, StoreError> {
        let (name, now) = (name.clone(), self.now());
        self.readers.row(move |db| connections::by_name(db, &name, now)).await
    }

    async fn connection_with_external_id(
        &self,
        client: ClientId,
        external_id: &str,
    ) -> Result<Option<Connection>, StoreError> {
        let (external_id, now) = (external_id.to_owned(), self.now());
        self.readers.row(move |db| connections::by_external_id(db, client, &external_id, now)).await
    }

    async fn connection_with_grant(&self, grant: GrantId) -> Result<Option<Connection>, StoreError> {
        let now = self.now();
        self.readers.row(move |db| connections::by_grant(db, grant, now)).await
    }

    async fn refresh_tokens(
        &self,
        after: Option<ConnectionId>,
        limit: u32,
    ) -> Result<Vec<Holder>, StoreError> {
        self.readers.walk(move |db| tokens::refresh_tokens(db, after, limit)).await
    }

    async fn holders_of(&self, token: &Fingerprint, limit: u32) -> Result<Vec<ConnectionName>, StoreError> {
        let token = *token;
        self.readers.walk(move |db| tokens::holders_of(db, &token, limit)).await
    }

    async fn shared_tokens(&self, limit: u32) -> Result<Vec<Fingerprint>, StoreError> {
        self.readers.walk(move |db| tokens::shared_tokens(db, limit)).await
    }

    async fn living_tokens(&self, client: ClientId, limit: u32) -> Result<LivingTokens, StoreError> {
        self.readers.walk(move |db| tokens::living_tokens(db, client, limit)).await
    }

    async fn connections(
        &self,
        filter: &Filter,
        after: Option<&ConnectionName>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let (filter, after, now) = (filter.clone(), after.cloned(), self.now());
        self.readers.walk(move |db| connections::list(db, &filter, after.as_ref(), limit, now)).await
    }

    async fn sample(&self, client: ClientId, limit: u32) -> Result<Vec<ConnectionId>, StoreError> {
        self.readers.walk(move |db| connections::sample(db, client, limit)).await
    }

    async fn count_states(&self, client: Option<ClientId>) -> Result<Vec<(String, u64)>, StoreError> {
        self.readers.walk(move |db| connections::count_states(db, client)).await
    }

    async fn update_connection(&self, update: &Update) -> Result<Write, StoreError> {
        let (update, clock) = (update.clone(), Arc::clone(&self.clock));
        self.writer.write(move |db| connections::update(db, &update, kept(clock.now()))).await
    }

    async fn remove_connection(&self, id: ConnectionId) -> Result<bool, StoreError> {
        self.writer.write(move |db| connections::remove(db, id)).await
    }

    async fn remove_abandoned(&self, before: Timestamp) -> Result<Vec<ConnectionName>, StoreError> {
        let before = kept(before);
        self.writer.write(move |db| connections::remove_abandoned(db, before)).await
    }

    async fn keep_candidate(
        &self,
        id: ConnectionId,
        candidate: &Candidate,
        events: &[Event],
    ) -> Result<bool, StoreError> {
        let (candidate, events) = (candidate.clone(), events.to_vec());
        self.writer.write(move |db| attempts::keep_aside(db, id, &candidate, &events)).await
    }

    async fn mark_read(
        &self,
        id: ConnectionId,
        expected: u64,
        at: Timestamp,
        plan: &Plan,
    ) -> Result<(), StoreError> {
        let plan = *plan;
        self.writer.write(move |db| connections::mark_read(db, id, expected, at, &plan)).await
    }

    async fn begin_authorization(&self, authorization: &Authorization) -> Result<(), StoreError> {
        let authorization = authorization.clone();
        self.writer.write(move |db| authorizations::begin(db, &authorization)).await
    }

    async fn take_authorization(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Authorization>, StoreError> {
        let (state_hash, now) = (*state_hash, kept(now));
        self.writer.write(move |db| authorizations::take(db, &state_hash, now)).await
    }

    async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError> {
        let look = due::Look { by: now, now: self.now(), limit, held: held.clone() };
        self.readers.walk(move |db| due::due(db, &look)).await
    }

    async fn next_due(
        &self,
        after: Timestamp,
        by: Timestamp,
        held: &Held,
    ) -> Result<Option<Timestamp>, StoreError> {
        let held = held.clone();
        self.readers.walk(move |db| due::next(db, after, by, &held)).await
    }

    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        self.readers.row(clients::mark).await
    }

    async fn set_mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let mark = mark.clone();
        self.writer.write(move |db| clients::set_mark(db, &mark)).await
    }

    async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError> {
        let (begin, clock) = (begin.clone(), Arc::clone(&self.clock));
        let begin = move |db: &Db| {
            let now = kept(clock.now());
            attempts::begin(db, &begin, lease_end(now, begin.lease_for), now)
        };
        self.writer.write(begin).await
    }

    async fn renew_lease(&self, attempt: AttemptId, lease_for: Duration) -> Result<Renewed, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.writer.write(move |db| attempts::renew(db, attempt, lease_end(clock.now(), lease_for))).await
    }

    async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError> {
        let (finish, clock) = (finish.clone(), Arc::clone(&self.clock));
        self.writer.write(move |db| attempts::finish(db, &finish, kept(clock.now()))).await
    }

    async fn attempt(&self, id: AttemptId) -> Result<Option<AttemptStatus>, StoreError> {
        self.readers.row(move |db| attempts::status(db, id)).await
    }

    async fn release_node(&self, node: NodeId) -> Result<u64, StoreError> {
        let clock = Arc::clone(&self.clock);
        self.writer.write(move |db| attempts::release(db, node, kept(clock.now()))).await
    }

    async fn candidates(&self, id: ConnectionId, limit: u32) -> Result<Vec<Candidate>, StoreError> {
        self.readers.walk(move |db| attempts::candidates(db, id, limit)).await
    }

    async fn events(
        &self,
        connection: Option<ConnectionId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.readers.walk(move |db| events::list(db, connection, after, limit)).await
    }

    async fn newest_event(&self) -> Result<u64, StoreError> {
        self.readers.row(events::newest).await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError> {
        let now = kept(now);
        self.writer.write(move |db| events::prune(db, now)).await
    }

    async fn check_writable(&self) -> Result<(), StoreError> {
        self.writer.write(events::probe).await
    }

    async fn close(&self) {
        if self.writer.has_written_nothing() {
            // A process that only read has nothing to put in order.
            return self.writer.close().await;
        }
        self.readers.close().await;
        // Last, so that it finds nobody else and moves the log into the database.
        self.writer.close().await;
    }
}
