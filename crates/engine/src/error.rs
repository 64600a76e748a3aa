//! What can stand in the way.

use jiff::Timestamp;
use vestal_core::connection::{BadLabel, BadName, ConnectionName};
use vestal_core::journal::JournalError;
use vestal_core::seal::OpenError;
use vestal_core::site::UnfitSite;
use vestal_core::state::{Cause, Reason};
use vestal_core::store::StoreError;

use crate::CatalogueError;

/// Why something was not done. Never holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection of this name.
    #[error("there is no connection {name:?}")]
    NoSuchConnection {
        /// The name.
        name: String,
    },
    /// There is no client of this name.
    #[error("there is no client {name:?}")]
    NoSuchClient {
        /// The name.
        name: String,
    },
    /// The name, or the external id, is in use.
    #[error("{what} {name:?} exists already")]
    Taken {
        /// `the client` or `the connection`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A connection cannot be imported as it is given.
    #[error("{name:?} cannot be imported: {why}")]
    Unimportable {
        /// The connection.
        name: ConnectionName,
        /// What stands in the way.
        why: String,
    },
    /// A connection cannot have these tags.
    #[error("{name:?} cannot be tagged so: {why}")]
    BadTags {
        /// The connection.
        name: ConnectionName,
        /// What is wrong with them.
        why: BadLabel,
    },
    /// Nothing new can be called so.
    #[error("{what} cannot be called {name:?}: {why}")]
    BadName {
        /// `a client` or `a connection`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: BadName,
    },
    /// Nobody has consented yet.
    #[error("{name:?} waits for somebody to consent")]
    Pending {
        /// The connection.
        name: ConnectionName,
    },
    /// Only a person can help.
    #[error("{name:?} needs re-authorization")]
    NeedsReauth {
        /// The connection.
        name: ConnectionName,
        /// Why.
        reason: Reason,
        /// Since when.
        since: Timestamp,
        /// When a token set was issued last.
        last_issued_at: Option<Timestamp>,
    },
    /// Somebody paused it.
    #[error("{name:?} is paused")]
    Paused {
        /// The connection.
        name: ConnectionName,
    },
    /// It is being taken apart.
    #[error("{name:?} is being disconnected")]
    Disconnecting {
        /// The connection.
        name: ConnectionName,
    },
    /// The access token has ended, and the last try to renew it failed. It is tried again.
    #[error("there is no fresh access token for {name:?} at the moment")]
    Failing {
        /// The connection.
        name: ConnectionName,
        /// Why the last try failed.
        cause: Cause,
        /// When it is tried again.
        next: Timestamp,
    },
    /// Somebody else is refreshing it, and took longer than a reader waits.
    #[error("{name:?} is being refreshed, and that takes long")]
    Busy {
        /// The connection.
        name: ConnectionName,
    },
    /// The redirect that came back does not complete a consent.
    #[error("the consent was not completed: {why}")]
    Consent {
        /// What is wrong with it.
        why: String,
    },
    /// The provider did not give a token set for the consent.
    #[error("{provider} gave no token: {detail}")]
    NoToken {
        /// The provider's name, for people.
        provider: String,
        /// What it said, redacted.
        detail: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The provider did not take a pushed authorization request (RFC 9126).
    #[error("{provider} did not take the request for consent: {detail}")]
    NotPushed {
        /// The provider's name, for people.
        provider: String,
        /// What it said, redacted.
        detail: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The provider did not revoke the grant. The connection was kept, so that it can be tried again.
    #[error("{provider} did not revoke the grant of {name:?}: {detail}")]
    NotRevoked {
        /// The connection.
        name: ConnectionName,
        /// The provider's name, for people.
        provider: String,
        /// What it said, redacted.
        detail: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The new consent came without a refresh token, and the old one is better: it was kept.
    #[error("the new consent to {name:?} came without a refresh token, so the old one was kept")]
    WorseConsent {
        /// The connection.
        name: ConnectionName,
        /// What the provider wants, to give one.
        advice: Option<String>,
    },
    /// A person's consent is there and lives: what nobody consented to does not take its place.
    #[error("somebody has consented to {name:?}, and the consent lives: it was kept")]
    LivingConsent {
        /// The connection.
        name: ConnectionName,
    },
    /// Another account consented than the one that was connected before: what that one granted was kept.
    #[error("another account consented to {name:?} than before, so the old consent was kept")]
    AnotherAccount {
        /// The connection.
        name: ConnectionName,
    },
    /// It is not known whose the new consent is: what was granted before was kept.
    #[error("it is not known whose the new consent to {name:?} is, so the old one was kept")]
    UnknownAccount {
        /// The connection.
        name: ConnectionName,
    },
    /// A connection would be made from its own token.
    #[error("the token of {from:?} is made from that of {name:?}, or after too many others")]
    Circle {
        /// The connection.
        name: ConnectionName,
        /// The one whose token was to be exchanged.
        from: ConnectionName,
    },
    /// A proof could not be signed.
    #[error("a proof could not be signed: {detail}")]
    Unsigned {
        /// What happened.
        detail: String,
    },
    /// The client lacks what this needs.
    #[error("the client {client:?} {lacks}")]
    Client {
        /// The client.
        client: String,
        /// What it lacks.
        lacks: String,
    },
    /// Where the provider is for this connection is not known, or is nowhere that its file allows.
    #[error("{provider}: {why}")]
    Site {
        /// The provider's name, for people.
        provider: String,
        /// What is wrong.
        why: Box<UnfitSite>,
    },
    /// The provider refuses the client that the connection was made with.
    #[error("the provider refuses the client {client:?} of {name:?}")]
    ClientRefused {
        /// The connection.
        name: ConnectionName,
        /// The client.
        client: String,
        /// What the provider said, redacted.
        detail: String,
        /// Since when.
        since: Timestamp,
    },
    /// The provider cannot be reached; nothing was sent.
    #[error("{host} cannot be reached at the moment, so {name:?} was not refreshed")]
    HostDown {
        /// The connection.
        name: ConnectionName,
        /// The provider's host.
        host: String,
        /// When it is tried again.
        next: Timestamp,
    },
    /// The provider asked for patience; nothing was sent.
    #[error("the provider asked the client {client:?} for patience, so {name:?} was not refreshed")]
    Throttled {
        /// The connection.
        name: ConnectionName,
        /// The client.
        client: String,
        /// When it is tried again.
        next: Timestamp,
    },
    /// No refresh was started, since its answer could not have been saved.
    #[error("no refresh was started, since its answer could not have been saved: {0}")]
    Journal(#[from] JournalError),
    /// The store does not take a new token set; it is kept in the journal.
    #[error("a new token set for {name:?} is safe in the journal, and not yet in the store")]
    Journalled {
        /// The connection.
        name: ConnectionName,
        /// What the store said.
        detail: String,
    },
    /// An answer is in the journal and cannot be taken from there, whatever the store does.
    #[error("the last answer for {name:?} is in the journal, and cannot be taken from there: {why}")]
    Untaken {
        /// The connection.
        name: ConnectionName,
        /// What stands in the way.
        why: Box<Error>,
    },
    /// The store did not take a new token set for as long as it was tried, nor did the journal, and it is lost.
    #[error("a new token set for {name:?} could not be stored")]
    Unsaved {
        /// The connection.
        name: ConnectionName,
        /// What the store said.
        detail: String,
    },
    /// What is stored could not be opened.
    #[error("{what} cannot be opened")]
    Sealed {
        /// Which value.
        what: String,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// There is no such provider, or its file has mistakes.
    #[error(transparent)]
    Provider(#[from] CatalogueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others kept writing to the connection in between.
    #[error("{name:?} is being changed by others all the time")]
    Contended {
        /// The connection.
        name: ConnectionName,
    },
    /// A flight ended without an answer: its task was cancelled with the program.
    #[error("the program is ending")]
    Ending,
}

impl Error {
    /// Whether the store fails as a whole: it would take nothing else either.
    pub(crate) fn is_of_the_whole_store(&self) -> bool {
        match self {
            Self::Store(error) => !matches!(error, StoreError::Corrupt { .. }),
            _ => false,
        }
    }
}
