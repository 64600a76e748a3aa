//! What is written of connections, and what is asked of them.

use std::collections::BTreeMap;

use super::StoreError;
use crate::connection::{Connection, ConnectionName, Policy};
use crate::event::Event;
use crate::id::{ClientId, ConnectionId, GrantId};
use crate::schedule::Plan;
use crate::seal::Fingerprint;
use crate::state::State;
use crate::token::{About, Grant};

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
