//! With which client an account is connected.

use vestal_core::client::Client;
use vestal_core::connection::ConnectionName;

use crate::commands::registration::{ClientOptions, register};
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::when::Calendar;

/// What somebody said of the client to use.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a ConnectionName,
    pub(super) provider: Option<String>,
    pub(super) client: Option<String>,
}

impl Wanted<'_> {
    /// The client to connect with; it is added where there is none.
    pub(super) async fn client(
        self,
        vestal: &Vestal,
        context: &Context,
        options: ClientOptions,
        scopes: &[String],
        calendar: &Calendar,
    ) -> Result<Client, Failure> {
        let failed = |error| Failure::of(error, None, calendar);
        let store = vestal.engine.store();
        let existing = match store.connection_named(self.name).await? {
            Some(connection) => store.client(connection.client).await?,
            None => None,
        };
        match (self.provider, self.client) {
            (None, None) => existing.ok_or_else(|| {
                Failure::usage(format!("there is no connection {:?} yet", self.name.as_str()))
                    .why("to make one, it has to be known with which provider")
                    .next(format!(
                        "vestal connect --provider P {}; see: vestal providers list",
                        word(self.name.as_str())
                    ))
            }),
            (None, Some(client)) => vestal.engine.client_named(&client).await.map_err(failed),
            (Some(provider), Some(name)) => match store.client_named(&name).await? {
                Some(client) if client.provider != provider => Err(Failure::usage(format!(
                    "the client {name:?} belongs to the provider {:?}",
                    client.provider
                ))
                .next("name another client, or leave --provider out")),
                Some(client) => Ok(already(client, &options)?),
                None => register(vestal, context, &provider, name, options, scopes).await,
            },
            (Some(provider), None) => {
                if let Some(existing) = existing.filter(|client| client.provider == provider) {
                    return already(existing, &options);
                }
                let mut clients = store.clients().await?.clients;
                clients.retain(|client| client.provider == provider);
                match (clients.pop(), clients.len()) {
                    (None, _) => {
                        register(vestal, context, &provider, provider.clone(), options, scopes).await
                    }
                    (Some(only), 0) => already(only, &options),
                    (Some(last), _) => {
                        let names = clients.iter().chain([&last]).map(|client| client.name.clone());
                        let names: Vec<String> = names.collect();
                        Err(Failure::usage(format!("{provider} has several clients"))
                            .why(names.join(", "))
                            .next("name the one you mean with --client"))
                    }
                }
            }
        }
    }
}

/// A client that exists, unless something else was said of it.
fn already(client: Client, options: &ClientOptions) -> Result<Client, Failure> {
    if options.client_id.as_ref().is_none_or(|id| *id == client.client_id) {
        return Ok(client);
    }
    Err(Failure::usage(format!("the client {:?} exists already, with another client id", client.name))
        .why(format!("it is {}", client.client_id))
        .next("give the new one a name of its own with --client"))
}
