//! Reading a provider's file, with errors that say where and what to do.

use std::ops::Range;

use serde::Deserialize;
use toml::de::{Deserializer, Error};

use super::Provider;
use document::{Document, Mend};
use mistake::{clearer, nearest_name};

mod check;
mod document;
mod mistake;
mod stated;

pub(super) use check::endpoint_urls;
pub use mistake::{Mistake, line_of, with_nearest_name};
pub use stated::Stated;

/// What names a place that is sent tokens or secrets, besides the token endpoint.
const TOLD_SECRETS: [&str; 10] = [
    "endpoints.refresh",
    "endpoints.lengthen",
    "endpoints.revocation",
    "endpoints.device_authorization",
    "endpoints.pushed_authorization",
    "endpoints.introspection",
    "endpoints.userinfo",
    "revocation",
    "api.lookup",
    "identity",
];

/// More mistakes than these help nobody.
const MISTAKES_MAX: usize = 200;

impl Provider {
    /// Reads and checks a provider's file.
    ///
    /// # Errors
    ///
    /// Every mistake there is, in order; those of syntax alone, where it has any.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let document = Document::read(text).map_err(|errors| of_syntax(text, errors))?;
        Self::read(text, &document, 0)
    }

    /// Reads and checks a file that somebody lays over a provider's own, key by key: what it says replaces what that says. A
    /// fact is one value, together with its source; entries of lists such as `[[errors]]` come first, and `redirect_uris` and
    /// `[[quotas]]` are replaced as a whole. Where it moves the token endpoint to another host, nothing stays that would send a
    /// token or a secret to the first one, unless it says that itself.
    ///
    /// # Errors
    ///
    /// Every mistake there is, by its place in the file that is laid over.
    pub fn overlay(own: &str, over: &str) -> Result<Self, Vec<Mistake>> {
        // As if one file followed the other: so each place tells which of them it is in.
        let own = format!("{own}\n");
        let behind = "\n".repeat(own.len());
        let (both, apart) = (format!("{own}{over}"), format!("{behind}{over}"));
        let inside = |mistake: Mistake| match mistake.line.checked_sub(line_of(&own, own.len()) - 1) {
            Some(line) if line > 0 => Mistake { line, ..mistake },
            // What is ours fits no longer.
            _ => Mistake { line: 1, column: 1, ..mistake },
        };
        let mut document = Document::read(&own).map_err(|errors| of_syntax(&own, errors))?;
        let over = Document::read(&apart).map_err(|errors| {
            let found = of_syntax(&both, errors);
            found.into_iter().map(inside).collect::<Vec<_>>()
        })?;
        let mut names = over.names();
        names.retain(|name| name != "id");
        if let (Some(here), Some(there)) = (document.token_host(), over.token_host())
            && here != there
        {
            document.leave_out(&TOLD_SECRETS);
        }
        document.lay_over(over);
        match Self::read(&both, &document, own.len()) {
            Ok(provider) => Ok(Self { laid_over: names, ..provider }),
            Err(mistakes) => Err(mistakes.into_iter().map(inside).collect()),
        }
    }

    /// The identifier in a file, also where the file has mistakes.
    pub fn id_in(text: &str) -> Option<String> {
        let document = Document::read(text).ok()?;
        document.top().get("id")?.get_ref().as_str().map(str::to_owned)
    }

    /// `own` is how much of the text is the file that another one is laid over.
    fn read(text: &str, document: &Document<'_>, own: usize) -> Result<Self, Vec<Mistake>> {
        let (readable, provider, mut found) = read_on(document.clone());
        let mut unfit = check::facts(document, &readable);
        unfit.extend(check::texts(document));
        if let Some(provider) = &provider {
            unfit.extend(check::provider(provider, document, &readable, own));
        }
        // What could not be read has been left out: what follows from that is nobody's mistake.
        let line = |found: &Found| line_of(text, found.at.start);
        unfit.retain(|unfit| !found.iter().any(|found| line(found) == line(unfit)));
        found.append(&mut unfit);
        if let (Some(provider), true) = (provider, found.is_empty()) {
            return Ok(Self { stated: stated::of(document), ..provider });
        }
        found.sort_by_key(|found| found.at.start);
        found.dedup();
        Err(found.into_iter().map(|found| Mistake::at(text, &found.at, found.what)).collect())
    }
}

/// What is wrong, and where.
#[derive(PartialEq, Eq)]
struct Found {
    at: Range<usize>,
    what: String,
}

impl Found {
    fn new(at: Range<usize>, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

fn of_syntax(text: &str, errors: Vec<Error>) -> Vec<Mistake> {
    let mistake = |error: Error| Mistake::at(text, &error.span().unwrap_or(0..0), error.message());
    errors.into_iter().take(MISTAKES_MAX).map(mistake).collect()
}

/// Reads a file also where it has mistakes, by leaving out what cannot be read: what is left, what it says, and what was wrong.
fn read_on(mut document: Document<'_>) -> (Document<'_>, Option<Provider>, Vec<Found>) {
    let mut found = Vec::new();
    let mut left_out: Vec<String> = Vec::new();
    // What is laid over another file needs no more than its id: without that, nobody knows what else is missing.
    let is_nameless = !document.top().contains_key("id");
    for _ in 0..MISTAKES_MAX {
        let error = match Provider::deserialize(Deserializer::from(document.root())) {
            Ok(provider) => return (document, Some(provider), found),
            Err(error) => error,
        };
        let message = error.message();
        let at = error.span().unwrap_or(0..0);
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        // What is missing because it was left out has been told.
        match missing.and_then(|name| left_out.iter().position(|left_out| left_out == name)) {
            Some(told) => drop(left_out.swap_remove(told)),
            None if is_nameless && at.is_empty() && missing.is_some_and(|name| name != "id") => {}
            None => found.push(Found::new(at.clone(), clearer(message))),
        }
        if let (Some(name), true) = (missing, at.is_empty()) {
            document.add(name.to_owned(), PLACEHOLDER);
            continue;
        }
        let meant = nearest_name(message).filter(|_| message.starts_with("unknown field"));
        let mend = meant.map_or(Mend::Remove, |name| Mend::Rename(name.to_owned()));
        match document.mend(&at, &mend) {
            Some(key) => left_out.push(key),
            None => break,
        }
    }
    (document, None, found)
}

/// What a key of the top says that is missing, so that the rest can be read.
const PLACEHOLDER: &str = "missing";

#[cfg(test)]
mod tests;
