//! Taking a consent: the redirect that came back, the code it brought, and the grant.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use url::Url;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::id::GrantId;
use vestal_core::outcome::{Class, Reply, classify};
use vestal_core::provider::{ExchangeStep, Provider, Shape};
use vestal_core::schedule::Plan;
use vestal_core::state::{State, Transition};
use vestal_core::store::{Update, Write};
use vestal_core::token::{About, Grant, Renewal, TokenAnswer, WhyCandidate};
use vestal_oauth::callback::{Callback, CallbackError};
use vestal_oauth::client_auth::Prover;
use vestal_oauth::http::Exchange;
use vestal_oauth::jwks::Jwks;
use vestal_oauth::read::read_token_answer_of;
use vestal_oauth::{Unsendable, authorization_code, sent};

use crate::change::{CONTENTION_TRIES, update_to};
use crate::connect::{asks_for_an_id_token, verifier_place};
use crate::dpop::is_bound;
use crate::identity::Account;
use crate::lookup::chosen_before;
use crate::means::Means;
use crate::save::{SAVE_BACKOFF, may_pass, unsaved};
use crate::secrets::Destination;
use crate::sites::site_after;
use crate::{Engine, Error, Inner, Refreshed};

/// What a consent came to.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The connection.
    pub name: ConnectionName,
    /// Its grant.
    pub grant: GrantId,
    /// The number of its token set.
    pub generation: u64,
    /// The scopes granted, where the provider said.
    pub scope: Option<String>,
    /// When the access token ends; `None` when unknown.
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub refresh_token: bool,
    /// Whether the access token is a short-lived one, for which a long-lived one is to be had.
    pub short_lived: bool,
    /// What this provider wants, to give one; where there is none and one was to be expected.
    pub advice: Option<String>,
    /// What else is known of the grant.
    pub about: About,
}

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

/// What a consent brought.
pub(crate) struct Consent<'a> {
    /// As it was before the provider was asked.
    pub(crate) connection: Connection,
    pub(crate) client: &'a Client,
    pub(crate) answer: TokenAnswer,
    pub(crate) renewal: Renewal,
    pub(crate) means: Means,
    pub(crate) started_at: Timestamp,
    pub(crate) about: About,
    pub(crate) account: Account,
}

/// By what the id token of a consent is to be believed.
pub(crate) struct BelievedBy<'a> {
    pub(crate) prover: &'a Prover,
    /// What its provider signs with.
    pub(crate) keys: Option<Jwks>,
    /// What it has to repeat.
    pub(crate) nonce: Option<String>,
}

impl Consent<'_> {
    /// What to tell where a token was to be bound to a key, and is not.
    fn unbound(&self) -> Option<String> {
        let is_bound = is_bound(&self.answer.token_type);
        (self.means.proof_key.is_some() && !is_bound).then(|| {
            let kind = &self.answer.token_type;
            format!("the provider takes no notice of DPoP: the token is of the type {kind}, and serves whoever has it")
        })
    }
}

impl Inner {
    /// Exchanges the code that a redirect brought, and stores the grant.
    async fn complete(&self, redirected: &Url, account: Account) -> Result<Connected, Error> {
        let refused = |why: String| Error::Consent { why, next: "connect again".to_owned() };
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
        let connection = self.store.connection(authorization.connection).await?.ok_or_else(removed)?;
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

    /// Makes what a consent brought the connection's grant. `asked` are the scopes that were asked for, if any were.
    pub(crate) async fn store_consent(
        &self,
        consent: Consent<'_>,
        provider: &Provider,
        asked: Option<&[String]>,
    ) -> Result<Connected, Error> {
        let grant_id = GrantId::new(consent.started_at, &*self.entropy);
        let mut connection = consent.connection.clone();
        for _ in 0..CONTENTION_TRIES {
            let now = self.clock.now();
            let whose = consent.about.account.as_ref();
            let fits = self
                .refuse_worse(&connection, &consent, provider)
                .and_then(|()| self.refuse_another_account(&connection, provider, whose, consent.account));
            if let Err(refusal) = fits {
                let why = match refusal {
                    Error::AnotherAccount { .. } => WhyCandidate::AnotherAccount,
                    _ => WhyCandidate::RefusedConsent,
                };
                return Err(self.keep_refused(&consent, provider, why, refusal).await);
            }
            let name = connection.name.clone();
            let Ok(state) = connection.state.clone().apply(Transition::Consent, now) else {
                return Err(Error::Disconnecting { name });
            };
            let to = Destination {
                connection: connection.id,
                client: consent.client,
                grant: grant_id,
                generation: connection.generation() + 1,
                issued_at: consent.started_at,
                default_life: provider.first_access_token_life(),
            };
            let mut tokens = self.seal_tokens(&consent.answer, to, None);
            // No scope in the answer: what was asked for was granted (RFC 6749 §5.1).
            tokens.scope = tokens.scope.or_else(|| asked.map(|scopes| scopes.join(" ")));
            let mut connected = Connected {
                name,
                grant: grant_id,
                generation: tokens.generation,
                scope: tokens.scope.clone(),
                expires_at: tokens.expires_at,
                refresh_token: tokens.refresh_token.is_some(),
                short_lived: false,
                advice: match consent.renewal {
                    Renewal::None => provider.authorization.without_refresh_token.clone(),
                    _ => consent.unbound(),
                },
                about: consent.about.clone(),
            };
            let what = What::Consented {
                grant: grant_id,
                generation: tokens.generation,
                refresh_token: tokens.refresh_token.is_some(),
                scope: tokens.scope.clone(),
            };
            let grant = Grant {
                id: grant_id,
                consented_at: consent.started_at,
                renewal: consent.renewal,
                means: self.seal_means(&consent.means, connection.id, grant_id, consent.client),
                tokens,
                about: consent.about.clone(),
            };
            connected.short_lived = provider.exchange_step(&grant) == Some(ExchangeStep::Lengthen);
            // What was said of the end of the grant before says nothing of this one's.
            let plan = Plan { warned_at: None, ..connection.plan };
            let mut after = Connection { state, plan, grant: Some(grant), ..connection.clone() };
            after.plan = self.plan(&after, provider, now);
            let events = vec![Event { connection: after.id, at: now, what }];
            let update = Update { grant: after.grant.take(), ..update_to(&after, events) };
            match self.save_consent(&connection, &update, grant_id).await? {
                Write::Done => return Ok(connected),
                Write::Moved(current) => connection = *current,
                Write::Gone => return Err(removed()),
            }
        }
        let detail = "others kept writing in between".to_owned();
        Err(Error::Unsaved { name: connection.name, detail })
    }

    /// What cannot be kept alive, or is the client's own, must not take the place of a person's living consent.
    fn refuse_worse(
        &self,
        connection: &Connection,
        consent: &Consent<'_>,
        provider: &Provider,
    ) -> Result<(), Error> {
        let name = connection.name.clone();
        if !has_living_consent(connection) {
            return Ok(());
        }
        match consent.renewal {
            Renewal::RefreshToken | Renewal::Exchange => Ok(()),
            Renewal::None => {
                let advice = provider.authorization.without_refresh_token.clone();
                Err(Error::WorseConsent { name, advice })
            }
            Renewal::ClientCredentials | Renewal::JwtBearer | Renewal::TokenExchange => {
                Err(Error::LivingConsent { name })
            }
        }
    }

    /// Stores a grant, and tries again for as long as the store does not take it: a code can be used only once. What does not
    /// pass is not waited for.
    async fn save_consent(
        &self,
        connection: &Connection,
        update: &Update,
        grant: GrantId,
    ) -> Result<Write, Error> {
        let started = self.clock.uptime();
        let mut tries = 0;
        loop {
            let error = match self.store.update_connection(update).await {
                // Our own write, whose outcome was unknown when it was tried first.
                Ok(Write::Moved(current))
                    if current.grant.as_ref().is_some_and(|stored| stored.id == grant) =>
                {
                    return Ok(Write::Done);
                }
                Ok(write) => return Ok(write),
                Err(error) => error,
            };
            tries += 1;
            let name = &connection.name;
            if !may_pass(&error) {
                return Err(unsaved(name.clone(), error.to_string()));
            }
            if u32::is_power_of_two(tries) {
                tracing::warn!(connection = %name, tries, detail = %error, "the store did not take a new grant; trying again");
            }
            if self.clock.uptime().saturating_sub(started) >= self.limits.save {
                return Err(unsaved(name.clone(), error.to_string()));
            }
            self.clock.sleep(SAVE_BACKOFF.after(tries, u64::MAX)).await;
        }
    }
}

/// How a consent that brought this is renewed.
pub(crate) fn renewal_of(answer: &TokenAnswer, provider: &Provider) -> Renewal {
    match answer.refresh_token {
        Some(_) => Renewal::RefreshToken,
        None => provider.renewal_without_refresh_token(),
    }
}

/// Whether a person's consent is there, and not known to be dead.
pub(crate) fn has_living_consent(connection: &Connection) -> bool {
    let dead = matches!(connection.state, State::NeedsReauth { .. });
    let is_a_persons = |grant: &Grant| match grant.renewal {
        Renewal::RefreshToken | Renewal::Exchange => true,
        // What cannot be renewed is replaced by whatever can.
        Renewal::None | Renewal::ClientCredentials | Renewal::JwtBearer | Renewal::TokenExchange => false,
    };
    !dead && connection.grant.as_ref().is_some_and(is_a_persons)
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

fn removed() -> Error {
    Error::Consent {
        why: "the connection was removed meanwhile".to_owned(),
        next: "connect again".to_owned(),
    }
}
