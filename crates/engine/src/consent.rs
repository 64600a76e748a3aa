//! Making what a consent brought the grant of its connection.

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::{Event, What};
use vestal_core::id::GrantId;
use vestal_core::provider::{ExchangeStep, Provider};
use vestal_core::schedule::Plan;
use vestal_core::state::Transition;
use vestal_core::store::{StoreError, Update, Write};
use vestal_core::token::{About, Grant, Renewal, TokenAnswer, WhyCandidate};

use crate::change::{CONTENTION_TRIES, update_to};
use crate::dpop::is_bound;
use crate::identity::Account;
use crate::means::Means;
use crate::save::{SAVE_BACKOFF, may_pass, unsaved};
use crate::secrets::Destination;
use crate::{Error, Inner};

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

impl Consent<'_> {
    /// What it came to, once this grant of it is stored.
    fn connected(&self, name: &ConnectionName, grant: &Grant, provider: &Provider) -> Connected {
        let tokens = &grant.tokens;
        Connected {
            name: name.clone(),
            grant: grant.id,
            generation: tokens.generation,
            scope: tokens.scope.clone(),
            expires_at: tokens.expires_at,
            refresh_token: tokens.refresh_token.is_some(),
            short_lived: provider.exchange_step(grant) == Some(ExchangeStep::Lengthen),
            advice: match grant.renewal {
                Renewal::None => provider.authorization.without_refresh_token.clone(),
                _ => self.unbound(),
            },
            about: grant.about.clone(),
        }
    }

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
            let Ok(state) = connection.state.clone().apply(Transition::Consent, now) else {
                return Err(too_late("is being disconnected"));
            };
            let grant = self.grant_of(&consent, grant_id, &connection, provider, asked);
            let connected = consent.connected(&connection.name, &grant, provider);
            let what = What::Consented {
                grant: grant_id,
                generation: connected.generation,
                refresh_token: connected.refresh_token,
                scope: connected.scope.clone(),
            };
            // What was said of the end of the grant before says nothing of this one's.
            let plan = Plan { warned_at: None, ..connection.plan };
            let mut after = Connection { state, plan, grant: Some(grant), ..connection.clone() };
            after.plan = self.plan(&after, provider, now);
            let events = vec![Event { connection: after.id, at: now, what }];
            let update = Update { grant: after.grant.take(), ..update_to(&after, events) };
            match self.save_consent(&connection.name, &update, grant_id).await? {
                Write::Done => return Ok(connected),
                Write::Moved(current) => connection = *current,
                Write::Gone => return Err(too_late("was removed")),
            }
        }
        let refusal = Error::Consent { why: "others kept writing to the connection in between".to_owned() };
        Err(self.keep_refused(&consent, provider, WhyCandidate::RefusedConsent, refusal).await)
    }

    /// What a consent brought, sealed for this connection.
    fn grant_of(
        &self,
        consent: &Consent<'_>,
        id: GrantId,
        connection: &Connection,
        provider: &Provider,
        asked: Option<&[String]>,
    ) -> Grant {
        let to = Destination {
            connection: connection.id,
            client: consent.client,
            grant: id,
            generation: connection.generation() + 1,
            issued_at: consent.started_at,
            default_life: provider.first_access_token_life(),
        };
        let mut tokens = self.seal_tokens(&consent.answer, to, None);
        // No scope in the answer: what was asked for was granted (RFC 6749 §5.1).
        tokens.scope = tokens.scope.or_else(|| asked.map(|scopes| scopes.join(" ")));
        Grant {
            id,
            consented_at: consent.started_at,
            renewal: consent.renewal,
            means: self.seal_means(&consent.means, connection.id, id, consent.client),
            tokens,
            about: consent.about.clone(),
        }
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

    /// Stores a grant, patiently: a code can be used only once.
    async fn save_consent(
        &self,
        name: &ConnectionName,
        update: &Update,
        grant: GrantId,
    ) -> Result<Write, Error> {
        let written = self.until_stored(name, || self.store.update_connection(update)).await;
        match written.map_err(|error| unsaved(name.clone(), error.to_string()))? {
            // Our own write, whose outcome was unknown when it was tried first.
            Write::Moved(current) if current.grant.as_ref().is_some_and(|stored| stored.id == grant) => {
                Ok(Write::Done)
            }
            write => Ok(write),
        }
    }

    /// Has the store take what a consent brought, and tries again for as long as it does not. What does not pass is not waited
    /// for.
    pub(crate) async fn until_stored<T, F>(
        &self,
        name: &ConnectionName,
        mut write: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let started = self.clock.uptime();
        let mut tries = 0;
        loop {
            let error = match write().await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            tries += 1;
            let patient = self.clock.uptime().saturating_sub(started) < self.limits.save;
            if !patient || !may_pass(&error) {
                return Err(error);
            }
            if u32::is_power_of_two(tries) {
                tracing::warn!(connection = %name, tries, detail = %error, "the store did not take what a consent brought; trying again");
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
    let is_a_persons = |grant: &Grant| match grant.renewal {
        Renewal::RefreshToken | Renewal::Exchange => true,
        // What cannot be renewed is replaced by whatever can.
        Renewal::None | Renewal::ClientCredentials | Renewal::JwtBearer | Renewal::TokenExchange => false,
    };
    !connection.state.needs_reauth() && connection.grant.as_ref().is_some_and(is_a_persons)
}

/// A consent to what is not there any more, or soon will not be.
pub(crate) fn too_late(what_happened: &str) -> Error {
    Error::Consent {
        why: format!(
            "the connection {what_happened} meanwhile; the tokens that came for it were not kept, and live on with the \
             provider, in whose pages the consent can be ended"
        ),
    }
}
