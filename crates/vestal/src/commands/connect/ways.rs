//! Each way to connect an account, once its client is known.

use std::collections::BTreeMap;

use vestal_api::ConsentView;
use vestal_core::client::Client;
use vestal_core::connection::ConnectionName;
use vestal_core::site::{Site, UnfitSite};
use vestal_engine::{Account, BeginConnect, BeginDevice, Connected, ConsentRequest, Error, ExchangeFrom};

use super::account::whose;
use super::service_account::ServiceAccount;
use super::{browser, device, redirected};
use crate::commands::registration::check_redirect;
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::loopback::Loopback;
use crate::terminal;

/// What came of it, unless it came to nothing before.
type Outcome = Result<Result<Connected, Error>, Failure>;

/// What each of them goes by.
pub(super) struct Connecting<'a> {
    pub(super) vestal: &'a Vestal,
    pub(super) context: &'a Context,
    pub(super) name: &'a ConnectionName,
    pub(super) client: &'a Client,
    /// The scopes, where they are others than the client's.
    pub(super) scopes: Option<Vec<String>>,
    pub(super) site: Site,
    /// Whose consent is taken, where that was said.
    pub(super) account: Option<Account>,
}

impl Connecting<'_> {
    /// By assertions that the client signs.
    pub(super) async fn with_service_account(
        self,
        account: ServiceAccount,
        subject: Option<String>,
        audiences: Vec<String>,
    ) -> Outcome {
        let bearer = account.bearer(subject, audiences.into_iter().next(), self.scopes);
        let engine = &self.vestal.engine;
        let connecting = engine.connect_jwt_bearer(self.name, &self.client.name, &self.site, bearer);
        self.context.to_its_end(Box::pin(connecting)).await
    }

    /// In exchange for the token of another connection.
    pub(super) async fn in_exchange(self, from: ConnectionName, audiences: Vec<String>) -> Outcome {
        let exchange = ExchangeFrom { from, audiences, resources: Vec::new(), scopes: self.scopes };
        let engine = &self.vestal.engine;
        let connecting = engine.connect_token_exchange(self.name, &self.client.name, &self.site, exchange);
        self.context.to_its_end(Box::pin(connecting)).await
    }

    /// With the client's own credentials.
    pub(super) async fn by_itself(self) -> Outcome {
        let client = self.client;
        if self.scopes.is_some_and(|scopes| scopes != client.scopes) {
            // They are asked for anew at every renewal, so they are the client's.
            return Err(Failure::usage("with client credentials, the scopes are those of the client")
                .why(format!("the client {:?} asks for: {}", client.name, client.scopes.join(" ")))
                .next("add a client with the scopes you want, and name it with --client"));
        }
        let connecting = self.vestal.engine.connect_client_credentials(self.name, &client.name, &self.site);
        Box::pin(self.context.to_its_end(connecting)).await
    }

    /// With a person's consent on another device.
    pub(super) async fn on_another_device(self) -> Outcome {
        let Self { vestal, context, name, client, scopes, site, account } = self;
        let begin = BeginDevice { name: name.clone(), client: client.name.clone(), scopes, site };
        let account = whose(vestal, name, account).await?;
        Box::pin(device::consent(vestal, context, begin, account)).await
    }

    /// With a person's consent in a browser, here or elsewhere.
    pub(super) async fn in_a_browser(
        self,
        parameters: BTreeMap<String, String>,
        no_browser: bool,
    ) -> Outcome {
        let Self { vestal, context, name, client, scopes, site, account } = self;
        check_redirect(client, &*vestal.engine.catalogue().get(&client.provider)?)?;
        let begin =
            BeginConnect { name: name.clone(), client: client.name.clone(), scopes, site, parameters };
        let account = whose(vestal, name, account).await?;
        // Where nobody can listen, nothing is begun.
        let listening = match no_browser || !Loopback::can_serve(&client.redirect_uri) {
            true => None,
            false => Some(Loopback::listen(&client.redirect_uri).await?),
        };
        let request = match begin_connect(vestal, begin).await? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        announce(name, &request, context)?;
        match listening {
            Some(loopback) => browser::consent(vestal, context, &request, account, loopback).await,
            None => pasted(vestal, context, &request, account).await,
        }
    }
}

/// Prepares the consent; where the provider is, is asked for at a terminal.
async fn begin_connect(
    vestal: &Vestal,
    mut begin: BeginConnect,
) -> Result<Result<ConsentRequest, Error>, Failure> {
    loop {
        let outcome = vestal.engine.begin_connect(begin.clone()).await;
        match &outcome {
            Err(Error::Site { why, .. }) if terminal::has_person() => match &**why {
                UnfitSite::Missing { variable, what } if !begin.site.contains_key(variable) => {
                    let said = terminal::ask(&format!("Say {what}: "))?;
                    begin.site.insert(variable.clone(), said);
                }
                _ => return Ok(outcome),
            },
            _ => return Ok(outcome),
        }
    }
}

/// Says where to consent.
fn announce(name: &ConnectionName, request: &ConsentRequest, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    for advice in &request.advice {
        output.warn(advice);
    }
    if output.json {
        output.json(&ConsentView {
            name: name.clone(),
            authorization_url: request.url.clone(),
            redirect_uri: request.redirect_uri.clone(),
            scopes: request.scopes.clone(),
            expires_at: request.expires_at,
        })?;
        return Ok(());
    }
    let minutes = browser::PATIENCE.as_secs() / 60;
    output.note(format_args!(
        "To connect {:?}, open this page and consent within {minutes} min:\n",
        name.as_str()
    ));
    output.line(&request.url)?;
    output.note("");
    Ok(())
}

/// Takes the URL that the browser ended at from stdin.
async fn pasted(vestal: &Vestal, context: &Context, request: &ConsentRequest, account: Account) -> Outcome {
    let beginning = &request.redirect_uri;
    context.output.note(format_args!(
        "The browser will end at a page that begins with {beginning}\nand may say that it cannot be reached. Paste its whole URL here:"
    ));
    let redirected = redirected::read(request, terminal::read_line, |unfit| {
        context.output.warn(format_args!("{unfit}; paste it again:"));
    })?;
    context.to_its_end(vestal.engine.finish_connect(&redirected, account)).await
}
