//! What of a provider has ended, or is going to.

use jiff::civil::Date;
use serde::Deserialize;
use url::Url;

use super::Provider;

/// An endpoint that does not work any more.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// How its URLs begin.
    pub prefix: String,
    /// Since when.
    pub since: Date,
    /// What to use instead.
    pub instead: String,
    /// The identifier of the provider whose it was, where that is no more.
    pub was: Option<String>,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// Something that is going to end.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Deprecation {
    /// What ends, in a sentence.
    #[serde(rename = "is")]
    pub what: String,
    /// When.
    pub on: Date,
    /// How the URLs begin that will not work any more, where it is endpoints that end.
    pub prefix: Option<String>,
    /// What to do until then.
    pub instead: String,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

impl Provider {
    /// The retired endpoint that a URL belongs to, if it does.
    pub fn retired(&self, url: &Url) -> Option<&Retired> {
        self.retired.iter().find(|retired| url.as_str().starts_with(&retired.prefix))
    }

    /// What is going to end that a URL belongs to, if anything is.
    pub fn deprecated(&self, url: &Url) -> Option<&Deprecation> {
        let fits =
            |it: &&Deprecation| it.prefix.as_ref().is_some_and(|prefix| url.as_str().starts_with(prefix));
        self.deprecations.iter().find(fits)
    }
}
