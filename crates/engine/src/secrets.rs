//! Opening and sealing what belongs to a connection.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::Connection;
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::provider::ClientFacts;
use vestal_core::seal::{Field, OpenError, Place, Sealed};
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::token::{
    Grant, LONGEST_LIFE, RefreshEnd, StoredRefreshToken, TokenAnswer, TokenSet, saturating_add,
};
use vestal_oauth::client_auth::{Credentials, Prover};
use vestal_oauth::id_token::subject;

use crate::{Error, Inner};

/// Where a new token set goes.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) connection: ConnectionId,
    /// The client: a refresh token is of use with it only.
    pub(crate) client: &'a Client,
    pub(crate) grant: GrantId,
    pub(crate) generation: u64,
    /// When the request that brought it was started.
    pub(crate) issued_at: Timestamp,
    /// How long the access token lives where the answer does not say.
    pub(crate) default_life: Option<Duration>,
}

impl Inner {
    /// What a client proves itself with, opened.
    pub(crate) fn prover(&self, client: &Client, facts: &ClientFacts) -> Result<Prover, Error> {
        self.prover_at(client, &client.endpoints, facts)
    }

    /// The same for a site of its provider: its secret is sealed for the client as it is stored, and its assertions are for
    /// the endpoints there.
    pub(crate) fn prover_at(
        &self,
        client: &Client,
        endpoints: &Endpoints,
        facts: &ClientFacts,
    ) -> Result<Prover, Error> {
        let secret = client.secret.as_ref().map(|sealed| {
            let binding = client.binding();
            let place = Client::secret_place(client.id, &binding);
            self.open_text(&place, sealed, || format!("the secret of the client {:?}", client.name))
        });
        let audience = facts.assertion_audience(endpoints).to_owned();
        Prover::new(client.client_id.clone(), client.auth, secret.transpose()?, audience)
            .map_err(|unfit| Error::Client { client: client.name.clone(), lacks: unfit.to_string() })
    }

    /// What proves a client in one request that is made now.
    pub(crate) fn credentials(&self, client: &Client, prover: &Prover) -> Result<Credentials, Error> {
        prover
            .credentials(self.clock.now(), &*self.entropy)
            .map_err(|error| Error::Client { client: client.name.clone(), lacks: error.to_string() })
    }

    /// The access token of the current token set, if there is one.
    pub(crate) fn access_token(
        &self,
        connection: &Connection,
        grant: &Grant,
    ) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = &grant.tokens.access_token else { return Ok(None) };
        let place = place(connection.id, Field::AccessToken, grant.id, grant.tokens.generation);
        let what = || format!("the access token of {:?}", connection.name);
        self.open_text(&place, sealed, what).map(Some)
    }

    /// The refresh token of the current token set.
    pub(crate) fn refresh_token(
        &self,
        connection: &Connection,
        grant: &Grant,
        client: &Client,
    ) -> Result<Option<SecretString>, Error> {
        let Some(stored) = &grant.tokens.refresh_token else { return Ok(None) };
        let binding = client.binding();
        let place = Place {
            bound: &binding,
            ..place(connection.id, Field::RefreshToken, grant.id, grant.tokens.generation)
        };
        let what = || format!("the refresh token of {:?}", connection.name);
        self.open_text(&place, &stored.sealed, what).map(Some)
    }

    /// Fails where a key is lacking that something of a grant is sealed with. Nothing is wrong with that, and nothing must be
    /// written in its place.
    pub(crate) fn check_keys(&self, connection: &Connection, grant: &Grant) -> Result<(), Error> {
        let holds = self.vault.holds();
        let values = grant.means.iter().chain(grant.tokens.sealed().map(|(_, sealed)| sealed));
        match values.filter_map(|sealed| sealed.key().ok()).find(|key| !holds.contains(key)) {
            Some(key) => Err(Error::Sealed {
                what: format!("what is stored of {:?}", connection.name),
                source: OpenError::KeyMissing(key),
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn open_text(
        &self,
        place: &Place<'_>,
        sealed: &Sealed,
        what: impl FnOnce() -> String,
    ) -> Result<SecretString, Error> {
        let opened = self.vault.open_text(place, sealed);
        opened.map_err(|source: OpenError| Error::Sealed { what: what(), source })
    }

    /// Seals an answer for its destination. `before` is the token set it follows, with its refresh token, if it has one,
    /// which stays where the answer brings no other.
    pub(crate) fn seal_tokens(
        &self,
        answer: &TokenAnswer,
        to: Destination<'_>,
        before: Option<(&TokenSet, Option<&SecretString>)>,
    ) -> TokenSet {
        let seal = |field, plain: &str| {
            let place = place(to.connection, field, to.grant, to.generation);
            self.vault.seal(&place, plain.as_bytes(), &*self.entropy)
        };
        let extra = self.extra_fields(answer, to, before.map(|(tokens, _)| tokens));
        let extra =
            (!extra.is_empty()).then(|| seal(Field::Extra, &serde_json::Value::Object(extra).to_string()));
        TokenSet {
            generation: to.generation,
            issued_at: to.issued_at,
            expires_at: answer
                .expires_in
                .or(to.default_life)
                .or_else(|| before.and_then(|(tokens, _)| life_of(tokens)))
                .map(|life| saturating_add(to.issued_at, life.min(LONGEST_LIFE))),
            token_type: answer.token_type.clone(),
            scope: answer.scope.clone().or_else(|| before.and_then(|(tokens, _)| tokens.scope.clone())),
            access_token: Some(seal(Field::AccessToken, answer.access_token.expose_secret())),
            refresh_token: self.seal_refresh_token(answer, to, before),
            id_token: self
                .id_token(answer, to, before.map(|(tokens, _)| tokens))
                .map(|token| seal(Field::IdToken, token.expose_secret())),
            extra,
        }
    }

    /// The further fields of a token set, opened.
    pub(crate) fn open_extra(
        &self,
        connection: ConnectionId,
        grant: GrantId,
        tokens: &TokenSet,
    ) -> Option<serde_json::Map<String, serde_json::Value>> {
        let place = place(connection, Field::Extra, grant, tokens.generation);
        let json = self.vault.open(&place, tokens.extra.as_ref()?).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// The further fields of an answer, and those before it that it does not repeat: many providers name the account's own
    /// host once, at the consent.
    fn extra_fields(
        &self,
        answer: &TokenAnswer,
        to: Destination<'_>,
        before: Option<&TokenSet>,
    ) -> serde_json::Map<String, serde_json::Value> {
        let before = before.and_then(|tokens| self.open_extra(to.connection, to.grant, tokens));
        let mut extra = before.unwrap_or_default();
        extra.extend(
            answer
                .extra
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        extra
    }

    /// The id token of an answer, or the one `before` where the answer does not say whose it is (OpenID Connect Core
    /// §12.2): the next one that does is compared with it.
    fn id_token(
        &self,
        answer: &TokenAnswer,
        to: Destination<'_>,
        before: Option<&TokenSet>,
    ) -> Option<SecretString> {
        let speaks = |token: &SecretString| subject(token.expose_secret()).is_some();
        let earlier = before.filter(|_| !answer.id_token.as_ref().is_some_and(speaks)).and_then(|tokens| {
            let place = place(to.connection, Field::IdToken, to.grant, tokens.generation);
            self.vault.open_text(&place, tokens.id_token.as_ref()?).ok()
        });
        earlier.or_else(|| answer.id_token.clone())
    }

    fn seal_refresh_token(
        &self,
        answer: &TokenAnswer,
        to: Destination<'_>,
        before: Option<(&TokenSet, Option<&SecretString>)>,
    ) -> Option<StoredRefreshToken> {
        let token = answer.refresh_token.as_ref().or(before.and_then(|(_, token)| token))?;
        let fingerprint = self.vault.fingerprint(token.expose_secret());
        let binding = to.client.binding();
        let place =
            Place { bound: &binding, ..place(to.connection, Field::RefreshToken, to.grant, to.generation) };
        let stored = before.and_then(|(tokens, _)| Some((tokens, tokens.refresh_token.as_ref()?)));
        let end = match stored {
            Some((tokens, stored)) => RefreshEnd::observe(
                stored.end,
                tokens.issued_at,
                answer.refresh_expires_in,
                to.issued_at,
                stored.fingerprint != fingerprint,
            ),
            None => RefreshEnd::observe(None, to.issued_at, answer.refresh_expires_in, to.issued_at, false),
        };
        let sealed = self.vault.seal(&place, token.expose_secret().as_bytes(), &*self.entropy);
        Some(StoredRefreshToken { sealed, fingerprint, end })
    }
}

/// How long an access token was said to live: as long as the next one, of which nothing is said.
fn life_of(tokens: &TokenSet) -> Option<Duration> {
    Duration::try_from(tokens.expires_at?.duration_since(tokens.issued_at)).ok()
}

/// Where a value of a token set is sealed for.
pub(crate) fn place(owner: ConnectionId, field: Field, grant: GrantId, generation: u64) -> Place<'static> {
    Place { owner: owner.as_uuid(), field, grant: Some(grant), generation, bound: "" }
}
