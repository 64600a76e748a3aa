//! Taking a consent: the redirect that came back, the code it brought, and the grant.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;
use vestal_core::outcome::{Class, Reply, classify};
use vestal_core::provider::{Provider, Shape};
use vestal_core::state::State;
use vestal_core::token::{About, TokenAnswer, WhyCandidate};
use vestal_oauth::callback::{Callback, CallbackError};
use vestal_oauth::client_auth::Prover;
use vestal_oauth::http::Exchange;
use vestal_oauth::jwks::Jwks;
use vestal_oauth::read::read_token_answer_of;
use vestal_oauth::{Unsendable, authorization_code, sent};

use crate::connect::{asks_for_an_id_token, verifier_place};
use crate::consent::{Connected, Consent, renewal_of};
use crate::identity::Account;
use crate::lookup::chosen_before;
use crate::means::Means;
use crate::sites::site_after;
use crate::{Engine, Error, Inner, Refreshed};

impl Engine {
    /// Completes a consent with the URL that the person was redirected to.
    ///
    /// # Errors
    ///
    /// [`Error::Consent`] where the redirect does not fit what was asked for; nothing was sent then.
    /// [`Error::NoToken`] where the provider gave no token for the code; [`Error::WorseConsent`];
    /// [`Error::AnotherAccount`]; [`Error::UnknownAccount`]; [`Error::Store`].
    pub async fn finish_connect(&self, redirected: &Url, account: Account) -> Result<Connected, Error> {
        let (inner, redirected) = (Arc::clone(&self.inner), redirected.clone());
        let under_way = Arc::clone(&inner.consents).read_owned().await;
        // In a task of its own: a code can be used only once, whoever goes away meanwhile.
        let completing = tokio::spawn(async move {
            let connected = inner.complete(&redirected, account).await;
            drop(under_way);
            connected
        });
        let connected = completing.await.unwrap_or(Err(Error::Ending))?;
        Ok(self.lengthened(connected).await)
    }

    /// What a consent brought, after it was exchanged for a long-lived access token, where it is a short-lived one. It is
    /// stored already: should this fail, the schedule does it.
    async fn lengthened(&self, connected: Connected) -> Connected {
        if !connected.short_lived {
            return connected;
        }
        match self.refresh(&connected.name).await {
            Ok(Refreshed { generation, expires_at }) => {
                Connected { generation, expires_at, short_lived: false, ..connected }
            }
            Err(error) => {
                let advice = format!(
                    "its access token is short-lived, and could not be exchanged for a long-lived one yet ({error}); try \
                     again by: vestal refresh NAME"
                );
                Connected { advice: Some(advice), ..connected }
            }
        }
    }
}

/// By what the id token of a consent is to be believed.
pub(crate) struct BelievedBy<'a> {
    pub(crate) prover: &'a Prover,
    /// What its provider signs with.
    pub(crate) keys: Option<Jwks>,
    /// What it has to repeat.
    pub(crate) nonce: Option<String>,
}

impl Inner {
    /// Exchanges the code that a redirect brought, and stores the grant.
    async fn complete(&self, redirected: &Url, account: Account) -> Result<Connected, Error> {
        let refused = |why: String| Error::Consent { why };
        let query = redirected.query().unwrap_or_default();
        let callback = Callback::parse(query).map_err(|error| refused(error.to_string()))?;
        let now = self.clock.now();
        let state_hash = authorization_code::state_hash(callback.state());
        let authorization = self.store.take_authorization(&state_hash, now).await?;
        let authorization = authorization.ok_or_else(|| {
            refused("nobody is waiting for it: it was completed before, or took too long".to_owned())
        })?;
        let endpoints = &authorization.endpoints;

        // All that has to be read is read before the code is used up.
        let connection = self
            .store
            .connection(authorization.connection)
            .await?
            .ok_or_else(|| refused("the connection was removed meanwhile".to_owned()))?;
        if connection.state == State::Disconnecting {
            return Err(Error::Disconnecting { name: connection.name });
        }
        let client = self.store.client(authorization.client).await?;
        let client = client.ok_or_else(|| refused("its client was removed meanwhile".to_owned()))?;
        let provider = self.catalogue.get(&client.provider)?;
        let site =
            site_after(&callback, &authorization.site, &client.endpoints, &provider).map_err(refused)?;
        let redirect = kept_parameters(&callback, &provider).map_err(|error| refused(error.to_string()))?;
        let code = callback.code(endpoints).map_err(|error| refused(error.to_string()))?;
        // The verifier is of use where it was asked for consent only, and the code where the redirect says.
        let binding = self.at_site(&client, &authorization.site)?.binding();
        let at = self.at_site(&client, &site)?;
        let prover = self.prover_at(&client, &at.endpoints, &provider.client)?;
        let (client, credentials) = (at, self.credentials(&client, &prover)?);
        let place = verifier_place(authorization.connection, &state_hash, &binding);
        let verifier =
            self.open_text(&place, &authorization.code_verifier, || "a code verifier".to_owned())?;
        let keys = self.keys_for(&client, &authorization.scopes).await?;
        let request = authorization_code::token_request(
            &client.endpoints.token,
            &credentials,
            &code,
            endpoints.sent_redirect_uri(&authorization.redirect_uri),
            &verifier,
            &endpoints.resources,
            &provider.requests,
        );
        let means = Means { proof_key: self.new_proof_key(&client), ..Means::default() };
        let shape = provider.answers.to_exchange();
        let (answer, started_at) = self.ask(request, &means, &provider, shape).await?;
        let repeats = provider.authorization.repeats_nonce();
        let nonce = repeats.then(|| authorization_code::nonce(&verifier));
        let believed_by = BelievedBy { prover: &prover, keys, nonce };
        let consent = Consent {
            connection,
            client: &client,
            renewal: renewal_of(&answer, &provider),
            answer,
            means,
            started_at,
            about: About { site, redirect, ..About::default() },
            account,
        };
        Box::pin(self.take_consent(consent, believed_by, &provider, &authorization.scopes)).await
    }

    /// Makes what a person's consent to these scopes brought the connection's grant, once it may be believed, and it is known
    /// whose it is.
    pub(crate) async fn take_consent(
        &self,
        mut consent: Consent<'_>,
        by: BelievedBy<'_>,
        provider: &Provider,
        asked: &[String],
    ) -> Result<Connected, Error> {
        let (client, prover) = (consent.client, by.prover);
        if let Some(id_token) = consent.answer.id_token.as_ref().filter(|_| asks_for_an_id_token(asked)) {
            let checked = self.check_id_token(client, prover, by.keys, by.nonce.as_deref(), id_token).await;
            if let Err(refusal) = checked {
                let why = WhyCandidate::UnbelievableIdToken;
                return Err(self.keep_refused(&consent, provider, why, refusal).await);
            }
        }
        self.learn_life(&mut consent.answer, client, prover, provider).await;
        consent.about.account = self.account_of(&consent, provider, asked).await;
        consent.about.found = chosen_before(&consent.connection, consent.account);
        self.store_and_look_up(consent, provider, Some(asked)).await
    }

    /// Asks for a token set; returns it with the time at which that was begun.
    pub(crate) async fn ask(
        &self,
        request: Result<http::Request<Bytes>, Unsendable>,
        means: &Means,
        provider: &Provider,
        shape: Shape<'_>,
    ) -> Result<(TokenAnswer, Timestamp), Error> {
        let (reply, started_at) = self.ask_for_reply(request, means, shape).await;
        let transient = matches!(classify(&reply, provider), Class::Transient | Class::Ambiguous);
        match reply {
            Reply::Tokens(answer) => Ok((*answer, started_at)),
            Reply::Error { detail, .. }
            | Reply::Unreadable { detail, .. }
            | Reply::NotSent { detail }
            | Reply::ClientUnfit { detail }
            | Reply::NoAnswer { detail } => {
                Err(Error::NoToken { provider: provider.name.clone(), detail, transient })
            }
        }
    }

    /// The same, whatever comes back.
    pub(crate) async fn ask_for_reply(
        &self,
        request: Result<http::Request<Bytes>, Unsendable>,
        means: &Means,
        shape: Shape<'_>,
    ) -> (Reply, Timestamp) {
        let sent = request.as_ref().map(sent::redactor).unwrap_or_default();
        let started_at = self.clock.now();
        let exchange = match request {
            Ok(request) => self.send(request, means.signing_key().as_ref(), self.limits.answer).await,
            Err(error) => Exchange::from(error),
        };
        (read_token_answer_of(exchange, started_at, &sent, shape).reply, started_at)
    }
}

/// The parameters of a redirect that every use of the API needs.
fn kept_parameters(
    callback: &Callback,
    provider: &Provider,
) -> Result<BTreeMap<String, String>, CallbackError> {
    let mut kept = BTreeMap::new();
    for name in provider.authorization.kept_parameters.iter().flat_map(|fact| &fact.value) {
        if let Some(value) = callback.parameter(name)? {
            kept.insert(name.clone(), value.to_owned());
        }
    }
    Ok(kept)
}
