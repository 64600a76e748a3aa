//! Identifiers: UUIDv7 (RFC 9562 §5.7), so that they sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{Entropy, random};
use crate::seal::Fingerprint;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct $name(#[cfg_attr(feature = "schema", schemars(with = "String"))] Uuid);

        impl $name {
            /// A new identifier, from the time and the randomness passed in.
            pub fn new(now: Timestamp, entropy: &dyn Entropy) -> Self {
                let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random(entropy)).into_uuid())
            }

            /// The identifier with this value.
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The value.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

impl GrantId {
    /// The grant that another keeper's token makes when it is imported. It is the same whenever that token is imported, so
    /// that whoever imports it again finds it there, however often it was refreshed since.
    pub fn of_import(token: &Fingerprint) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&token.as_bytes()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

identifiers! {
    /// One connection. Never changes, whatever it is renamed to.
    ConnectionId;
    /// One client: a registration with a provider.
    ClientId;
    /// One consent.
    GrantId;
    /// One try at a refresh; also the proof of the lease it was made under.
    AttemptId;
    /// One process that has a store open.
    NodeId;
    /// One store. Part of what every sealed value is bound to.
    StoreId;
}
