//! The grant that is made of what another keeper had.

use jiff::Timestamp;
use vestal_core::client::{Client, ClientAuth};
use vestal_core::connection::Connection;
use vestal_core::event::{Event, What};
use vestal_core::id::GrantId;
use vestal_core::provider::Provider;
use vestal_core::schedule::{Plan, turn};
use vestal_core::seal::{Field, Fingerprint, Place};
use vestal_core::secret::ExposeSecret;
use vestal_core::state::Transition;
use vestal_core::text::is_disruptive;
use vestal_core::token::{
    About, Grant, LONGEST_LIFE, RefreshEnd, Renewal, StoredRefreshToken, TokenSet, saturating_add,
};
use vestal_oauth::read::is_usable;

use super::{Known, NewConnection, unimportable};
use crate::dpop::is_bound;
use crate::means::Means;
use crate::secrets::place;
use crate::{Error, Inner};

impl Inner {
    /// What renewing an import needs, once it is known that all is there: also a key, where its tokens are to be bound to one
    /// and were not, or not for good.
    pub(super) async fn means_of_import(&self, new: &NewConnection, client: &Client) -> Result<Means, Error> {
        let refused = |why: &str| Err(unimportable(new, why));
        let tokens = [&new.refresh_token, &new.access_token, &new.id_token];
        let tokens = tokens.into_iter().flatten().map(|token| token.expose_secret());
        if !tokens.chain([&*new.token_type]).all(is_usable) {
            return refused("a token of it, or its type, has a character in it that no token has");
        }
        let mut in_header =
            new.access_token.iter().map(|token| token.expose_secret()).chain([&*new.token_type]);
        if !in_header.all(str::is_ascii) {
            return refused("its access token, or its type, has a character in it that no header takes");
        }
        let shown = new.redirect.iter().flat_map(|(name, said)| [name, said]).chain(&new.scope);
        if shown.into_iter().any(|text| text.contains(is_disruptive)) {
            return refused("its scopes, or what its redirect brought, hold a character that does not show");
        }
        let mut means = self
            .portable_means(&new.name, &new.means)
            .await?
            .map_err(|why| unimportable(new, &format!("what renewing it needs {why}")))?;
        match new.renewal {
            Renewal::RefreshToken if new.refresh_token.is_none() => {
                return refused("it has no refresh token");
            }
            Renewal::JwtBearer if means.bearer.is_none() => {
                return refused("it needs its key: connect it with vestal connect --service-account");
            }
            Renewal::TokenExchange if means.exchange.is_none() => {
                return refused(
                    "it needs another connection: connect it with vestal connect --exchange-from",
                );
            }
            Renewal::None | Renewal::Exchange if new.access_token.is_none() => {
                return refused("it has neither a refresh token nor an access token");
            }
            _ => {}
        }
        if client.endpoints.dpop && means.proof_key.is_none() {
            // A public client's refresh token is of use with its key only; another client proves itself (RFC 9449 §5).
            let bound = match new.renewal {
                Renewal::RefreshToken => client.auth == ClientAuth::None,
                Renewal::None | Renewal::Exchange => is_bound(&new.token_type),
                Renewal::ClientCredentials | Renewal::JwtBearer | Renewal::TokenExchange => false,
            };
            if bound {
                return refused(
                    "its tokens are bound to a key (DPoP), which is not there: consent is needed again",
                );
            }
            means.proof_key = self.new_proof_key(client);
        }
        Ok(means)
    }

    /// What tells an import from others: its token, or else, where nothing is lost with that, its name and what it needs.
    pub(super) fn mark_of(&self, new: &NewConnection) -> Fingerprint {
        match new.renewal {
            Renewal::RefreshToken | Renewal::Exchange | Renewal::None => {
                let token = new.refresh_token.as_ref().or(new.access_token.as_ref());
                self.vault.fingerprint(token.map_or("", |token| token.expose_secret()))
            }
            // No token has a line break, so that none has the same fingerprint.
            Renewal::ClientCredentials | Renewal::JwtBearer | Renewal::TokenExchange => {
                let means = serde_json::Value::Object(new.means.clone());
                self.vault.fingerprint(&format!("import\n{}\n{means}", new.name))
            }
        }
    }

    /// A connection with what is imported as its grant.
    pub(super) fn with_import(
        &self,
        before: &Connection,
        new: &NewConnection,
        known: &Known,
        means: &Means,
        now: Timestamp,
    ) -> Result<(Connection, Vec<Event>), Error> {
        let Known { client, provider } = known;
        let (client, site) = self.place_of_import(client, provider, &new.site)?;
        let id = GrantId::of_import(&self.mark_of(new));
        let account = self.account_of_import(provider, new, &site);
        let grant = Grant {
            id,
            consented_at: new.consented_at.unwrap_or(now).min(now),
            renewal: new.renewal,
            means: self.seal_means(means, before.id, id, &client),
            tokens: self.seal_import(new, (before, id), means, (&client, provider), now),
            about: About { site, redirect: new.redirect.clone(), found: None, account },
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
        after.plan = self.plan(&after, provider, now);
        let events = vec![Event { connection: after.id, at: now, what }];
        Ok((after, events))
    }

    fn seal_import(
        &self,
        new: &NewConnection,
        (before, grant): (&Connection, GrantId),
        means: &Means,
        (client, provider): (&Client, &Provider),
        now: Timestamp,
    ) -> TokenSet {
        let generation = before.generation() + 1;
        let binding = client.binding();
        let seal = |field, plain: &str| {
            let bound = if field == Field::RefreshToken { binding.as_str() } else { "" };
            let place = Place { bound, ..place(before.id, field, grant, generation) };
            self.vault.seal(&place, plain.as_bytes(), &*self.entropy)
        };
        let life = provider.access_token_life();
        let longest = saturating_add(now, LONGEST_LIFE);
        let said = new.expires_at.or_else(|| Some(saturating_add(new.issued_at?, life?)));
        // One that ends, and nobody knows when, may have ended: whoever asks is better given a new one. And one that is bound
        // to a key is of no use with another.
        let may_live =
            said.is_some() || life.is_none() || matches!(new.renewal, Renewal::None | Renewal::Exchange);
        let has_its_key =
            !is_bound(&new.token_type) || means.proof_key.is_none() || new.means.contains_key("proof_key");
        let access_token = new.access_token.as_ref().filter(|_| may_live && has_its_key);
        TokenSet {
            generation,
            issued_at: issued_at(new, provider, now),
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

/// When the tokens were issued, as far as that is known.
///
/// Of an access token that is itself exchanged, it decides how: one whose rest is longer than a short-lived one's whole life is a
/// long-lived one, and was issued such a life before its end.
fn issued_at(new: &NewConnection, provider: &Provider, now: Timestamp) -> Timestamp {
    let long_lived = || {
        let (end, life) = (new.expires_at?, provider.access_token_life()?);
        let short = provider.exchange.short_life.as_ref().map(|fact| fact.value.0).unwrap_or_default();
        let is_long = new.renewal == Renewal::Exchange && end > saturating_add(now, short);
        end.checked_sub(life).ok().filter(|_| is_long)
    };
    new.issued_at.or_else(long_lived).unwrap_or(now).min(now)
}
