//! The port to whatever keeps connections: SQLite, PostgreSQL, or memory.
//!
//! Each method is one atomic, durable operation: when it returns, what it wrote survives a crash. Writes to a
//! connection name the [`Connection::revision`] they were decided on and change nothing if it is not the
//! current one: so that every decision is a pure function of what is stored, whoever else is writing.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::client::Client;
use crate::connection::{Connection, ConnectionName};
use crate::event::{Event, StoredEvent};
use crate::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use crate::schedule::Plan;
use crate::seal::{Fingerprint, StoreIdentity};
use crate::token::Candidate;

mod attempts;
mod clients;
mod connections;
mod consent;
mod error;
mod mark;
mod sealed;

pub use attempts::{AttemptStatus, Begin, Brought, Finish, Finished, Renewed};
pub use clients::{ClientUpdate, Clients, RemoveClient};
pub use connections::{Add, AddImport, Due, Filter, Held, Holder, Import, LivingTokens, Page, Update, Write};
pub use consent::Authorization;
pub use error::StoreError;
pub use mark::{Mark, Skew};
pub use sealed::{DamagedRow, EarlierTokens, Reseal, SealedOf, SealedOwner, SealedPage};

/// A place that keeps connections.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Who this store is; `None` when nobody has claimed it yet.
    async fn identity(&self) -> Result<Option<StoreIdentity>, StoreError>;

    /// Makes this the store's identity unless it has one, and returns the one it has.
    async fn claim_identity(&self, identity: &StoreIdentity) -> Result<StoreIdentity, StoreError>;

    /// Makes this the store's identity where `old` is the one it has. `false` where that is another.
    async fn replace_identity(&self, old: &StoreIdentity, new: &StoreIdentity) -> Result<bool, StoreError>;

    /// All that is sealed of the connections with identifiers after `after`, in order, at most `limit` of them. One that is
    /// damaged keeps none of the others from being read.
    async fn sealed(&self, after: Option<ConnectionId>, limit: u32) -> Result<SealedPage, StoreError>;

    /// Puts what was sealed anew in the place of what it was, in one transaction; what is not there any more stays as it is.
    /// Returns how many values were replaced. Not a new revision of a connection, of which nothing is said that was not before;
    /// but one of a client, so that nobody writes back what was read earlier.
    async fn reseal(&self, reseals: Vec<Reseal>) -> Result<u64, StoreError>;

    /// Adds a client.
    async fn add_client(&self, client: &Client) -> Result<Add, StoreError>;

    /// One client.
    async fn client(&self, id: ClientId) -> Result<Option<Client>, StoreError>;

    /// One client, by its name.
    async fn client_named(&self, name: &str) -> Result<Option<Client>, StoreError>;

    /// All clients, by name. One that is damaged keeps none of the others from being read.
    async fn clients(&self) -> Result<Clients, StoreError>;

    /// Changes a client. `false` when there is no such client, or somebody wrote in between: decide anew.
    async fn update_client(&self, update: &ClientUpdate) -> Result<bool, StoreError>;

    /// Removes a client that no connection uses.
    async fn remove_client(&self, id: ClientId) -> Result<RemoveClient, StoreError>;

    /// Adds a connection, as revision 1.
    async fn add_connection(&self, connection: &Connection, events: &[Event]) -> Result<Add, StoreError>;

    /// Adds several, each as revision 1, all of them in one transaction, but none with a grant that there is already. Returns
    /// what became of each, in their order.
    async fn import_connections(&self, imports: Vec<Import>) -> Result<Vec<AddImport>, StoreError>;

    /// One connection.
    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError>;

    /// These connections, in any order; without those that are not there or cannot be read, of which
    /// [`Store::connection`] says more.
    async fn connections_by_id(&self, ids: &[ConnectionId]) -> Result<Vec<Connection>, StoreError>;

    /// One connection, by its name.
    async fn connection_named(&self, name: &ConnectionName) -> Result<Option<Connection>, StoreError>;

    /// One connection, by the user's own identifier.
    async fn connection_with_external_id(
        &self,
        client: ClientId,
        external_id: &str,
    ) -> Result<Option<Connection>, StoreError>;

    /// A connection whose current grant this is.
    async fn connection_with_grant(&self, grant: GrantId) -> Result<Option<Connection>, StoreError>;

    /// Which connections hold which refresh tokens: those with identifiers after `after`, in order, at most `limit`.
    async fn refresh_tokens(
        &self,
        after: Option<ConnectionId>,
        limit: u32,
    ) -> Result<Vec<Holder>, StoreError>;

    /// The names of connections that hold this refresh token, in order, at most `limit`: of those whose grants began with it.
    async fn holders_of(&self, token: &Fingerprint, limit: u32) -> Result<Vec<ConnectionName>, StoreError>;

    /// Refresh tokens that several connections hold whose grants began with them, at most `limit`.
    async fn shared_tokens(&self, limit: u32) -> Result<Vec<Fingerprint>, StoreError>;

    /// How many refresh tokens a client's connections hold that are not known to be dead, as far as it takes to find `limit` of
    /// them: a walk of some microseconds for each.
    async fn living_tokens(&self, client: ClientId, limit: u32) -> Result<LivingTokens, StoreError>;

    /// Connections by name, those after `after`, at most `limit`. One that is damaged keeps none of the others from being
    /// read.
    async fn connections(
        &self,
        filter: &Filter,
        after: Option<&ConnectionName>,
        limit: u32,
    ) -> Result<Page, StoreError>;

    /// So many of a client's connections, whichever come first to hand.
    async fn sample(&self, client: ClientId, limit: u32) -> Result<Vec<ConnectionId>, StoreError>;

    /// How many connections there are, of one client or of all, by the name of their state.
    async fn count_states(&self, client: Option<ClientId>) -> Result<Vec<(String, u64)>, StoreError>;

    /// Changes a connection. An attempt that is under way goes on.
    async fn update_connection(&self, update: &Update) -> Result<Write, StoreError>;

    /// Removes a connection with all that belongs to it. `false` when there was none.
    async fn remove_connection(&self, id: ConnectionId) -> Result<bool, StoreError>;

    /// Removes connections that nobody ever consented to, and that nothing has happened to since `before`, in one bounded
    /// batch; returns their names. Call until it returns none.
    async fn remove_abandoned(&self, before: Timestamp) -> Result<Vec<ConnectionName>, StoreError>;

    /// Keeps an answer aside that no attempt brought, with what is to be said of it. Not a new revision. Does nothing the
    /// second time. `false` when the connection does not exist any more.
    async fn keep_candidate(
        &self,
        id: ConnectionId,
        candidate: &Candidate,
        events: &[Event],
    ) -> Result<bool, StoreError>;

    /// Notes that the access token was asked for, and when it is due now. Not a new revision; nothing happens
    /// if `expected` is not the current one, since whoever wrote then has planned anew.
    async fn mark_read(
        &self,
        id: ConnectionId,
        expected: u64,
        at: Timestamp,
        plan: &Plan,
    ) -> Result<(), StoreError>;

    /// Writes down that a person is about to be asked for consent.
    async fn begin_authorization(&self, authorization: &Authorization) -> Result<(), StoreError>;

    /// Takes the authorization with this hashed `state` away, so that it is used once. One that has expired
    /// is taken away too, and not returned.
    async fn take_authorization(
        &self,
        state_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Authorization>, StoreError>;

    /// Connections that are due, those that die first in front, at most `limit`; without those under a valid
    /// lease, and without those that are held.
    async fn due(&self, now: Timestamp, limit: u32, held: &Held) -> Result<Vec<Due>, StoreError>;

    /// When to look at [`Store::due`] next, after the one time and by the other: the next connection is due then that is
    /// neither under a lease nor held, or the next lease ends.
    async fn next_due(
        &self,
        after: Timestamp,
        by: Timestamp,
        held: &Held,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// What was noted last of the time and of how connections were planned.
    async fn mark(&self) -> Result<Option<Mark>, StoreError>;

    /// Notes it. The store has an identity.
    async fn set_mark(&self, mark: &Mark) -> Result<(), StoreError>;

    /// Takes the lease and writes the attempt down, in one transaction. Closes an abandoned attempt that was
    /// open. The caller has made sure that no valid lease is held in the revision it names.
    async fn begin_attempt(&self, begin: &Begin) -> Result<Write, StoreError>;

    /// Extends the lease that is proven by `attempt`.
    async fn renew_lease(&self, attempt: AttemptId, lease_for: Duration) -> Result<Renewed, StoreError>;

    /// Stores an attempt's outcome, closes it, and releases the lease if it is this attempt's. Does nothing
    /// the second time.
    async fn finish_attempt(&self, finish: &Finish) -> Result<Finished, StoreError>;

    /// What became of an attempt; `None` when it was never written. For reading back a write whose outcome
    /// is unknown ([`StoreError::OutcomeUnknown`]).
    async fn attempt(&self, id: AttemptId) -> Result<Option<AttemptStatus>, StoreError>;

    /// Ends the leases of a node that is gone for certain; its attempts stay open. Returns how many.
    async fn release_node(&self, node: NodeId) -> Result<u64, StoreError>;

    /// The candidates kept for a connection, newest first, at most `limit`.
    async fn candidates(&self, id: ConnectionId, limit: u32) -> Result<Vec<Candidate>, StoreError>;

    /// The events of one connection or of all, those after `after`, oldest first, at most `limit`.
    async fn events(
        &self,
        connection: Option<ConnectionId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The number of the newest event of all; 0 where there is none.
    async fn newest_event(&self) -> Result<u64, StoreError>;

    /// Removes events, closed attempts and authorizations past their time, in one bounded batch; returns how
    /// many rows went. Call until it returns 0.
    async fn prune(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Writes a row as large as an answer, to know that an answer could be saved.
    async fn check_writable(&self) -> Result<(), StoreError>;

    /// Finishes what is being written and lets go. Further calls fail.
    async fn close(&self);
}
