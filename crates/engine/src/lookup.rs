//! What an API says of an account that every use of it needs: asked for once, and kept with the grant.

use url::Url;
use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::Connection;
use vestal_core::id::GrantId;
use vestal_core::outcome::Reply;
use vestal_core::provider::{Lookup, Provider};
use vestal_core::secret::SecretString;
use vestal_core::site::{Site, fill};
use vestal_core::store::Update;
use vestal_core::token::{About, Found};
use vestal_oauth::http::Exchange;
use vestal_oauth::lookup;

use crate::change::update_to;
use crate::identity::ASK_WITHIN;
use crate::take::Cargo;
use crate::{Error, Inner};

impl Inner {
    /// What an API says of the account of a new grant, where its provider's file has it asked. Without it, the grant is good all
    /// the same: it is asked for again after the next refresh.
    pub(crate) async fn look_up(
        &self,
        client: &Client,
        provider: &Provider,
        access_token: &SecretString,
    ) -> Option<Found> {
        let (asked, url) = whom_to_ask(client, provider)?;
        let exchange = match lookup::request(asked, &url, access_token) {
            Ok(request) => self.http.send(request, ASK_WITHIN.min(self.limits.answer)).await,
            Err(error) => Exchange::from(error),
        };
        let told = |why| {
            let what = asked.take.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!(client = %client.name, %what, %why, "the API did not say what its calls need besides the token; it is asked again after the next refresh");
        };
        lookup::read(exchange, asked).map_err(told).ok()
    }

    /// Asks after a refresh for what is not known yet: the grant was imported, or the API did not say. The new tokens are stored
    /// by then.
    pub(crate) async fn look_up_after(&self, after: &Connection, reply: &Reply, cargo: &Cargo) {
        let Cargo { client, provider, .. } = cargo;
        let (Reply::Tokens(answer), Some(grant)) = (reply, &after.grant) else { return };
        if grant.about.found.is_some() || provider.api.lookup.is_none() {
            return;
        }
        let Some(found) = self.look_up(client, provider, &answer.access_token).await else { return };
        if let Err(error) = self.note_found(after, grant.id, &found).await {
            tracing::warn!(connection = %after.name, %error, "what the API said was not noted; it is asked again after the next refresh");
        }
    }

    /// Keeps it with the grant that it was asked for.
    async fn note_found(&self, connection: &Connection, grant: GrantId, found: &Found) -> Result<(), Error> {
        let decide = |stored: &Connection| {
            let current = stored.grant.as_ref().filter(|current| current.id == grant);
            Ok(current.map(|current| {
                let about = About { found: Some(found.clone()), ..current.about.clone() };
                Update { about: Some(about), ..update_to(stored, vec![]) }
            }))
        };
        self.change_connection(connection.clone(), decide).await.map(drop)
    }
}

/// What is asked, and where; `None` where nothing is, as of somebody else's server, whose tokens are nothing for the API of the
/// file.
fn whom_to_ask<'a>(client: &Client, provider: &'a Provider) -> Option<(&'a Lookup, Url)> {
    let asked = &provider.api.lookup.as_ref()?.value;
    let site = site_by_the_file(&client.endpoints.token, provider)?;
    let url = fill(asked.get.as_str(), |name| site.get(name).cloned()).ok()?.parse().ok()?;
    Some((asked, url))
}

/// Where a provider is whose token endpoint this is: at what site; `None` where its file names no such host. A file may leave
/// open where it is.
pub(crate) fn site_by_the_file(token: &Url, provider: &Provider) -> Option<Site> {
    let Some(fact) = &provider.endpoints.token else { return Some(Site::new()) };
    if fact.value.host() == token.host() {
        return Some(Endpoints::at(fact.value.clone()).site_at(token, provider).unwrap_or_default());
    }
    Endpoints::at(fact.value.clone()).site_at(token, provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_another_server_is_not_shown_to_the_api_of_the_file() {
        let asked = |provider: &str, token: &str| {
            let provider = vestal_core::provider::catalogue::builtin(provider).unwrap().unwrap();
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
}
