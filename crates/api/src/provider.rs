use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::provider::{
    Encoding, ErrorFact, Fact, Grace, Issuer, Life, Limit, Provider, Reuse, Rotation, Wait,
};

use crate::EvidenceView;

/// What is known of a provider, each fact with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProviderView {
    /// Its identifier.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where its documentation of OAuth is; `null` where that is not known.
    pub docs: Option<Url>,
    /// How to register a client.
    pub register: String,
    /// Its issuer identifier (RFC 8414); `null` where it has none, or each customer has their own.
    pub issuer: Option<String>,
    /// What an issuer identifier looks like; `null` unless it has to be asked for.
    pub issuer_example: Option<String>,
    /// Every fact.
    pub facts: Vec<FactView>,
    /// The scopes worth knowing, with what they allow.
    pub scopes: BTreeMap<String, String>,
    /// The scopes that are asked for when the user names none.
    pub default_scopes: Vec<String>,
    /// Parameters that are added to every authorization request.
    pub parameters: BTreeMap<String, String>,
    /// What its errors mean, where RFC 6749 §5.2 does not say it. The first one that fits counts.
    pub errors: Vec<MeaningView>,
    /// Endpoints that do not work any more.
    pub retired: Vec<RetiredView>,
    /// What else is worth knowing.
    pub notes: Vec<NoteView>,
    /// What was seen of it through each client that there is.
    pub evidence: Vec<EvidenceView>,
}

/// What one kind of answer means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeaningView {
    /// The error's code; `null` for answers in which no code can be read.
    pub code: Option<String>,
    /// The HTTP status; `null` for any.
    pub status: Option<u16>,
    /// What its description holds; `null` for anything.
    pub says: Option<String>,
    /// `permanent`, `client`, `refused`, `transient` or `ambiguous`.
    pub means: String,
    /// How long to wait at least, as the file writes it; `null` where it does not say.
    pub wait: Option<String>,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// One fact about a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactView {
    /// Its name in the provider's file, such as `refresh_token.idle_limit`.
    pub name: String,
    /// What is so, as the file writes it.
    pub value: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// A further fact, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteView {
    /// The sentence.
    pub text: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where a fact comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Whether somebody checked it.
    pub verified: bool,
    /// Where to read it; `null` where there is no source.
    pub source: Option<Url>,
    /// When the source was read last; `null` where there is none.
    pub verified_on: Option<Date>,
    /// What else has to be said about it; `null` for nothing.
    pub note: Option<String>,
}

/// An endpoint that does not work any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredView {
    /// How its URLs begin.
    pub prefix: String,
    /// Since when.
    pub since: Date,
    /// What to use instead.
    pub instead: String,
}

impl From<&Provider> for ProviderView {
    fn from(provider: &Provider) -> Self {
        let issuer = match &provider.endpoints.issuer {
            Some(Issuer::Is(issuer)) => Some(issuer.clone()),
            Some(Issuer::Ask) | None => None,
        };
        Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            docs: provider.docs.clone(),
            register: provider.register.trim().to_owned(),
            issuer,
            issuer_example: provider.endpoints.issuer_example.clone(),
            facts: facts(provider),
            scopes: provider.authorization.scopes.clone(),
            default_scopes: provider.authorization.default_scopes.clone(),
            parameters: provider.authorization.parameters.clone(),
            errors: provider.errors.iter().map(|error| meaning(provider, error)).collect(),
            retired: provider
                .retired
                .iter()
                .map(|retired| RetiredView {
                    prefix: retired.prefix.clone(),
                    since: retired.since,
                    instead: retired.instead.clone(),
                })
                .collect(),
            notes: provider
                .notes
                .iter()
                .map(|note| NoteView { text: note.value.clone(), origin: origin(provider, note) })
                .collect(),
            evidence: Vec::new(),
        }
    }
}

fn meaning(provider: &Provider, error: &ErrorFact) -> MeaningView {
    let source = error.source.as_ref().and_then(|name| provider.sources.get(name));
    MeaningView {
        code: error.code.clone(),
        status: error.status,
        says: error.says.clone(),
        means: error.means.as_str().to_owned(),
        wait: error.wait.map(|wait| match wait {
            Wait::For(wait) => length(wait),
            Wait::UtcMidnight => "utc-midnight".to_owned(),
        }),
        origin: Origin {
            verified: !error.unverified,
            source: source.map(|source| source.url.clone()),
            verified_on: source.map(|source| source.verified_on),
            note: error.note.clone(),
        },
    }
}

pub(crate) fn facts(provider: &Provider) -> Vec<FactView> {
    let (endpoints, client, requests) = (&provider.endpoints, &provider.client, &provider.requests);
    let (access, refresh) = (&provider.access_token, &provider.refresh_token);
    let auth = |methods: &Vec<vestal_core::client::ClientAuth>| {
        let names: Vec<String> = methods.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    [
        fact(provider, "endpoints.authorization", &endpoints.authorization, Url::to_string),
        fact(provider, "endpoints.token", &endpoints.token, Url::to_string),
        fact(provider, "endpoints.refresh", &endpoints.refresh, Url::to_string),
        fact(provider, "endpoints.revocation", &endpoints.revocation, Url::to_string),
        fact(provider, "endpoints.device_authorization", &endpoints.device_authorization, Url::to_string),
        fact(provider, "client.auth", &client.auth, auth),
        fact(provider, "client.redirect_uri", &client.redirect_uri, String::clone),
        fact(provider, "requests.encoding", &requests.encoding, encoding),
        fact(provider, "requests.client_id", &requests.client_id, String::clone),
        fact(provider, "requests.scope_separator", &requests.scope_separator, String::clone),
        fact(provider, "requests.pkce", &requests.pkce, bool::to_string),
        fact(provider, "authorization.offline_scope", &provider.authorization.offline_scope, String::clone),
        fact(provider, "access_token.life", &access.life, |life: &Life| length(life.0)),
        fact(provider, "access_token.minimum_age", &access.minimum_age, |life: &Life| length(life.0)),
        fact(provider, "access_token.refresh_on_rejection", &access.refresh_on_rejection, bool::to_string),
        fact(provider, "refresh_token.idle_limit", &refresh.idle_limit, limit),
        fact(provider, "refresh_token.absolute_life", &refresh.absolute_life, limit),
        fact(provider, "refresh_token.rotation", &refresh.rotation, rotation),
        fact(provider, "refresh_token.grace", &refresh.grace, grace),
        fact(provider, "refresh_token.reuse", &refresh.reuse, reuse),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn fact<T>(
    provider: &Provider,
    name: &str,
    fact: &Option<Fact<T>>,
    value: impl FnOnce(&T) -> String,
) -> Option<FactView> {
    fact.as_ref().map(|fact| FactView {
        name: name.to_owned(),
        value: value(&fact.value),
        origin: origin(provider, fact),
    })
}

fn origin<T>(provider: &Provider, fact: &Fact<T>) -> Origin {
    let source = fact.source.as_ref().and_then(|name| provider.sources.get(name));
    Origin {
        verified: fact.is_verified(),
        source: source.map(|source| source.url.clone()),
        verified_on: source.map(|source| source.verified_on),
        note: fact.note.clone(),
    }
}

/// A length of time as the files write it: in the largest unit that divides it.
pub(crate) fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let in_units = |unit, name: &dyn fmt::Display| format!("{}{name}", seconds / unit);
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => in_units(86_400, &"d"),
        _ if seconds.is_multiple_of(3_600) => in_units(3_600, &"h"),
        _ if seconds.is_multiple_of(60) => in_units(60, &"min"),
        _ => in_units(1, &"s"),
    }
}

fn limit(limit: &Limit) -> String {
    match limit {
        Limit::After(after) => length(*after),
        Limit::Endless => "none".to_owned(),
    }
}

fn encoding(encoding: &Encoding) -> String {
    let name = match encoding {
        Encoding::Form => "form",
        Encoding::Json => "json",
    };
    name.to_owned()
}

fn rotation(rotation: &Rotation) -> String {
    let name = match rotation {
        Rotation::Never => "never",
        Rotation::Always => "always",
        Rotation::AppSetting => "app-setting",
        Rotation::Unknown => "unknown",
    };
    name.to_owned()
}

fn grace(grace: &Grace) -> String {
    match grace {
        Grace::None => "none".to_owned(),
        Grace::For(time) => length(*time),
        Grace::UntilSuccessorUsed => "until-successor-used".to_owned(),
        Grace::OldStaysValid => "old-stays-valid".to_owned(),
        Grace::Unknown => "unknown".to_owned(),
    }
}

fn reuse(reuse: &Reuse) -> String {
    let name = match reuse {
        Reuse::Punished => "punished",
        Reuse::Harmless => "harmless",
        Reuse::Unknown => "unknown",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_shows_its_source_and_its_day() {
        let provider = vestal_core::provider::catalogue::builtin("constant-contact").unwrap().unwrap();
        let view = ProviderView::from(&provider);
        let fact = |name: &str| view.facts.iter().find(|fact| fact.name == name).unwrap();
        let idle = fact("refresh_token.idle_limit");
        assert_eq!((idle.value.as_str(), idle.origin.verified), ("180d", true));
        assert!(idle.origin.source.is_some() && idle.origin.verified_on.is_some());
        let absolute = fact("refresh_token.absolute_life");
        assert_eq!((absolute.value.as_str(), absolute.origin.verified), ("none", false));
        assert_eq!(absolute.origin.source, None);
        let quota = view.errors.iter().find(|error| error.code.as_deref() == Some("quota_exceeded")).unwrap();
        assert_eq!((quota.means.as_str(), quota.wait.as_deref()), ("transient", Some("utc-midnight")));
        assert!(quota.origin.verified && quota.origin.source.is_some());
    }

    #[test]
    fn lengths_read_as_the_files_write_them() {
        let say = |seconds| length(Duration::from_secs(seconds));
        let said = [0, 30, 90, 1_800, 3_600, 86_400, 90_000, 180 * 86_400].map(say);
        assert_eq!(said, ["0s", "30s", "90s", "30min", "1h", "24h", "25h", "180d"]);
    }
}
