//! `vestal client`: our registrations with providers.

use vestal_api::ClientView;
use vestal_core::client::Proof;
use vestal_core::secret::SecretString;

use super::registration::{self, ClientOptions, SecretOptions, flags_for};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Column;
use crate::text::pad;
use crate::warnings;

/// Manage clients: our registrations with providers
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  vestal client add google --provider google --client-id ID \\
      --client-secret-file secret.txt
  vestal client list"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add a client
    ///
    /// On a terminal, what is missing is asked for. A secret comes from a file, from stdin or from a prompt, never from the command line, where others could see it.
    #[command(after_help = "\
Examples:
  vestal client add shops --provider constant-contact
  pass show acme | vestal client add acme --provider custom \\
      --issuer https://login.acme.example --client-id ID --client-secret-stdin
  vestal client add bank --provider custom --issuer https://login.bank.example \\
      --client-id ID --auth private_key_jwt --key-file key.pem")]
    Add(Box<Add>),
    /// List the clients
    #[command(after_help = "Example:\n  vestal client list --json")]
    List,
    /// Show a client; never its secret
    ///
    /// Of a client that signs with a private key, the public key is shown, to be registered with the provider.
    #[command(after_help = "Example:\n  vestal client show google")]
    Show {
        /// The client
        client: String,
    },
    /// Replace a client's secret, or its key
    ///
    /// Connections that waited because the provider refused the old one are refreshed by vestal serve within half a minute, or at the next run of vestal refresh --due.
    #[command(after_help = "\
Examples:
  vestal client set-secret google
  vestal client set-secret google --client-secret-file new-secret.txt
  vestal client set-secret google --keep-old     the provider takes both for a while
  vestal client set-secret acme --key-file new-key.pem --keep-old")]
    SetSecret {
        /// The client
        client: String,
        #[command(flatten)]
        secret: SecretOptions,
        /// Try the old one again should the provider refuse the new one, and the other way round
        #[arg(long)]
        keep_old: bool,
    },
    /// Remove a client that no connection uses
    #[command(after_help = "Example:\n  vestal client remove google")]
    Remove {
        /// The client
        client: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The client's name here, to be chosen
    client: String,

    /// The provider's identifier; `custom` for any other server
    #[arg(long, value_name = "PROVIDER")]
    provider: String,

    #[command(flatten)]
    options: ClientOptions,

    /// A scope to ask for; can be given again [default: the provider's]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Where the provider is, for all connections of this client; can be given again [default: asked at each connect]
    #[arg(long = "site", value_name = "NAME=VALUE", value_parser = super::connect::site)]
    site: Vec<(String, String)>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let calendar = context.calendar();
    let failed = |error| Failure::of(error, None, &calendar);
    match args.verb {
        Verb::Add(add) => {
            let Add { client, provider, mut options, scopes, site } = *add;
            options.site = site.into_iter().collect();
            let vestal = registration::open_or_set_up(context, &provider).await?;
            let client =
                registration::register(&vestal, context, &provider, client, options, &scopes).await?;
            match output.json {
                true => output.json(&ClientView::from(&client))?,
                false => output.line(format_args!(
                    "the client {:?} is added; register exactly this redirect URI: {}",
                    client.name, client.redirect_uri
                ))?,
            }
        }
        Verb::List => {
            let vestal = context.open().await?;
            let all = vestal.engine.store().clients().await?;
            list(all.clients.iter().map(ClientView::from).collect(), output)?;
            if let Some(damage) = all.damaged.into_iter().next() {
                return Err(damage.into());
            }
        }
        Verb::Show { client } => {
            let vestal = context.open().await?;
            let client = vestal.engine.client_named(&client).await.map_err(failed)?;
            let keys = vestal.engine.public_jwks(&client).map_err(failed)?;
            show(&ClientView { public_keys: keys, ..ClientView::from(&client) }, output)?;
            for told in warnings::of_client(&vestal, &client).await? {
                told.say(output);
            }
        }
        Verb::SetSecret { client, secret, keep_old } => {
            let vestal = context.open().await?;
            let auth = vestal.engine.client_named(&client).await.map_err(failed)?.auth;
            if auth.proof() == Proof::Nothing {
                return Err(Failure::usage(format!(
                    "the client {client:?} has no secret that could be replaced"
                ))
                .why("it is a public client, which proves itself with nothing")
                .next("if it has become a confidential one, add it under another name: vestal client add"));
            }
            secret.check(auth)?;
            let secret: SecretString = secret.read(Some(auth))?.ok_or_else(|| {
                Failure::usage(format!("there is no new secret: {auth} needs {}", auth.proof()))
                    .next(format!("give it with {}", flags_for(auth.proof())))
            })?;
            let client = vestal.engine.set_client_secret(&client, &secret, keep_old).await.map_err(failed)?;
            if output.json {
                output.json(&ClientView::from(&client))?;
            } else {
                output.line(format_args!("the secret of the client {:?} is replaced", client.name))?;
            }
        }
        Verb::Remove { client } => {
            let vestal = context.open().await?;
            vestal.engine.remove_client(&client).await.map_err(failed)?;
            if !output.json {
                output.line(format_args!("the client {client:?} is removed"))?;
            }
        }
    }
    Ok(())
}

fn list(clients: Vec<ClientView>, output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.array(clients)?);
    }
    if clients.is_empty() {
        output.note("no clients; add one with: vestal client add NAME --provider P");
        return Ok(());
    }
    let columns = [
        Column { title: "CLIENT", matters: 9 },
        Column { title: "PROVIDER", matters: 8 },
        Column { title: "CLIENT ID", matters: 7 },
        Column { title: "AUTHENTICATION", matters: 2 },
        Column { title: "SCOPES", matters: 3 },
    ];
    let rows: Vec<Vec<String>> = clients
        .into_iter()
        .map(|client| {
            let scopes = client.scopes.join(" ");
            vec![client.name, client.provider, client.client_id, client.auth.to_string(), scopes]
        })
        .collect();
    Ok(output.table(&columns, &rows, |_, text| text)?)
}

fn show(client: &ClientView, output: Output) -> Result<(), Failure> {
    if output.json {
        output.json(client)?;
        return Ok(());
    }
    output.line(format_args!("{} ({})", output.palette.strong(&client.name), client.provider))?;
    let endpoints = &client.endpoints;
    let none = || "none".to_owned();
    let url = |url: &Option<url::Url>| url.as_ref().map_or_else(none, ToString::to_string);
    for (title, text) in [
        ("client id", client.client_id.clone()),
        ("authentication", client.auth.to_string()),
        ("secret", secret(client)),
        ("redirect URI", client.redirect_uri.to_string()),
        ("scopes", client.scopes.join(" ")),
        ("issuer", endpoints.issuer.clone().unwrap_or_else(none)),
        ("authorization", url(&endpoints.authorization)),
        ("token", endpoints.token.to_string()),
        ("revocation", url(&endpoints.revocation)),
    ] {
        output.line(format_args!("  {}{text}", pad(title, 16)))?;
    }
    for (title, only_some_have) in
        [("refreshes", &endpoints.refresh), ("devices", &endpoints.device_authorization)]
    {
        if let Some(url) = only_some_have {
            output.line(format_args!("  {}{url}", pad(title, 16)))?;
        }
    }
    for (title, url) in [
        ("pushes to", endpoints.pushed_authorization.as_ref().filter(|_| endpoints.push)),
        ("introspection", endpoints.introspection.as_ref()),
        ("userinfo", endpoints.userinfo.as_ref()),
        ("id token keys", endpoints.jwks.as_ref()),
    ] {
        if let Some(url) = url {
            output.line(format_args!("  {}{url}", pad(title, 16)))?;
        }
    }
    if !endpoints.resources.is_empty() {
        output.line(format_args!("  {}{}", pad("resources", 16), endpoints.resources.join(" ")))?;
    }
    if let Some(name) = &endpoints.redirect_name {
        output.line(format_args!("  {}{name}", pad("redirect name", 16)))?;
    }
    if endpoints.dpop {
        output.line(format_args!("  {}bound to a key (DPoP)", pad("tokens", 16)))?;
    }
    for (key, title) in client.public_keys.iter().zip(["public key", "and before"]) {
        output.line(format_args!("  {}{}", pad(title, 16), serde_json::Value::Object(key.clone())))?;
    }
    if let Some(trouble) = &client.trouble {
        let refused = output.palette.bad("refused");
        output.line(format_args!("  {}since {}: {}", pad(&refused, 16), trouble.since, trouble.detail))?;
    }
    Ok(())
}

fn secret(client: &ClientView) -> String {
    match (client.has_secret, client.has_second_secret) {
        (false, _) => "none".to_owned(),
        (true, false) => "stored, sealed".to_owned(),
        (true, true) => "stored, sealed, and another one in case it is refused".to_owned(),
    }
}
