//! Taking over what another keeper had: refresh tokens that exist already, one or a million.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName, Policy, check_labels, check_name};
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::provider::Provider;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::site::Site;
use vestal_core::store::{AddImport, Import, Update, Write};
use vestal_core::token::Renewal;

use crate::change::{CONTENTION_TRIES, update_to};
use crate::holders::Holders;
use crate::means::Means;
use crate::{Engine, Error, Inner};

mod grant;

/// So much of a fingerprint tells a million tokens apart.
const MARK_BYTES: usize = 8;

/// A connection that another keeper had.
#[derive(Clone)]
pub struct NewConnection {
    /// Its name here.
    pub name: ConnectionName,
    /// The name of the client that its tokens were issued to.
    pub client: String,
    /// The user's own identifier, unique per client.
    pub external_id: Option<String>,
    /// The user's own labels.
    pub tags: BTreeMap<String, String>,
    /// When to refresh it, if somebody says.
    pub policy: Option<Policy>,
    /// What stands for the variables of the provider's endpoints. A default stands for none of them: the token may be from
    /// elsewhere, and to be refused where nobody knows it looks like its end.
    pub site: Site,
    /// What the redirect of its consent brought, that its API needs.
    pub redirect: BTreeMap<String, String>,
    /// How its access token is renewed.
    pub renewal: Renewal,
    /// What that needs besides, as [`Engine::export`] gives it. Holds secrets.
    pub means: Map<String, Value>,
    /// Its refresh token.
    pub refresh_token: Option<SecretString>,
    /// When that ends, if the other keeper knew.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// Its access token.
    pub access_token: Option<SecretString>,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// The scopes granted.
    pub scope: Option<String>,
    /// Its id token.
    pub id_token: Option<SecretString>,
    /// Further fields of the token answer. May hold secrets.
    pub extra: Map<String, Value>,
    /// When the tokens were issued; now where nobody knows.
    pub issued_at: Option<Timestamp>,
    /// When a person consented; now where nobody knows.
    pub consented_at: Option<Timestamp>,
    /// Refreshes wait until it is resumed.
    pub paused: bool,
    /// Its place among those that are imported together, from 0: they take turns with their first refresh.
    pub position: u64,
}

impl fmt::Debug for NewConnection {
    /// Shows what is there, and the value of no token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewConnection")
            .field("name", &self.name)
            .field("client", &self.client)
            .field("refresh_token", &self.refresh_token.is_some())
            .field("access_token", &self.access_token.is_some())
            .finish_non_exhaustive()
    }
}

/// What became of a connection that was to be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is a new connection, or the first grant of one that waited for consent.
    Added,
    /// It is a new grant of a connection that had another.
    Replaced,
    /// It was imported before, and may have been refreshed since: nothing was changed.
    AlreadyThere,
    /// The connection has another refresh token, and was not to be given a new one: nothing was changed.
    HasAnother,
    /// Somebody else gave the connection another refresh token at the same moment: nothing was changed.
    Overtaken,
}

impl Engine {
    /// Imports connections, those that are new in one transaction. With `replace`, a connection that has another refresh
    /// token is given the one that is imported; without it, it stays as it is.
    ///
    /// A token that another connection has is refused: `holders` are those that were found before the first batch.
    ///
    /// To import the same again changes nothing. Returns what became of each, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Store`], where the store fails as a whole. Some may have been imported then.
    pub async fn import(
        &self,
        batch: Vec<NewConnection>,
        replace: bool,
        holders: &Holders,
    ) -> Result<Vec<Result<Imported, Error>>, Error> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let mut clients: HashMap<&str, Result<Known, Error>> = HashMap::new();
        let mut imports = Vec::with_capacity(batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        // Those of the batch that may be stored, with what their grants need.
        let mut ready = Vec::with_capacity(batch.len());
        for new in &batch {
            if !clients.contains_key(&*new.client) {
                let known = whole(inner.known(&new.client).await)?;
                clients.insert(&new.client, known);
            }
            let import = match &clients[&*new.client] {
                Err(error) => Err(error.clone()),
                Ok(known) => match whole(inner.prepare_import(new, &known.client, holders).await)? {
                    Err(error) => Err(error),
                    Ok(means) => inner.as_import(new, known, &means, now).map(|import| (import, means)),
                },
            };
            outcomes.push(import.map(|(import, means)| {
                imports.push(import);
                ready.push(means);
                Imported::Added
            }));
        }
        if imports.is_empty() {
            return Ok(outcomes);
        }
        let mut added = inner.store.import_connections(imports).await?.into_iter().zip(ready);
        for (new, outcome) in batch.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            let (Some((add, means)), Ok(known)) = (added.next(), &clients[&*new.client]) else { continue };
            let holder = match add {
                AddImport::Done => continue,
                AddImport::Taken => None,
                AddImport::Held(holder) => Some(holder),
            };
            *outcome = whole(inner.import_into_existing(new, known, &means, replace, holder).await)?;
        }
        Ok(outcomes)
    }
}

impl Engine {
    /// A mark of a refresh token: always the same in this store, different for any other token, and telling nobody anything who
    /// has not the store's key.
    pub fn mark(&self, refresh_token: &str) -> String {
        let fingerprint = self.inner.vault.fingerprint(refresh_token);
        fingerprint.as_bytes().iter().take(MARK_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What became of one; or, where the store fails as a whole, that.
fn whole<T>(outcome: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match outcome {
        Err(error) if error.is_of_the_whole_store() => Err(error),
        outcome => Ok(outcome),
    }
}

/// A client, and what is known of its provider.
struct Known {
    client: Client,
    provider: Arc<Provider>,
}

impl Inner {
    async fn known(&self, client: &str) -> Result<Known, Error> {
        let named = self.store.client_named(client).await?;
        let client = named.ok_or_else(|| Error::NoSuchClient { name: client.to_owned() })?;
        let provider = self.facts_of(&client)?;
        Ok(Known { client, provider })
    }

    /// What an import's grant needs, if it may be stored at all.
    async fn prepare_import(
        &self,
        new: &NewConnection,
        client: &Client,
        holders: &Holders,
    ) -> Result<Means, Error> {
        let is_meant = |holder: &Connection| {
            let same_id = new.external_id.is_some() && holder.external_id == new.external_id;
            holder.name == new.name || (same_id && holder.client == client.id)
        };
        if let Some(token) = &new.refresh_token {
            let token = self.vault.fingerprint(token.expose_secret());
            if let Some(holder) = self.other_holder(holders, &token, is_meant).await? {
                return Err(held(new, &holder.name));
            }
        }
        self.means_of_import(new, client).await
    }

    /// The connection as it is where there is none yet.
    fn as_import(
        &self,
        new: &NewConnection,
        known: &Known,
        means: &Means,
        now: Timestamp,
    ) -> Result<Import, Error> {
        check_name(new.name.as_str()).map_err(|why| unimportable(new, &why.to_string()))?;
        let id = ConnectionId::new(now, &*self.entropy);
        let pending = Connection::pending(id, new.name.clone(), known.client.id, now);
        let (connection, events) = self.with_import(&labelled(&pending, new)?, new, known, means, now)?;
        Ok(Import { connection, events })
    }

    /// A name, an external id or the token itself is there: with the same connection, most likely, that was imported before.
    async fn import_into_existing(
        &self,
        new: &NewConnection,
        known: &Known,
        means: &Means,
        replace: bool,
        holder: Option<ConnectionName>,
    ) -> Result<Imported, Error> {
        let grant = GrantId::of_import(&self.mark_of(new));
        let mut found = None;
        for _ in 0..CONTENTION_TRIES {
            let existing = match (self.existing(new, &known.client).await?, &holder) {
                (Some(existing), _) => existing,
                (None, Some(holder)) => return Err(held(new, holder)),
                (None, None) => return Err(Error::NoSuchConnection { name: new.name.to_string() }),
            };
            let first = existing.grant.is_none();
            if self.has_had(&existing, new) {
                return Ok(Imported::AlreadyThere);
            }
            if let Some(holder) = holder.as_ref().filter(|holder| **holder != existing.name) {
                return Err(held(new, holder));
            }
            if !first && !replace {
                return Ok(Imported::HasAnother);
            }
            // What was to be replaced is what was found first, and not what somebody else replaced it with meanwhile.
            let current = existing.grant.as_ref().map(|grant| grant.id);
            if *found.get_or_insert(current) != current {
                return Ok(Imported::Overtaken);
            }
            if let Some(holder) = self.store.connection_with_grant(grant).await? {
                return Err(held(new, &holder.name));
            }
            let now = self.clock.now();
            let (mut after, events) = self.with_import(&labelled(&existing, new)?, new, known, means, now)?;
            let update = Update {
                grant: after.grant.take(),
                tags: Some(after.tags.clone()),
                external_id: after.external_id.clone().filter(|_| existing.external_id.is_none()),
                ..update_to(&after, events)
            };
            match self.store.update_connection(&update).await? {
                Write::Done if first => return Ok(Imported::Added),
                Write::Done => return Ok(Imported::Replaced),
                Write::Moved(_) => {}
                Write::Gone => return Err(Error::NoSuchConnection { name: existing.name.to_string() }),
            }
        }
        Err(Error::Contended { name: new.name.clone() })
    }

    /// The connection that stands where another is to be imported, if it is the same one.
    async fn existing(&self, new: &NewConnection, client: &Client) -> Result<Option<Connection>, Error> {
        let another = |why: &str| Err(unimportable(new, why));
        let same_id = match &new.external_id {
            Some(id) => self.store.connection_with_external_id(client.id, id).await?,
            None => None,
        };
        let same_name = self.store.connection_named(&new.name).await?;
        match (same_id, same_name) {
            (Some(one), Some(other)) if one.id != other.id => {
                another(&format!("its external id is that of {:?}, and its name is another's", one.name))
            }
            (None, Some(other)) if other.client != client.id => {
                another("there is a connection of that name, made with another client")
            }
            (None, Some(other)) if new.external_id.is_some() && other.external_id.is_some() => {
                another("there is a connection of that name, with another external id")
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Whether this very token was imported into a connection as its current grant, or is the one it has now.
    fn has_had(&self, existing: &Connection, new: &NewConnection) -> bool {
        let Some(grant) = &existing.grant else { return false };
        let token = self.mark_of(new);
        let current = grant.tokens.refresh_token.as_ref().map(|current| current.fingerprint);
        grant.id == GrantId::of_import(&token) || current == Some(token)
    }
}

/// A connection with what the other keeper's user has called it; what is said here already stays where nothing else is said.
fn labelled(before: &Connection, new: &NewConnection) -> Result<Connection, Error> {
    let mut tags = before.tags.clone();
    tags.extend(new.tags.iter().map(|(name, value)| (name.clone(), value.clone())));
    let external_id = before.external_id.clone().or_else(|| new.external_id.clone());
    check_labels(external_id.as_deref(), &tags).map_err(|bad| unimportable(new, &bad.to_string()))?;
    let policy = new.policy.unwrap_or(before.policy);
    Ok(Connection { tags, external_id, policy, ..before.clone() })
}

fn unimportable(new: &NewConnection, why: &str) -> Error {
    Error::Unimportable { name: new.name.clone(), why: why.to_owned() }
}

fn held(new: &NewConnection, holder: &ConnectionName) -> Error {
    unimportable(new, &format!("{holder:?} has this token already, and each would end the other's"))
}
