//! Asking a person for consent on another device (RFC 8628): what they type in there, and the polls for their answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::provider::Provider;
use vestal_core::secret::SecretString;
use vestal_core::site::Site;
use vestal_core::token::{About, saturating_add};
use vestal_oauth::client_auth::Prover;
use vestal_oauth::device::{self, Poll};
use vestal_oauth::jwks::Jwks;

use crate::callback::BelievedBy;
use crate::connect::advice;
use crate::consent::{Consent, renewal_of};
use crate::means::Means;
use crate::{Account, Connected, Engine, Error, Inner};

/// What to ask consent for.
#[derive(Clone, Debug)]
pub struct BeginDevice {
    /// The connection; created if it is new.
    pub name: ConnectionName,
    /// The name of the client.
    pub client: String,
    /// The scopes, if not the client's.
    pub scopes: Option<Vec<String>>,
    /// What stands for the variables of the provider's endpoints, as far as it is to be something else than before.
    pub site: Site,
}

/// What the person has to do, and what it is asked for with.
#[derive(Debug)]
pub struct DeviceRequest {
    /// What to type in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Url>,
    /// After this it is too late.
    pub expires_at: Timestamp,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// What is likely to go wrong, and how to avoid it.
    pub advice: Vec<String>,
    connection: Connection,
    client: String,
    site: Site,
    device_code: SecretString,
    interval: Duration,
    /// When the codes end, in the clock's uptime, which nobody sets.
    ends: Duration,
}

impl Engine {
    /// Asks for a code for a person to type in. What the connection has is kept until the new grant is stored.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchClient`]; [`Error::Client`] where the client has no device authorization endpoint, or the connection
    /// was made with another one; [`Error::NoToken`] where the provider gives no code; [`Error::Store`].
    pub async fn begin_device(&self, begin: BeginDevice) -> Result<DeviceRequest, Error> {
        let inner = &self.inner;
        let client = self.client_named(&begin.client).await?;
        let provider = inner.catalogue.get(&client.provider)?;
        let (at, site) = inner.where_to_begin(&begin.name, &client, &provider, &begin.site).await?;
        let prover = inner.prover_at(&client, &at.endpoints, &provider.client)?;
        let (client, credentials) = (at, inner.credentials(&client, &prover)?);
        let Some(endpoint) = &client.endpoints.device_authorization else {
            let lacks = "has no device authorization endpoint: it cannot ask for consent on another device";
            return Err(Error::Client { client: client.name, lacks: lacks.to_owned() });
        };
        let connection = inner.find_or_create(&begin.name, &client).await?;
        let scopes = begin.scopes.unwrap_or_else(|| client.scopes.clone());

        let request = device::request(endpoint, &credentials, &scopes, &provider.requests);
        let (now, uptime) = (inner.clock.now(), inner.clock.uptime());
        let (exchange, sent) = inner.exchange(request).await;
        let codes = device::read(exchange, &sent).map_err(|none| Error::NoToken {
            provider: provider.name.clone(),
            detail: none.detail,
            transient: none.transient,
        })?;
        let expires_at = saturating_add(now, codes.expires_in);
        inner.note_asked(&connection, expires_at).await;
        Ok(DeviceRequest {
            user_code: codes.user_code,
            verification_uri: codes.verification_uri,
            verification_uri_complete: codes.verification_uri_complete,
            expires_at,
            advice: advice(&provider, &scopes),
            scopes,
            connection,
            client: client.name,
            site,
            device_code: codes.device_code,
            interval: codes.interval,
            ends: uptime + codes.expires_in,
        })
    }

    /// Polls until the person has answered, and stores the grant. Going away ends that between two polls; one that is
    /// under way goes on, since its answer may hold the tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Consent`] where the person said no, or took too long; and as [`Engine::finish_connect`].
    pub async fn finish_device(&self, request: DeviceRequest, account: Account) -> Result<Connected, Error> {
        let inner = &self.inner;
        let client = self.client_named(&request.client).await?;
        let provider = inner.catalogue.get(&client.provider)?;
        let at = inner.at_site(&client, &request.site)?;
        let prover = inner.prover_at(&client, &at.endpoints, &provider.client)?;
        let client = at;
        let mut interval = request.interval;
        let means = Means { proof_key: inner.new_proof_key(&client), ..Means::default() };
        let keys = inner.keys_for(&client, &request.scopes).await?;
        let waiting = Arc::new(Waiting { request, client, provider, prover, means, keys, account });
        loop {
            let left = waiting.request.ends.saturating_sub(inner.clock.uptime());
            if left.is_zero() {
                return Err(expired());
            }
            inner.clock.sleep(interval.min(left)).await;
            let (inner, waiting) = (Arc::clone(inner), Arc::clone(&waiting));
            let under_way = Arc::clone(&inner.consents).read_owned().await;
            let polling = tokio::spawn(async move {
                let polled = inner.poll(&waiting, interval).await;
                drop(under_way);
                polled
            });
            match polling.await.unwrap_or(Err(Error::Ending))? {
                Polled::Connected(connected) => return Ok(*connected),
                Polled::Again { interval: longer } => interval = longer,
            }
        }
    }
}

/// A device that waits for a person.
struct Waiting {
    request: DeviceRequest,
    client: Client,
    provider: Arc<Provider>,
    prover: Prover,
    means: Means,
    /// What its provider signs id tokens with.
    keys: Option<Jwks>,
    account: Account,
}

/// What a poll came to.
enum Polled {
    Connected(Box<Connected>),
    Again { interval: Duration },
}

impl Inner {
    /// Asks once whether the person has answered, and stores what that brought.
    async fn poll(&self, waiting: &Waiting, interval: Duration) -> Result<Polled, Error> {
        let Waiting { request, client, provider, prover, means, keys, account } = waiting;
        // Made anew for each poll: an assertion is good for one request.
        let credentials = self.credentials(client, prover)?;
        let asked = device::token_request(
            &client.endpoints.token,
            &credentials,
            &request.device_code,
            &request.scopes,
            &provider.requests,
        );
        let (reply, started_at) = self.ask_for_reply(asked, means, provider.answers.to_exchange()).await;
        let answer = match device::decide(reply, interval) {
            Poll::Granted(answer) => *answer,
            Poll::Again { interval } => return Ok(Polled::Again { interval }),
            Poll::Denied => return Err(refused("the person who was asked said no")),
            Poll::Expired => return Err(expired()),
            Poll::Failed { detail } => {
                return Err(Error::NoToken { provider: provider.name.clone(), detail, transient: false });
            }
        };
        let consent = Consent {
            connection: request.connection.clone(),
            client,
            renewal: renewal_of(&answer, provider),
            answer,
            means: means.clone(),
            started_at,
            about: About { site: request.site.clone(), ..About::default() },
            account: *account,
        };
        let believed_by = BelievedBy { prover, keys: keys.clone(), nonce: None };
        let connected = self.take_consent(consent, believed_by, provider, &request.scopes).await?;
        Ok(Polled::Connected(Box::new(connected)))
    }
}

fn expired() -> Error {
    refused("nobody typed the code in before it ended")
}

fn refused(why: &str) -> Error {
    Error::Consent { why: why.to_owned() }
}
