//! `vestal providers`: what is known of authorization servers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vestal_api::{Code, EvidenceView, MeaningView, MistakeView, Origin, ProviderView};
use vestal_core::provider::{Provider, catalogue};
use vestal_engine::{Catalogue, CatalogueError, OwnFile, OwnMistake};

use crate::context::{Context, tell_of_unfit};
use crate::failure::Failure;
use crate::output::Output;
use crate::reasons;
use crate::table::Column;
use crate::text::wrap;
use crate::when::span;

mod new;

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
        Verb::Show { provider } => show(&provider, context).await,
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
    let providers = sound
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::of(error.into(), None, &context.calendar()))?;
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

/// What was seen of a provider through the clients that there are, if there are any.
async fn evidence(provider: &Provider, context: &Context) -> Result<Vec<EvidenceView>, Failure> {
    if !context.config()?.store.exists() {
        return Ok(Vec::new());
    }
    let clients = context.open().await?.engine.store().clients().await?.clients;
    let of_this_one = clients.iter().filter(|client| client.provider == provider.id);
    Ok(of_this_one.filter_map(|client| EvidenceView::new(client, provider)).collect())
}

async fn show(id: &str, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let config = context.config()?;
    let catalogue = config.catalogue()?;
    let provider = catalogue.get(id).map_err(|error| Failure::of(error.into(), None, &context.calendar()))?;
    let mut view = ProviderView::from(&*provider);
    match evidence(&provider, context).await {
        Ok(evidence) => view.evidence = evidence,
        // The file can be shown without.
        Err(failure) => {
            let why = failure.view().map(|view| view.error).unwrap_or_default();
            output.warn(format_args!("what was seen of it is not shown: {why}"));
        }
    }
    if output.json {
        output.json(&view)?;
        return Ok(());
    }
    let palette = output.palette;
    let title = |text: &str| output.line(format_args!("\n{}", palette.strong(text)));
    output.line(format_args!("{} ({})", palette.strong(&view.name), view.id))?;
    if let Some(docs) = &view.docs {
        output.line(docs)?;
    }
    if let Some(own) = catalogue.own(id) {
        title("Your own file")?;
        output.line(format_args!("  {}", own.name))?;
        if !view.yours.is_empty() {
            tell(&format!("lays over what comes with Vestal: {}", view.yours.join(", ")), 2, output)?;
        }
    }
    title("How to register a client")?;
    tell(&view.register, 2, output)?;
    if let Some(issuer) = &view.issuer {
        title("Issuer")?;
        output.line(format_args!("  {issuer}"))?;
    }
    if let Some(example) = &view.issuer_example {
        title("Issuer")?;
        tell(&format!("each customer's own, such as {example}: --issuer"), 2, output)?;
    }
    if !view.facts.is_empty() {
        title("Facts")?;
    }
    for fact in &view.facts {
        let yours = if fact.yours { palette.warning("  yours") } else { String::new() };
        output.line(format_args!("  {} = {}{yours}", fact.name, fact.value))?;
        tell_origin(&fact.origin, output)?;
    }
    if !view.redirect_uris.is_empty() {
        title("Redirect URIs")?;
    }
    for it in &view.redirect_uris {
        let when = it.when.as_ref().map(|when| format!(", where {when}")).unwrap_or_default();
        tell(&format!("{}{when}", it.form.words()), 2, output)?;
        tell_origin(&it.origin, output)?;
    }
    if !view.evidence.is_empty() {
        title("What was seen")?;
    }
    for client in &view.evidence {
        output.line(format_args!("  through the client {}:", palette.strong(&client.client)))?;
        for seen in &client.seen {
            tell(&reasons::seen(seen, &context.calendar()), 4, output)?;
        }
    }
    if !view.shorter.is_empty() {
        title("Shorter lives")?;
    }
    for it in &view.shorter {
        let life = span(Duration::from_secs(it.after_seconds));
        let unless = match it.unless_only.is_empty() {
            true => String::new(),
            false => format!(", unless no other scopes were asked for than {}", it.unless_only.join(" ")),
        };
        tell(
            &format!(
                "a refresh token dies {life} after the consent where {}{unless}: {}",
                it.when, it.instead
            ),
            2,
            output,
        )?;
        tell_origin(&it.origin, output)?;
    }
    if !view.quotas.is_empty() {
        title("Quotas")?;
    }
    for it in &view.quotas {
        let within = span(Duration::from_secs(it.within_seconds));
        let refreshes = if it.refreshes_count { "" } else { "; refreshes do not count" };
        tell(
            &format!("{} {} in {within} for each {}{refreshes}", it.requests, it.counts, it.per),
            2,
            output,
        )?;
        tell_origin(&it.origin, output)?;
    }
    if !view.errors.is_empty() {
        title("Errors")?;
    }
    for error in &view.errors {
        tell(&meaning(error), 2, output)?;
        tell_origin(&error.origin, output)?;
    }
    if !view.scopes.is_empty() {
        title("Scopes")?;
    }
    for (scope, allows) in &view.scopes {
        let default = if view.default_scopes.contains(scope) { " (asked for by default)" } else { "" };
        tell(&format!("{scope}: {allows}{default}"), 2, output)?;
    }
    if !view.retired.is_empty() {
        title("Retired endpoints")?;
    }
    for retired in &view.retired {
        output
            .line(format_args!("  {}… ended {}; use {}", retired.prefix, retired.since, retired.instead))?;
        tell_origin(&retired.origin, output)?;
    }
    if !view.deprecations.is_empty() {
        title("Going to end")?;
    }
    for it in &view.deprecations {
        tell(&format!("{}: {} Until then: {}", it.on, it.what, it.instead), 2, output)?;
        tell_origin(&it.origin, output)?;
    }
    if !view.notes.is_empty() {
        title("Notes")?;
    }
    for note in &view.notes {
        tell(&note.text, 2, output)?;
        tell_origin(&note.origin, output)?;
    }
    Ok(())
}

/// What an error means, in a line.
fn meaning(error: &MeaningView) -> String {
    let code = error.code.clone().unwrap_or_else(|| "without a code".to_owned());
    let status = error.status.map(|status| format!(" with {status}")).unwrap_or_default();
    let says = error.says.as_ref().map(|says| format!(" and {says:?}")).unwrap_or_default();
    let wait = match error.wait.as_deref() {
        None => String::new(),
        Some("utc-midnight") => ", until 00:00 UTC".to_owned(),
        Some(wait) => format!(", for at least {wait}"),
    };
    format!("{code}{status}{says} = {}{wait}", error.means)
}

/// Text that keeps to the terminal's width.
fn tell(text: &str, indent: usize, output: Output) -> Result<(), Failure> {
    for line in wrap(text, output.width, indent, indent) {
        output.line(line)?;
    }
    Ok(())
}

fn tell_origin(origin: &Origin, output: Output) -> Result<(), Failure> {
    let palette = output.palette;
    if let Some(note) = &origin.note {
        tell(note, 6, output)?;
    }
    let source = match (&origin.source, origin.verified_on) {
        (Some(url), Some(day)) => format!("{url}, read on {}", day.strftime("%-d %b %Y")),
        _ => String::new(),
    };
    match origin.verified {
        true => output.line(format_args!("      {}", palette.faint(source)))?,
        false => output.line(format_args!(
            "      {}  {}",
            palette.warning("not verified"),
            palette.faint(source)
        ))?,
    }
    Ok(())
}

fn check(files: &[PathBuf], context: &Context) -> Result<(), Failure> {
    let files = match files {
        [] => context.config()?.own_files()?,
        files => files.iter().map(|file| read(file)).collect::<Result<_, _>>()?,
    };
    let mut catalogue = Catalogue::builtin();
    let mistakes: Vec<_> = files.into_iter().flat_map(|file| catalogue.add(file)).collect();
    if context.output.json {
        context.output.array(mistakes.iter().map(mistake))?;
    } else {
        // Editors and CI systems understand this form.
        mistakes.iter().try_for_each(|mistake| context.output.line(mistake))?;
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
