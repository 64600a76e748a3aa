//! What an API says of an account that every use of it needs: asked for once, and kept with the grant. The tokens are stored by
//! then, and nobody waits for it but who has just consented.

use std::sync::Arc;

use url::Url;
use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::GrantId;
use vestal_core::outcome::Reply;
use vestal_core::provider::Provider;
use vestal_core::secret::SecretString;
use vestal_core::site::{Site, filled_wholly};
use vestal_core::store::Update;
use vestal_core::token::{About, Found};
use vestal_oauth::http::Exchange;
use vestal_oauth::lookup;

use crate::change::update_to;
use crate::consent::Consent;
use crate::identity::{ASK_WITHIN, Account};
use crate::take::Cargo;
use crate::{Connected, Error, Inner};

impl Inner {
    /// Makes what a consent brought the connection's grant, and asks then for what its API says. Without that, the grant is good
    /// all the same: it is asked for again after the next refresh.
    pub(crate) async fn store_and_look_up(
        &self,
        consent: Consent<'_>,
        provider: &Provider,
        asked: Option<&[String]>,
    ) -> Result<Connected, Error> {
        let (id, client) = (consent.connection.id, consent.client);
        let access_token = consent.answer.access_token.clone();
        let mut connected = self.store_consent(consent, provider, asked).await?;
        let before = connected.about.found.as_ref();
        let Some(found) = self.look_up(client, provider, &access_token, before).await else {
            return Ok(connected);
        };
        match self.store.connection(id).await {
            Ok(Some(stored)) => self.note_found(&stored, connected.grant, &found).await,
            Ok(None) => {}
            Err(error) => not_noted(&connected.name, &error.into()),
        }
        connected.about.found = Some(found);
        Ok(connected)
    }

    /// Asks after a refresh for what is not known yet: the grant was imported, or the API did not say. In a task of its own, for
    /// which only the end of the process waits ([`crate::Engine::drain`]).
    pub(crate) fn look_up_after(self: &Arc<Self>, after: &Connection, reply: &Reply, cargo: &Cargo) {
        let (Reply::Tokens(answer), Some(grant)) = (reply, &after.grant) else { return };
        let known = grant.about.found.as_ref();
        if known.is_some_and(Found::is_confirmed) || cargo.provider.api.lookup.is_none() {
            return;
        }
        let Some(turn) = self.inquiries.begin(after.id, self.clock.uptime()) else { return };
        let (inner, after, grant, before) = (Arc::clone(self), after.clone(), grant.id, known.cloned());
        let (client, provider) = (cargo.client.clone(), Arc::clone(&cargo.provider));
        let access_token = answer.access_token.clone();
        tokio::spawn(async move {
            if let Some(found) = inner.look_up(&client, &provider, &access_token, before.as_ref()).await {
                inner.inquiries.forget(after.id);
                inner.note_found(&after, grant, &found).await;
            }
            drop(turn);
        });
    }

    /// What an API says of the account of a grant, where its provider's file has it asked. `before` is what was chosen among
    /// several until now.
    async fn look_up(
        &self,
        client: &Client,
        provider: &Provider,
        access_token: &SecretString,
        before: Option<&Found>,
    ) -> Option<Found> {
        let asked = &provider.api.lookup.as_ref()?.value;
        let url = where_to_ask(&asked.get, &client.endpoints, provider)?;
        let request = lookup::request(asked, &url, access_token, &client.client_id, &provider.requests);
        let exchange = match request {
            Ok(request) => self.http.send(request, ASK_WITHIN.min(self.limits.answer)).await,
            Err(error) => Exchange::from(error),
        };
        let told = |why: String| {
            let what = asked.take.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            if self.inquiries.is_news(client.id) {
                tracing::warn!(client = %client.name, %what, %why, "the API did not say what its calls need besides the token; it is asked again after later refreshes, and this is not told again");
            } else {
                tracing::debug!(client = %client.name, %what, %why, "the API did not say what its calls need besides the token");
            }
        };
        lookup::read(exchange, asked, access_token, before).map_err(told).ok()
    }

    /// Keeps it with the grant that it was asked for. What goes wrong here is not worth failing for: it is asked for again.
    async fn note_found(&self, connection: &Connection, grant: GrantId, found: &Found) {
        let decide = |stored: &Connection| {
            let current = stored.grant.as_ref().filter(|current| current.id == grant);
            Ok(current.map(|current| {
                let about = About { found: Some(found.clone()), ..current.about.clone() };
                Update { about: Some(about), ..update_to(stored, vec![]) }
            }))
        };
        if let Err(error) = self.change_connection(connection.clone(), decide).await {
            not_noted(&connection.name, &error);
        }
    }
}

fn not_noted(connection: &ConnectionName, error: &Error) {
    tracing::warn!(%connection, %error, "what the API said was not noted; it is asked again after the next refresh");
}

/// What was chosen among several for the grant before counts for the next one of the same account, until its API says
/// otherwise.
pub(crate) fn chosen_before(connection: &Connection, account: Account) -> Option<Found> {
    let before = connection.grant.as_ref()?.about.found.as_ref()?;
    match account {
        Account::AsBefore | Account::Vouched => Some(Found { among: 0, ..before.clone() }),
        Account::Any => None,
    }
}

/// Where a token of this client is shown that a provider's file has shown somewhere; nowhere, where it is of somebody else's
/// server, whose tokens are nothing for the API of the file.
pub(crate) fn where_to_ask(asked: &Url, endpoints: &Endpoints, provider: &Provider) -> Option<Url> {
    let site = site_by_the_file(&endpoints.token, provider)?;
    let url = filled_wholly(asked.as_str(), &site)?.parse().ok()?;
    is_its_own(&url, endpoints, provider).then_some(url)
}

/// Whether a URL of a provider's file is for the tokens of this client.
pub(crate) fn is_its_own(url: &Url, endpoints: &Endpoints, provider: &Provider) -> bool {
    match &provider.endpoints.token {
        Some(_) => site_by_the_file(&endpoints.token, provider).is_some(),
        // Such a file is for many servers, and each client has its own.
        None => endpoints.all().any(|own| own.host().is_some() && own.host() == url.host()),
    }
}

/// Where a provider is whose token endpoint this is: at what site; `None` where its file names no such host. A file may leave
/// open where it is.
fn site_by_the_file(token: &Url, provider: &Provider) -> Option<Site> {
    let Some(fact) = &provider.endpoints.token else { return Some(Site::new()) };
    if fact.value.host() == token.host() {
        return Some(Endpoints::at(fact.value.clone()).site_at(token, provider).unwrap_or_default());
    }
    Endpoints::at(fact.value.clone()).site_at(token, provider)
}

#[cfg(test)]
mod tests {
    use vestal_core::provider::catalogue;

    use super::*;

    #[test]
    fn a_token_of_another_server_is_not_shown_to_the_api_of_the_file() {
        let asked = |provider: &str, token: &str| {
            let provider = catalogue::builtin(provider).unwrap().unwrap();
            site_by_the_file(&token.parse().unwrap(), &provider)
        };
        assert_eq!(asked("spotify", "https://accounts.spotify.com/api/token"), Some(Site::new()));
        assert_eq!(asked("spotify", "https://accounts.spotify.com/api/v2/token"), Some(Site::new()));
        assert_eq!(asked("spotify", "https://spotify.example/api/token"), None);
        let host = |host: &str| Some(Site::from([("host".to_owned(), host.to_owned())]));
        let developers = "account-d.docusign.com";
        assert_eq!(asked("docusign", &format!("https://{developers}/oauth/token")), host(developers));
        assert_eq!(asked("docusign", "https://account.docusign.example/oauth/token"), None);
    }

    fn asked(file: &str, url: &str, token: &str) -> Option<String> {
        let provider = catalogue::builtin(file).unwrap().unwrap();
        let endpoints = Endpoints::at(token.parse().unwrap());
        where_to_ask(&url.parse().unwrap(), &endpoints, &provider).map(String::from)
    }

    #[test]
    fn a_token_is_shown_where_it_comes_from() {
        let europe = "https://accounts.zoho.eu/oauth/user/info";
        let zoho = |token: &str| asked("zoho", "https://{server}/oauth/user/info", token);
        assert_eq!(zoho("https://accounts.zoho.eu/oauth/v2/token").as_deref(), Some(europe));
        assert_eq!(zoho("https://accounts.zoho.example/oauth/v2/token"), None);
    }

    #[test]
    fn where_a_file_is_for_many_servers_each_is_asked_of_its_own_tokens() {
        for file in ["custom", "okta", "auth0", "keycloak"] {
            let asked = |url: &str| asked(file, url, "https://one.example/token");
            assert_eq!(asked("https://one.example/me").as_deref(), Some("https://one.example/me"), "{file}");
            assert_eq!(asked("https://two.example/me"), None, "{file}");
        }
    }
}
