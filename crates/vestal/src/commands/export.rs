//! `vestal export`: all connections as lines of JSON, which `vestal import` reads again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use vestal_api::ConnectionRecord;
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::secret::{ExposeSecret as _, SecretString};
use vestal_core::state::State;
use vestal_core::store::Filter;
use vestal_core::token::RefreshEnd;
use vestal_engine::Error;

use super::list::Pages;
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::progress::Progress;

/// Write all connections as lines of JSON
///
/// Without --with-secrets, no token is in them. With it, vestal import reads them again, into another store, say, where the clients have the same names. Two stores must not refresh one rotating token: pause the connections first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal export | jq -r .name
  vestal export --with-secrets --file connections.jsonl
  vestal export --tag batch=7 --with-secrets | age -r RECIPIENT -o batch-7.age")]
pub(crate) struct Args {
    /// The file to write, which must not exist yet; only this user can read it; - for stdout [default: stdout]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// With the tokens: whoever has them has the accounts
    #[arg(long)]
    with_secrets: bool,

    /// Only those made with this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,

    /// Only those with this tag
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::tag)]
    tag: Option<(String, String)>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let file = super::written_file(args.file.as_deref());
    if args.with_secrets && file.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage("tokens are not written to a terminal")
            .why("whoever looks at it, or at what it keeps, has the accounts")
            .next("name a file with --file FILE, or pipe it into a program"));
    }
    let vestal = context.open().await?;
    let client = vestal.client_id(args.client.as_deref()).await?;
    let filter = Filter { client, tag: args.tag, ..Filter::default() };
    let exporting = async {
        match file {
            None => write(&vestal, filter, args.with_secrets, io::stdout().lock(), context).await,
            Some(path) => {
                let part = Part::create(path)?;
                let written = write(&vestal, filter, args.with_secrets, &part.file, context).await?;
                part.finish(path)?;
                Ok(written)
            }
        }
    };
    let Written { count, damage } = context.or_interrupted(Box::pin(exporting)).await??;
    if args.with_secrets {
        tracing::warn!(connections = count, "connections were exported with their secrets");
    }
    if let Some(path) = file {
        context.output.note(format_args!("{count} connections are in {}", path.display()));
    }
    // What could be read is worth keeping, and not to be taken for the whole.
    damage.map_or(Ok(()), Err)
}

/// What was written.
struct Written {
    /// How many connections.
    count: u64,
    /// What is wrong with the first that is missing.
    damage: Option<Failure>,
}

/// A file of one's own, 0600, under a name that nobody takes for the whole until it is: what is cut off is not left behind.
struct Part {
    file: File,
    path: TempPath,
}

impl Part {
    fn create(whole: &Path) -> Result<Self, Failure> {
        if whole.symlink_metadata().is_ok() {
            return Err(exists_already(whole));
        }
        let mut path = whole.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => unwritable(whole)
                .why(format!("{} is there: another export is under way, or was killed", path.display()))
                .next("wait for it, or remove that"),
            _ => unwritable(whole).why(error).next("name another file"),
        })?;
        Ok(Self { file, path: TempPath::try_from_path(path)? })
    }

    /// Gives it the name of the whole, unless something has that by now.
    fn finish(self, whole: &Path) -> Result<(), Failure> {
        self.file.sync_all()?;
        self.path.persist_noclobber(whole).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists_already(whole),
            _ => unwritable(whole).why(&error.error).next("name another file"),
        })
    }
}

fn exists_already(whole: &Path) -> Failure {
    unwritable(whole)
        .why("it exists already, and others may be able to read it")
        .next("name another file, or remove this one")
}

fn unwritable(whole: &Path) -> Failure {
    Failure::failed(format!("{} cannot be written", whole.display()))
}

/// Writes them all.
async fn write(
    vestal: &Vestal,
    filter: Filter,
    with_secrets: bool,
    to: impl Write,
    context: &Context,
) -> Result<Written, Failure> {
    let all = vestal.engine.store().clients().await?;
    let clients: HashMap<_, _> = all.clients.into_iter().map(|client| (client.id, client)).collect();
    // The connections of a client that is damaged are missing.
    let mut damage = all.damaged.into_iter().next().map(Failure::from);
    let progress = Progress::new(context.output, None);
    let mut to = BufWriter::new(to);
    let mut pages = Pages::new(vestal, filter);
    let mut count = 0;
    while let Some(page) = pages.next().await? {
        for connection in &page {
            let Some(client) = clients.get(&connection.client) else { continue };
            // There is nothing that could be imported.
            if with_secrets && (connection.grant.is_none() || connection.state == State::Disconnecting) {
                continue;
            }
            match record(vestal, connection, client, with_secrets, context).await {
                Ok(record) => {
                    serde_json::to_writer(&mut to, &record).map_err(io::Error::from)?;
                    to.write_all(b"\n")?;
                    count += 1;
                }
                // One that is damaged keeps none of the others from being written.
                Err(error) => {
                    damage = damage.or_else(|| Some(error.into()));
                }
            }
        }
        progress.show(count, None);
    }
    to.flush()?;
    progress.end();
    let damage = damage.or(pages.damage().err());
    Ok(Written { count, damage })
}

async fn record(
    vestal: &Vestal,
    connection: &Connection,
    client: &Client,
    with_secrets: bool,
    context: &Context,
) -> Result<ConnectionRecord, Error> {
    let grant = connection.grant.as_ref();
    let tokens = grant.map(|grant| &grant.tokens);
    let end = tokens.and_then(|tokens| tokens.refresh_token.as_ref()?.end).and_then(RefreshEnd::at);
    let mut record = ConnectionRecord {
        client: Some(client.name.clone()),
        external_id: connection.external_id.clone(),
        tags: connection.tags.clone(),
        policy: Some(connection.policy),
        paused: matches!(connection.state, State::Paused { .. }),
        site: grant.map(|grant| grant.about.site.clone()).unwrap_or_default(),
        redirect: grant.map(|grant| grant.about.redirect.clone()).unwrap_or_default(),
        renewal: grant.map(|grant| grant.renewal),
        scope: tokens.and_then(|tokens| tokens.scope.clone()),
        consented_at: grant.map(|grant| grant.consented_at),
        issued_at: tokens.map(|tokens| tokens.issued_at),
        expires_at: tokens.and_then(|tokens| tokens.expires_at),
        refresh_token_expires_at: end,
        token_type: tokens.map(|tokens| tokens.token_type.clone()),
        ..ConnectionRecord::named(connection.name.clone())
    };
    if with_secrets {
        let secrets = vestal.engine.export(connection, client).await?;
        if secrets.is_stranded {
            context.output.warn(format_args!(
                "{:?} cannot be imported again: the connection whose token it exchanges is gone",
                connection.name.as_str()
            ));
        }
        let text = |secret: Option<SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        record.refresh_token = text(secrets.refresh_token);
        record.access_token = text(secrets.access_token);
        record.id_token = text(secrets.id_token);
        record.extra = secrets.extra;
        record.means = secrets.means;
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_has_come_to_be_there_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("connections.jsonl");
        let listing = || fs::read_dir(folder.path()).unwrap().count();
        let part = Part::create(&whole).unwrap();
        fs::write(&whole, "somebody else's").unwrap();
        let view = part.finish(&whole).unwrap_err().view().unwrap();
        assert!(view.why.unwrap().contains("exists already"));
        assert_eq!((fs::read_to_string(&whole).unwrap().as_str(), listing()), ("somebody else's", 1));

        fs::remove_file(&whole).unwrap();
        Part::create(&whole).unwrap().finish(&whole).unwrap();
        assert_eq!((fs::read(&whole).unwrap().len(), listing()), (0, 1));
        drop(Part::create(&folder.path().join("cut-off")).unwrap());
        assert_eq!(listing(), 1, "what is cut off is not left behind");
    }
}
