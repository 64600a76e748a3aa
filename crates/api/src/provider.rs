use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::provider::{
    Deprecation, ErrorFact, Fact, Issuer, Provider, Quota, RedirectFact, RedirectForm, Retired, ShorterLife,
    Stated, Wait,
};

use crate::EvidenceView;

/// What is known of a provider, each fact with its source.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Which forms of redirect URI it accepts; empty where that is not known.
    pub redirect_uris: Vec<RedirectView>,
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
    /// When its refresh tokens die sooner than the facts say.
    pub shorter: Vec<ShorterView>,
    /// How many requests it answers.
    pub quotas: Vec<QuotaView>,
    /// What is going to end, and when.
    pub deprecations: Vec<DeprecationView>,
    /// What else is worth knowing.
    pub notes: Vec<NoteView>,
    /// The names of what your own file says, where one is laid over the one that comes with Vestal.
    pub yours: Vec<String>,
    /// What was seen of it through each client that there is.
    pub evidence: Vec<EvidenceView>,
}

/// What one kind of answer means.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactView {
    /// Its name in the provider's file, such as `refresh_token.idle_limit`.
    pub name: String,
    /// What is so, as the file writes it.
    pub value: String,
    /// Whether it is your own file that says so, laid over the one that comes with Vestal.
    pub yours: bool,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// A form of redirect URI that a provider accepts.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectView {
    /// The form: `https`, `http-localhost` or `http-loopback`.
    pub form: RedirectForm,
    /// When it is accepted; `null` for always.
    pub when: Option<String>,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// A further fact, in a sentence.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteView {
    /// The sentence.
    pub text: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where a fact comes from.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredView {
    /// How its URLs begin.
    pub prefix: String,
    /// Since when.
    pub since: Date,
    /// What to use instead.
    pub instead: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// A condition under which a refresh token dies sooner.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShorterView {
    /// So long after the consent.
    pub after_seconds: u64,
    /// When that is so.
    pub when: String,
    /// Not where no other scopes than these were asked for; empty where it is so whatever was asked for.
    pub unless_only: Vec<String>,
    /// What to do about it.
    pub instead: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// How many requests a provider answers.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaView {
    /// How many.
    pub requests: u32,
    /// In this time.
    pub within_seconds: u64,
    /// For each of what: `client`, `account`, …
    pub per: String,
    /// Which requests count.
    pub counts: String,
    /// Whether refreshes count.
    pub refreshes_count: bool,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Something that is going to end.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeprecationView {
    /// What ends.
    pub what: String,
    /// When.
    pub on: Date,
    /// How the URLs begin that will not work any more; `null` where it is something else that ends.
    pub prefix: Option<String>,
    /// What to do until then.
    pub instead: String,
    /// Where that comes from.
    #[serde(flatten)]
    pub origin: Origin,
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
            redirect_uris: provider.client.redirect_uris.iter().map(|it| redirect(provider, it)).collect(),
            scopes: provider.authorization.scopes.clone(),
            default_scopes: provider.authorization.default_scopes().to_vec(),
            parameters: provider.authorization.parameters(),
            errors: provider.errors.iter().map(|error| meaning(provider, error)).collect(),
            retired: provider.retired.iter().map(|it| retired(provider, it)).collect(),
            shorter: provider.refresh_token.shorter.iter().map(|it| shorter(provider, it)).collect(),
            quotas: provider.quotas.iter().map(|it| quota(provider, it)).collect(),
            deprecations: provider.deprecations.iter().map(|it| deprecation(provider, it)).collect(),
            notes: provider.notes.iter().map(|it| note(provider, it)).collect(),
            yours: provider.laid_over.clone(),
            evidence: Vec::new(),
        }
    }
}

fn meaning(provider: &Provider, error: &ErrorFact) -> MeaningView {
    MeaningView {
        code: error.code.clone(),
        status: error.status,
        says: error.says.clone(),
        means: error.means.as_str().to_owned(),
        wait: error.wait.map(|wait| match wait {
            Wait::For(wait) => length(wait),
            Wait::UtcMidnight => "utc-midnight".to_owned(),
        }),
        origin: origin(provider, error.source.as_ref(), error.unverified, error.note.as_ref()),
    }
}

fn redirect(provider: &Provider, it: &RedirectFact) -> RedirectView {
    RedirectView {
        form: it.form,
        when: it.when.clone(),
        origin: origin(provider, it.source.as_ref(), it.unverified, it.note.as_ref()),
    }
}

fn note(provider: &Provider, note: &Fact<String>) -> NoteView {
    let origin = origin(provider, note.source.as_ref(), note.unverified, note.note.as_ref());
    NoteView { text: note.value.clone(), origin }
}

fn shorter(provider: &Provider, it: &ShorterLife) -> ShorterView {
    ShorterView {
        after_seconds: it.life.0.as_secs(),
        when: it.when.clone(),
        unless_only: it.unless_only.clone(),
        instead: it.instead.clone(),
        origin: origin(provider, it.source.as_ref(), it.unverified, it.note.as_ref()),
    }
}

fn quota(provider: &Provider, quota: &Quota) -> QuotaView {
    QuotaView {
        requests: quota.rate.requests,
        within_seconds: quota.rate.within.as_secs(),
        per: quota.per.words().to_owned(),
        counts: quota.counts.words().to_owned(),
        refreshes_count: quota.counts.refreshes(),
        origin: origin(provider, quota.source.as_ref(), quota.unverified, quota.note.as_ref()),
    }
}

fn retired(provider: &Provider, it: &Retired) -> RetiredView {
    RetiredView {
        prefix: it.prefix.clone(),
        since: it.since,
        instead: it.instead.clone(),
        origin: origin(provider, it.source.as_ref(), it.unverified, it.note.as_ref()),
    }
}

fn deprecation(provider: &Provider, it: &Deprecation) -> DeprecationView {
    DeprecationView {
        what: it.what.clone(),
        on: it.on,
        prefix: it.prefix.clone(),
        instead: it.instead.clone(),
        origin: origin(provider, it.source.as_ref(), it.unverified, it.note.as_ref()),
    }
}

/// Every fact that has a name of its own, as the file writes it.
fn facts(provider: &Provider) -> Vec<FactView> {
    let view = |stated: &Stated| FactView {
        name: stated.name.clone(),
        value: stated.value.clone(),
        yours: provider.laid_over.contains(&stated.name),
        origin: origin(provider, stated.source.as_ref(), stated.unverified, stated.note.as_ref()),
    };
    provider.stated.iter().map(view).collect()
}

fn origin(provider: &Provider, source: Option<&String>, unverified: bool, note: Option<&String>) -> Origin {
    let source = source.and_then(|name| provider.sources.get(name));
    Origin {
        verified: !unverified,
        source: source.map(|source| source.url.clone()),
        verified_on: source.map(|source| source.verified_on),
        note: note.cloned(),
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
