//! What is written of clients, and what is asked of them.

use super::StoreError;
use crate::client::{Client, ClientAuth, ClientNotes};
use crate::id::ClientId;
use crate::seal::Sealed;

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

/// All clients.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Those that can be read, by name.
    pub clients: Vec<Client>,
    /// What is wrong with those that cannot: [`StoreError::Corrupt`].
    pub damaged: Vec<StoreError>,
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
