//! Asking a person for consent (RFC 6749 §4.1, with PKCE: RFC 7636).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName, check_name};
use vestal_core::event::{Event, What};
use vestal_core::id::ConnectionId;
use vestal_core::provider::Provider;
use vestal_core::seal::{Field, Place};
use vestal_core::secret::{ExposeSecret, Redactor, SecretString};
use vestal_core::site::Site;
use vestal_core::state::State;
use vestal_core::store::{Add, Authorization};
use vestal_core::token::saturating_add;
use vestal_oauth::authorization_code::{self, AuthorizationRequest, new_state, state_hash};
use vestal_oauth::client_auth::Credentials;
use vestal_oauth::document::NoDocument;
use vestal_oauth::http::Exchange;
use vestal_oauth::pushed_authorization::{self, Pushed};
use vestal_oauth::{Unsendable, pkce, sent};

use crate::change::update_to;
use crate::{Engine, Error, Inner};

/// How long a person has to consent.
pub const CONSENT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// What to ask consent for.
#[derive(Clone, Debug)]
pub struct BeginConnect {
    /// The connection; created if it is new.
    pub name: ConnectionName,
    /// The name of the client.
    pub client: String,
    /// The scopes, if not the client's.
    pub scopes: Option<Vec<String>>,
    /// What stands for the variables of the provider's endpoints, as far as it is to be something else than before.
    pub site: Site,
    /// Further parameters of the authorization request. They win over the provider's.
    pub parameters: BTreeMap<String, String>,
}

/// Where to send the person.
#[derive(Clone, Debug)]
pub struct ConsentRequest {
    /// The page to open.
    pub url: Url,
    /// What comes back with them (`state`, RFC 6749 §4.1.1). It is in the page's URL too, unless the request was pushed.
    pub state: SecretString,
    /// Where they will come back to.
    pub redirect_uri: Url,
    /// After this the answer is not accepted any more.
    pub expires_at: Timestamp,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// What is likely to go wrong, and how to avoid it.
    pub advice: Vec<String>,
}

impl Engine {
    /// Prepares to ask a person for consent. What the connection has is kept until the new grant is stored.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchClient`]; [`Error::Client`] where the client has no authorization endpoint, or the connection was
    /// made with another one; [`Error::Disconnecting`]; [`Error::Store`].
    pub async fn begin_connect(&self, begin: BeginConnect) -> Result<ConsentRequest, Error> {
        let inner = &self.inner;
        let client = self.client_named(&begin.client).await?;
        let provider = inner.catalogue.get(&client.provider)?;
        let base = client;
        let (client, site) = inner.where_to_begin(&begin.name, &base, &provider, &begin.site).await?;
        let Some(endpoint) = client.endpoints.authorization.clone() else {
            let lacks = "has no authorization endpoint: it can only use client credentials".to_owned();
            return Err(Error::Client { client: client.name, lacks });
        };
        let connection = inner.find_or_create(&begin.name, &client).await?;

        let now = inner.clock.now();
        let scopes = begin.scopes.unwrap_or_else(|| client.scopes.clone());
        let (state, verifier) = (new_state(&*inner.entropy), pkce::new_verifier(&*inner.entropy));
        let state_hash = state_hash(&state);
        let binding = client.binding();
        let place = verifier_place(connection.id, &state_hash, &binding);
        let code_verifier = inner.vault.seal(&place, verifier.expose_secret().as_bytes(), &*inner.entropy);
        let authorization = Authorization {
            state_hash,
            connection: connection.id,
            client: client.id,
            endpoints: client.endpoints.clone(),
            site,
            redirect_uri: client.redirect_uri.clone(),
            scopes: scopes.clone(),
            code_verifier,
            created_at: now,
            expires_at: saturating_add(now, CONSENT_WITHIN),
        };
        let mut parameters = provider.authorization.parameters();
        parameters.extend(begin.parameters);
        let has_nonce = asks_for_an_id_token(&scopes) && provider.authorization.repeats_nonce();
        let nonce = has_nonce.then(|| authorization_code::nonce(&verifier));
        let request = AuthorizationRequest {
            endpoint: &endpoint,
            client_id: &client.client_id,
            redirect_uri: client.sent_redirect_uri(),
            scopes: &scopes,
            resources: &client.endpoints.resources,
            state: &state,
            code_challenge: &pkce::challenge(&verifier),
            nonce: nonce.as_deref(),
            requests: &provider.requests,
            parameters: &parameters,
        };
        let mut advice = advice(&provider, &scopes);
        let url = match &client.endpoints.pushed_authorization {
            Some(at) if client.endpoints.push || provider.authorization.must_be_pushed() => {
                let prover = inner.prover_at(&base, &client.endpoints, &provider.client)?;
                let credentials = inner.credentials(&client, &prover)?;
                let Pushed { request_uri, expires_in } =
                    inner.push(at, &credentials, &provider, &request).await?;
                advice.push(format!("the page has to be opened within {} s", expires_in.as_secs()));
                request.pushed_url(&request_uri)
            }
            _ => request.url(),
        };
        inner.store.begin_authorization(&authorization).await?;
        inner.note_asked(&connection, authorization.expires_at).await;
        Ok(ConsentRequest {
            url,
            state,
            redirect_uri: client.redirect_uri,
            expires_at: authorization.expires_at,
            advice,
            scopes,
        })
    }
}

/// Whether these scopes bring an id token (OpenID Connect Core §3.1.2.1).
pub(crate) fn asks_for_an_id_token(scopes: &[String]) -> bool {
    scopes.iter().any(|scope| scope == "openid")
}

impl Inner {
    /// Pushes an authorization request (RFC 9126). The browser is sent nowhere where the provider does not take it.
    async fn push(
        &self,
        endpoint: &Url,
        credentials: &Credentials,
        provider: &Provider,
        authorization: &AuthorizationRequest<'_>,
    ) -> Result<Pushed, Error> {
        let request = pushed_authorization::request(endpoint, credentials, authorization);
        let (exchange, sent) = self.exchange(request).await;
        pushed_authorization::read(exchange, &sent).map_err(|NoDocument { detail, transient }| {
            Error::NotPushed { provider: provider.name.clone(), detail, transient }
        })
    }

    /// Sends a request that may be repeated, and returns what became of it with what knows its secrets.
    pub(crate) async fn exchange(
        &self,
        request: Result<http::Request<Bytes>, Unsendable>,
    ) -> (Exchange, Redactor) {
        let sent = request.as_ref().map(sent::redactor).unwrap_or_default();
        let exchange = match request {
            Ok(request) => self.http.send(request, self.limits.answer).await,
            Err(error) => Exchange::from(error),
        };
        (exchange, sent)
    }

    /// Takes note that a person is being asked, where nobody ever consented: it is told by that whether somebody still is, and
    /// nobody loses a connection that he is at. Where the store does not take it, the person is asked all the same.
    pub(crate) async fn note_asked(&self, connection: &Connection, until: Timestamp) {
        if connection.grant.is_some() {
            return;
        }
        let event =
            Event { connection: connection.id, at: self.clock.now(), what: What::ConsentAsked { until } };
        let told = |stored: &Connection| Ok(Some(update_to(stored, vec![event.clone()])));
        if let Err(error) = self.change_connection(connection.clone(), told).await {
            tracing::warn!(connection = %connection.name, %error, "that consent is asked for could not be noted");
        }
    }

    /// The connection of this name, made with this client; a new one is `pending`.
    pub(crate) async fn find_or_create(
        &self,
        name: &ConnectionName,
        client: &Client,
    ) -> Result<Connection, Error> {
        let now = self.clock.now();
        let id = ConnectionId::new(now, &*self.entropy);
        let connection = Connection::pending(id, name.clone(), client.id, now);
        // Looked for first: most often it exists, and reading costs no write.
        let existing = match self.store.connection_named(name).await? {
            Some(existing) => existing,
            None => {
                check_name(name.as_str()).map_err(|why| Error::BadName {
                    what: "a connection",
                    name: name.to_string(),
                    why,
                })?;
                let created = Event { connection: connection.id, at: now, what: What::Created };
                match self.store.add_connection(&connection, &[created]).await? {
                    Add::Done => return Ok(connection),
                    Add::Taken => self.named(name).await?,
                }
            }
        };
        if existing.client != client.id {
            let lacks =
                format!("is not the one that {name:?} was made with: choose another name, or that client");
            return Err(Error::Client { client: client.name.clone(), lacks });
        }
        match existing.state {
            State::Disconnecting => Err(Error::Disconnecting { name: name.clone() }),
            _ => Ok(existing),
        }
    }
}

/// Where a code verifier is sealed for: it is of use with its own `state` and client only.
pub(crate) fn verifier_place<'a>(
    connection: ConnectionId,
    state_hash: &[u8; 32],
    binding: &'a str,
) -> Place<'a> {
    let (first, _) = state_hash.split_at(8);
    let generation = first.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Place { owner: connection.as_uuid(), field: Field::CodeVerifier, grant: None, generation, bound: binding }
}

/// What is likely to go wrong with these scopes.
pub(crate) fn advice(provider: &Provider, scopes: &[String]) -> Vec<String> {
    match &provider.authorization.offline_scope {
        Some(offline) if !scopes.contains(&offline.value) => vec![format!(
            "{} gives no refresh token without the scope {}: the connection will end with its access token",
            provider.name, offline.value
        )],
        _ => vec![],
    }
}
