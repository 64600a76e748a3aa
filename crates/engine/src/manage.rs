//! Clients and connections, as a person manages them.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;
use vestal_core::client::{Client, ClientAuth, ClientNotes, Endpoints, Proof};
use vestal_core::connection::{Connection, check_name};
use vestal_core::id::ClientId;
use vestal_core::provider::Provider;
use vestal_core::seal::Sealed;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::store::{Add, RemoveClient};
use vestal_core::text::is_disruptive;

use crate::client_trouble::unchanged;
use crate::{Engine, Error, Inner};

/// A client to add.
#[derive(Debug)]
pub struct NewClient {
    /// Chosen by the user; unique.
    pub name: String,
    /// The provider's identifier.
    pub provider: String,
    /// The `client_id`.
    pub client_id: String,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// Its secret.
    pub secret: Option<SecretString>,
    /// Its redirect URI, exactly as it is registered.
    pub redirect_uri: Url,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// Where the provider is.
    pub endpoints: Endpoints,
}

impl Engine {
    /// Adds a client, its secret sealed.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`], [`Error::Taken`], [`Error::Client`] when its secret is missing or what it is told cannot be
    /// shown, [`Error::Provider`], [`Error::Store`].
    pub async fn add_client(&self, new: NewClient) -> Result<Client, Error> {
        let inner = &self.inner;
        check_name(&new.name).map_err(|why| Error::BadName {
            what: "a client",
            name: new.name.clone(),
            why,
        })?;
        if new.scopes.iter().chain([&new.client_id]).any(|text| text.contains(is_disruptive)) {
            let lacks = "cannot have a character that does not show in its id or its scopes".to_owned();
            return Err(Error::Client { client: new.name, lacks });
        }
        inner.catalogue.get(&new.provider)?;
        let now = inner.clock.now();
        let id = ClientId::new(now, &*inner.entropy);
        let secret = new.secret.filter(|_| new.auth.needs_secret());
        if new.auth.needs_secret() && secret.is_none() {
            let lacks = format!("needs {} for {}", new.auth.proof(), new.auth);
            return Err(Error::Client { client: new.name, lacks });
        }
        let mut client = Client {
            id,
            name: new.name,
            provider: new.provider,
            revision: 1,
            client_id: new.client_id,
            auth: new.auth,
            secret: None,
            second_secret: None,
            redirect_uri: new.redirect_uri,
            scopes: new.scopes,
            endpoints: new.endpoints,
            created_at: now,
            notes: ClientNotes::default(),
        };
        client.secret = secret.map(|secret| inner.seal_client_secret(&client, &secret));
        // A key that cannot be used is told of before it is kept.
        self.check_client(&client)?;
        match inner.store.add_client(&client).await? {
            Add::Done => Ok(client),
            Add::Taken => Err(Error::Taken { what: "the client", name: client.name }),
        }
    }

    /// One client, by its name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchClient`], [`Error::Store`].
    pub async fn client_named(&self, name: &str) -> Result<Client, Error> {
        let client = self.inner.store.client_named(name).await?;
        client.ok_or_else(|| Error::NoSuchClient { name: name.to_owned() })
    }

    /// Whether requests can be made for a client: both of its secrets can be opened, and it has what it needs.
    ///
    /// # Errors
    ///
    /// [`Error::Client`], or whatever keeps a secret from being opened.
    pub fn check_client(&self, client: &Client) -> Result<(), Error> {
        let facts = &self.inner.catalogue.get(&client.provider)?.client;
        self.inner.prover(client, facts)?;
        match &client.second_secret {
            None => Ok(()),
            second => {
                self.inner.prover(&Client { secret: second.clone(), ..client.clone() }, facts).map(drop)
            }
        }
    }

    /// Whether what a connection's tokens are sealed with opens them.
    ///
    /// # Errors
    ///
    /// Whatever keeps one of them from being opened.
    pub fn check_connection(&self, connection: &Connection, client: &Client) -> Result<(), Error> {
        let inner = &self.inner;
        let Some(grant) = &connection.grant else { return Ok(()) };
        inner.access_token(connection, grant)?;
        let client = inner.at_site_of(client, Some(grant))?;
        inner.refresh_token(connection, grant, &client).map(drop)
    }

    /// The public keys to register with a client's provider, as JWKs (RFC 7517): the one that is signed with, and the one
    /// before where that is kept. None where the client does not sign.
    ///
    /// # Errors
    ///
    /// [`Error::Client`], or whatever keeps a key from being opened.
    pub fn public_jwks(&self, client: &Client) -> Result<Vec<Map<String, Value>>, Error> {
        if client.auth.proof() != Proof::Key {
            return Ok(vec![]);
        }
        let second =
            client.second_secret.clone().map(|second| Client { secret: Some(second), ..client.clone() });
        let each = [Some(client.clone()), second].into_iter().flatten().map(|client| {
            let facts = &self.inner.catalogue.get(&client.provider)?.client;
            Ok(self.inner.prover(&client, facts)?.public_jwk())
        });
        Ok(each.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
    }

    /// Replaces a client's secret. Refreshes that failed for the old one are due at once. With `keep_old`, the old one is
    /// tried again should the provider refuse the new one, and the other way round: while secrets are being exchanged,
    /// nobody has to do it at the right moment.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchClient`], [`Error::Client`] for a public client, [`Error::Store`].
    pub async fn set_client_secret(
        &self,
        name: &str,
        secret: &SecretString,
        keep_old: bool,
    ) -> Result<Client, Error> {
        let inner = &self.inner;
        let client = self.client_named(name).await?;
        if !client.auth.needs_secret() {
            let lacks = "is a public client: it has no secret".to_owned();
            return Err(Error::Client { client: client.name, lacks });
        }
        let sealed = inner.seal_client_secret(&client, secret);
        self.check_client(&Client { secret: Some(sealed.clone()), second_secret: None, ..client.clone() })?;
        let replace = |client: &Client| {
            let mut update = unchanged(client);
            update.second_secret = update.secret.replace(sealed.clone()).filter(|_| keep_old);
            update.notes.trouble = None;
            Some(update)
        };
        inner.change_client(client.id, replace).await?;
        inner.resume_after_trouble(client.id).await?;
        self.client_named(name).await
    }

    /// Removes a client that no connection uses.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchClient`], [`Error::Client`] when it is in use, [`Error::Store`].
    pub async fn remove_client(&self, name: &str) -> Result<(), Error> {
        let client = self.client_named(name).await?;
        match self.inner.store.remove_client(client.id).await? {
            RemoveClient::Done => Ok(()),
            RemoveClient::Unknown => Err(Error::NoSuchClient { name: name.to_owned() }),
            RemoveClient::InUse(connections) => {
                let (those, them) =
                    if connections == 1 { ("connection", "it") } else { ("connections", "them") };
                let lacks = format!("is used by {connections} {those}: disconnect {them} first");
                Err(Error::Client { client: client.name, lacks })
            }
        }
    }
}

impl Inner {
    fn seal_client_secret(&self, client: &Client, secret: &SecretString) -> Sealed {
        let binding = client.binding();
        let place = Client::secret_place(client.id, &binding);
        self.vault.seal(&place, secret.expose_secret().as_bytes(), &*self.entropy)
    }

    pub(crate) async fn client_of(&self, connection: &Connection) -> Result<Client, Error> {
        self.client_with_id(connection.client).await
    }

    pub(crate) async fn client_with_id(&self, id: ClientId) -> Result<Client, Error> {
        let lacks = || "does not exist any more".to_owned();
        let client = self.store.client(id).await?;
        client.ok_or_else(|| Error::Client { client: id.to_string(), lacks: lacks() })
    }

    pub(crate) async fn provider_of(&self, connection: &Connection) -> Result<Arc<Provider>, Error> {
        self.facts_of(&self.client_of(connection).await?)
    }

    /// What is known of a client's provider: its file, and what was seen, as far as that calls for more caution.
    pub(crate) fn facts_of(&self, client: &Client) -> Result<Arc<Provider>, Error> {
        let file = self.catalogue.get(&client.provider)?;
        let with_evidence = match file.with(&client.notes.evidence) {
            Cow::Borrowed(_) => None,
            Cow::Owned(provider) => Some(Arc::new(provider)),
        };
        Ok(with_evidence.unwrap_or(file))
    }
}
