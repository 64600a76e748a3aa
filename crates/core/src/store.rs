//! The port to whatever keeps connections: SQLite, PostgreSQL, or memory.
//!
//! Each method is one atomic, durable operation: when it returns, what it wrote survives a crash. Writes to a
//! connection name the [`Connection::revision`] they were decided on and change nothing if it is not the
//! current one: so that every decision is a pure function of what is stored, whoever else is writing.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::{Client, ClientAuth, ClientNotes, Endpoints};
use crate::connection::{Attempt, Connection, ConnectionName, Policy};
use crate::event::{Event, StoredEvent};
use crate::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use crate::schedule::Plan;
use crate::seal::{Fingerprint, Sealed, StoreIdentity};
use crate::site::Site;
use crate::state::State;
use crate::token::{About, Candidate, Grant, TokenSet};

mod sealed;

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

/// What became of adding something whose name is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Add {
    /// It was added.
    Done,
    /// Its name, or its `external_id` within the client, is taken.
    Taken,
}

/// What became of adding a connection that another keeper had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddImport {
    /// It was added.
    Done,
    /// Its name, or its `external_id` within the client, is taken.
    Taken,
    /// Its grant is the current one of the connection of this name, which may be the same connection.
    Held(ConnectionName),
}

/// What became of removing a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveClient {
    /// It is gone.
    Done,
    /// There was none.
    Unknown,
    /// This many connections use it.
    InUse(u64),
}

/// What became of a write to a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// It was written.
    Done,
    /// Somebody wrote in between; this is what is stored now. Decide anew.
    Moved(Box<Connection>),
    /// The connection does not exist any more.
    Gone,
}

/// What became of extending a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It is held on.
    Done,
    /// Somebody else holds the lease, or nobody.
    Lost,
}

/// What became of storing an attempt's outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// It was stored.
    Done,
    /// Somebody wrote in between; this is what is stored now. Decide anew.
    Moved(Box<Connection>),
    /// It had been stored before: nothing was done.
    Already,
    /// The connection does not exist any more.
    Gone,
}

/// What is known of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStatus {
    /// Written down, and its outcome is not.
    Open,
    /// Given up by another node, since its outcome was not written in time. Its answer may still come.
    Abandoned,
    /// Its outcome is stored.
    Finished,
}

/// Which connections to list. Empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those made with this client.
    pub client: Option<ClientId>,
    /// Only those in the state of this name.
    pub state: Option<String>,
    /// Only those with this tag: its name and its value.
    pub tag: Option<(String, String)>,
}

/// A connection to add, with the beginning of its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The connection.
    pub connection: Connection,
    /// Its history.
    pub events: Vec<Event>,
}

/// How many refresh tokens live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivingTokens {
    /// All of them.
    pub all: u64,
    /// Those of which it is not known whose they are.
    pub of_nobody_known: u64,
    /// Those of the account that has the most.
    pub of_one_account: u64,
}

/// A connection that holds a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The connection.
    pub connection: ConnectionId,
    /// Its current grant.
    pub grant: GrantId,
    /// What tells the token from others.
    pub token: Fingerprint,
}

/// All clients.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Those that can be read, by name.
    pub clients: Vec<Client>,
    /// What is wrong with those that cannot: [`StoreError::Corrupt`].
    pub damaged: Vec<StoreError>,
}

/// Some connections of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Those that can be read, by name.
    pub connections: Vec<Connection>,
    /// What is wrong with those that cannot: [`StoreError::Corrupt`].
    pub damaged: Vec<StoreError>,
    /// After which name the next page begins; `None` where this is the last.
    pub next: Option<ConnectionName>,
}

/// A connection that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The connection.
    pub connection: ConnectionId,
    /// The client it was made with.
    pub client: ClientId,
}

/// What is not to be refreshed for now: the connections of these clients, but for some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The clients.
    pub clients: Vec<ClientId>,
    /// Connections of theirs that are not held.
    pub but: Vec<ConnectionId>,
}

/// What was noted of the time and of how connections were planned, so that the next process notices what changed
/// meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What the clock showed.
    pub at: Timestamp,
    /// What tells the facts apart by which every connection was planned; empty when they are being planned anew.
    pub facts: String,
    /// How far the clock was from a provider's, as measured last.
    pub skew: Option<Skew>,
}

/// How far our clock is from a provider's (its `Date` header, RFC 9110 §6.6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// By how many seconds ours is ahead.
    pub ahead_s: i64,
    /// The provider's host.
    pub host: String,
    /// When it was measured, by our clock.
    pub at: Timestamp,
}

/// A change to a client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientUpdate {
    /// The client.
    pub id: ClientId,
    /// The revision this was decided on.
    pub expected: u64,
    /// How it proves itself from now on.
    pub auth: ClientAuth,
    /// Its secret from now on.
    pub secret: Option<Sealed>,
    /// Its other secret from now on.
    pub second_secret: Option<Sealed>,
    /// What is known of it from now on.
    pub notes: ClientNotes,
}

/// A change to a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The connection.
    pub id: ConnectionId,
    /// The revision this was decided on.
    pub expected: u64,
    /// Its state from now on.
    pub state: State,
    /// When it is due from now on.
    pub plan: Plan,
    /// Its policy from now on.
    pub policy: Policy,
    /// Its tags from now on; `None` leaves them.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its external id from now on; `None` leaves it. Where it is another one's within the client by now, nothing is changed,
    /// as if the connection had moved.
    pub external_id: Option<String>,
    /// Its new grant. The one before is kept until the new one has been refreshed once. Where it is another connection's by
    /// now, nothing is changed, as if this one had moved.
    pub grant: Option<Grant>,
    /// What is known from now on of the grant that it has; `None` leaves it.
    pub about: Option<About>,
    /// What to write into its history.
    pub events: Vec<Event>,
}

/// The start of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Begin {
    /// The connection.
    pub id: ConnectionId,
    /// The revision this was decided on.
    pub expected: u64,
    /// The attempt.
    pub attempt: Attempt,
    /// How long the lease is to last.
    pub lease_for: Duration,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The connection.
    pub id: ConnectionId,
    /// The revision this was decided on.
    pub expected: u64,
    /// The attempt.
    pub attempt: AttemptId,
    /// When it ended.
    pub at: Timestamp,
    /// What it brought.
    pub brought: Brought,
    /// The connection's state from now on.
    pub state: State,
    /// When it is due from now on.
    pub plan: Plan,
    /// What to write into its history.
    pub events: Vec<Event>,
}

/// What an attempt brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Brought {
    /// Nothing to keep.
    Nothing,
    /// Nobody knows: the attempt is given up, and its answer may still come and be stored.
    Unknown,
    /// The connection's next token set, within the current grant. The one before is kept; older ones, and
    /// those of earlier grants, go: that this one came proves that they are no longer needed.
    Tokens(Box<TokenSet>),
    /// An answer to keep aside.
    Candidate(Box<Candidate>),
}

/// A person is being asked for consent: what is needed when they come back (RFC 6749 §4.1, RFC 7636).
#[derive(Clone, Debug, PartialEq)]
pub struct Authorization {
    /// SHA-256 of the `state` parameter, which itself is stored nowhere.
    pub state_hash: [u8; 32],
    /// The connection that is to get the grant.
    pub connection: ConnectionId,
    /// The client.
    pub client: ClientId,
    /// Where the authorization request was sent, with the token endpoint that goes with it.
    pub endpoints: Endpoints,
    /// What was filled into them.
    pub site: Site,
    /// The redirect URI that was sent; the exchange must repeat it.
    pub redirect_uri: Url,
    /// The scopes that were asked for.
    pub scopes: Vec<String>,
    /// The PKCE code verifier.
    pub code_verifier: Sealed,
    /// When it was begun.
    pub created_at: Timestamp,
    /// After this it is not accepted any more.
    pub expires_at: Timestamp,
}

/// What can go wrong with a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or has no room, or may not be written: nothing was changed.
    #[error("the store cannot be used: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// A write was sent, and it is not known whether it took place: read back.
    #[error("it is not known whether the store kept a write: {detail}")]
    OutcomeUnknown {
        /// What happened.
        detail: String,
    },
    /// What is stored makes no sense. Nothing was changed.
    #[error("the store holds something damaged: {what}")]
    Corrupt {
        /// Which table, row and column.
        what: String,
    },
    /// It was written by a later version of Vestal. Nothing was changed.
    #[error(
        "the store was written by a newer version of Vestal: its schema is {found}, this version knows {known}"
    )]
    NewerSchema {
        /// The store's.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// It may only be read.
    #[error("the store may only be read: {detail}")]
    ReadOnly {
        /// What happened.
        detail: String,
    },
    /// It cannot be used safely as it is set up.
    #[error("{detail}")]
    Unfit {
        /// What is wrong, and what to do about it.
        detail: String,
    },
}
