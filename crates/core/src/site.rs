//! Providers that are at many places: each shop, each account, each data centre has a host of its own.
//!
//! An endpoint of such a provider holds variables in braces, as `https://{shop}.myshopify.com/admin/oauth/access_token`; a
//! connection's site says what stands for them. The provider's file says which values are allowed, and is asked each time
//! before anything is sent: neither a person, nor a redirect, nor whoever can write to the store can have a secret sent to
//! a host that it does not name.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::client::{Client, Endpoints};
use crate::provider::Provider;

/// What stands for the variables of a provider's endpoints, by their names.
pub type Site = BTreeMap<String, String>;

/// Why a connection's site cannot be spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitSite {
    /// Nobody says what stands for a variable.
    #[error("nobody says {what}")]
    Missing {
        /// The variable.
        variable: String,
        /// What it is, for people.
        what: String,
    },
    /// The provider's file does not allow the value.
    #[error("{value:?} cannot be {what}: it has to look like {allowed}")]
    NotAllowed {
        /// The variable.
        variable: String,
        /// What it is, for people.
        what: String,
        /// What was to stand for it.
        value: String,
        /// What may.
        allowed: String,
    },
    /// There is no such variable.
    #[error("there is no variable {variable:?} in the endpoints{}", listed(.known))]
    Unknown {
        /// The variable.
        variable: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// With its value, an endpoint is no URL.
    #[error("an endpoint is no URL any more with what stands for its variables")]
    NoUrl,
}

fn listed(known: &[String]) -> String {
    match known {
        [] => ": this client is at one place only".to_owned(),
        known => format!("; there is {}", known.join(", ")),
    }
}

/// The variables in a text, in order. What is in a URL's path has its braces encoded.
pub fn variables(text: &str) -> Vec<String> {
    parts(text).into_iter().filter_map(|part| part.err()).collect()
}

/// The text between variables, and their names, in order.
fn parts(text: &str) -> Vec<Result<String, String>> {
    let text = text.replace("%7B", "{").replace("%7D", "}");
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, name, after)) = rest.split_once('{').and_then(|(before, inside)| {
        let (name, after) = inside.split_once('}')?;
        Some((before, name, after))
    }) {
        parts.extend([Ok(before.to_owned()), Err(name.to_owned())]);
        rest = after;
    }
    parts.push(Ok(rest.to_owned()));
    parts
}

/// A text with what stands for its variables, as far as that is known.
fn filled(text: &str, site: &Site) -> String {
    let fill = |part| match part {
        Ok(text) => text,
        Err(name) => site.get(&name).cloned().unwrap_or_else(|| format!("{{{name}}}")),
    };
    parts(text).into_iter().map(fill).collect()
}

/// A text with what stands for its variables.
///
/// # Errors
/// The first variable for which nothing does.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    parts(text).into_iter().map(|part| part.or_else(|name| value(&name).ok_or(name))).collect()
}

/// What has to stand for the variables of a template, given what is left of its parts and of the text.
fn matched(parts: &[Result<String, String>], text: &str, site: Site, provider: &Provider) -> Option<Site> {
    match parts.split_first() {
        None => text.is_empty().then_some(site),
        Some((Ok(plain), parts)) => matched(parts, text.strip_prefix(plain.as_str())?, site, provider),
        // A text that has the next part in it more than once may be cut at each of them.
        Some((Err(variable), parts)) => {
            text.char_indices().skip(1).chain([(text.len(), ' ')]).find_map(|(end, _)| {
                let (value, text) = text.split_at(end);
                let value = value.to_ascii_lowercase();
                let fits = match site.get(variable) {
                    Some(before) => *before == value,
                    None => provider.allows_site(variable, &value).is_ok(),
                };
                let site =
                    fits.then(|| site.clone().into_iter().chain([(variable.clone(), value)]).collect())?;
                matched(parts, text, site, provider)
            })
        }
    }
}

/// A template with values for its variables, as [`crate::provider::SiteVariable::nango`] has them; `None` where one is not there.
pub fn filled_wholly(template: &str, values: &Site) -> Option<String> {
    let text = filled(template, values);
    variables(&text).is_empty().then_some(text)
}

impl Endpoints {
    /// The site at which the token endpoint is this one; `None` where it is at none that the provider's file allows.
    pub fn site_at(&self, token: &Url, provider: &Provider) -> Option<Site> {
        let longest = 2048;
        if token.as_str().len() > longest {
            return None;
        }
        matched(&parts(self.token.as_str()), token.as_str(), Site::new(), provider)
    }

    /// The variables in all of them. What stands in braces in an issuer alone is none: an id token says it (Microsoft).
    pub fn variables(&self) -> BTreeSet<String> {
        self.all().map(Url::as_str).flat_map(variables).collect()
    }

    /// Whether there are any variables.
    pub fn have_variables(&self) -> bool {
        self.all().any(|url| url.as_str().contains(['{', '%']) && !variables(url.as_str()).is_empty())
    }

    /// Whether all refreshes go to one host, whatever else differs from place to place.
    pub fn have_one_host(&self) -> bool {
        variables(self.for_refreshes().host_str().unwrap_or_default()).is_empty()
    }

    /// A value for a variable, as somebody wrote it: without the scheme, and without what follows the variable in the
    /// token endpoint's host. So `https://acme.myshopify.com/` is `acme`.
    pub fn plain_value(&self, variable: &str, given: &str) -> String {
        let given = given.trim().to_ascii_lowercase();
        let given = given.strip_prefix("https://").or(given.strip_prefix("http://")).unwrap_or(&given);
        let given = given.strip_suffix('/').unwrap_or(given);
        let host = self.token.host_str().unwrap_or_default();
        let after = host.split_once(&format!("{{{variable}}}")).map_or("", |(_, after)| after);
        given.strip_suffix(after).unwrap_or(given).to_owned()
    }

    /// What fills variables, as far as it is said; each value as [`Endpoints::plain_value`] has it, and allowed.
    ///
    /// # Errors
    /// Where a value is not allowed, or belongs to no variable.
    pub fn site(&self, said: &Site, provider: &Provider) -> Result<Site, UnfitSite> {
        let known = self.variables();
        let mut site = Site::new();
        for (variable, given) in said {
            if !known.contains(variable) {
                let known = known.into_iter().collect();
                return Err(UnfitSite::Unknown { variable: variable.clone(), known });
            }
            let value = self.plain_value(variable, given);
            provider.allows_site(variable, &value)?;
            site.insert(variable.clone(), value);
        }
        Ok(site)
    }

    /// These endpoints with some of their variables filled.
    ///
    /// # Errors
    /// Where a value is not allowed.
    pub fn filled(&self, site: &Site, provider: &Provider) -> Result<Self, UnfitSite> {
        for (variable, value) in site {
            provider.allows_site(variable, value)?;
        }
        let mut endpoints = self.clone();
        endpoints.issuer = endpoints.issuer.map(|issuer| filled(&issuer, site));
        for url in endpoints.all_mut() {
            *url = filled(url.as_str(), site).parse().map_err(|_| UnfitSite::NoUrl)?;
        }
        Ok(endpoints)
    }
}

impl Client {
    /// The client as it is at a site: with endpoints in which there are no variables any more.
    ///
    /// # Errors
    /// Where the provider's file does not allow the site, or a variable is left.
    pub fn at(&self, site: &Site, provider: &Provider) -> Result<Self, UnfitSite> {
        let endpoints = self.endpoints.filled(site, provider)?;
        match endpoints.variables().into_iter().next() {
            None => Ok(Self { endpoints, ..self.clone() }),
            Some(variable) => Err(UnfitSite::Missing { what: provider.site_words(&variable), variable }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
id = "shops"
name = "Shops"
register = "Ask them."
[endpoints]
token = { is = "https://{shop}.shops.example/{tenant}/token", unverified = true }
[site.shop]
is = ["*"]
what = "which shop"
unverified = true
[site.tenant]
is = ["common", "*.*"]
what = "which tenant"
default = "common"
unverified = true
"#;

    fn provider() -> Provider {
        Provider::parse(FILE).unwrap()
    }

    fn endpoints() -> Endpoints {
        Endpoints {
            issuer: Some("https://{shop}.shops.example/".to_owned()),
            token: provider().endpoints.token.unwrap().value,
            revocation: Some("https://shops.example/revoke?shop={shop}".parse().unwrap()),
            ..Endpoints::at("https://unused.example".parse().unwrap())
        }
    }

    fn site(pairs: &[(&str, &str)]) -> Site {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_found_in_hosts_paths_and_queries() {
        assert_eq!(variables(endpoints().token.as_str()), ["shop", "tenant"]);
        assert!(endpoints().have_variables() && !endpoints().have_one_host());
        let tenants = Endpoints::at("https://as.example/{tenant}/token".parse().unwrap());
        assert!(tenants.have_variables() && tenants.have_one_host());
        let plain = Endpoints::at("https://as.example/token".parse().unwrap());
        assert!(!plain.have_variables() && plain.variables().is_empty());
        assert_eq!(variables("https://as.example/%7Bhalf"), <[&str; 0]>::default());
    }

    #[test]
    fn every_endpoint_is_filled() {
        let at = endpoints().filled(&site(&[("shop", "acme"), ("tenant", "a.b")]), &provider()).unwrap();
        assert_eq!(at.token.as_str(), "https://acme.shops.example/a.b/token");
        assert_eq!(at.revocation.as_ref().unwrap().as_str(), "https://shops.example/revoke?shop=acme");
        assert_eq!(at.issuer.as_deref(), Some("https://acme.shops.example/"));
        assert!(!at.have_variables());
        let tenants = Some("https://{shop}.shops.example/{tenantid}".to_owned());
        let at = Endpoints { issuer: tenants, ..endpoints() };
        let at = at.filled(&site(&[("shop", "acme"), ("tenant", "a.b")]), &provider()).unwrap();
        assert_eq!(at.issuer.as_deref(), Some("https://acme.shops.example/{tenantid}"));
        assert!(at.variables().is_empty(), "what an id token says need not be known before");
        let partly = endpoints().filled(&site(&[("tenant", "common")]), &provider()).unwrap();
        assert_eq!(partly.variables().into_iter().collect::<Vec<_>>(), ["shop"]);
    }

    #[test]
    fn nothing_leads_to_a_host_that_the_file_does_not_name() {
        for evil in [
            "",
            "evil.example/",
            "evil.example/a",
            "evil.example#",
            "evil.example?x",
            "a@evil",
            "a:1",
            "a.b",
            "-a",
            "a-",
            "A",
            "ä",
            "a b",
            "a%2e",
            "{shop}",
            "a\n",
            &"a".repeat(64),
        ] {
            let refused = endpoints().filled(&site(&[("shop", evil)]), &provider());
            assert!(matches!(refused, Err(UnfitSite::NotAllowed { .. })), "{evil:?}: {refused:?}");
        }
        for (tenant, fits) in
            [("common", true), ("a.b", true), ("other", false), ("a.b.c", false), ("a.", false)]
        {
            let filled = endpoints().filled(&site(&[("tenant", tenant)]), &provider());
            assert_eq!(filled.is_ok(), fits, "{tenant}");
        }
    }

    #[test]
    fn a_site_is_told_by_its_token_endpoint() {
        let at = |url: &str| endpoints().site_at(&url.parse().unwrap(), &provider());
        let acme = Some(site(&[("shop", "acme"), ("tenant", "a.b")]));
        assert_eq!(at("https://acme.shops.example/a.b/token"), acme);
        assert_eq!(at("https://acme.shops.example/A.B/token"), acme);
        for elsewhere in [
            "https://acme.shops.example/other/token",
            "https://acme.shops.example/a.b/token?x",
            "https://acme.shops.example/a.b/c/token",
            "https://acme.evil.example/a.b/token",
            "https://a.b.shops.example/a.b/token",
            "http://acme.shops.example/a.b/token",
            "https://acme.shops.example/token",
        ] {
            assert_eq!(at(elsewhere), None, "{elsewhere}");
        }
        let plain: Url = "https://as.example/token".parse().unwrap();
        assert_eq!(Endpoints::at(plain.clone()).site_at(&plain, &provider()), Some(Site::new()));
        assert_eq!(endpoints().site_at(&plain, &provider()), None);
    }

    #[test]
    fn a_value_may_come_as_a_url_or_a_whole_host() {
        let read = |given: &str| {
            endpoints().site(&site(&[("shop", given)]), &provider()).map(|mut it| it.remove("shop"))
        };
        for given in [
            "acme",
            " Acme ",
            "acme.shops.example",
            "https://acme.shops.example/",
            "HTTPS://ACME.shops.example",
        ] {
            assert_eq!(read(given).unwrap().as_deref(), Some("acme"), "{given}");
        }
        assert!(read("acme.evil.example").is_err());
        let unknown = endpoints().site(&site(&[("shopp", "acme")]), &provider()).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "there is no variable \"shopp\" in the endpoints; there is shop, tenant"
        );
    }
}
