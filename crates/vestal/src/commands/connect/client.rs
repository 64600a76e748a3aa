//! With which client an account is connected.

use url::Url;
use vestal_core::client::{Client, Endpoints};
use vestal_core::connection::ConnectionName;

use crate::commands::registration::{ClientOptions, register};
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};

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
    ) -> Result<Client, Failure> {
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
            (None, Some(client)) => already(vestal.engine.client_named(&client).await?, &options, context),
            (Some(provider), Some(name)) => match store.client_named(&name).await? {
                Some(client) if client.provider != provider => Err(Failure::usage(format!(
                    "the client {name:?} belongs to the provider {:?}",
                    client.provider
                ))
                .next("name another client, or leave --provider out")),
                Some(client) => already(client, &options, context),
                None => register(vestal, context, &provider, name, options, scopes).await,
            },
            (Some(provider), None) => {
                if let Some(existing) = existing.filter(|client| client.provider == provider) {
                    return already(existing, &options, context);
                }
                let mut clients = store.clients().await?.clients;
                clients.retain(|client| client.provider == provider);
                match (clients.pop(), clients.len()) {
                    (None, _) => {
                        register(vestal, context, &provider, provider.clone(), options, scopes).await
                    }
                    (Some(only), 0) => already(only, &options, context),
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
fn already(client: Client, options: &ClientOptions, context: &Context) -> Result<Client, Failure> {
    if let Some(Difference { flag, known }) = difference(&client, options) {
        let name = &client.name;
        return Err(Failure::usage(format!(
            "the client {name:?} exists already, and {flag} says something else of it"
        ))
        .why(format!("it has {known}"))
        .next(format!("leave {flag} out; or give a new client a name of its own with --client")));
    }
    if options.secret.given().is_some() {
        context.output.warn(format_args!(
            "the client {name:?} exists already: what it proves itself with stays as it is; to change that: vestal client \
             set-secret {name}",
            name = client.name,
        ));
    }
    Ok(client)
}

/// What was said of a client that is otherwise.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    flag: &'static str,
    /// What the client has.
    known: String,
}

fn difference(client: &Client, options: &ClientOptions) -> Option<Difference> {
    let Endpoints { issuer, authorization, token, revocation, device_authorization, .. } = &client.endpoints;
    let Endpoints { resources, redirect_name, push, dpop, .. } = &client.endpoints;
    let text = |flag, said: Option<String>, known: Option<String>| {
        let differs = said.is_some_and(|said| known.as_ref() != Some(&said));
        differs.then(|| Difference { flag, known: known.unwrap_or_else(|| "none".to_owned()) })
    };
    let url = |flag, said: &Option<Url>, known: Option<&Url>| {
        text(flag, said.as_ref().map(Url::to_string), known.map(Url::to_string))
    };
    let flag = |flag, said: bool, known: bool| {
        (said && !known).then(|| Difference { flag, known: "none of that".to_owned() })
    };
    let listed = (!options.resources.is_empty()).then(|| options.resources.join(" "));
    text("--client-id", options.client_id.clone(), Some(client.client_id.clone()))
        .or_else(|| text("--auth", options.auth.map(|it| it.to_string()), Some(client.auth.to_string())))
        .or_else(|| text("--issuer", options.issuer.clone(), issuer.clone()))
        .or_else(|| url("--authorization-endpoint", &options.authorization_endpoint, authorization.as_ref()))
        .or_else(|| url("--token-endpoint", &options.token_endpoint, Some(token)))
        .or_else(|| url("--revocation-endpoint", &options.revocation_endpoint, revocation.as_ref()))
        .or_else(|| {
            let known = device_authorization.as_ref();
            url("--device-authorization-endpoint", &options.device_authorization_endpoint, known)
        })
        .or_else(|| url("--redirect-uri", &options.redirect_uri, Some(&client.redirect_uri)))
        .or_else(|| text("--redirect-name", options.redirect_name.clone(), redirect_name.clone()))
        .or_else(|| text("--resource", listed, Some(resources.join(" "))))
        .or_else(|| flag("--push", options.push, *push))
        .or_else(|| flag("--dpop", options.dpop, *dpop))
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;

    use super::*;
    use crate::testing::client_at;

    #[test]
    fn what_is_said_again_is_no_difference_and_anything_else_is() {
        let url = |text: &str| Some(text.parse::<Url>().unwrap());
        let mut client = client_at("custom", "https://as.example/token");
        client.endpoints.issuer = Some("https://as.example".to_owned());
        client.endpoints.push = true;
        let same = ClientOptions {
            client_id: Some(client.client_id.clone()),
            auth: Some(client.auth),
            issuer: client.endpoints.issuer.clone(),
            token_endpoint: Some(client.endpoints.token.clone()),
            redirect_uri: Some(client.redirect_uri.clone()),
            push: true,
            ..ClientOptions::default()
        };
        assert_eq!(difference(&client, &same), None);
        assert_eq!(difference(&client, &ClientOptions::default()), None);
        let none = ClientOptions::default;
        for (flag, said) in [
            ("--client-id", ClientOptions { client_id: Some("another".to_owned()), ..none() }),
            ("--auth", ClientOptions { auth: Some(ClientAuth::None), ..none() }),
            ("--issuer", ClientOptions { issuer: Some("https://as.example/".to_owned()), ..none() }),
            ("--token-endpoint", ClientOptions { token_endpoint: url("https://b.example/token"), ..none() }),
            (
                "--revocation-endpoint",
                ClientOptions { revocation_endpoint: url("https://b.example"), ..none() },
            ),
            ("--redirect-uri", ClientOptions { redirect_uri: url("http://localhost:1/callback"), ..none() }),
            ("--redirect-name", ClientOptions { redirect_name: Some("Acme-1".to_owned()), ..none() }),
            ("--resource", ClientOptions { resources: vec!["https://api.example".to_owned()], ..none() }),
            ("--dpop", ClientOptions { dpop: true, ..none() }),
        ] {
            assert_eq!(difference(&client, &said).map(|it| it.flag), Some(flag));
        }
    }
}
