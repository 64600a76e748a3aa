//! `vestal providers show`: every fact about a provider.

use std::io;
use std::time::Duration;

use vestal_api::{EvidenceView, MeaningView, Origin, ProviderView};
use vestal_core::provider::Provider;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::reasons;
use crate::text::wrap;
use crate::when::{Calendar, span};

pub(super) async fn run(id: &str, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let catalogue = context.config()?.catalogue()?;
    let provider = catalogue.get(id)?;
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
    } else {
        let own = catalogue.own(id).map(|own| own.name.as_str());
        show(&view, own, &context.calendar(), output)?;
    }
    Ok(())
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

/// `own` is the name of the user's own file about it.
fn show(view: &ProviderView, own: Option<&str>, calendar: &Calendar, output: Output) -> io::Result<()> {
    output.line(format_args!("{} ({})", output.palette.strong(&view.name), view.id))?;
    view.docs.iter().try_for_each(|docs| output.line(docs))?;
    let laid_over = own.filter(|_| !view.yours.is_empty());
    let laid_over = laid_over.map(|_| format!("lays over what comes with Vestal: {}", view.yours.join(", ")));
    section("Your own file", own.map(str::to_owned).into_iter().chain(laid_over), alone, output)?;
    section("How to register a client", [view.register.clone()], alone, output)?;
    let example = |example: &String| format!("each customer's own, such as {example}: --issuer");
    let issuer = view.issuer.clone().into_iter().chain(view.issuer_example.as_ref().map(example));
    section("Issuer", issuer, alone, output)?;
    section(
        "Facts",
        &view.facts,
        |fact| {
            let yours = if fact.yours { "  yours" } else { "" };
            (format!("{} = {}{yours}", fact.name, fact.value), Some(&fact.origin))
        },
        output,
    )?;
    section(
        "Redirect URIs",
        &view.redirect_uris,
        |it| {
            let when = it.when.as_ref().map(|when| format!(", where {when}")).unwrap_or_default();
            (format!("{}{when}", it.form.words()), Some(&it.origin))
        },
        output,
    )?;
    let seen = view.evidence.iter().flat_map(|client| {
        let seen = client.seen.iter().map(|seen| format!("  {}", reasons::seen(seen, calendar)));
        [format!("through the client {}:", client.client)].into_iter().chain(seen)
    });
    section("What was seen", seen, alone, output)?;
    section(
        "Shorter lives",
        &view.shorter,
        |it| {
            let life = span(Duration::from_secs(it.after_seconds));
            let unless = match it.unless_only.is_empty() {
                true => String::new(),
                false => format!(", unless no other scopes were asked for than {}", it.unless_only.join(" ")),
            };
            let when = &it.when;
            let instead = &it.instead;
            let told =
                format!("a refresh token dies {life} after the consent where {when}{unless}: {instead}");
            (told, Some(&it.origin))
        },
        output,
    )?;
    section(
        "Quotas",
        &view.quotas,
        |it| {
            let within = span(Duration::from_secs(it.within_seconds));
            let refreshes = if it.refreshes_count { "" } else { "; refreshes do not count" };
            let told = format!("{} {} in {within} for each {}{refreshes}", it.requests, it.counts, it.per);
            (told, Some(&it.origin))
        },
        output,
    )?;
    section("Errors", &view.errors, |error| (meaning(error), Some(&error.origin)), output)?;
    section(
        "Scopes",
        &view.scopes,
        |(scope, allows)| {
            let default = if view.default_scopes.contains(scope) { " (asked for by default)" } else { "" };
            (format!("{scope}: {allows}{default}"), None)
        },
        output,
    )?;
    section(
        "Retired endpoints",
        &view.retired,
        |it| (format!("{}… ended {}; use {}", it.prefix, it.since, it.instead), Some(&it.origin)),
        output,
    )?;
    section(
        "Going to end",
        &view.deprecations,
        |it| (format!("{}: {} Until then: {}", it.on, it.what, it.instead), Some(&it.origin)),
        output,
    )?;
    section("Notes", &view.notes, |note| (note.text.clone(), Some(&note.origin)), output)
}

/// A title, and what is told of each item: a text, and where that is from. Without items there is no title either.
fn section<'a, T>(
    title: &str,
    items: impl IntoIterator<Item = T>,
    told: impl Fn(T) -> (String, Option<&'a Origin>),
    output: Output,
) -> io::Result<()> {
    let mut items = items.into_iter().peekable();
    if items.peek().is_some() {
        output.line(format_args!("\n{}", output.palette.strong(title)))?;
    }
    items.try_for_each(|item| {
        let (text, origin) = told(item);
        tell(&text, 2, output)?;
        origin.map_or(Ok(()), |origin| tell_origin(origin, output))
    })
}

/// A text that is from nowhere else.
fn alone<'a>(text: String) -> (String, Option<&'a Origin>) {
    (text, None)
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
fn tell(text: &str, indent: usize, output: Output) -> io::Result<()> {
    wrap(text, output.width, indent, indent).iter().try_for_each(|line| output.line(line))
}

fn tell_origin(origin: &Origin, output: Output) -> io::Result<()> {
    let palette = output.palette;
    if let Some(note) = &origin.note {
        tell(note, 6, output)?;
    }
    let doubt = (!origin.verified).then(|| palette.warning("not verified"));
    let read = origin.source.as_ref().zip(origin.verified_on);
    let source =
        read.map(|(url, day)| palette.faint(format_args!("{url}, read on {}", day.strftime("%-d %b %Y"))));
    let told: Vec<String> = doubt.into_iter().chain(source).collect();
    if told.is_empty() { Ok(()) } else { output.line(format_args!("      {}", told.join("  "))) }
}
