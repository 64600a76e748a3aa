//! Which redirect URIs a provider accepts.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::ClientFacts;

/// A form of redirect URI that a provider accepts: a fact, as the others are.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RedirectFact {
    /// The form.
    #[serde(rename = "is")]
    pub form: RedirectForm,
    /// When it is accepted, as the end of a sentence; always where this says nothing.
    pub when: Option<String>,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// A form of redirect URI.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RedirectForm {
    /// With https, wherever it leads.
    Https,
    /// With http, at localhost.
    HttpLocalhost,
    /// With http, at 127.0.0.1 or `[::1]`.
    HttpLoopback,
}

/// What a provider makes of a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect<'a> {
    /// It takes it, as far as is known.
    Accepted,
    /// It takes it where something is so.
    When {
        /// What, as the end of a sentence.
        when: &'a str,
        /// Whether somebody has checked all that is said of what it takes.
        verified: bool,
    },
    /// It does not take it.
    Refused {
        /// Whether somebody has checked all that is said of what it takes.
        verified: bool,
    },
}

impl RedirectForm {
    /// The form of a URI, if it has one of these.
    pub fn of(uri: &Url) -> Option<Self> {
        match (uri.scheme(), uri.host()?) {
            ("https", _) => Some(Self::Https),
            ("http", Host::Domain("localhost")) => Some(Self::HttpLocalhost),
            ("http", Host::Ipv4(address)) if address.is_loopback() => Some(Self::HttpLoopback),
            ("http", Host::Ipv6(address)) if address.is_loopback() => Some(Self::HttpLoopback),
            _ => None,
        }
    }

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::HttpLocalhost => "http://localhost",
            Self::HttpLoopback => "http://127.0.0.1 or http://[::1]",
        }
    }
}

impl ClientFacts {
    /// What the provider makes of a redirect URI. Where nothing is known, it takes any.
    pub fn redirect(&self, uri: &Url) -> Redirect<'_> {
        if self.redirect_uris.is_empty() {
            return Redirect::Accepted;
        }
        let form = RedirectForm::of(uri);
        let verified = self.redirect_uris.iter().all(|fact| !fact.unverified);
        let mut fitting = self.redirect_uris.iter().filter(|fact| Some(fact.form) == form);
        match fitting.next().map(|fact| fact.when.as_deref()) {
            Some(None) => Redirect::Accepted,
            Some(Some(when)) => Redirect::When { when, verified },
            None => Redirect::Refused { verified },
        }
    }

    /// Which forms it takes, in words; `None` where nothing is known.
    pub fn redirect_words(&self) -> Option<String> {
        let words = |fact: &RedirectFact| match &fact.when {
            None => fact.form.words().to_owned(),
            Some(when) => format!("{} where {when}", fact.form.words()),
        };
        let forms: Vec<String> = self.redirect_uris.iter().map(words).collect();
        (!forms.is_empty()).then(|| forms.join("; "))
    }

    /// Whether requests say a name that the provider gave for the redirect URI, in its place.
    pub fn names_redirect_uri(&self) -> bool {
        self.redirect_name.as_ref().is_some_and(|fact| fact.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::builtin;

    #[test]
    fn forms_are_told_apart() {
        for (uri, form) in [
            ("https://shop.example/back", Some(RedirectForm::Https)),
            ("https://localhost:8724/callback", Some(RedirectForm::Https)),
            ("http://localhost:8724/callback", Some(RedirectForm::HttpLocalhost)),
            ("http://127.0.0.1:8724/callback", Some(RedirectForm::HttpLoopback)),
            ("http://[::1]/callback", Some(RedirectForm::HttpLoopback)),
            ("http://shop.example/back", None),
            ("http://192.0.2.1/back", None),
            ("acme:/back", None),
        ] {
            assert_eq!(RedirectForm::of(&uri.parse().unwrap()), form, "{uri}");
        }
    }

    #[test]
    fn what_a_provider_makes_of_a_redirect_uri() {
        let (https, localhost, loopback) =
            ("https://shop.example/back", "http://localhost:8724/callback", "http://127.0.0.1:8724/callback");
        let development = Redirect::When { when: "the keys are for development", verified: true };
        let (checked, hearsay) =
            (Redirect::Refused { verified: true }, Redirect::Refused { verified: false });
        for (provider, uri, made) in [
            ("custom", localhost, Redirect::Accepted),
            ("quickbooks", https, Redirect::Accepted),
            ("quickbooks", localhost, development),
            ("quickbooks", loopback, checked),
            ("spotify", https, Redirect::Accepted),
            ("spotify", localhost, checked),
            ("spotify", loopback, Redirect::Accepted),
            ("etsy", localhost, checked),
            ("instagram", localhost, hearsay),
        ] {
            let facts = builtin(provider).client;
            assert_eq!(facts.redirect(&uri.parse().unwrap()), made, "{provider} {uri}");
        }
        let words = |provider| builtin(provider).client.redirect_words();
        let intuit = "https; http://localhost where the keys are for development";
        assert_eq!(words("quickbooks").as_deref(), Some(intuit));
        assert_eq!(words("custom"), None);
    }
}
