//! What is wrong with a file, where, and in words that say what to do.

use std::ops::Range;

use crate::text::is_disruptive;

/// What is wrong with a provider's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The character in that line, from 1.
    pub column: usize,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl Mistake {
    /// A mistake at a place in a text.
    pub(super) fn at(text: &str, place: &Range<usize>, what: impl Into<String>) -> Self {
        let before = text.get(..place.start.min(text.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() + 1;
        // What the file says is quoted in it.
        let what = what.into().replace(|c| c != '\n' && is_disruptive(c), "\u{fffd}");
        Self { line: line_of(text, place.start), column, what }
    }
}

/// The line that the byte at `offset` is in, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// What a deserializer says, in words that say what to do.
pub(super) fn clearer(message: &str) -> String {
    let message = message.lines().collect::<Vec<_>>().join(" ");
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return match name {
            "is" => "this fact does not say what is so: add `is = …`".to_owned(),
            "id" => NO_ID.to_owned(),
            "kind" => format!("an issuer is written as {ISSUER}"),
            _ => format!("`{name}` is missing: add `{name} = {}`", example(name)),
        };
    }
    if let Some((found, expected)) = message.split_once(", expected ")
        && expected.contains(" Issuer")
    {
        return format!("{found}, expected an issuer: {ISSUER}");
    }
    if let Some((found, expected)) = message.split_once(", expected struct ") {
        let expected = match expected.split('<').next() {
            Some("Fact") => "a fact: { is = …, source = \"…\" }, or { is = …, unverified = true }",
            Some("Source") => "a source: { url = \"https://…\", verified_on = \"2026-11-29\" }",
            _ => "a table of keys",
        };
        return format!("{found}, expected {expected}");
    }
    let hint = match () {
        () if message.contains("relative URL without a base") || message.contains("empty host") => {
            "; a URL is written as \"https://login.example.com/token\""
        }
        () if message.starts_with("failed to parse") || message.starts_with("parsed date") => {
            "; a day is written as \"2026-11-29\""
        }
        () if message.starts_with("invalid type: integer") && message.ends_with("a string") => {
            ": put it in quotes"
        }
        () if message.starts_with("invalid type: string") && message.ends_with("a sequence") => {
            ": put it in brackets, as [\"…\"]"
        }
        () if message.starts_with("invalid type: string") && message.ends_with("a boolean") => {
            ": write true or false, without quotes"
        }
        () => "",
    };
    let message = message.replace("expected u32", "expected a whole number, 0 or more");
    let message = message.replace("expected u16", "expected a whole number, such as 403");
    format!("{}{hint}", with_nearest_name(&message))
}

const ISSUER: &str = "{ kind = \"is\", url = \"https://…\" }, or { kind = \"ask\" }";

const NO_ID: &str = "`id` is missing: add `id = \"…\"`; that of a provider which comes with Vestal, such as \"slack\", lays this file \
                     over it, and another one describes a provider of your own";

fn example(name: &str) -> &'static str {
    match name {
        "url" | "prefix" => "\"https://…\"",
        "verified_on" | "since" | "on" => "\"2026-11-29\"",
        "means" => "\"permanent\", or \"client\", \"refused\", \"transient\", \"ambiguous\"",
        _ => "\"…\"",
    }
}

/// Adds the nearest known name to a message about an unknown one.
///
/// Such a message reads "unknown field `x`, expected one of `a`, `b`".
pub fn with_nearest_name(message: &str) -> String {
    match nearest_name(message) {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}

/// The known name that is most like the unknown one of such a message.
pub(super) fn nearest_name(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown ") {
        return None;
    }
    let unknown = quoted.next()?;
    let near = |name: &&str| strsim::jaro_winkler(unknown, name);
    quoted.filter(|name| near(name) > 0.7).max_by(|a, b| near(a).total_cmp(&near(b)))
}
