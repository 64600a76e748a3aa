use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::client::Client;
use vestal_core::evidence::{Contradiction, Seen};
use vestal_core::provider::Provider;

use crate::provider::length;

/// What was seen of a provider through one client.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceView {
    /// The client's name.
    pub client: String,
    /// What was seen, by the names of the provider's file.
    pub seen: Vec<SeenView>,
}

/// Something that was seen, beside what the provider's file says.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenView {
    /// The fact's name in the provider's file, such as `refresh_token.rotation`.
    pub name: String,
    /// What was seen: as the file would write it, or a few words.
    pub value: String,
    /// When first.
    pub since: Timestamp,
    /// What the file says; `null` where it says nothing.
    pub file: Option<String>,
    /// Whether that does not fit.
    pub contradicts: bool,
}

impl EvidenceView {
    /// What was seen through a client; `None` where nothing was.
    pub fn new(client: &Client, provider: &Provider) -> Option<Self> {
        let evidence = &client.notes.evidence;
        let found = evidence.contradictions(provider);
        let rotation = evidence.rotates.map(|seen| {
            let value = if seen.value { "always" } else { "none so far" };
            let contradicts =
                |it: &Contradiction| matches!(it, Contradiction::Rotated | Contradiction::NotRotated);
            ("refresh_token.rotation", value.to_owned(), seen.since, found.iter().any(contradicts))
        });
        let lasting = |name, words: &str, seen: Option<Seen<Duration>>, contradicts: bool| {
            seen.map(|seen| (name, format!("{words}{}", length(seen.value)), seen.since, contradicts))
        };
        let about = |matches: fn(&Contradiction) -> bool| found.iter().any(matches);
        let seen = [
            lasting(
                "access_token.life",
                "",
                evidence.access_token_life,
                about(|it| matches!(it, Contradiction::AccessTokenLife { .. })),
            ),
            lasting(
                "refresh_token.idle_limit",
                "",
                evidence.idle_limit,
                about(|it| matches!(it, Contradiction::IdleLimit { .. })),
            ),
            rotation,
            lasting("refresh_token.grace", "accepted again up to ", evidence.accepted_again_after, false),
            lasting(
                "refresh_token.grace",
                "refused after ",
                evidence.refused_after,
                about(|it| matches!(it, Contradiction::Grace { .. })),
            ),
        ];
        let said = |name: &str| {
            let mut stated = provider.stated.iter();
            stated.find(|stated| stated.name == name).map(|stated| stated.value.clone())
        };
        let seen: Vec<SeenView> = seen
            .into_iter()
            .flatten()
            .map(|(name, value, since, contradicts)| SeenView {
                name: name.to_owned(),
                value,
                since,
                file: said(name),
                contradicts,
            })
            .collect();
        (!seen.is_empty()).then(|| Self { client: client.name.clone(), seen })
    }
}

#[cfg(test)]
mod tests {
    use vestal_core::client::{ClientAuth, ClientNotes, Endpoints};
    use vestal_core::evidence::Evidence;
    use vestal_core::provider::catalogue;

    use super::*;

    #[test]
    fn what_was_seen_stands_beside_what_the_file_says() {
        let url = || "https://as.example/x".parse().unwrap();
        let mut client = Client {
            id: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
            revision: 1,
            name: "shop".to_owned(),
            provider: "okta".to_owned(),
            client_id: "id".to_owned(),
            auth: ClientAuth::None,
            secret: None,
            second_secret: None,
            redirect_uri: url(),
            scopes: vec![],
            endpoints: Endpoints::at(url()),
            created_at: Timestamp::UNIX_EPOCH,
            notes: ClientNotes::default(),
        };
        let okta = catalogue::builtin("okta").unwrap().unwrap();
        assert_eq!(EvidenceView::new(&client, &okta), None);

        let since = Timestamp::from_second(1_000).unwrap();
        client.notes.evidence = Evidence {
            rotates: Some(Seen { value: true, since }),
            refused_after: Some(Seen { value: Duration::from_secs(12), since }),
            ..Evidence::default()
        };
        let view = EvidenceView::new(&client, &okta).unwrap();
        let line = |name: &str, value: &str, file: &str, contradicts| SeenView {
            name: name.to_owned(),
            value: value.to_owned(),
            since,
            file: Some(file.to_owned()),
            contradicts,
        };
        assert_eq!(
            view.seen,
            [
                line("refresh_token.rotation", "always", "app-setting", false),
                line("refresh_token.grace", "refused after 12s", "30s", true),
            ]
        );
    }
}
