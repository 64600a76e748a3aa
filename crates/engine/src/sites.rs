//! Where a connection's provider is, for providers that are at many places.

use std::sync::Arc;

use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::{ClientId, ConnectionId};
use vestal_core::provider::Provider;
use vestal_core::site::{Site, UnfitSite};
use vestal_core::store::Due;
use vestal_core::token::Grant;
use vestal_oauth::callback::Callback;
use vestal_oauth::endpoint;

use crate::holds::host_of;
use crate::hosts::Slot;
use crate::open_clients::OpenClient;
use crate::{Error, Inner};

impl Inner {
    /// A client as it is for a grant: its secret goes to that grant's own place, and nowhere that the provider's file does
    /// not allow. Asked each time, since whoever can write to the store can write there what they like.
    pub(crate) fn at_site_of(&self, client: &Client, grant: Option<&Grant>) -> Result<Client, Error> {
        let nowhere = Site::new();
        self.at_site(client, grant.map_or(&nowhere, |grant| &grant.about.site))
    }

    /// A client as it is at a site.
    pub(crate) fn at_site(&self, client: &Client, site: &Site) -> Result<Client, Error> {
        if !client.endpoints.have_variables() {
            return Ok(client.clone());
        }
        let provider = self.catalogue.get(&client.provider)?;
        let at = client.at(site, &provider).map_err(unfit(&provider))?;
        for url in at.endpoints.all() {
            endpoint::check(url).map_err(|why| Error::Client {
                client: client.name.clone(),
                lacks: format!("is at no fit place: {why}"),
            })?;
        }
        Ok(at)
    }

    /// The same of a client that is open. Most are at one place only.
    pub(crate) fn open_at_site_of(
        &self,
        opened: &OpenClient,
        grant: Option<&Grant>,
    ) -> Result<Arc<Client>, Error> {
        match grant {
            Some(_) if opened.client.endpoints.have_variables() => {
                self.at_site_of(&opened.client, grant).map(Arc::new)
            }
            // Without a grant, nothing is sent.
            _ => Ok(Arc::clone(&opened.client)),
        }
    }

    /// The host that a connection's refreshes go to.
    pub(crate) async fn host_for(&self, id: ConnectionId, client: ClientId) -> Result<String, Error> {
        let opened = self.open_client(client).await?;
        if opened.client.endpoints.have_one_host() {
            return Ok(host_of(&opened.client));
        }
        let connection = self.store.connection(id).await?;
        let grant = connection.as_ref().and_then(|connection| connection.grant.as_ref());
        Ok(host_of(&*self.open_at_site_of(&opened, grant)?))
    }

    /// A slot of the schedule for a connection whose host was not known before it was read. Where there is none, it is left
    /// alone for a while, and the others of its client are not.
    pub(crate) async fn scheduled_slot(&self, due: Due, stored: Option<&Connection>) -> Option<Slot> {
        let uptime = self.clock.uptime();
        let grant = stored.and_then(|stored| stored.grant.as_ref());
        let host = match self.open_client(due.client).await {
            Ok(opened) => self.open_at_site_of(&opened, grant).map(|client| host_of(&client)),
            Err(error) => Err(error),
        };
        // Whoever cannot be read, or is nowhere, tells why in a flight.
        let host = host.unwrap_or_default();
        let patience = self.holds.patience_left(due.client, &host, uptime);
        let slot = if patience.is_none() { self.hosts.try_scheduled(&host, uptime) } else { None };
        if slot.is_none() {
            let wait = patience.or_else(|| self.hosts.open_for(&host, uptime));
            self.ailing.note_full(due.connection, uptime, wait);
        }
        slot
    }

    /// Where to ask for tokens, before there is a connection at a place that is not known. Returns the client there.
    pub(crate) async fn where_to_begin(
        &self,
        name: &ConnectionName,
        client: &Client,
        provider: &Provider,
        said: &Site,
    ) -> Result<(Client, Site), Error> {
        let before = match client.endpoints.have_variables() {
            true => self.store.connection_named(name).await?.and_then(|connection| connection.grant),
            false => None,
        };
        // As somebody says, or else where the grant before is, or else at the default.
        self.place_of(client, provider, said, |variable| {
            let before = before.as_ref().and_then(|grant| grant.about.site.get(variable));
            let default = || provider.site.get(variable).and_then(|fact| fact.default.as_ref());
            before.or_else(default).cloned()
        })
    }

    /// A client as it is where a token comes from, which somebody has to say: elsewhere, it would look like one that has ended.
    pub(crate) fn place_of_import(
        &self,
        client: &Client,
        provider: &Provider,
        said: &Site,
    ) -> Result<(Client, Site), Error> {
        self.place_of(client, provider, said, |_| None)
    }

    /// A client as it is where somebody says, or else elsewhere.
    fn place_of(
        &self,
        client: &Client,
        provider: &Provider,
        said: &Site,
        otherwise: impl Fn(&str) -> Option<String>,
    ) -> Result<(Client, Site), Error> {
        let endpoints = &client.endpoints;
        let mut site = endpoints.site(said, provider).map_err(unfit(provider))?;
        for variable in endpoints.variables() {
            if !site.contains_key(&variable)
                && let Some(value) = otherwise(&variable)
            {
                site.insert(variable, value);
            }
        }
        Ok((self.at_site(client, &site)?, site))
    }
}

/// The site to exchange a code at. A redirect may go on elsewhere where its provider does that, and only to where its file
/// allows; otherwise what it says has to be what was asked for.
pub(crate) fn site_after(
    callback: &Callback,
    asked: &Site,
    endpoints: &Endpoints,
    provider: &Provider,
) -> Result<Site, String> {
    let mut site = asked.clone();
    for (variable, begun) in asked {
        let Some(fact) = provider.site.get(variable) else { continue };
        let Some(parameter) = &fact.redirect else { continue };
        let Some(said) = callback.parameter(parameter).map_err(|error| error.to_string())? else { continue };
        let value = endpoints.plain_value(variable, said);
        if value == *begun {
            continue;
        }
        provider
            .allows_site(variable, &value)
            .map_err(|unfit| format!("the redirect's {parameter}: {unfit}"))?;
        if fact.default.is_none() {
            return Err(format!(
                "the redirect is for {value}, and {begun} was asked for: it may be an attack"
            ));
        }
        site.insert(variable.clone(), value);
    }
    Ok(site)
}

pub(crate) fn unfit(provider: &Provider) -> impl Fn(UnfitSite) -> Error {
    let provider = provider.name.clone();
    move |why| Error::Site { provider: provider.clone(), why: Box::new(why) }
}
