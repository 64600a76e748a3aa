//! `vestal import`: refresh tokens that exist already, one or a million.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use url::Url;
use vestal_api::ConnectionRecord;
use vestal_core::connection::{ConnectionName, Policy};
use vestal_core::secret::{ExposeSecret as _, SecretString};

use super::registration;
use crate::config::read_secret_file;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::terminal;

mod clients;
mod csv;
mod found;
mod google;
mod importer;
mod lines;
mod nango;
mod oidc_agent;
mod pizauth;
mod report;
mod source;

use found::Found;
use importer::{Importer, refused, view};
use nango::Nango;
use report::Report;

/// How many batches are read ahead of those that are being written.
const READ_AHEAD: usize = 2;

/// Import refresh tokens that exist already
///
/// With a name, one connection, whose refresh token comes from a file, from stdin or from a prompt, never from the command line, where others could see it. With --file, as many as there are: one JSON object per line, with name, client, refresh_token and whatever else is known (see docs/import.md). To import the same again changes nothing, so that an import that was stopped goes on where it was when it is run again.
///
/// Two programs must not refresh one rotating token. Import with --paused, stop the other keeper, then: vestal resume --tag NAME=VALUE.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal import shop --client acme --refresh-token-file token.txt
  vestal import --file connections.jsonl --paused --tag batch=7
  vestal import --from csv --file customers.csv --client acme
  vestal import --file europe.jsonl --client zoho --site server=accounts.zoho.eu
  vestal import drive --from google-authorized-user \\
      --file ~/.config/gcloud/application_default_credentials.json
  oidc-gen --print wlcg | vestal import --from oidc-agent --file -
  pizauth dump | vestal import --from pizauth --file -
  vestal import --from nango --nango-secret-key-file key.txt --paused")]
pub(crate) struct Args {
    /// The connection's name, to be chosen; without --file, one connection is imported
    name: Option<ConnectionName>,

    /// The file to import; - for stdin
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// What kind of file it is, or which keeper to ask
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Jsonl)]
    from: Format,

    /// The client that the tokens were issued to, where the file names none
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,

    /// The provider of a client that is not known yet, and is added
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,

    /// With a name: the file that holds the refresh token [default: stdin]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "from"])]
    refresh_token_file: Option<PathBuf>,

    /// With a name: your own identifier of it, unique per client
    #[arg(long, value_name = "ID", requires = "name", allow_hyphen_values = true)]
    external_id: Option<String>,

    /// A tag for all that are imported; can be given again
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = super::tag)]
    tags: Vec<(String, String)>,

    /// What stands for a variable of the provider's endpoints, for those that do not say: for a provider that is at many places, where these tokens come from; can be given again
    #[arg(long = "site", value_name = "NAME=VALUE", value_parser = super::connect::site)]
    site: Vec<(String, String)>,

    /// When to refresh those that do not say: auto, always or on-demand
    #[arg(long, value_name = "POLICY")]
    policy: Option<Policy>,

    /// Import them paused: nothing is refreshed until vestal resume
    #[arg(long)]
    paused: bool,

    /// Give a connection that has another refresh token the one that is imported
    #[arg(long)]
    replace: bool,

    /// Where Nango is
    #[arg(long, value_name = "URL", default_value = nango::CLOUD)]
    nango_url: Url,

    /// A file that holds Nango's secret key [default: $NANGO_SECRET_KEY]
    #[arg(long, value_name = "FILE")]
    nango_secret_key_file: Option<PathBuf>,

    /// Only the connections of this integration of Nango's
    #[arg(long, value_name = "KEY")]
    nango_integration: Option<String>,
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One JSON object per line, as vestal export writes them
    Jsonl,
    /// Comma-separated values; the first row names the columns
    Csv,
    /// Google's authorized_user file, as gcloud writes it
    GoogleAuthorizedUser,
    /// What oidc-gen --print writes
    OidcAgent,
    /// What pizauth dump writes
    Pizauth,
    /// Nango, by its API
    Nango,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    check(&args)?;
    let alone = args.file.is_none() && args.from == Format::Jsonl;
    // Read before the store is opened: nobody waits for a person who types.
    let single = if alone { Some(single(&args)?) } else { None };
    let vestal = match (args.from, args.provider.as_deref()) {
        // These bring their clients along.
        (Format::GoogleAuthorizedUser, None) => registration::open_or_set_up(context, "google").await?,
        (Format::OidcAgent | Format::Pizauth, None) => {
            registration::open_or_set_up(context, "custom").await?
        }
        (_, Some(provider)) => registration::open_or_set_up(context, provider).await?,
        (_, None) => context.open().await?,
    };
    let importing = import(&args, single, &vestal, context);
    context.or_interrupted(Box::pin(importing)).await?
}

/// What clap cannot tell.
fn check(args: &Args) -> Result<(), Failure> {
    let one = matches!(args.from, Format::GoogleAuthorizedUser | Format::OidcAgent);
    if args.name.is_some() && args.from != Format::Jsonl && !one {
        return Err(Failure::usage("a name is given, and many connections may be imported")
            .next("leave the name out: each has its own"));
    }
    if args.name.is_some() && args.from == Format::Jsonl && args.file.is_some() {
        return Err(Failure::usage("a name is given, and a file of connections that have their own").next(
            "leave the name out; or name the file that holds one refresh token with --refresh-token-file",
        ));
    }
    match (args.from, &args.file) {
        (Format::Nango | Format::Jsonl, _) | (_, Some(_)) => Ok(()),
        (_, None) => {
            Err(Failure::usage("nobody says what to import").next("add --file FILE, or --file - for stdin"))
        }
    }
}

/// The one connection that is named on the command line.
fn single(args: &Args) -> Result<Found, Failure> {
    let Some(name) = args.name.clone() else {
        return Err(Failure::usage("nobody says what to import").next(
            "name one connection: vestal import NAME --client CLIENT; or a file of many: vestal import --file FILE",
        ));
    };
    let token: SecretString = match &args.refresh_token_file {
        Some(path) => read_secret_file(path)?,
        None if terminal::has_person() => terminal::ask_secret("Refresh token (does not show): ")?,
        None => terminal::read_line()?.into(),
    };
    let token = token.expose_secret().trim();
    if token.contains(char::is_control) {
        return Err(Failure::usage("that is not one refresh token")
            .why("it holds a line break, or another control character")
            .next("give the token alone; many of them: vestal import --file"));
    }
    let record = ConnectionRecord {
        external_id: args.external_id.clone(),
        refresh_token: Some(token.to_owned()).filter(|token| !token.is_empty()),
        ..ConnectionRecord::named(name)
    };
    Ok(Found::line(1, Ok(record)))
}

async fn import(
    args: &Args,
    single: Option<Found>,
    vestal: &Vestal,
    context: &Context,
) -> Result<(), Failure> {
    let now = vestal.engine.now();
    if let Some(found) = single {
        return one(found, args, vestal, context).await;
    }
    let (send, mut batches) = mpsc::channel(READ_AHEAD);
    let read = Arc::new(AtomicU64::new(0));
    let mut bytes = None;
    let reading = if args.from == Format::Nango {
        let nango = Nango {
            base: args.nango_url.clone(),
            key: nango_key(args, context)?,
            integration: args.nango_integration.clone(),
        };
        let (http, told) = (Arc::clone(&vestal.http), (args.client.is_none(), context.output));
        tokio::spawn(async move { source::ask(nango, http, told, now, send).await })
    } else {
        let path = args.file.clone().unwrap_or_else(|| "-".into());
        let from = source::open(&path, &read, &mut bytes)?;
        let (format, name) = (args.from, args.name.clone());
        let engine = vestal.engine.clone();
        let mark = move |token: &str| engine.mark(token);
        tokio::task::spawn_blocking(move || source::read_all(format, name.as_ref(), from, now, &mark, &send))
    };
    let report = Report::new(context.output, bytes);
    let mut importer = Importer::new(args, vestal, context, report).await?;
    while let Some(batch) = batches.recv().await {
        importer.begin(batch).await?;
        importer.report.read(read.load(Ordering::Relaxed));
    }
    importer.end().await?;
    match reading.await {
        Ok(read) => read?,
        Err(error) => return Err(Failure::failed("reading broke off").why(error)),
    }
    importer.report.end(&advice(args))
}

/// What to do next.
fn advice(args: &Args) -> String {
    match (args.paused, args.tags.first()) {
        (true, Some((name, value))) => format!(
            "they are paused; once nobody else refreshes them: vestal resume --tag {}",
            word(&format!("{name}={value}"))
        ),
        (true, None) => "they are paused; once nobody else refreshes them: vestal resume NAME".to_owned(),
        (false, _) => "nobody knows yet whether they work: vestal serve tries them in turn; see vestal list --state unverified"
            .to_owned(),
    }
}

/// Imports the one that was named, and tells of it in a sentence.
async fn one(found: Found, args: &Args, vestal: &Vestal, context: &Context) -> Result<(), Failure> {
    let report = Report::new(context.output, None);
    let mut importer = Importer::new(args, vestal, context, report).await?;
    let new = match importer.prepare(found).await? {
        Ok(new) => new,
        Err(bad) => return Err(refused(Failure::usage(bad.error()), bad)),
    };
    let name = new.name.clone();
    let outcome =
        vestal.engine.import(vec![new], args.replace, &importer.holders).await.map(|mut all| all.pop());
    let imported = match outcome {
        Ok(Some(Ok(imported))) => imported,
        Ok(Some(Err(error))) | Err(error) => {
            return Err(vestal.failure(error, &name).await);
        }
        Ok(None) => return Err(Failure::failed("nothing was imported")),
    };
    let view = view(1, &name, imported)?;
    let output = context.output;
    if output.json {
        output.json(&view)?;
        return Ok(());
    }
    let shown = word(name.as_str());
    let next = match args.paused {
        true => format!("it is paused; once nobody else refreshes it: vestal resume {shown}"),
        false => format!("nobody knows yet whether it works: vestal refresh {shown} finds out"),
    };
    match view.why {
        Some(why) => output.line(format_args!("{:?} was not imported: {why}", name.as_str()))?,
        None => output.line(format_args!("{:?} is imported; {next}", name.as_str()))?,
    }
    Ok(())
}

fn nango_key(args: &Args, context: &Context) -> Result<SecretString, Failure> {
    if let Some(path) = &args.nango_secret_key_file {
        return Ok(read_secret_file(path)?.expose_secret().trim().into());
    }
    match context.environment.get("NANGO_SECRET_KEY").and_then(|key| key.to_str()) {
        Some(key) => Ok(key.trim().into()),
        None => Err(Failure::usage("nobody says what Nango's secret key is")
            .next("add --nango-secret-key-file FILE, or set NANGO_SECRET_KEY")),
    }
}
