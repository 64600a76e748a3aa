//! `vestal connect`: the first five minutes in one verb.

use std::path::PathBuf;

use vestal_core::client::ClientAuth;
use vestal_core::connection::ConnectionName;
use vestal_engine::{Account, Error};

use self::client::Wanted;
use self::outcome::conclude;
use self::service_account::ServiceAccount;
use self::ways::Connecting;
use super::registration::{ClientOptions, open_or_set_up, split};
use crate::context::Context;
use crate::failure::{Failure, word};
use crate::warnings;

mod account;
mod browser;
mod client;
mod device;
mod outcome;
mod redirected;
mod service_account;
mod ways;

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

/// Refuses what a way to connect has no use for, before anything is made: what is said is not to go unheard.
fn refuse_what_is_of_no_use(args: &Args) -> Result<(), Failure> {
    let by_itself = args.grant == GrantType::ClientCredentials;
    let nobody_consents = by_itself || args.exchange_from.is_some() || args.service_account.is_some();
    if !args.audiences.is_empty() && args.service_account.is_none() && args.exchange_from.is_none() {
        let next = match by_itself || args.device {
            true => "leave --audience out",
            false => "leave it out; or, to say it in the authorization request: --param audience=NAME",
        };
        return Err(Failure::usage("--audience goes with --exchange-from or --service-account").next(next));
    }
    if args.audiences.len() > 1 && args.service_account.is_some() {
        return Err(Failure::usage("a service account's assertion is for one audience")
            .why(args.audiences.join(", "))
            .next("give --audience once"));
    }
    if by_itself && !args.parameters.is_empty() {
        return Err(Failure::usage("--param does not go with client credentials")
            .why("it is for the authorization request, and none is made")
            .next("leave --param out"));
    }
    let account = [(args.another_account, "--another-account"), (args.same_account, "--same-account")];
    if nobody_consents && let Some((_, flag)) = account.into_iter().find(|(is_said, _)| *is_said) {
        return Err(Failure::usage(format!("{flag} is of a person's consent"))
            .why("here nobody is asked for one")
            .next(format!("leave {flag} out")));
    }
    Ok(())
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if args.provider.is_none() && args.client.is_none() && args.options.say_something() {
        return Err(
            Failure::usage("nobody says which provider the client belongs to").next("add --provider P")
        );
    }
    refuse_what_is_of_no_use(&args)?;
    let vestal = match &args.provider {
        // Nothing can be made from a name alone.
        None => context.open().await?,
        Some(provider) => open_or_set_up(context, provider).await?,
    };
    let Args { name, provider, client, mut options, .. } = args;
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
    let connecting = Connecting {
        vestal: &vestal,
        context,
        name: &name,
        client: &client,
        scopes: Some(split(&args.scopes)).filter(|scopes| !scopes.is_empty()),
        site: args.site.into_iter().collect(),
        account: match (args.another_account, args.same_account) {
            (true, _) => Some(Account::Any),
            (_, true) => Some(Account::Vouched),
            _ => None,
        },
    };
    let outcome = match args.grant {
        GrantType::ClientCredentials => connecting.by_itself().await?,
        GrantType::AuthorizationCode if let Some(account) = service_account => {
            connecting.with_service_account(account, args.subject, args.audiences).await?
        }
        GrantType::AuthorizationCode if let Some(from) = args.exchange_from => {
            connecting.in_exchange(from, args.audiences).await?
        }
        GrantType::AuthorizationCode if args.device => connecting.on_another_device().await?,
        GrantType::AuthorizationCode => {
            connecting.in_a_browser(args.parameters.into_iter().collect(), args.no_browser).await?
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use vestal_api::Code;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_a_way_to_connect_has_no_use_for_is_refused_and_not_dropped() {
        let told = |line: &str| {
            let line = ["connect", "shop", "--provider", "p"].into_iter().chain(line.split_whitespace());
            refuse_what_is_of_no_use(&Line::try_parse_from(line).unwrap().args)
                .map_err(|failure| failure.view().unwrap())
        };
        for (line, said) in [
            ("--audience a", "--exchange-from or --service-account"),
            ("--grant client-credentials --audience a", "--exchange-from or --service-account"),
            ("--service-account f --audience a --audience b", "one audience"),
            ("--grant client-credentials --param a=b", "--param does not go with"),
            ("--grant client-credentials --same-account", "--same-account is of"),
            ("--service-account f --another-account", "--another-account is of"),
            ("--exchange-from crm --another-account", "--another-account is of"),
        ] {
            let view = told(line).unwrap_err();
            assert!(view.code == Code::Usage && view.error.contains(said) && view.next.is_some(), "{view:?}");
        }
        for line in [
            "--param audience=a --same-account",
            "--device --another-account",
            "--service-account f --audience a",
            "--exchange-from crm --audience a --audience b",
            "--grant client-credentials --scope a",
        ] {
            assert_eq!(told(line), Ok(()), "{line}");
        }
    }

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
