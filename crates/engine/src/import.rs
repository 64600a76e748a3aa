//! Taking over what another keeper had: refresh tokens that exist already, one or a million.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName, Policy, check_labels};
use vestal_core::event::{Event, What};
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::provider::Provider;
use vestal_core::schedule::{Plan, turn};
use vestal_core::seal::{Field, Fingerprint, Place};
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::site::Site;
use vestal_core::state::{State, Transition};
use vestal_core::store::{Add, Import, Update, Write};
use vestal_core::token::{
    About, Grant, LONGEST_LIFE, RefreshEnd, Renewal, StoredRefreshToken, TokenSet, saturating_add,
};

use crate::change::{CONTENTION_TRIES, update_to};
use crate::secrets::place;
use crate::{Engine, Error, Inner};

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
    /// When to refresh it.
    pub policy: Policy,
    /// What stands for the variables of the provider's endpoints; where nothing is said, their defaults do.
    pub site: Site,
    /// What the redirect of its consent brought, that its API needs.
    pub redirect: BTreeMap<String, String>,
    /// How its access token is renewed.
    pub renewal: Renewal,
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
    pub extra: serde_json::Map<String, serde_json::Value>,
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
}

impl Engine {
    /// Imports connections, those that are new in one transaction. With `replace`, a connection that has another refresh
    /// token is given the one that is imported; without it, it stays as it is.
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
    ) -> Result<Vec<Result<Imported, Error>>, Error> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let mut clients: HashMap<&str, Result<Known, Error>> = HashMap::new();
        let mut imports = Vec::with_capacity(batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        for new in &batch {
            if !clients.contains_key(&*new.client) {
                let known = match inner.known(&new.client).await {
                    Err(error) if error.is_of_the_whole_store() => return Err(error),
                    known => known,
                };
                clients.insert(&new.client, known);
            }
            let import = match &clients[&*new.client] {
                Err(error) => Err(error.clone()),
                Ok(known) => inner.as_import(new, known, now),
            };
            outcomes.push(import.map(|import| {
                imports.push(import);
                Imported::Added
            }));
        }
        if imports.is_empty() {
            return Ok(outcomes);
        }
        let mut added = inner.store.import_connections(imports).await?.into_iter();
        for (new, outcome) in batch.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            if let (Some(Add::Taken), Ok(known)) = (added.next(), &clients[&*new.client]) {
                *outcome = match inner.import_into_existing(new, known, replace).await {
                    Err(error) if error.is_of_the_whole_store() => return Err(error),
                    outcome => outcome,
                };
            }
        }
        Ok(outcomes)
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

    /// The connection as it is where there is none yet.
    fn as_import(&self, new: &NewConnection, known: &Known, now: Timestamp) -> Result<Import, Error> {
        check(new)?;
        let connection = Connection {
            id: ConnectionId::new(now, &*self.entropy),
            revision: 1,
            name: new.name.clone(),
            client: known.client.id,
            external_id: new.external_id.clone(),
            tags: new.tags.clone(),
            policy: new.policy,
            created_at: now,
            last_read_at: None,
            state: State::Pending,
            grant: None,
            plan: Plan::default(),
            lease: None,
        };
        let (connection, events) = self.with_import(&connection, new, known, now)?;
        Ok(Import { connection, events })
    }

    /// A name or an external id is taken: by the same connection, most likely, that was imported before.
    async fn import_into_existing(
        &self,
        new: &NewConnection,
        known: &Known,
        replace: bool,
    ) -> Result<Imported, Error> {
        let mut existing = self.existing(new, &known.client).await?;
        for _ in 0..CONTENTION_TRIES {
            let first = existing.grant.is_none();
            if self.has_had(&existing, new) {
                return Ok(Imported::AlreadyThere);
            }
            if !first && !replace {
                return Ok(Imported::HasAnother);
            }
            let (mut after, events) = self.with_import(&existing, new, known, self.clock.now())?;
            let grant = after.grant.take();
            match self.store.update_connection(&Update { grant, ..update_to(&after, events) }).await? {
                Write::Done if first => return Ok(Imported::Added),
                Write::Done => return Ok(Imported::Replaced),
                Write::Moved(current) => existing = *current,
                Write::Gone => return Err(Error::NoSuchConnection { name: existing.name.to_string() }),
            }
        }
        Err(Error::Contended { name: existing.name })
    }

    /// The connection that stands where another is to be imported, if it is the same one.
    async fn existing(&self, new: &NewConnection, client: &Client) -> Result<Connection, Error> {
        let another = |why: String| Error::Unimportable { name: new.name.clone(), why };
        let same_id = match &new.external_id {
            Some(id) => self.store.connection_with_external_id(client.id, id).await?,
            None => None,
        };
        let same_name = self.store.connection_named(&new.name).await?;
        match (same_id, same_name) {
            (Some(one), None) => Ok(one),
            (Some(one), Some(other)) if one.id == other.id => Ok(one),
            (Some(one), Some(_)) => {
                Err(another(format!("its external id is that of {:?}, and its name is another's", one.name)))
            }
            (None, Some(other)) if other.client != client.id => {
                Err(another("there is a connection of that name, made with another client".to_owned()))
            }
            (None, Some(other)) if new.external_id.is_some() && other.external_id.is_some() => {
                Err(another("there is a connection of that name, with another external id".to_owned()))
            }
            (None, Some(other)) => Ok(other),
            (None, None) => Err(Error::NoSuchConnection { name: new.name.to_string() }),
        }
    }

    /// Whether this very token was imported into a connection as its current grant, or is the one it has now.
    fn has_had(&self, existing: &Connection, new: &NewConnection) -> bool {
        let Some(grant) = &existing.grant else { return false };
        let token = self.mark_of(new);
        let current = grant.tokens.refresh_token.as_ref().map(|current| current.fingerprint);
        grant.id == GrantId::of_import(&token) || current == Some(token)
    }

    /// What tells an import from others.
    fn mark_of(&self, new: &NewConnection) -> Fingerprint {
        let token = new.refresh_token.as_ref().or(new.access_token.as_ref());
        self.vault.fingerprint(token.map_or("", |token| token.expose_secret()))
    }

    /// A connection with what is imported as its grant.
    fn with_import(
        &self,
        before: &Connection,
        new: &NewConnection,
        known: &Known,
        now: Timestamp,
    ) -> Result<(Connection, Vec<Event>), Error> {
        let (client, site) = self.place_of(&known.client, &known.provider, &new.site, None)?;
        let grant = Grant {
            id: GrantId::of_import(&self.mark_of(new)),
            consented_at: new.consented_at.unwrap_or(now).min(now),
            renewal: new.renewal,
            means: None,
            tokens: self.seal_import(new, before, (&client, &known.provider), now),
            about: About { site, redirect: new.redirect.clone(), account: None },
        };
        let what = What::Imported {
            grant: grant.id,
            generation: grant.tokens.generation,
            refresh_token: grant.tokens.refresh_token.is_some(),
        };
        let transition = match new.renewal {
            // Nothing can be found out by trying: there is no way, or the access token may be too young for it.
            Renewal::None | Renewal::Exchange => Transition::Consent,
            Renewal::RefreshToken
            | Renewal::ClientCredentials
            | Renewal::JwtBearer
            | Renewal::TokenExchange => Transition::Import { verify_at: turn(now, new.position) },
        };
        let disconnecting = |_| Error::Disconnecting { name: before.name.clone() };
        let mut state = before.state.clone().apply(transition, now).map_err(disconnecting)?;
        if new.paused {
            state = state.apply(Transition::Pause, now).map_err(disconnecting)?;
        }
        // What was said of the end of a grant before says nothing of this one's.
        let plan = Plan { warned_at: None, ..before.plan };
        let mut after = Connection { state, plan, grant: Some(grant), ..before.clone() };
        after.plan = self.plan(&after, &known.provider, now);
        let events = vec![Event { connection: after.id, at: now, what }];
        Ok((after, events))
    }

    fn seal_import(
        &self,
        new: &NewConnection,
        before: &Connection,
        (client, provider): (&Client, &Provider),
        now: Timestamp,
    ) -> TokenSet {
        let grant = GrantId::of_import(&self.mark_of(new));
        let generation = before.generation() + 1;
        let issued_at = new.issued_at.unwrap_or(now).min(now);
        let binding = client.binding();
        let seal = |field, plain: &str| {
            let bound = if field == Field::RefreshToken { binding.as_str() } else { "" };
            let place = Place { bound, ..place(before.id, field, grant, generation) };
            self.vault.seal(&place, plain.as_bytes(), &*self.entropy)
        };
        let life = provider.access_token_life();
        let longest = saturating_add(now, LONGEST_LIFE);
        let said = new.expires_at.or_else(|| Some(saturating_add(new.issued_at?, life?)));
        // One that ends, and nobody knows when, may have ended: whoever asks is better given a new one.
        let is_of_use =
            said.is_some() || life.is_none() || matches!(new.renewal, Renewal::None | Renewal::Exchange);
        let access_token = new.access_token.as_ref().filter(|_| is_of_use);
        TokenSet {
            generation,
            issued_at,
            expires_at: said.filter(|_| access_token.is_some()).map(|end| end.min(longest)),
            token_type: new.token_type.clone(),
            scope: new.scope.clone(),
            access_token: access_token.map(|token| seal(Field::AccessToken, token.expose_secret())),
            refresh_token: new.refresh_token.as_ref().map(|token| StoredRefreshToken {
                sealed: seal(Field::RefreshToken, token.expose_secret()),
                fingerprint: self.vault.fingerprint(token.expose_secret()),
                end: new.refresh_token_expires_at.map(|end| RefreshEnd::Said(end.min(longest))),
            }),
            id_token: new.id_token.as_ref().map(|token| seal(Field::IdToken, token.expose_secret())),
            extra: (!new.extra.is_empty())
                .then(|| seal(Field::Extra, &serde_json::Value::Object(new.extra.clone()).to_string())),
        }
    }
}

/// Whether there is what a connection needs.
fn check(new: &NewConnection) -> Result<(), Error> {
    let unimportable = |why: String| Err(Error::Unimportable { name: new.name.clone(), why });
    if let Err(bad) = check_labels(new.external_id.as_deref(), &new.tags) {
        return unimportable(bad.to_string());
    }
    match new.renewal {
        Renewal::RefreshToken if new.refresh_token.is_none() => {
            unimportable("it has no refresh token".to_owned())
        }
        // Its key, or what is exchanged, is in no record.
        Renewal::JwtBearer => {
            unimportable("it needs its key: connect it with vestal connect --service-account".to_owned())
        }
        Renewal::TokenExchange => unimportable(
            "it needs another connection: connect it with vestal connect --exchange-from".to_owned(),
        ),
        Renewal::None | Renewal::Exchange if new.access_token.is_none() => {
            unimportable("it has neither a refresh token nor an access token".to_owned())
        }
        _ => Ok(()),
    }
}
