//! Connecting without a person: by the client's own credentials, by an assertion that it signs, or in exchange for the
//! token of another connection.

use std::sync::Arc;

use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ConnectionId;
use vestal_core::provider::Provider;
use vestal_core::secret::SecretString;
use vestal_core::site::Site;
use vestal_core::token::{About, Renewal};
use vestal_oauth::client_auth::Credentials;
use vestal_oauth::jwt::SigningKey;
use vestal_oauth::jwt_bearer::Assertion;
use vestal_oauth::token_exchange::Wanted;
use vestal_oauth::{Unsendable, client_credentials, jwt_bearer, token_exchange};

use crate::consent::{Consent, has_living_consent};
use crate::means::{Exchanged, Means, PrivateKey, Signs};
use crate::{Account, Connected, Engine, Error, Inner, Want};

/// How many exchanges may follow one another from a consent to the token that is wanted.
const EXCHANGES_MAX: usize = 8;

/// What to exchange, and for what.
#[derive(Clone, Debug)]
pub struct ExchangeFrom {
    /// The connection whose access token is exchanged.
    pub from: ConnectionName,
    /// Whom the new one is for, by the names that the provider gave them.
    pub audiences: Vec<String>,
    /// The same, by their URLs, if not the client's resources.
    pub resources: Vec<String>,
    /// What it allows, if not the client's scopes.
    pub scopes: Option<Vec<String>>,
}

/// What a client signs to get a token, and with what.
#[derive(Debug)]
pub struct Bearer {
    /// Its private key: PEM, or a JWK.
    pub key: SecretString,
    /// What the provider calls it, if not by what it is.
    pub key_id: Option<String>,
    /// Whom the token is to speak for; whomever the provider takes for it, where nobody is named.
    pub subject: Option<String>,
    /// Whom the assertion is for, if not the token endpoint.
    pub audience: Option<String>,
    /// What it allows, if not the client's scopes.
    pub scopes: Option<Vec<String>>,
}

impl Engine {
    /// Connects with the client's own credentials: no person is needed, nor any refresh token.
    ///
    /// # Errors
    ///
    /// As [`Engine::finish_connect`].
    pub async fn connect_client_credentials(
        &self,
        name: &ConnectionName,
        client: &str,
        site: &Site,
    ) -> Result<Connected, Error> {
        self.connect_alone(name, client, site, Renewal::ClientCredentials, Means::default(), None).await
    }

    /// Connects with an assertion that the client signs (RFC 7523 §2.1), now and at each renewal: a service account.
    ///
    /// # Errors
    ///
    /// [`Error::Client`] where the key is none; and as [`Engine::finish_connect`].
    pub async fn connect_jwt_bearer(
        &self,
        name: &ConnectionName,
        client: &str,
        site: &Site,
        bearer: Bearer,
    ) -> Result<Connected, Error> {
        let registered = self.client_named(client).await?;
        if let Err(error) = SigningKey::read(&bearer.key) {
            let lacks = format!("cannot sign with what it was given: {error}");
            return Err(Error::Client { client: registered.name, lacks });
        }
        let signs = Signs {
            key: PrivateKey(bearer.key),
            key_id: bearer.key_id,
            subject: bearer.subject,
            audience: bearer.audience,
            scopes: bearer.scopes.unwrap_or(registered.scopes),
        };
        let means = Means { bearer: Some(signs), ..Means::default() };
        self.connect_alone(name, client, site, Renewal::JwtBearer, means, None).await
    }

    /// Connects in exchange for the fresh access token of another connection (RFC 8693), now and at each renewal.
    ///
    /// # Errors
    ///
    /// [`Error::Circle`] where that one is made from this one; what [`Engine::issue_token`] says of that one; and as
    /// [`Engine::finish_connect`].
    pub async fn connect_token_exchange(
        &self,
        name: &ConnectionName,
        client: &str,
        site: &Site,
        exchange: ExchangeFrom,
    ) -> Result<Connected, Error> {
        let inner = &self.inner;
        let from = inner.named(&exchange.from).await?;
        inner.refuse_circle(name, &from).await?;
        let scopes = match exchange.scopes {
            Some(scopes) => scopes,
            None => self.client_named(client).await?.scopes,
        };
        let subject = self.issue_token(&exchange.from, Want::default()).await?.access_token;
        let exchanged =
            Exchanged { from: from.id, audiences: exchange.audiences, resources: exchange.resources, scopes };
        let means = Means { exchange: Some(exchanged), ..Means::default() };
        self.connect_alone(name, client, site, Renewal::TokenExchange, means, Some(subject)).await
    }

    async fn connect_alone(
        &self,
        name: &ConnectionName,
        client: &str,
        site: &Site,
        renewal: Renewal,
        mut means: Means,
        subject: Option<SecretString>,
    ) -> Result<Connected, Error> {
        let inner = &self.inner;
        let client = self.client_named(client).await?;
        let provider = inner.catalogue.get(&client.provider)?;
        let (at, site) = inner.where_to_begin(name, &client, &provider, site).await?;
        let prover = inner.prover_at(&client, &at.endpoints, &provider.client)?;
        let (client, credentials) = (at, inner.credentials(&client, &prover)?);
        means.proof_key = inner.new_proof_key(&client);
        let request =
            inner.request_alone(renewal, &client, &credentials, &provider, &means, subject.as_ref())?;
        let connection = inner.find_or_create(name, &client).await?;
        if has_living_consent(&connection) {
            return Err(Error::LivingConsent { name: name.clone() });
        }
        let (answer, started_at) =
            inner.ask(request, &means, &provider, provider.answers.to_exchange()).await?;
        let consent = Consent {
            connection,
            client: &client,
            answer,
            renewal,
            means,
            started_at,
            about: About { site, ..About::default() },
            account: Account::Any,
        };
        inner.store_consent(consent, &provider, None).await
    }
}

impl Inner {
    /// The request of a grant that nobody has to consent to. `subject` is the token to exchange.
    pub(crate) fn request_alone(
        &self,
        renewal: Renewal,
        client: &Client,
        credentials: &Credentials,
        provider: &Provider,
        means: &Means,
        subject: Option<&SecretString>,
    ) -> Result<Result<http::Request<bytes::Bytes>, Unsendable>, Error> {
        let (endpoints, requests) = (&client.endpoints, &provider.requests);
        let resources = &endpoints.resources;
        let lacks = |lacks: String| Error::Client { client: client.name.clone(), lacks };
        Ok(match (renewal, means, subject) {
            (Renewal::JwtBearer, Means { bearer: Some(signs), .. }, _) => {
                let unsigned = |why: String| lacks(format!("cannot sign with what it was given: {why}"));
                let key = SigningKey::read(&signs.key.0).map_err(|error| unsigned(error.to_string()))?;
                let assertion = Assertion {
                    issuer: &client.client_id,
                    subject: signs.subject.as_deref(),
                    audience: signs.audience.as_deref().unwrap_or(endpoints.token.as_str()),
                    scopes: &signs.scopes,
                    key_id: signs.key_id.as_deref(),
                };
                let assertion = assertion
                    .sign(&key, self.clock.now(), &*self.entropy)
                    .map_err(|error| unsigned(error.to_string()))?;
                jwt_bearer::token_request(&endpoints.token, &assertion, &signs.scopes, resources, requests)
            }
            (Renewal::TokenExchange, Means { exchange: Some(exchange), .. }, Some(subject)) => {
                let wanted = Wanted {
                    audiences: &exchange.audiences,
                    resources: if exchange.resources.is_empty() { resources } else { &exchange.resources },
                    scopes: &exchange.scopes,
                };
                token_exchange::token_request(&endpoints.token, credentials, subject, wanted, requests)
            }
            (Renewal::ClientCredentials, ..) => {
                let scopes = &client.scopes;
                client_credentials::token_request(&endpoints.token, credentials, scopes, resources, requests)
            }
            _ => return Err(lacks("does not know what to ask for: connect again".to_owned())),
        })
    }

    /// What a connection's token is exchanged from, if it is.
    pub(crate) async fn exchanged_from(
        &self,
        connection: &Connection,
    ) -> Result<Option<ConnectionId>, Error> {
        let Some(grant) = connection.grant.as_ref().filter(|it| it.renewal == Renewal::TokenExchange) else {
            return Ok(None);
        };
        let opened = self.open_client(connection.client).await?;
        let client = self.open_at_site_of(&opened, Some(grant))?;
        Ok(self.means(connection, grant, &client)?.exchange.map(|exchange| exchange.from))
    }

    /// A token cannot be made from itself, however many others are in between.
    pub(crate) async fn refuse_circle(&self, name: &ConnectionName, from: &Connection) -> Result<(), Error> {
        let refused = || Error::Circle { name: name.clone(), from: from.name.clone() };
        let mut at = from.clone();
        for _ in 0..EXCHANGES_MAX {
            if at.name == *name {
                return Err(refused());
            }
            let Some(next) = self.exchanged_from(&at).await? else { return Ok(()) };
            let Some(next) = self.store.connection(next).await? else { return Ok(()) };
            at = next;
        }
        Err(refused())
    }

    /// A fresh access token of the connection that this one's is exchanged from; or why there is none.
    pub(crate) fn subject(self: Arc<Self>, from: ConnectionId) -> Subject {
        // Its own type, since a flight may wait for a flight here.
        Box::pin(async move {
            let gone = || "the connection that it is exchanged from is gone".to_owned();
            let stored = self.store.connection(from).await.map_err(|error| error.to_string())?;
            let name = stored.ok_or_else(gone)?.name;
            let issued = Engine { inner: self }.issue_token(&name, Want::default()).await;
            issued
                .map(|issued| issued.access_token)
                .map_err(|error| format!("there is no token of {:?} to exchange: {error}", name.as_str()))
        })
    }
}

/// What [`Inner::subject`] waits for.
pub(crate) type Subject =
    std::pin::Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send + 'static>>;
