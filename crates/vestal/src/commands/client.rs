//! `vestal client`: our registrations with providers.

use url::Url;
use vestal_api::ClientView;
use vestal_core::client::Proof;
use vestal_core::secret::SecretString;

use super::registration::{self, ClientOptions, SecretOptions, flags_for};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Column;
use crate::text::{pad, wrap};
use crate::warnings;
use crate::when::Calendar;

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
            let client = vestal.engine.client_named(&client).await?;
            let keys = vestal.engine.public_jwks(&client)?;
            show(
                &ClientView { public_keys: keys, ..ClientView::from(&client) },
                &context.calendar(),
                output,
            )?;
            for told in warnings::of_client(&vestal, &client).await? {
                told.say(output);
            }
        }
        Verb::SetSecret { client, secret, keep_old } => {
            let vestal = context.open().await?;
            let auth = vestal.engine.client_named(&client).await?.auth;
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
            let client = vestal.engine.set_client_secret(&client, &secret, keep_old).await?;
            if output.json {
                output.json(&ClientView::from(&client))?;
            } else {
                output.line(format_args!("the secret of the client {:?} is replaced", client.name))?;
            }
        }
        Verb::Remove { client } => {
            let vestal = context.open().await?;
            let removed = vestal.engine.client_named(&client).await?;
            vestal.engine.remove_client(&client).await?;
            match output.json {
                true => output.json(&ClientView::from(&removed))?,
                false => output.line(format_args!("the client {client:?} is removed"))?,
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

fn show(client: &ClientView, calendar: &Calendar, output: Output) -> Result<(), Failure> {
    if output.json {
        output.json(client)?;
        return Ok(());
    }
    output.line(format_args!("{} ({})", output.palette.strong(&client.name), client.provider))?;
    let endpoints = &client.endpoints;
    let url = |url: &Option<Url>| url.as_ref().map(ToString::to_string);
    let none = |text: Option<String>| Some(text.unwrap_or_else(|| "none".to_owned()));
    let mut fields = vec![
        ("client id", Some(client.client_id.clone())),
        ("authentication", Some(client.auth.to_string())),
        ("secret", Some(secret(client))),
        ("redirect URI", Some(client.redirect_uri.to_string())),
        ("scopes", Some(client.scopes.join(" "))),
        ("issuer", none(endpoints.issuer.clone())),
        ("authorization", none(url(&endpoints.authorization))),
        ("token", Some(endpoints.token.to_string())),
        ("revocation", none(url(&endpoints.revocation))),
        // What only some have.
        ("refreshes", url(&endpoints.refresh)),
        ("devices", url(&endpoints.device_authorization)),
        ("pushes to", url(&endpoints.pushed_authorization).filter(|_| endpoints.push)),
        ("introspection", url(&endpoints.introspection)),
        ("userinfo", url(&endpoints.userinfo)),
        ("id token keys", url(&endpoints.jwks)),
        ("resources", Some(endpoints.resources.join(" ")).filter(|text| !text.is_empty())),
        ("redirect name", endpoints.redirect_name.clone()),
        ("tokens", endpoints.dpop.then(|| "bound to a key (DPoP)".to_owned())),
    ];
    for (key, title) in client.public_keys.iter().zip(["public key", "and before"]) {
        fields.push((title, Some(serde_json::Value::Object(key.clone()).to_string())));
    }
    let refused = client
        .trouble
        .as_ref()
        .map(|trouble| format!("since {}: {}", calendar.moment_and_away(trouble.since), trouble.detail));
    fields.push(("refused", refused));
    for (title, text) in fields.iter().filter_map(|(title, text)| Some((title, text.as_ref()?))) {
        for line in wrap(&format!("{}{text}", pad(title, 16)), output.width, 2, 18) {
            output.line(line)?;
        }
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
