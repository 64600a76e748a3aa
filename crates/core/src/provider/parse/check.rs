//! What a file that can be read must fulfil besides.

use std::collections::BTreeSet;
use std::ops::Range;

use url::{Host, Url};

use super::Found;
use super::document::Document;
use crate::provider::{ApiFacts, ErrorFact, Grace, Issuer, Limit, Provider, Rotation};
use crate::site::variables;
use crate::text::is_disruptive;

/// Lists of facts that have no `is`.
const ALSO_FACTS: [&str; 2] = ["errors", "retired"];

/// Parameters of an authorization request that are Vestal's own (RFC 6749 §4.1.1, RFC 7636 §4.3).
const OWN_PARAMETERS: [&str; 8] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "scope",
];

/// Whether each fact says where it comes from. `readable` is the file without what cannot be read.
pub(super) fn facts(document: &Document<'_>, readable: &Document<'_>) -> Vec<Found> {
    let sources = document.top().get("sources").and_then(|value| value.get_ref().as_table());
    let unfounded = |fact: super::document::FactAt<'_, '_>| {
        let name = &fact.name;
        let unverified = fact.table.get("unverified").and_then(|value| value.get_ref().as_bool());
        let source = fact.table.get("source");
        // What is no text is told by whoever reads it.
        let named = source.map(|value| (value.get_ref().as_str(), value.span()));
        match named {
            None if unverified == Some(true) => None,
            None => Some(Found::new(
                fact.at,
                format!("{name} names no source: add `source = \"…\"`, or mark it `unverified = true`"),
            )),
            Some((Some(source), at)) if !sources.is_some_and(|sources| sources.contains_key(source)) => {
                let known: Vec<String> = sources
                    .into_iter()
                    .flat_map(|it| it.keys().map(|key| key.get_ref().to_string()))
                    .collect();
                let near = known.iter().find(|known| strsim::jaro_winkler(known, source) > 0.7);
                let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                let what = format!("{name} names the source {source:?}, which is not among [sources]{hint}");
                Some(Found::new(at, what))
            }
            Some(_) => None,
        }
    };
    readable.facts(&ALSO_FACTS).into_iter().filter_map(unfounded).collect()
}

/// Whether each text is one that shows as it is: people read it in a terminal.
pub(super) fn texts(document: &Document<'_>) -> Vec<Found> {
    // A text may have several lines.
    let is_odd = |c: char| !matches!(c, '\n' | '\r' | '\t') && is_disruptive(c);
    let odd = |(at, text): (Range<usize>, Option<&str>)| {
        let Some(text) = text else {
            return Some(Found::new(
                at,
                "a day is written in quotes, as \"2026-11-29\", and nothing else as a date",
            ));
        };
        let c = text.chars().find(|c| is_odd(*c))?;
        Some(Found::new(at, format!("it holds {}, which does not show: leave it out", c.escape_unicode())))
    };
    document.texts().into_iter().filter_map(odd).collect()
}

/// Whether this may be a provider's identifier.
fn is_id(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(is_plain)
}

fn no_id(key: &str, text: &str) -> String {
    format!("the {key} {text:?} may hold lower-case letters, digits and hyphens only")
}

/// What is wrong with a provider, though it can be read. `readable` is the file without what cannot; before `own`, it is the
/// file that another one is laid over.
pub(super) fn provider(
    provider: &Provider,
    document: &Document<'_>,
    readable: &Document<'_>,
    own: usize,
) -> Vec<Found> {
    let at = |name: &str| readable.key_at(name).unwrap_or(0..0);
    let mut found = Vec::new();
    let mut wrong = |name: &str, what: String| found.push(Found::new(at(name), what));

    let id = &provider.id;
    if !is_id(id) {
        wrong("id", no_id("id", id));
    }
    for (key, text) in [("name", &provider.name), ("register", &provider.register)] {
        if text.trim().is_empty() {
            wrong(
                key,
                format!(
                    "`{key}` is empty: say it in {}",
                    if key == "name" { "a word or two" } else { "a few sentences" }
                ),
            );
        }
    }
    if provider.name.contains(['\n', '\r', '\t']) {
        wrong("name", "`name` is more than a line".into());
    }
    let pages = provider.sources.iter().map(|(name, source)| (format!("sources.{name}"), &source.url));
    for (name, page) in pages.chain(provider.docs.iter().map(|docs| ("docs".to_owned(), docs))) {
        if !matches!(page.scheme(), "https" | "http") {
            wrong(&name, format!("{}: is no page to be read: it has to begin with https://", page.scheme()));
        }
    }
    let endpoints = &provider.endpoints;
    if document.key_at("endpoints.token").is_none() && document.key_at("endpoints.issuer").is_none() {
        wrong(
            "endpoints",
            "neither a token endpoint nor an issuer: add `token` or `issuer` to [endpoints]".into(),
        );
    }
    match &endpoints.issuer {
        Some(Issuer::Is(issuer)) => match issuer.parse::<Url>() {
            Ok(url) => url_mistake(&url).into_iter().for_each(|what| wrong("endpoints.issuer", what)),
            Err(_) => wrong(
                "endpoints.issuer",
                format!("the issuer {issuer:?} is no URL, such as \"https://login.example.com\""),
            ),
        },
        Some(Issuer::Ask) | None => {}
    }
    for (name, url) in endpoint_urls(provider) {
        let known = variables(url.as_str()).is_empty();
        url_mistake(url).filter(|_| known).into_iter().for_each(|what| wrong(name, what));
        if let Some(retired) = provider.retired(url) {
            let (since, instead) = (retired.since, &retired.instead);
            wrong(name, format!("the file itself says that this ended on {since}: use {instead}"));
        }
    }
    let states = |variable: &str| document.key_at(&format!("site.{variable}")).is_some();
    for (name, what) in provider.site_mistakes(states) {
        wrong(&name, what);
    }
    if let Some(fact) = &provider.revocation {
        let asked = &fact.value;
        let mistakes = url_mistake(&asked.url).into_iter().chain(asked.mistake());
        mistakes.for_each(|what| wrong("revocation", what));
    }
    client(provider, &mut wrong);
    lookup(provider, &mut wrong);
    lives(provider, &mut wrong);
    for parameter in provider.authorization.parameters().keys() {
        if OWN_PARAMETERS.contains(&parameter.as_str()) {
            wrong(
                &format!("authorization.parameters.is.{parameter}"),
                format!("{parameter} is said by Vestal itself: leave it out"),
            );
        }
    }
    let scopes = &provider.authorization;
    if let Some(offline) = &scopes.offline_scope
        && !scopes.default_scopes().is_empty()
        && !scopes.default_scopes().contains(&offline.value)
    {
        let what = format!("without {:?} among them, there is no refresh token: add it", offline.value);
        wrong("authorization.default_scopes", what);
    }
    found.extend(lists(provider, readable, own));
    found
}

/// All endpoints, by their keys.
pub(in crate::provider) fn endpoint_urls(provider: &Provider) -> impl Iterator<Item = (&'static str, &Url)> {
    let endpoints = &provider.endpoints;
    [
        ("endpoints.authorization", &endpoints.authorization),
        ("endpoints.token", &endpoints.token),
        ("endpoints.refresh", &endpoints.refresh),
        ("endpoints.lengthen", &endpoints.lengthen),
        ("endpoints.revocation", &endpoints.revocation),
        ("endpoints.device_authorization", &endpoints.device_authorization),
        ("endpoints.pushed_authorization", &endpoints.pushed_authorization),
        ("endpoints.introspection", &endpoints.introspection),
        ("endpoints.userinfo", &endpoints.userinfo),
        ("endpoints.jwks", &endpoints.jwks),
    ]
    .into_iter()
    .filter_map(|(name, fact)| Some((name, &fact.as_ref()?.value)))
}

/// Why a URL is no endpoint (RFC 6749 §3.1, §3.2), if it is none.
fn url_mistake(url: &Url) -> Option<String> {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && local) {
        return Some("secrets are sent there: it has to begin with https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it holds a user name or a password: leave them out of the URL".to_owned());
    }
    url.fragment().map(|_| "it has a fragment (#…), which is never sent: leave it out of the URL".to_owned())
}

fn client(provider: &Provider, wrong: &mut impl FnMut(&str, String)) {
    let twice = |names: Vec<String>| {
        let mut seen = BTreeSet::new();
        names.into_iter().find(|name| !seen.insert(name.clone()))
    };
    if let Some(auth) = &provider.client.auth {
        let names = auth.value.iter().map(ToString::to_string).collect::<Vec<_>>();
        if names.is_empty() {
            wrong(
                "client.auth",
                "no way to prove a client: name one, such as \"client_secret_basic\"".into(),
            );
        }
        if let Some(name) = twice(names) {
            wrong("client.auth", format!("{name:?} is named twice"));
        }
    }
    if let Some(flows) = &provider.client.flows {
        let names = flows.value.iter().map(|flow| flow.as_str().to_owned()).collect::<Vec<_>>();
        if names.is_empty() {
            wrong("client.flows", "no grant at all: name one, such as \"authorization_code\"".into());
        }
        if let Some(name) = twice(names) {
            wrong("client.flows", format!("{name:?} is named twice"));
        }
    }
    let forms = provider.client.redirect_uris.iter();
    let forms = forms.map(|fact| format!("{:?} {:?}", fact.form, fact.when)).collect();
    if twice(forms).is_some() {
        wrong("client.redirect_uris", "a form is named twice".into());
    }
    let names = provider.requests.names.as_ref();
    if names.is_some_and(|fact| fact.value.values().any(|name| name.trim().is_empty())) {
        wrong("requests.names", "a parameter has a name: leave it out where it is RFC 6749's".into());
    }
    if provider.requests.scope_separator.as_ref().is_some_and(|fact| fact.value.is_empty()) {
        wrong("requests.scope_separator", "scopes without anything between them cannot be told apart".into());
    }
    for (name, value) in provider.requests.headers() {
        if let Some(what) = ApiFacts::mistake(&format!("{name}: {value}"), &[]) {
            wrong("requests.headers", what.to_owned());
        }
    }
    if let Some(hosts) = &provider.api.hosts {
        for host in &hosts.value {
            let plain = host.replace(['{', '}'], "");
            // Each account may have a whole URL of its own.
            if provider.account_names().iter().any(|name| *host == format!("{{{name}}}")) {
                continue;
            }
            let fits = plain.parse::<Url>().is_ok_and(|url| url.scheme() == "https" && url.query().is_none());
            if !fits {
                wrong(
                    "api.hosts",
                    format!("{host:?} is no beginning of a URL, such as \"https://api.example.com\""),
                );
            }
        }
    }
    if let Some(headers) = &provider.api.headers {
        for field in &headers.value {
            if let Some(what) = ApiFacts::mistake(field, &provider.account_names()) {
                wrong("api.headers", what.to_owned());
            }
        }
        if !headers.value.iter().any(|field| field.contains("{token}")) {
            wrong(
                "api.headers",
                "the access token is in none of them: write {token} where it belongs".into(),
            );
        }
    }
}

/// What is wrong with what is asked of the API.
fn lookup(provider: &Provider, wrong: &mut impl FnMut(&str, String)) {
    let Some(fact) = &provider.api.lookup else { return };
    let known = |name: &str| provider.site.contains_key(name);
    let url = &fact.value.get;
    let mistakes = url_mistake(url).filter(|_| variables(url.as_str()).is_empty()).into_iter();
    mistakes.chain(fact.value.mistake(known)).for_each(|what| wrong("api.lookup", what));
}

fn lives(provider: &Provider, wrong: &mut impl FnMut(&str, String)) {
    let (access, refresh) = (&provider.access_token, &provider.refresh_token);
    if let (Some(age), Some(life)) = (provider.minimum_age(), provider.access_token_life())
        && age >= life
    {
        let what = "an access token that is refreshed only when it has ended cannot be kept alive".to_owned();
        wrong("access_token.minimum_age", what);
    }
    if provider.exchange.lengthen.is_some() && provider.access_token_life().is_none() {
        let what =
            "short-lived access tokens are told by how long the others live: add `life` to [access_token]";
        wrong("exchange.lengthen", what.to_owned());
    }
    let idle = refresh.idle_limit.as_ref().map(|fact| fact.value);
    if let (Some(Limit::After(idle)), Some(absolute)) = (idle, provider.absolute_life())
        && idle > absolute.life
    {
        let what = "it cannot lie unused for longer than it lives (absolute_life)".to_owned();
        wrong("refresh_token.idle_limit", what);
    }
    if let (Rotation::Never, Grace::For(_) | Grace::UntilSuccessorUsed) =
        (provider.rotation(), provider.grace())
    {
        wrong(
            "refresh_token.grace",
            "what is never replaced needs no grace: leave it out, or say how it rotates".into(),
        );
    }
    for (name, cap) in [
        ("access_token.live_tokens", &access.live_tokens),
        ("refresh_token.live_tokens", &refresh.live_tokens),
    ] {
        if cap.as_ref().is_some_and(|cap| cap.tokens == 0) {
            wrong(
                name,
                "where no token may live, there is nothing to keep alive: a cap is at least 1".into(),
            );
        }
    }
}

/// What is wrong with entries of lists, each where it begins.
fn lists(provider: &Provider, readable: &Document<'_>, own: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let places =
        |name: &str| -> Vec<Range<usize>> { readable.tables(name).into_iter().map(|(_, at)| at).collect() };
    let errors: Vec<_> = provider.errors.iter().zip(places("errors")).collect();
    for (index, (error, at)) in errors.iter().enumerate() {
        if let Some(what) = error.mistake() {
            found.push(Found::new(at.clone(), what));
        }
        // What is laid over another file may say of an error what that says too.
        let same = |(earlier, there): &&(&ErrorFact, Range<usize>)| {
            (&earlier.code, earlier.status, &earlier.says) == (&error.code, error.status, &error.says)
                && (there.start < own) == (at.start < own)
        };
        if errors[..index].iter().any(|earlier| same(&earlier)) {
            found.push(Found::new(
                at.clone(),
                "an entry above says the same, and the first one that fits counts",
            ));
        }
    }
    for (retired, at) in provider.retired.iter().zip(places("retired")) {
        if !is_prefix(&retired.prefix) {
            found.push(Found::new(at.clone(), NO_PREFIX));
        }
        if let Some(was) = retired.was.as_ref().filter(|was| !is_id(was)) {
            found.push(Found::new(at, no_id("was", was)));
        }
    }
    for (deprecation, at) in provider.deprecations.iter().zip(places("deprecations")) {
        if deprecation.prefix.as_ref().is_some_and(|prefix| !is_prefix(prefix)) {
            found.push(Found::new(at, NO_PREFIX));
        }
    }
    found
}

const NO_PREFIX: &str = "`prefix` is no beginning of a URL, such as \"https://old.example.com/oauth/\"";

fn is_prefix(prefix: &str) -> bool {
    prefix.starts_with("https://") && prefix.parse::<Url>().is_ok()
}
