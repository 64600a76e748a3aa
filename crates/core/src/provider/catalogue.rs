//! The providers that come with Vestal.

use super::Provider;
use super::parse::Mistake;

/// The files, by identifier, in order.
const FILES: &[(&str, &str)] = &[
    ("airtable", include_str!("../../../../providers/airtable.toml")),
    ("asana", include_str!("../../../../providers/asana.toml")),
    ("atlassian", include_str!("../../../../providers/atlassian.toml")),
    ("auth0", include_str!("../../../../providers/auth0.toml")),
    ("bitbucket", include_str!("../../../../providers/bitbucket.toml")),
    ("box", include_str!("../../../../providers/box.toml")),
    ("calendly", include_str!("../../../../providers/calendly.toml")),
    ("constant-contact", include_str!("../../../../providers/constant-contact.toml")),
    ("custom", include_str!("../../../../providers/custom.toml")),
    ("discord", include_str!("../../../../providers/discord.toml")),
    ("docusign", include_str!("../../../../providers/docusign.toml")),
    ("dropbox", include_str!("../../../../providers/dropbox.toml")),
    ("ebay", include_str!("../../../../providers/ebay.toml")),
    ("etsy", include_str!("../../../../providers/etsy.toml")),
    ("facebook", include_str!("../../../../providers/facebook.toml")),
    ("figma", include_str!("../../../../providers/figma.toml")),
    ("github", include_str!("../../../../providers/github.toml")),
    ("github-oauth", include_str!("../../../../providers/github-oauth.toml")),
    ("gitlab", include_str!("../../../../providers/gitlab.toml")),
    ("google", include_str!("../../../../providers/google.toml")),
    ("hubspot", include_str!("../../../../providers/hubspot.toml")),
    ("instagram", include_str!("../../../../providers/instagram.toml")),
    ("keycloak", include_str!("../../../../providers/keycloak.toml")),
    ("linkedin", include_str!("../../../../providers/linkedin.toml")),
    ("mailchimp", include_str!("../../../../providers/mailchimp.toml")),
    ("microsoft", include_str!("../../../../providers/microsoft.toml")),
    ("notion", include_str!("../../../../providers/notion.toml")),
    ("okta", include_str!("../../../../providers/okta.toml")),
    ("pipedrive", include_str!("../../../../providers/pipedrive.toml")),
    ("quickbooks", include_str!("../../../../providers/quickbooks.toml")),
    ("reddit", include_str!("../../../../providers/reddit.toml")),
    ("salesforce", include_str!("../../../../providers/salesforce.toml")),
    ("shopify", include_str!("../../../../providers/shopify.toml")),
    ("slack", include_str!("../../../../providers/slack.toml")),
    ("slack-user", include_str!("../../../../providers/slack-user.toml")),
    ("snowflake", include_str!("../../../../providers/snowflake.toml")),
    ("spotify", include_str!("../../../../providers/spotify.toml")),
    ("square", include_str!("../../../../providers/square.toml")),
    ("strava", include_str!("../../../../providers/strava.toml")),
    ("stripe-apps", include_str!("../../../../providers/stripe-apps.toml")),
    ("stripe-connect", include_str!("../../../../providers/stripe-connect.toml")),
    ("tiktok", include_str!("../../../../providers/tiktok.toml")),
    ("tiktok-business", include_str!("../../../../providers/tiktok-business.toml")),
    ("twitch", include_str!("../../../../providers/twitch.toml")),
    ("x", include_str!("../../../../providers/x.toml")),
    ("xero", include_str!("../../../../providers/xero.toml")),
    ("zoho", include_str!("../../../../providers/zoho.toml")),
    ("zoom", include_str!("../../../../providers/zoom.toml")),
];

/// What may stand in a file, as a JSON Schema: for editors and for whoever checks files with other tools.
pub const SCHEMA: &str = include_str!("../../../../providers/schema.json");

/// The identifiers of all providers, in order.
pub fn ids() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(id, _)| *id)
}

/// The text of a provider's file.
pub fn text(id: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == id).map(|(_, text)| *text)
}

/// A provider that comes with Vestal; `None` where there is no such provider.
///
/// # Errors
///
/// None that a release has: every file is read in a test.
pub fn builtin(id: &str) -> Option<Result<Provider, Vec<Mistake>>> {
    text(id).map(Provider::parse)
}

/// The providers in whose files a text stands, such as a host; without a look at what it means there.
pub fn mentioning(text: &str) -> impl Iterator<Item = Provider> {
    FILES
        .iter()
        .filter(move |(_, file)| file.contains(text))
        .filter_map(|(_, file)| Provider::parse(file).ok())
}

/// The known identifier that is most like this one, if any is like it.
pub fn nearest(id: &str) -> Option<&'static str> {
    nearest_of(id, std::iter::empty())
}

/// The same, where `others` are known too.
pub fn nearest_of<'a>(id: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &&str| strsim::jaro_winkler(id, known);
    let all = ids().map(|id| -> &'a str { id }).chain(others);
    let likely: Vec<&str> = all.filter(|known| likeness(known) > 0.8).collect();
    likely.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::{Fact, Flow, Issuer, ProviderEndpoints};
    use super::*;

    fn all() -> impl Iterator<Item = Provider> {
        ids().map(|id| builtin(id).unwrap().unwrap())
    }

    /// Whether its endpoints are discovered from an issuer that somebody has to name.
    fn asks(provider: &Provider) -> bool {
        matches!(provider.endpoints.issuer, Some(Issuer::Ask))
    }

    fn all_of(endpoints: &ProviderEndpoints) -> [&Option<Fact<Url>>; 5] {
        let ProviderEndpoints { authorization, token, refresh, lengthen, revocation, .. } = endpoints;
        [authorization, token, refresh, lengthen, revocation]
    }

    #[test]
    fn every_file_is_sound() {
        for id in ids() {
            let provider = builtin(id).unwrap().unwrap_or_else(|mistakes| panic!("{id}: {mistakes:?}"));
            assert_eq!(provider.id, id);
            let endpoints = &provider.endpoints;
            let urls = all_of(endpoints);
            for fact in urls.into_iter().flatten() {
                assert_eq!(fact.value.scheme(), "https", "{id}: {}", fact.value);
            }
            assert!(
                asks(&provider) || (endpoints.authorization.is_some() && endpoints.token.is_some()),
                "{id}"
            );
            assert!(provider.authorization.without_refresh_token.is_some(), "{id}");
        }
        assert!(ids().is_sorted());
    }

    #[test]
    fn nobody_is_sent_to_what_has_ended() {
        let all: Vec<_> = all().collect();
        for provider in &all {
            let endpoints = &provider.endpoints;
            let urls = all_of(endpoints);
            for url in urls.into_iter().flatten() {
                let ended = all.iter().find(|other| other.retired(&url.value).is_some());
                assert!(ended.is_none(), "{}: {}", provider.id, url.value);
            }
        }
    }

    #[test]
    fn an_id_token_that_is_asked_for_can_be_verified() {
        let asking = |provider: &Provider| {
            provider.authorization.default_scopes().iter().any(|scope| scope == "openid") && !asks(provider)
        };
        let mut found = 0;
        for provider in all().filter(asking) {
            let Provider { id, endpoints, site, .. } = &provider;
            assert!(endpoints.jwks.is_some(), "{id}: with which keys?");
            // Whose issuer depends on who consents has none that a file could name.
            assert!(endpoints.issuer.is_some() || !site.is_empty(), "{id}: by whom?");
            found += 1;
        }
        assert!(found > 0);
    }

    #[test]
    fn flows_are_known_and_lead_somewhere() {
        for provider in all() {
            let Some(flows) = provider.flows() else {
                assert!(asks(&provider), "{}: by which grants does it give tokens?", provider.id);
                continue;
            };
            let leads = asks(&provider) || provider.endpoints.device_authorization.is_some();
            let is_offered = flows.contains(&Flow::DeviceCode);
            assert!(leads || !is_offered, "{}: where does a device begin?", provider.id);
            assert!(is_offered || provider.endpoints.device_authorization.is_none(), "{}", provider.id);
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_nearest() {
        assert_eq!(nearest("constantcontact"), Some("constant-contact"));
        assert_eq!(nearest("gogle"), Some("google"));
        assert_eq!(nearest("zzz"), None);
        assert_eq!(nearest("foo"), None, "nobody who writes this means zoom");
    }
}
