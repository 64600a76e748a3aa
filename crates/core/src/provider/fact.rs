//! One fact about a provider, and where it comes from.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::Grace;

/// A fact: `{ is = …, source = "…" }`, or `{ is = …, unverified = true }`.
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Fact_of_{T}", deny_unknown_fields)
)]
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<T> {
    /// What is so.
    #[cfg_attr(feature = "schema", schemars(rename = "is"))]
    pub value: T,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay. Shown as such wherever it is used.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// A table only: as a list, which serde would take too, each entry would be told to be something else.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table(PhantomData))
    }
}

struct Table<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Table<T> {
    type Value = Fact<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct Fact")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Fact<T>, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written<T> {
            is: T,
            source: Option<String>,
            #[serde(default)]
            unverified: bool,
            note: Option<String>,
        }
        let Written { is, source, unverified, note } =
            Written::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Fact { value: is, source, unverified, note })
    }
}

impl<T> Fact<T> {
    /// Whether somebody has checked it.
    pub fn is_verified(&self) -> bool {
        !self.unverified
    }
}

/// A length of time, as `"24h"`, `"30min"`, `"180d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life(pub Duration);

/// A length of time, or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After this long.
    After(Duration),
    /// There is none.
    Endless,
}

impl Life {
    /// How it is written.
    pub(super) const WRITTEN: &str = "a length of time such as \"24h\", \"30min\" or \"180d\"";
}

impl Limit {
    /// How it is written.
    pub(super) const WRITTEN: &str = "\"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"";
}

impl Grace {
    /// How it is written.
    pub(super) const WRITTEN: &str =
        "\"none\", \"until-successor-used\", \"old-stays-valid\", or a length of time such as \"30s\"";
}

/// Reads a text by a function; the first field says what it should be.
pub(super) struct Text<F>(pub(super) &'static str, pub(super) F);

impl<T, F: FnOnce(&str) -> Result<T, humantime::DurationError>> de::Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self.0))
    }
}

/// A length of time that is not 0: what lives for no time cannot be kept alive.
pub(super) fn length(text: &str) -> Result<Duration, humantime::DurationError> {
    let length = humantime::parse_duration(text)?;
    if length.is_zero() { Err(humantime::DurationError::Empty) } else { Ok(length) }
}

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::WRITTEN, |text: &str| length(text).map(Self)))
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::WRITTEN, |text: &str| match text {
            "none" => Ok(Self::Endless),
            _ => length(text).map(Self::After),
        }))
    }
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::WRITTEN, |text: &str| match text {
            "none" => Ok(Self::None),
            "until-successor-used" => Ok(Self::UntilSuccessorUsed),
            "old-stays-valid" => Ok(Self::OldStaysValid),
            _ => humantime::parse_duration(text).map(Self::For),
        }))
    }
}
