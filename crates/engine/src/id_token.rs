//! Whether the id token of a consent may be believed (OpenID Connect Core §3.1.3.7).

use vestal_core::client::Client;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_oauth::client_auth::Prover;
use vestal_oauth::document::NoDocument;
use vestal_oauth::id_token::{Expected, IdTokenError, verify};
use vestal_oauth::issuer::of_tenant;
use vestal_oauth::jwks::{self, Jwks};

use crate::connect::asks_for_an_id_token;
use crate::{Error, Inner};

impl Inner {
    /// The keys that a client's provider signs with, where these scopes ask for an id token, and it publishes any.
    pub(crate) async fn keys_for(&self, client: &Client, scopes: &[String]) -> Result<Option<Jwks>, Error> {
        if asks_for_an_id_token(scopes) { self.signing_keys(client).await } else { Ok(None) }
    }

    /// The keys that a client's provider signs with; `None` where it publishes none.
    async fn signing_keys(&self, client: &Client) -> Result<Option<Jwks>, Error> {
        let Some(at) = &client.endpoints.jwks else { return Ok(None) };
        let (exchange, _) = self.exchange(jwks::request(at)).await;
        let keys = jwks::read(exchange).map_err(|NoDocument { detail, .. }| Error::Consent {
            why: format!("the keys that its id tokens are signed with could not be had: {detail}"),
        })?;
        Ok(Some(keys))
    }

    /// Refuses an id token that is not the provider's answer to our request. `keys` are those that it published a moment
    /// ago; they are asked for once more where one was used that is not among them. `nonce` is what the request held, where
    /// it could hold one.
    pub(crate) async fn check_id_token(
        &self,
        client: &Client,
        prover: &Prover,
        mut keys: Option<Jwks>,
        nonce: Option<&str>,
        id_token: &SecretString,
    ) -> Result<(), Error> {
        let issuer = client.endpoints.issuer.as_deref();
        let issuer = issuer.map(|issuer| of_tenant(issuer, &client.endpoints.token));
        let verified = |keys: Option<&Jwks>| {
            let expected = Expected {
                issuer: issuer.as_deref(),
                client_id: &client.client_id,
                nonce,
                keys,
                secret: prover.shared_secret(),
                now: self.clock.now(),
            };
            verify(id_token.expose_secret(), &expected)
        };
        let mut result = verified(keys.as_ref());
        if result == Err(IdTokenError::UnknownKey) {
            keys = self.signing_keys(client).await?;
            result = verified(keys.as_ref());
        }
        result.map_err(|unbelievable| Error::Consent {
            why: format!("the provider's id token cannot be believed: {unbelievable}"),
        })
    }
}
