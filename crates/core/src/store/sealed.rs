//! What is sealed in a store, to be sealed anew under another master key.

use super::{Authorization, StoreError};
use crate::connection::Connection;
use crate::id::{ClientId, ConnectionId, GrantId};
use crate::seal::Sealed;
use crate::site::Site;
use crate::token::{Candidate, TokenSet};

/// All that is sealed of some connections.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SealedPage {
    /// Of those that can be read.
    pub of: Vec<SealedOf>,
    /// What is wrong with those that cannot: [`StoreError::Corrupt`].
    pub damaged: Vec<DamagedRow>,
    /// After which connection the next page begins; `None` where this is the last.
    pub next: Option<ConnectionId>,
}

/// A connection of which something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// The connection.
    pub connection: ConnectionId,
    /// What is wrong.
    pub what: String,
}

impl DamagedRow {
    /// The row of which this was told. Any other error is given back.
    ///
    /// # Errors
    ///
    /// The error, unless it tells of damage.
    pub fn of(connection: ConnectionId, error: StoreError) -> Result<Self, StoreError> {
        match error {
            StoreError::Corrupt { what } => Ok(Self { connection, what }),
            other => Err(other),
        }
    }
}

/// All that is sealed of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedOf {
    /// It, with its current grant.
    pub connection: Connection,
    /// The token sets before the current one that are kept, oldest first.
    pub earlier: Vec<EarlierTokens>,
    /// The answers kept aside.
    pub candidates: Vec<Candidate>,
    /// Those who are being asked for consent.
    pub authorizations: Vec<Authorization>,
}

/// A token set that was replaced, and is kept until the one that replaced it has worked.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierTokens {
    /// Its grant.
    pub grant: GrantId,
    /// Where that grant's provider is.
    pub site: Site,
    /// What renewing that grant needed, where it is not the current one's.
    pub means: Option<Sealed>,
    /// The token set.
    pub tokens: TokenSet,
}

/// Values that were sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reseal {
    /// What they belong to.
    pub of: SealedOwner,
    /// Each as it was, and as it is to be.
    pub values: Vec<(Sealed, Sealed)>,
}

/// What a sealed value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedOwner {
    /// A client: its secrets.
    Client(ClientId),
    /// A connection: its tokens, and all else that is kept for it.
    Connection(ConnectionId),
}
