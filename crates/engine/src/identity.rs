//! Whose a consent is. A connection is one account's, so that nobody's data ends up with somebody else.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::provider::{ApiFacts, Identity, Provider};
use vestal_core::seal::Field;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::site::Site;
use vestal_core::token::{About, AccountHash, TokenAnswer};
use vestal_oauth::account;
use vestal_oauth::api::at;
use vestal_oauth::http::Exchange;
use vestal_oauth::id_token::subject;

use crate::connect::asks_for_an_id_token;
use crate::consent::Consent;
use crate::lookup::where_to_ask;
use crate::secrets::place;
use crate::{Engine, Error, Inner, NewConnection};

/// How long an API may take to say whose a token is: the new grant is stored only after that.
pub(crate) const ASK_WITHIN: Duration = Duration::from_secs(5);

/// Whose consent is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// That of the account that was connected before, if one was; and it has to be known that it is.
    AsBefore,
    /// The same, and a person vouches for it: refused is only what is known to be another's.
    Vouched,
    /// Anybody's.
    Any,
}

/// What two consents say of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    Same,
    Another,
    Unknown,
}

pub(crate) fn likeness(before: Option<&AccountHash>, now: Option<&AccountHash>) -> Likeness {
    match (before, now) {
        (Some(before), Some(now)) if before.by == now.by => {
            if before.hash == now.hash {
                Likeness::Same
            } else {
                Likeness::Another
            }
        }
        _ => Likeness::Unknown,
    }
}

impl Engine {
    /// Whether it is known whose a connection is, if it was connected before: whether the next consent to it can be compared.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn knows_account(&self, name: &ConnectionName) -> Result<bool, Error> {
        let connection = self.inner.store.connection_named(name).await?;
        let connected = connection.filter(|connection| connection.grant.is_some());
        Ok(match connected {
            None => true,
            Some(connection) => {
                let client = self.inner.client_of(&connection).await?;
                self.inner.account_of_stored(&connection, &client.provider).is_some()
            }
        })
    }
}

impl Inner {
    /// Whether a consent may take the place of the one before, as far as it is known whose both are.
    pub(crate) fn refuse_another_account(
        &self,
        connection: &Connection,
        provider: &Provider,
        now: Option<&AccountHash>,
        account: Account,
    ) -> Result<(), Error> {
        if connection.grant.is_none() {
            return Ok(());
        }
        let before = self.account_of_stored(connection, &provider.id);
        let name = || connection.name.clone();
        match (account, likeness(before.as_ref(), now)) {
            (Account::Any, _) | (_, Likeness::Same) | (Account::Vouched, Likeness::Unknown) => Ok(()),
            (Account::AsBefore | Account::Vouched, Likeness::Another) => {
                Err(Error::AnotherAccount { name: name() })
            }
            (Account::AsBefore, Likeness::Unknown) => Err(Error::UnknownAccount { name: name() }),
        }
    }

    /// Whose the current grant is: as was noted with it, or else by its id token.
    pub(crate) fn account_of_stored(&self, connection: &Connection, provider: &str) -> Option<AccountHash> {
        let grant = connection.grant.as_ref()?;
        grant.about.account.clone().or_else(|| {
            let place = place(connection.id, Field::IdToken, grant.id, grant.tokens.generation);
            let id_token = self.vault.open_text(&place, grant.tokens.id_token.as_ref()?).ok()?;
            self.by_id_token(id_token.expose_secret(), provider)
        })
    }

    /// Whose a new grant is, where its provider says it: as the file has it, or else by an id token.
    pub(crate) async fn account_of(
        &self,
        consent: &Consent<'_>,
        provider: &Provider,
        asked: &[String],
    ) -> Option<AccountHash> {
        let Consent { client, answer, about: About { site, redirect, .. }, .. } = consent;
        let identity = identity_of(provider);
        match identity {
            Identity::Get { get, path } => {
                let get = where_to_ask(get, &client.endpoints, provider)?;
                let said = self.ask_whose(&get, path, client, provider, &provider.api, answer).await?;
                Some(self.account_hash(&provider.id, identity, &said))
            }
            Identity::IdToken if answer.id_token.is_none() => {
                let Endpoints { userinfo: Some(userinfo), issuer: Some(iss), .. } = &client.endpoints else {
                    return None;
                };
                // The endpoint answers to nobody else (OpenID Connect Core §5.3).
                // No scope in the answer: what was asked for was granted (RFC 6749 §5.1).
                let granted = match &answer.scope {
                    Some(scope) => scope.split(' ').any(|scope| scope == "openid"),
                    None => asks_for_an_id_token(asked),
                };
                if !granted {
                    return None;
                }
                let (path, bearer) = (["sub".to_owned()], ApiFacts::default());
                let sub = self.ask_whose(userinfo, &path, client, provider, &bearer, answer).await?;
                Some(self.by_subject(iss, &sub, &provider.id))
            }
            _ => {
                let id_token = answer.id_token.as_ref();
                self.account_at_hand(provider, id_token, &answer.extra, site, redirect)
            }
        }
    }

    /// What an API says at this place of its answer to a new token. Without it, the consent is good all the same.
    async fn ask_whose(
        &self,
        url: &Url,
        path: &[String],
        client: &Client,
        provider: &Provider,
        api: &ApiFacts,
        answer: &TokenAnswer,
    ) -> Option<String> {
        let (token, id) = (&answer.access_token, &client.client_id);
        let exchange = match account::request(url, token, id, api, &provider.requests) {
            Ok(request) => self.http.send(request, ASK_WITHIN.min(self.limits.answer)).await,
            Err(error) => Exchange::from(error),
        };
        let told =
            |why| tracing::warn!(client = %client.name, %why, "the API did not say whose the new token is");
        account::read(exchange, path).map_err(told).ok()
    }

    /// Whose a grant is that was imported, as far as that is known without asking.
    pub(crate) fn account_of_import(
        &self,
        provider: &Provider,
        new: &NewConnection,
        site: &Site,
    ) -> Option<AccountHash> {
        self.account_at_hand(provider, new.id_token.as_ref(), &new.extra, site, &new.redirect)
    }

    /// Whose a grant is, where what came with it says so.
    fn account_at_hand(
        &self,
        provider: &Provider,
        id_token: Option<&SecretString>,
        extra: &serde_json::Map<String, serde_json::Value>,
        site: &Site,
        redirect: &BTreeMap<String, String>,
    ) -> Option<AccountHash> {
        let identity = identity_of(provider);
        let said = match identity {
            Identity::IdToken => return self.by_id_token(id_token?.expose_secret(), &provider.id),
            Identity::Redirect(name) => redirect.get(name).cloned(),
            Identity::Site(name) => site.get(name).cloned(),
            Identity::Token(path) => at(extra, path),
            Identity::Get { .. } => None,
        };
        said.map(|said| self.account_hash(&provider.id, identity, &said))
    }

    fn by_id_token(&self, id_token: &str, provider: &str) -> Option<AccountHash> {
        let subject = subject(id_token)?;
        Some(self.by_subject(&subject.iss, &subject.sub, provider))
    }

    /// An id token's and the userinfo endpoint's `sub` are one (OpenID Connect Core §5.3.2).
    fn by_subject(&self, iss: &str, sub: &str, provider: &str) -> AccountHash {
        self.account_hash(provider, &Identity::IdToken, &format!("{iss}\n{sub}"))
    }

    fn account_hash(&self, provider: &str, by: &Identity, said: &str) -> AccountHash {
        let by = by.to_string();
        // No refresh token has a line break, so that none has the same fingerprint.
        let hash = self.vault.fingerprint(&format!("account\n{provider}\n{by}\n{said}"));
        let hash = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        AccountHash { by, hash }
    }
}

/// By what a provider says whose a grant is.
fn identity_of(provider: &Provider) -> &Identity {
    provider.identity.as_ref().map_or(&Identity::IdToken, |fact| &fact.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_by_the_same_source_is_compared() {
        let account = |by: &str, hash: &str| AccountHash { by: by.to_owned(), hash: hash.to_owned() };
        let (a, b) = (account("token.id", "a"), account("token.id", "b"));
        let elsewhere = account("redirect.id", "b");
        for (before, now, expected) in [
            (Some(&a), Some(&a), Likeness::Same),
            (Some(&a), Some(&b), Likeness::Another),
            (Some(&a), Some(&elsewhere), Likeness::Unknown),
            (Some(&a), None, Likeness::Unknown),
            (None, Some(&a), Likeness::Unknown),
            (None, None, Likeness::Unknown),
        ] {
            assert_eq!(likeness(before, now), expected, "{before:?} {now:?}");
        }
    }
}
