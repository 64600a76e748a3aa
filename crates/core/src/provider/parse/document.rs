//! A file's text as a tree whose keys and values know where they stand.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Error};

/// The whole file.
#[derive(Clone)]
pub(super) struct Document<'i>(Spanned<DeTable<'i>>);

/// Where two trees are laid over each other, these keys make a table one value: of a fact, none may be another file's than its
/// source.
const WHOLE: [&str; 2] = ["is", "kind"];

impl<'i> Document<'i> {
    /// Reads a file; its mistakes of syntax, where it has any.
    pub(super) fn read(text: &'i str) -> Result<Self, Vec<Error>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() { Ok(Self(root)) } else { Err(errors) }
    }

    /// The whole tree, as a deserializer takes it.
    pub(super) fn root(&self) -> Spanned<DeTable<'i>> {
        self.0.clone()
    }

    /// The tree's top.
    pub(super) fn top(&self) -> &DeTable<'i> {
        self.0.get_ref()
    }

    /// Where the key at a path stands, by its dotted name.
    pub(super) fn key_at(&self, name: &str) -> Option<Range<usize>> {
        let (mut table, mut at) = (self.top(), None);
        for part in name.split('.') {
            let (key, value) = table.get_key_value(part)?;
            at = Some(key.span());
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => return at,
            }
        }
        at
    }

    /// The tables of a list, such as `[[errors]]`, and where each stands.
    pub(super) fn tables(&self, name: &str) -> Vec<(&DeTable<'i>, Range<usize>)> {
        let list = self.top().get(name).and_then(|value| value.get_ref().as_array());
        let entries = list.into_iter().flat_map(|list| list.iter());
        entries.filter_map(|entry| Some((entry.get_ref().as_table()?, entry.span()))).collect()
    }

    /// Adds a key to the top.
    pub(super) fn add(&mut self, key: String, value: &'static str) {
        self.0.get_mut().insert(nowhere(Cow::from(key)), nowhere(DeValue::String(Cow::from(value))));
    }

    /// Mends the entry that stands at `at`, so that the rest can be read; its key, or that of the list it is in. `None` where
    /// there is none.
    pub(super) fn mend(&mut self, at: &Range<usize>, mend: &Mend) -> Option<String> {
        mend_in(self.0.get_mut(), at, mend)
    }

    /// The host of the token endpoint, as it is written, with whatever stands for a variable.
    pub(super) fn token_host(&self) -> Option<String> {
        let endpoint = self.top().get("endpoints")?.get_ref().as_table()?.get("token")?.get_ref();
        let url = endpoint.as_table()?.get("is")?.get_ref().as_str()?;
        let (_, rest) = url.split_once("://")?;
        Some(rest.split('/').next()?.to_ascii_lowercase())
    }

    /// Leaves out what has these dotted names, of two parts at most.
    pub(super) fn leave_out(&mut self, names: &[&str]) {
        let top = self.0.get_mut();
        for name in names {
            match name.split_once('.') {
                None => drop(top.remove(*name)),
                Some((table, key)) => {
                    if let Some(DeValue::Table(table)) = top.get_mut(table).map(Spanned::get_mut) {
                        table.remove(key);
                    }
                }
            }
        }
    }

    /// Lays another file over this one, key by key. A fact is one value. Of lists of tables, those add up of which all are true
    /// at once, or of which the first one that fits counts; all other lists are replaced.
    pub(super) fn lay_over(&mut self, over: Self) {
        lay_over(self.0.get_mut(), over.0.into_inner());
    }

    /// The dotted names of all values, facts as a whole, in the order of the file.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        names_in(self.top(), "", &mut names);
        names.sort_by_key(|(at, _)| *at);
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Every text, those of keys too, and where it stands; none where a day or a time stands without quotes.
    pub(super) fn texts(&self) -> Vec<(Range<usize>, Option<&str>)> {
        let mut texts = Vec::new();
        texts_in(self.top(), &mut texts);
        texts
    }

    /// Every table with an `is`, and what is in the lists of `also`: its dotted name, where its key stands, and itself.
    pub(super) fn facts(&self, also: &[&str]) -> Vec<FactAt<'_, 'i>> {
        let mut facts = Vec::new();
        facts_in(self.top(), "", also, &mut facts);
        facts.sort_by_key(|fact| fact.at.start);
        facts
    }
}

/// A fact of a file.
pub(super) struct FactAt<'a, 'i> {
    /// Its dotted name; that of the list, where it is in one.
    pub(super) name: String,
    /// Where its key stands.
    pub(super) at: Range<usize>,
    /// Whether it is in a list of tables.
    pub(super) listed: bool,
    pub(super) table: &'a DeTable<'i>,
}

/// How an entry is mended.
pub(super) enum Mend {
    /// It is left out.
    Remove,
    /// Its key becomes this one, unless there is such a key: then it is left out.
    Rename(String),
}

fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn covers(span: &Range<usize>, at: &Range<usize>) -> bool {
    span.start <= at.start && at.end <= span.end
}

fn mend_in(table: &mut DeTable<'_>, at: &Range<usize>, mend: &Mend) -> Option<String> {
    for (key, value) in table.iter_mut() {
        if let Some(mended) = mend_below(key.get_ref(), value.get_mut(), at, mend) {
            return Some(mended);
        }
    }
    let here = table.iter().find(|(key, value)| covers(&key.span(), at) || covers(&value.span(), at));
    let (key, is_key) = here.map(|(key, _)| (key.get_ref().to_string(), covers(&key.span(), at)))?;
    let removed = table.remove_entry(key.as_str());
    if let (Mend::Rename(name), Some((key, value)), true) = (mend, removed, is_key)
        && !table.contains_key(name.as_str())
    {
        table.insert(Spanned::new(key.span(), Cow::from(name.clone())), value);
    }
    Some(key)
}

fn mend_below(key: &str, value: &mut DeValue<'_>, at: &Range<usize>, mend: &Mend) -> Option<String> {
    match value {
        DeValue::Table(table) => mend_in(table, at, mend),
        DeValue::Array(list) => {
            if let Some(mended) = list.iter_mut().find_map(|entry| mend_below(key, entry.get_mut(), at, mend))
            {
                return Some(mended);
            }
            let before = list.len();
            let entries = std::mem::replace(list, DeArray::new()).into_iter();
            *list = entries.filter(|entry| !covers(&entry.span(), at)).collect();
            (list.len() < before).then(|| key.to_owned())
        }
        _ => None,
    }
}

fn is_whole(table: &DeTable<'_>) -> bool {
    WHOLE.iter().any(|key| table.contains_key(*key))
}

fn is_of_tables(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(|entry| entry.get_ref().as_table().is_some()))
}

/// Lists of tables that say what there is, as a whole.
const WHOLE_LISTS: [&str; 2] = ["quotas", "redirect_uris"];

fn lay_over<'i>(under: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        let (span, value) = (value.span(), value.into_inner());
        let below = under.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut);
        match (below, value) {
            (Some(DeValue::Table(below)), DeValue::Table(value)) if !is_whole(below) && !is_whole(&value) => {
                lay_over(below, value);
            }
            (Some(below @ DeValue::Array(_)), value)
                if is_of_tables(below)
                    && is_of_tables(&value)
                    && !WHOLE_LISTS.contains(&key.get_ref().as_ref()) =>
            {
                if let (DeValue::Array(below), DeValue::Array(value)) = (below, value) {
                    let before = std::mem::replace(below, DeArray::new());
                    *below = value.into_iter().chain(before).collect();
                }
            }
            (_, value) => {
                // A map keeps the key that it has, with its place.
                under.remove(key.get_ref().as_ref());
                under.insert(key, Spanned::new(span, value));
            }
        }
    }
}

fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

fn names_in(table: &DeTable<'_>, above: &str, names: &mut Vec<(usize, String)>) {
    for (key, value) in table {
        let name = join(above, key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !is_whole(inner) => names_in(inner, &name, names),
            _ => names.push((key.span().start, name)),
        }
    }
}

fn texts_in<'a>(table: &'a DeTable<'_>, texts: &mut Vec<(Range<usize>, Option<&'a str>)>) {
    for (key, value) in table {
        texts.push((key.span(), Some(key.get_ref())));
        texts_of(value, texts);
    }
}

fn texts_of<'a>(value: &'a Spanned<DeValue<'_>>, texts: &mut Vec<(Range<usize>, Option<&'a str>)>) {
    match value.get_ref() {
        DeValue::Table(table) => texts_in(table, texts),
        DeValue::Array(list) => list.iter().for_each(|entry| texts_of(entry, texts)),
        DeValue::String(text) => texts.push((value.span(), Some(text))),
        DeValue::Datetime(_) => texts.push((value.span(), None)),
        _ => {}
    }
}

fn facts_in<'a, 'i>(table: &'a DeTable<'i>, above: &str, also: &[&str], facts: &mut Vec<FactAt<'a, 'i>>) {
    for (key, value) in table {
        let name = join(above, key.get_ref());
        match value.get_ref() {
            DeValue::Table(table) if table.contains_key("is") => {
                facts.push(FactAt { name, at: key.span(), listed: false, table });
            }
            DeValue::Table(inner) => facts_in(inner, &name, also, facts),
            DeValue::Array(list) => facts.extend(list.iter().filter_map(|entry| {
                let table = entry.get_ref().as_table()?;
                let is_fact = table.contains_key("is") || also.contains(&name.as_str());
                is_fact.then(|| FactAt { name: name.clone(), at: entry.span(), listed: true, table })
            })),
            _ => {}
        }
    }
}
