//! What may stand for the variables in a provider's endpoints.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::Provider;
use super::parse::endpoint_urls;
use crate::site::{UnfitSite, variables};

/// The longest label of a host's name (RFC 1035 §2.3.4).
const LONGEST_LABEL: usize = 63;

/// A variable in a provider's endpoints: a fact, as the others are.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SiteVariable {
    /// What may stand for it.
    #[serde(rename = "is")]
    pub allowed: Vec<Pattern>,
    /// What it is, in words that complete "nobody says …".
    pub what: String,
    /// What stands for it where nobody says anything else. The provider may go on elsewhere then, and say so on the redirect.
    pub default: Option<String>,
    /// The parameter of the redirect that says it. Where there is a default, it decides; otherwise it has to agree with what
    /// was asked for.
    pub redirect: Option<String>,
    /// How Nango keeps it: texts with the names of fields of its `connection_config` in braces. The first counts of which all
    /// are there.
    #[serde(default)]
    pub nango: Vec<String>,
    /// The short name of its source, among the file's `sources`.
    pub source: Option<String>,
    /// Nobody has checked it: it comes from hearsay.
    #[serde(default)]
    pub unverified: bool,
    /// What else has to be said about it.
    pub note: Option<String>,
}

/// Values: labels with dots between them, where `*` is any one label of a host's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// How it is written.
    pub(super) const WRITTEN: &str =
        "labels with dots between them, each in lower case or *, such as \"*.my.example.com\"";

    /// Whether a value is one of those.
    pub fn allows(&self, value: &str) -> bool {
        let (mut wanted, mut found) = (self.0.split('.'), value.split('.'));
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some("*"), Some(label)) if is_label(label) => {}
                (Some(wanted), Some(label)) if wanted == label && wanted != "*" => {}
                _ => return false,
            }
        }
    }

    /// Whether its end, by which a host belongs to somebody, is fixed.
    fn has_fixed_end(&self) -> bool {
        self.0.rsplit('.').take(2).all(|label| label != "*")
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A port may follow: a server of one's own.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | ':');
        let fits = |label: &str| label == "*" || (!label.is_empty() && label.chars().all(plain));
        match text.split('.').all(fits) {
            true => Ok(Self(text)),
            false => Err(de::Error::invalid_value(de::Unexpected::Str(&text), &Self::WRITTEN)),
        }
    }
}

/// A label of a host's name (RFC 1123 §2.1), in lower case.
fn is_label(label: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !label.is_empty()
        && label.len() <= LONGEST_LABEL
        && label.chars().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Provider {
    /// Whether a value may stand for a variable.
    ///
    /// # Errors
    /// Where it may not.
    pub fn allows_site(&self, variable: &str, value: &str) -> Result<(), UnfitSite> {
        let Some(fact) = self.site.get(variable) else {
            let known = self.site.keys().cloned().collect();
            return Err(UnfitSite::Unknown { variable: variable.to_owned(), known });
        };
        if fact.allowed.iter().any(|pattern| pattern.allows(value)) {
            return Ok(());
        }
        let allowed: Vec<String> = fact.allowed.iter().map(ToString::to_string).collect();
        Err(UnfitSite::NotAllowed {
            variable: variable.to_owned(),
            what: self.site_words(variable),
            value: value.to_owned(),
            allowed: allowed.join(" or "),
        })
    }

    /// What a variable is, in words that complete "nobody says …".
    pub fn site_words(&self, variable: &str) -> String {
        self.site.get(variable).map_or_else(|| format!("what {variable} is"), |fact| fact.what.clone())
    }

    /// What is wrong with the variables of its endpoints: where, and what. `states` tells whether the file says anything of a
    /// variable, be it that it cannot be read.
    pub(super) fn site_mistakes(&self, states: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let urls: Vec<_> = endpoint_urls(self).map(|(_, url)| url).collect();
        let used: Vec<String> = urls.iter().flat_map(|url| variables(url.as_str())).collect();
        let mut mistakes = Vec::new();
        for variable in &used {
            if !states(variable) {
                let what =
                    format!("nothing says what may stand for {{{variable}}}: add a table [site.{variable}]");
                mistakes.push(("endpoints".to_owned(), what));
            }
        }
        for (variable, fact) in &self.site {
            let table = format!("site.{variable}");
            if !used.contains(variable) {
                let what = format!("no endpoint holds {{{variable}}}");
                mistakes.push((table.clone(), what));
            }
            if let Some(default) =
                fact.default.as_ref().filter(|default| self.allows_site(variable, default).is_err())
            {
                let what = format!("the default {default:?} of {variable} is not among what it may be");
                mistakes.push((table.clone(), what));
            }
            let ends_hosts = urls
                .iter()
                .any(|url| url.host_str().is_some_and(|host| host.ends_with(&format!("{{{variable}}}"))));
            if let Some(loose) = fact.allowed.iter().find(|pattern| ends_hosts && !pattern.has_fixed_end()) {
                let what = format!(
                    "{loose} lets {variable} be anybody's host: name the end of the provider's own hosts"
                );
                mistakes.push((table, what));
            }
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        #[derive(Deserialize)]
        struct One {
            it: Pattern,
        }
        toml::from_str::<One>(&format!("it = {text:?}")).unwrap().it
    }

    #[test]
    fn a_star_is_one_label() {
        for (text, value, allowed) in [
            ("*", "acme", true),
            ("*", "acme.example", false),
            ("*", "*", false),
            ("*", "", false),
            ("*.my.salesforce.com", "acme.my.salesforce.com", true),
            ("*.my.salesforce.com", "acme.dev.my.salesforce.com", false),
            ("*.my.salesforce.com", ".my.salesforce.com", false),
            ("*.my.salesforce.com", "my.salesforce.com", false),
            ("*.my.salesforce.com", "acme.my.salesforce.com.evil", false),
            ("login.salesforce.com", "login.salesforce.com", true),
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "127.0.0.1:8081", false),
        ] {
            assert_eq!(pattern(text).allows(value), allowed, "{text} {value}");
        }
    }

    #[test]
    fn mistakes_in_a_file_are_told() {
        let file = |endpoint: &str, site: &str| {
            let text = format!(
                "id = \"a\"\nname = \"A\"\nregister = \"Ask.\"\n[endpoints]\ntoken = {{ is = {endpoint:?}, unverified = true }}\n{site}"
            );
            Provider::parse(&text).map(drop).map_err(|mistakes| mistakes[0].to_string())
        };
        let shop = |rest: &str| format!("[site.shop]\nwhat = \"which shop\"\nunverified = true\n{rest}");
        let at = "https://{shop}.example.com/token";
        assert_eq!(file(at, &shop("is = [\"*\"]")), Ok(()));
        let push = "pushed_authorization = { is = \"https://{shop}/par\", unverified = true }\n".to_owned()
            + &shop("is = [\"*.com\"]");
        for (endpoint, site, line, said) in [
            (at, String::new(), 4, "nothing says what may stand for {shop}"),
            ("https://example.com/token", shop("is = [\"*\"]"), 6, "no endpoint holds {shop}"),
            (at, shop("is = [\"*\"]\ndefault = \"a.b\""), 6, "the default"),
            ("https://{shop}/token", shop("is = [\"*.com\"]"), 6, "*.com lets shop be anybody's host"),
            (at, push, 7, "*.com lets shop be anybody's host"),
            (at, shop("is = [\"A\"]"), 9, "labels with dots between them"),
            (at, shop("is = [\"*\"]").replace("unverified = true\n", ""), 6, "names no source"),
        ] {
            let told = file(endpoint, &site).unwrap_err();
            assert!(told.contains(said) && told.starts_with(&format!("line {line},")), "{told}");
        }
    }
}
