//! What a provider's section lists: what is worth knowing, limits, what ends, and where all that comes from.

use vestal_core::provider::{Deprecation, Fact, Flow, Limit, Provider, RedirectFact, Retired, Source};

use crate::numbers::{count, list, span};
use crate::words::{self, mark, marked, note};

/// What the facts are of which something else has to be said, then further things.
pub(crate) fn worth_knowing(provider: &Provider) -> Vec<String> {
    fn noted<T>(name: &str, fact: &Option<Fact<T>>, is: impl Fn(&Fact<T>) -> String) -> Option<String> {
        let fact = fact.as_ref()?;
        Some(format!("{name}: {}. {}", is(fact), fact.note.as_ref()?))
    }
    let limit = |fact: &Fact<Limit>| match fact.value {
        Limit::After(length) => marked(fact, &span(length)),
        Limit::Endless => marked(fact, "no end"),
    };
    let (access, refresh) = (&provider.access_token, &provider.refresh_token);
    [
        redirect_uri(provider),
        flows(provider),
        client_auth(provider),
        noted("Offline scope", &provider.authorization.offline_scope, |fact| {
            marked(fact, &format!("`{}`", fact.value))
        }),
        noted("Access token", &access.life, limit),
        noted("Refresh on a 401", &access.refresh_on_rejection, |fact| {
            marked(fact, if fact.value { "yes" } else { "no" })
        }),
        noted("Disuse", &refresh.idle_limit, limit),
        noted("End after the consent", &refresh.absolute_life, limit),
        noted("Replaced by a refresh", &refresh.rotation, words::replaces),
        noted("Grace", &refresh.grace, |fact| words::grace(fact).unwrap_or_default()),
        noted("Reuse", &refresh.reuse, |fact| words::reuse(fact).unwrap_or_default()),
    ]
    .into_iter()
    .flatten()
    .chain(provider.notes.iter().map(|note| marked(note, &note.value)))
    .collect()
}

/// How a client proves itself.
fn client_auth(provider: &Provider) -> Option<String> {
    let fact = provider.client.auth.as_ref()?;
    let names: Vec<String> = fact.value.iter().map(|auth| format!("`{auth}`")).collect();
    Some(format!("Client authentication: {}.{}", marked(fact, &names.join(", ")), note(&fact.note)))
}

/// By which grants it gives tokens.
fn flows(provider: &Provider) -> Option<String> {
    let fact = provider.client.flows.as_ref()?;
    let name = |flow: &Flow| match flow {
        Flow::JwtBearer => "JWT bearer".to_owned(),
        flow => flow.as_str().replace('_', " "),
    };
    let names: Vec<String> = fact.value.iter().map(name).collect();
    let note = fact.note.as_ref().map(|note| format!(". {note}")).unwrap_or_default();
    Some(format!("Grants: {}{}{note}", list(&names), mark(fact.unverified)))
}

/// Which redirect URIs it accepts.
fn redirect_uri(provider: &Provider) -> Option<String> {
    let form = |fact: &RedirectFact| {
        let when = fact.when.as_ref().map(|when| format!(" where {when}")).unwrap_or_default();
        let note = fact.note.as_ref().map(|note| format!(" ({})", note.trim_end_matches('.')));
        format!("{}{when}{}{}", fact.form.words(), mark(fact.unverified), note.unwrap_or_default())
    };
    let forms: Vec<String> = provider.client.redirect_uris.iter().map(form).collect();
    let named =
        provider.client.redirect_name.as_ref().filter(|fact| fact.value).map_or_else(String::new, |fact| {
            format!(
                " In requests, a name that the provider gives stands for it (`--redirect-name`){}.",
                mark(fact.unverified)
            )
        });
    (!forms.is_empty()).then(|| format!("Redirect URI: {}.{named}", forms.join("; ")))
}

/// How many tokens and requests it bears, and what Vestal does about it.
pub(crate) fn limits(provider: &Provider) -> Vec<String> {
    let caps = [
        ("refresh tokens", &provider.refresh_token.live_tokens),
        ("access tokens", &provider.access_token.live_tokens),
    ];
    let caps = caps.into_iter().filter_map(|(what, cap)| {
        let cap = cap.as_ref()?;
        let (mark, note) = (mark(cap.unverified), note(&cap.note));
        Some(format!(
            "{} live {what} for each {}{mark}: a further one silently ends the oldest.{note}",
            cap.tokens,
            cap.per.words()
        ))
    });
    let shorter = provider.refresh_token.shorter.iter().map(|it| {
        let unless = match it.unless_only.is_empty() {
            true => String::new(),
            false => format!(", unless only {} were asked for", list(&it.unless_only)),
        };
        format!(
            "A refresh token dies {} after the consent where {}{unless}{}. What helps: {}.",
            span(it.life.0),
            it.when,
            mark(it.unverified),
            it.instead
        )
    });
    let quotas = provider.quotas.iter().map(|quota| {
        let (mark, note) = (mark(quota.unverified), note(&quota.note));
        let conduct = match quota.counts.refreshes() {
            true => "",
            false => " Refreshes do not count.",
        };
        let words = quota.counts.words();
        let (what, among) = words.split_at(words.find(',').unwrap_or(words.len()));
        format!(
            "{} {what} in {} for each {}{among}{mark}.{conduct}{note}",
            count(quota.rate.requests),
            span(quota.rate.within),
            quota.per.words()
        )
    });
    caps.chain(shorter).chain(quotas).collect()
}

/// Where its API is, and how it takes a token where that is not as RFC 6750 has it.
pub(crate) fn api(provider: &Provider) -> Vec<String> {
    let api = &provider.api;
    let listed = |fact: &Fact<Vec<String>>| {
        let quoted: Vec<String> = fact.value.iter().map(|text| format!("`{text}`")).collect();
        format!("{}{}.{}", quoted.join(", "), mark(fact.unverified), note(&fact.note))
    };
    let hosts = api.hosts.as_ref().map(|fact| format!("At {}", listed(fact)));
    let headers = api.headers.as_ref().map(|fact| format!("A call carries {}", listed(fact)));
    let lookup = api.lookup.as_ref().map(|fact| {
        let names: Vec<String> = fact.value.take.keys().map(|name| format!("`{name}`")).collect();
        let several = match (&fact.value.list, &fact.value.prefer) {
            (None, _) => String::new(),
            (Some(_), prefer) => {
                let first = prefer.as_ref().map_or("the first".to_owned(), |field| format!("that of which `{field}` is true"));
                format!(" Of several, the one that counted before does, or else {first}; `found_among` says of how many it is one.")
            }
        };
        format!(
            "After a consent, Vestal asks `{}` for {}{}: `vestal token --json` and `vestal status NAME` show it.{several}{}",
            fact.value.get.as_str().replace("%7B", "{").replace("%7D", "}"),
            list(&names),
            mark(fact.unverified),
            note(&fact.note)
        )
    });
    hosts.into_iter().chain(headers).chain(lookup).collect()
}

/// What is going to end, and when.
pub(crate) fn deprecations(provider: &Provider) -> Vec<String> {
    let line = |it: &Deprecation| {
        format!(
            "{}: {}{} Until then: {}.",
            it.on.strftime("%-d %b %Y"),
            it.what,
            mark(it.unverified),
            it.instead
        )
    };
    provider.deprecations.iter().map(line).collect()
}

/// What works no more.
pub(crate) fn retired(provider: &Provider) -> Vec<String> {
    let line = |it: &Retired| {
        let since = it.since.strftime("%-d %b %Y");
        format!("`{}…` ended on {since}{}: use {}", it.prefix, mark(it.unverified), it.instead)
    };
    provider.retired.iter().map(line).collect()
}

/// Where all that comes from.
pub(crate) fn sources(provider: &Provider) -> Vec<String> {
    let line =
        |source: &Source| format!("<{}>, read on {}", source.url, source.verified_on.strftime("%-d %b %Y"));
    provider.sources.values().map(line).collect()
}
