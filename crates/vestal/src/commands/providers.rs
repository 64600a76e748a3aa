//! `vestal providers`: what is known of authorization servers.

use std::path::{Path, PathBuf};

use vestal_api::{Code, MistakeView, ProviderView};
use vestal_core::provider::catalogue;
use vestal_engine::{Catalogue, CatalogueError, OwnFile, OwnMistake};

use crate::context::{Context, tell_of_unfit};
use crate::failure::Failure;
use crate::table::Column;

mod new;
mod show;

/// Look at what is known of providers
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  vestal providers list
  vestal providers show constant-contact"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the providers that come with Vestal
    #[command(after_help = "Example:\n  vestal providers list")]
    List,
    /// Show every fact about a provider, with its source and the day it was verified, and what was seen of it
    #[command(after_help = "Example:\n  vestal providers show constant-contact")]
    Show {
        /// The provider's identifier
        provider: String,
    },
    /// Check providers' files, and print every mistake as FILE:LINE:COLUMN: what
    ///
    /// A file with the identifier of a provider that comes with Vestal is checked as it is used: laid over that, key by key.
    #[command(after_help = "\
Examples:
  vestal providers check
  vestal providers check acme.toml")]
    Check {
        /// The files [default: those of your own providers folder]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Write a provider's file from its metadata (RFC 8414), into your own providers folder
    ///
    /// What metadata cannot say, such as how long refresh tokens live, is yours to add. Every fact is marked as not verified.
    #[command(after_help = "\
Examples:
  vestal providers new https://login.acme.example
  vestal providers new https://login.acme.example --id acme --stdout")]
    New(new::Args),
    /// Print the JSON Schema of providers' files
    ///
    /// An editor that knows it (by Taplo, or VS Code's Even Better TOML) completes, explains and checks a file while it is typed. Put it beside your own files: those that `vestal providers new` writes name it from then on, and others do with `#:schema ./schema.json` as their first line.
    #[command(after_help = "\
Example:
  vestal providers schema > ~/.config/vestal/providers/schema.json")]
    Schema,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.verb {
        Verb::List => list(context),
        Verb::Show { provider } => show::run(&provider, context).await,
        Verb::Check { files } => check(&files, context),
        Verb::New(args) => new::run(args, context).await,
        Verb::Schema => Ok(context.output.line(catalogue::SCHEMA.trim_end())?),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let catalogue = context.config()?.catalogue()?;
    tell_of_unfit(&catalogue);
    let known = catalogue.ids().into_iter().map(|id| catalogue.get(&id));
    // Those whose files have mistakes are told of already.
    let sound = known.filter(|known| !matches!(known, Err(CatalogueError::Unfit { .. })));
    let providers = sound.collect::<Result<Vec<_>, _>>()?;
    if output.json {
        return Ok(output.array(providers.iter().map(|provider| ProviderView::from(&**provider)))?);
    }
    let columns = [
        Column { title: "PROVIDER", matters: 9 },
        Column { title: "NAME", matters: 8 },
        Column { title: "FILE", matters: 3 },
        Column { title: "DOCUMENTATION", matters: 1 },
    ];
    let rows: Vec<Vec<String>> = providers
        .into_iter()
        .map(|provider| {
            let docs = provider.docs.as_ref().map_or_else(String::new, |url| url.to_string());
            let own = if catalogue.own(&provider.id).is_some() { "yours" } else { "" };
            vec![provider.id.clone(), provider.name.clone(), own.to_owned(), docs]
        })
        .collect();
    let tint = |title: &str, text: String| match title {
        "PROVIDER" => output.palette.strong(text),
        _ => text,
    };
    Ok(output.table(&columns, &rows, tint)?)
}

fn check(files: &[PathBuf], context: &Context) -> Result<(), Failure> {
    let files = match files {
        [] => context.config()?.own_files()?,
        files => files.iter().map(|file| read(file)).collect::<Result<_, _>>()?,
    };
    let count = files.len();
    let mut catalogue = Catalogue::builtin();
    let mistakes: Vec<_> = files.into_iter().flat_map(|file| catalogue.add(file)).collect();
    if context.output.json {
        context.output.array(mistakes.iter().map(mistake))?;
    } else {
        // Editors and CI systems understand this form.
        mistakes.iter().try_for_each(|mistake| context.output.line(mistake))?;
    }
    if mistakes.is_empty() {
        context.output.note(match count {
            0 => "there are no files of your own".to_owned(),
            1 => "no mistakes in 1 file".to_owned(),
            count => format!("no mistakes in {count} files"),
        });
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::Quiet(Code::Failed)) }
}

fn mistake(OwnMistake { name, mistake }: &OwnMistake) -> MistakeView {
    MistakeView { file: name.clone(), line: mistake.line, column: mistake.column, what: mistake.what.clone() }
}

fn read(file: &Path) -> Result<OwnFile, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{name} cannot be read")).why(error))?;
    Ok(OwnFile { name, text })
}
