//! `vestal connect`: the first five minutes in one verb.

use std::collections::BTreeMap;
use std::path::PathBuf;

use vestal_api::ConsentView;
use vestal_core::client::ClientAuth;
use vestal_core::connection::ConnectionName;
use vestal_core::site::{Site, UnfitSite};
use vestal_engine::{Account, BeginConnect, BeginDevice, Connected, ConsentRequest, Error, ExchangeFrom};

use self::account::whose;
use self::client::Wanted;
use self::outcome::conclude;
use self::service_account::ServiceAccount;
use super::registration::{ClientOptions, check_redirect, open_or_set_up, split};
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::loopback::Loopback;
use crate::terminal;
use crate::warnings;

mod account;
mod browser;
mod client;
mod device;
mod outcome;
mod redirected;
mod service_account;

/// Connect an account: from nothing to a token that is kept alive
///
/// Makes the configuration and the master key if there are none, and the client if the provider has none yet, for which it asks on a terminal. Then it opens the browser for your consent, waits for it to come back, and stores the tokens. With only a name, it renews the consent of a connection that exists.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal connect shop --provider constant-contact
  vestal connect shop                      renew its consent
  vestal connect shop --no-browser         print the URL, paste the final one
  vestal connect shop --device             show a code to type in on another device
  vestal connect acme --provider shopify --site shop=acme
  vestal connect crm --provider custom --issuer https://login.example.com \\
      --client-id ID --client-secret-file secret.txt --scope offline_access
  vestal connect job --client crm --grant client-credentials
  vestal connect drive --provider google --service-account bot.json --subject me@example.com \\
      --scope https://www.googleapis.com/auth/drive
  vestal connect reports --provider custom --exchange-from crm --audience reports")]
pub(crate) struct Args {
    /// The connection's name, to be chosen; or one that exists
    name: ConnectionName,

    /// The provider's identifier (see: vestal providers list); `custom` for any other server
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,

    /// The client to connect with; with --provider, it is added if there is none of that name
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,

    /// A scope to ask for; can be given again [default: the client's]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// A further parameter of the authorization request; can be given again
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,

    /// Where the provider is, where each shop or account has hosts of its own; can be given again
    #[arg(long = "site", value_name = "NAME=VALUE", value_parser = site)]
    site: Vec<(String, String)>,

    /// How to get the token: with a person's consent, or with the client's own credentials
    #[arg(long, value_enum, default_value_t = GrantType::AuthorizationCode)]
    grant: GrantType,

    /// Do not open a browser: print the URL, and read the final URL from stdin
    #[arg(long)]
    no_browser: bool,

    /// Ask for consent on another device: show a code to type in there, and wait
    #[arg(long, conflicts_with_all = ["grant", "no_browser", "parameters"])]
    device: bool,

    /// Get the token in exchange for that of another connection (RFC 8693), now and at each renewal
    #[arg(long, value_name = "CONNECTION", conflicts_with_all = ["grant", "no_browser", "parameters", "device"])]
    exchange_from: Option<ConnectionName>,

    /// Get the token by an assertion that the client signs (RFC 7523): a service account's file (Google's JSON), or a private key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["grant", "no_browser", "parameters", "device", "exchange_from"])]
    service_account: Option<PathBuf>,

    /// Whom a service account's token is to speak for
    #[arg(long, value_name = "USER", requires = "service_account")]
    subject: Option<String>,

    /// Whom an exchanged token is for, by a name of the provider's, which can be given again; whom a service account's
    /// assertion is for [default: the token endpoint]
    #[arg(long = "audience", value_name = "NAME")]
    audiences: Vec<String>,

    /// Take the consent also if another account gives it than the one that was connected before
    #[arg(long)]
    another_account: bool,

    /// Vouch that the same account consents, where the provider does not say which one does
    #[arg(long, conflicts_with = "another_account")]
    same_account: bool,

    #[command(flatten)]
    options: ClientOptions,
}

/// The grants that begin a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GrantType {
    /// RFC 6749 §4.1
    AuthorizationCode,
    /// RFC 6749 §4.4
    ClientCredentials,
}

/// Parameters of the authorization request that are Vestal's own (RFC 6749 §4.1.1, RFC 7636 §4.3).
const OWN_PARAMETERS: [&str; 7] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "scope",
];

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if OWN_PARAMETERS.contains(&name) => Err(format!(
            "{name} is said by Vestal itself{}",
            if name == "scope" { ": use --scope" } else { "" }
        )),
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is written as NAME=VALUE".to_owned()),
    }
}

pub(super) fn site(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a site is written as NAME=VALUE".to_owned()),
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if args.provider.is_none() && args.client.is_none() && args.options.say_something() {
        return Err(
            Failure::usage("nobody says which provider the client belongs to").next("add --provider P")
        );
    }
    let vestal = match &args.provider {
        // Nothing can be made from a name alone.
        None => context.open().await?,
        Some(provider) => open_or_set_up(context, provider).await?,
    };
    let scopes = Some(split(&args.scopes)).filter(|scopes| !scopes.is_empty());
    let Args { name, provider, client, mut options, .. } = args;
    if !args.audiences.is_empty() && args.service_account.is_none() && args.exchange_from.is_none() {
        return Err(Failure::usage("--audience goes with --exchange-from or --service-account"));
    }
    let service_account = args.service_account.as_deref().map(ServiceAccount::read).transpose()?;
    if let Some(account) = &service_account {
        // Its assertions say who it is, and prove it.
        options.auth = options.auth.or(Some(ClientAuth::None));
        options.client_id = options.client_id.or_else(|| account.client_id.clone());
    }
    options.redirects_nobody = args.device
        || args.grant == GrantType::ClientCredentials
        || args.exchange_from.is_some()
        || service_account.is_some();
    let wanted = Wanted { name: &name, provider, client };
    let client = wanted.client(&vestal, context, options, &args.scopes).await?;

    warnings::of_ends(&vestal, &client).iter().for_each(|told| told.say(context.output));
    let site: Site = args.site.into_iter().collect();
    let said = match (args.another_account, args.same_account) {
        (true, _) => Some(Account::Any),
        (_, true) => Some(Account::Vouched),
        _ => None,
    };
    let outcome = match args.grant {
        GrantType::AuthorizationCode if let Some(account) = service_account => {
            let bearer = account.bearer(args.subject, args.audiences.into_iter().next(), scopes);
            let connecting = Box::pin(vestal.engine.connect_jwt_bearer(&name, &client.name, &site, bearer));
            context.to_its_end(connecting).await?
        }
        GrantType::AuthorizationCode if let Some(from) = args.exchange_from => {
            let (audiences, resources) = (args.audiences, Vec::new());
            let exchange = ExchangeFrom { from, audiences, resources, scopes };
            let connecting =
                Box::pin(vestal.engine.connect_token_exchange(&name, &client.name, &site, exchange));
            context.to_its_end(connecting).await?
        }
        GrantType::ClientCredentials => {
            if scopes.is_some_and(|scopes| scopes != client.scopes) {
                // They are asked for anew at every renewal, so they are the client's.
                return Err(Failure::usage("with client credentials, the scopes are those of the client")
                    .why(format!("the client {:?} asks for: {}", client.name, client.scopes.join(" ")))
                    .next("add a client with the scopes you want, and name it with --client"));
            }
            let connecting = vestal.engine.connect_client_credentials(&name, &client.name, &site);
            Box::pin(context.to_its_end(connecting)).await?
        }
        GrantType::AuthorizationCode if args.device => {
            let begin = BeginDevice { name: name.clone(), client: client.name.clone(), scopes, site };
            let account = whose(&vestal, &name, said).await?;
            Box::pin(device::consent(&vestal, context, begin, account)).await?
        }
        GrantType::AuthorizationCode => {
            check_redirect(&client, &*vestal.engine.catalogue().get(&client.provider)?)?;
            let begin = BeginConnect {
                name: name.clone(),
                client: client.name.clone(),
                scopes,
                site,
                parameters: args.parameters.into_iter().collect::<BTreeMap<_, _>>(),
            };
            let account = whose(&vestal, &name, said).await?;
            // Where nobody can listen, nothing is begun.
            let listening = match args.no_browser || !Loopback::can_serve(&client.redirect_uri) {
                true => None,
                false => Some(Loopback::listen(&client.redirect_uri).await?),
            };
            match begin_connect(&vestal, begin).await? {
                Err(error) => Err(error),
                Ok(request) => {
                    announce(&name, &request, context)?;
                    match listening {
                        Some(loopback) => {
                            browser::consent(&vestal, context, &request, account, loopback).await?
                        }
                        None => pasted(&vestal, context, &request, account).await?,
                    }
                }
            }
        }
    };
    match outcome {
        Ok(connected) => {
            conclude(&vestal, &client, connected, context, &context.calendar()).await?;
            // What ends was told before.
            let mut told = warnings::of_client(&vestal, &client).await?;
            told.retain(|told| !told.is_of_ends());
            if let Some(connection) = vestal.engine.store().connection_named(&name).await? {
                told.extend(warnings::shared_with(&vestal, &connection).await?);
            }
            told.iter().for_each(|told| told.say(context.output));
            Ok(())
        }
        Err(error) => {
            let wants_another = matches!(error, Error::Consent { .. });
            let failure = vestal.failure(error, &name).await;
            Err(if wants_another {
                failure.next(format!("vestal connect {}", word(name.as_str())))
            } else {
                failure
            })
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
async fn pasted(
    vestal: &Vestal,
    context: &Context,
    request: &ConsentRequest,
    account: Account,
) -> Result<Result<Connected, Error>, Failure> {
    let beginning = &request.redirect_uri;
    context.output.note(format_args!(
        "The browser will end at a page that begins with {beginning}\nand may say that it cannot be reached. Paste its whole URL here:"
    ));
    let redirected = redirected::read(request, terminal::read_line, |unfit| {
        context.output.warn(format_args!("{unfit}; paste it again:"));
    })?;
    context.to_its_end(vestal.engine.finish_connect(&redirected, account)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_our_own_is_refused() {
        let of = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parameter("prompt=login"), of("prompt", "login"));
        assert_eq!(parameter("hint=a=b"), of("hint", "a=b"));
        for text in
            ["prompt", "=x", "state=x", "redirect_uri=https://x.example", "scope=a", "code_challenge=x"]
        {
            assert!(parameter(text).is_err(), "{text}");
        }
    }
}
