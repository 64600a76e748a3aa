//! A provider that there is no more: it is known by the hosts that it had.

use url::Url;
use vestal_core::provider::{Provider, Retired, catalogue};

use super::Failure;

/// What to say of a provider of this name, where it has ended.
pub(super) fn ended(id: &str) -> Option<Failure> {
    let providers = catalogue::ids().filter_map(|id| catalogue::builtin(id)?.ok());
    let mut ended = providers.filter_map(|provider| Some((hosted_by(&provider, id)?.clone(), provider)));
    let (Retired { prefix, since, instead, .. }, successor) = ended.next()?;
    let since = since.strftime("%-d %b %Y");
    let failure = Failure::usage(format!("the provider {id:?} has ended"));
    let failure = failure.why(format!("{prefix} does not answer since {since}"));
    Some(failure.next(format!("use {instead}: vestal connect NAME --provider {}", successor.id)))
}

/// What a provider has retired at a host of this name, as `fitbit` is that of `www.fitbit.com`.
fn hosted_by<'a>(provider: &'a Provider, name: &str) -> Option<&'a Retired> {
    let is_named = |retired: &&Retired| {
        let url = Url::parse(&retired.prefix).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.rsplit('.').nth(1) == Some(name)
    };
    provider.retired.iter().find(is_named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_told_with_its_day_and_its_successor() {
        let told = ended("fitbit").and_then(Failure::view).unwrap();
        assert_eq!(told.error, r#"the provider "fitbit" has ended"#);
        assert_eq!(
            told.why.as_deref(),
            Some("https://www.fitbit.com/oauth2/ does not answer since 2 Nov 2026")
        );
        assert!(told.next.as_ref().is_some_and(|next| next.contains("--provider google")), "{told:?}");
        for other in ["com", "www", "accounts", "nobody", ""] {
            assert!(ended(other).is_none(), "{other}");
        }
    }
}
