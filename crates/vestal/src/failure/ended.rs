//! A provider that there is no more: the file of the one that took its place names it.

use vestal_core::provider::{Provider, Retired, catalogue};

use super::Failure;

/// What to say of a provider of this name, where it has ended.
pub(super) fn ended(id: &str) -> Option<Failure> {
    let providers = catalogue::ids().filter_map(|id| catalogue::builtin(id)?.ok());
    let mut ended = providers.filter_map(|provider| Some((was(&provider, id)?.clone(), provider)));
    let (Retired { prefix, since, instead, .. }, successor) = ended.next()?;
    let since = since.strftime("%-d %b %Y");
    let failure = Failure::usage(format!("the provider {id:?} has ended"));
    let failure = failure.why(format!("{prefix} does not answer since {since}"));
    Some(failure.next(format!("use {instead}: vestal connect NAME --provider {}", successor.id)))
}

/// What a provider has retired that was one by itself.
fn was<'a>(provider: &'a Provider, id: &str) -> Option<&'a Retired> {
    provider.retired.iter().find(|retired| retired.was.as_deref() == Some(id))
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
        // Hosts of what has ended, constantcontact's among them, are no providers' names.
        for other in ["cc", "idfed", "constantcontact", "com", "www", "accounts", "nobody", ""] {
            assert!(ended(other).is_none(), "{other}");
        }
    }
}
