//! Facts as the file writes them, for whoever wants to see them all.

use toml::de::DeValue;

use super::document::{Document, FactAt};

/// A fact, as the file writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its name, such as `refresh_token.idle_limit`.
    pub name: String,
    /// What is so.
    pub value: String,
    /// The short name of its source.
    pub source: Option<String>,
    /// Nobody has checked it.
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// What says where a fact comes from, not what is so.
const ABOUT: [&str; 4] = ["is", "source", "unverified", "note"];

/// Every fact that has a name of its own, in the order of the file.
pub(super) fn of(document: &Document<'_>) -> Vec<Stated> {
    document.facts(&[]).into_iter().filter(|fact| !fact.listed).map(|fact| stated(&fact)).collect()
}

fn stated(fact: &FactAt<'_, '_>) -> Stated {
    let text = |key: &str| fact.table.get(key).and_then(|value| value.get_ref().as_str()).map(str::to_owned);
    let is = fact.table.get("is").map(|value| in_words(value.get_ref()));
    let more = fact.table.iter().filter(|(key, _)| !ABOUT.contains(&key.get_ref().as_ref()));
    let more = more.map(|(key, value)| format!("{} {}", key.get_ref(), in_words(value.get_ref())));
    let unverified = fact.table.get("unverified").and_then(|value| value.get_ref().as_bool());
    Stated {
        name: fact.name.clone(),
        value: is.into_iter().chain(more).collect::<Vec<_>>().join(", "),
        source: text("source"),
        unverified: unverified.unwrap_or(false),
        note: text("note"),
    }
}

fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(list) => {
            list.iter().map(|entry| in_words(entry.get_ref())).collect::<Vec<_>>().join(", ")
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &toml::de::DeString<'_> = key.get_ref();
                format!("{key} {}", in_words(value.get_ref()))
            };
            table.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
    }
}
