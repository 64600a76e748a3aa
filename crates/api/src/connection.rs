use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName, Policy};
use vestal_core::id::ConnectionId;
use vestal_core::token::Renewal;

use crate::{StateView, WarningView};

/// A connection. Never a secret.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionView {
    /// Never changes.
    pub id: ConnectionId,
    /// Chosen by the user; unique.
    pub name: ConnectionName,
    /// The name of its client.
    pub client: String,
    /// The identifier of its provider.
    pub provider: String,
    /// The user's own identifier, unique per client; `null` where there is none.
    pub external_id: Option<String>,
    /// The user's own labels.
    pub tags: BTreeMap<String, String>,
    /// When it is refreshed: `auto`, `always` or `on-demand`.
    pub policy: Policy,
    /// What it is doing.
    #[serde(flatten)]
    pub state: StateView,
    /// The number of its token set; 0 before the first.
    pub generation: u64,
    /// How its access token is renewed; `null` before the first consent.
    pub renewal: Option<Renewal>,
    /// Whether there is an access token; there is none until a refresh token is refreshed that was imported without one.
    #[serde(default)]
    pub access_token: bool,
    /// Whether there is a refresh token.
    pub refresh_token: bool,
    /// The scopes granted, separated by spaces; `null` where the provider did not say.
    pub scope: Option<String>,
    /// When the request was started that brought the token set; `null` before the first.
    pub issued_at: Option<Timestamp>,
    /// When the access token ends; `null` where that is unknown, or there is none.
    pub expires_at: Option<Timestamp>,
    /// When it is refreshed next; `null` where it is not.
    pub next_refresh_at: Option<Timestamp>,
    /// Since when it is due and nobody has refreshed it, where that is too long: nobody keeps to the schedule; absent where that is not so, and
    /// where it was not looked for, as in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_since: Option<Timestamp>,
    /// Whether it is being refreshed at this moment.
    pub refreshing: bool,
    /// Where its provider is, where that is at many places: what stands for the variables of its endpoints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub site: BTreeMap<String, String>,
    /// What the redirect said that every use of the API needs, such as `realmId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redirect: BTreeMap<String, String>,
    /// What the API said that every use of it needs, such as Xero's `tenantId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, String>,
    /// Of how many accounts, sites or tenants that is one; 0 where it was said before the last consent; `null` where nothing was
    /// asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_among: Option<u32>,
    /// When a person consented, or it was imported; `null` before that.
    pub consented_at: Option<Timestamp>,
    /// Until when consent is, or was, asked for, where nobody has ever consented; absent where it was not looked for, as in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_asked_until: Option<Timestamp>,
    /// When its access token was last asked for, to the hour; `null` for never.
    pub last_read_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// What a person should know of it and its client before it hurts; left out where it was not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<WarningView>>,
}

impl ConnectionView {
    /// A connection, with its client.
    pub fn new(connection: &Connection, client: &Client) -> Self {
        let grant = connection.grant.as_ref();
        let tokens = grant.map(|grant| &grant.tokens);
        let found = grant.and_then(|grant| grant.about.found.as_ref());
        Self {
            id: connection.id,
            name: connection.name.clone(),
            client: client.name.clone(),
            provider: client.provider.clone(),
            external_id: connection.external_id.clone(),
            tags: connection.tags.clone(),
            policy: connection.policy,
            state: StateView::from(&connection.state),
            generation: connection.generation(),
            renewal: grant.map(|grant| grant.renewal),
            access_token: tokens.is_some_and(|tokens| tokens.access_token.is_some()),
            refresh_token: tokens.is_some_and(|tokens| tokens.refresh_token.is_some()),
            scope: tokens.and_then(|tokens| tokens.scope.clone()),
            issued_at: tokens.map(|tokens| tokens.issued_at),
            expires_at: tokens.and_then(|tokens| tokens.expires_at),
            next_refresh_at: connection.plan.due_at.filter(|_| is_refreshed(connection)),
            overdue_since: None,
            refreshing: connection.lease.as_ref().is_some_and(|lease| lease.valid),
            site: grant.map(|grant| grant.about.site.clone()).unwrap_or_default(),
            redirect: grant.map(|grant| grant.about.redirect.clone()).unwrap_or_default(),
            found: found.map(|found| found.values.clone()).unwrap_or_default(),
            found_among: found.map(|found| found.among),
            consented_at: grant.map(|grant| grant.consented_at),
            consent_asked_until: None,
            last_read_at: connection.last_read_at,
            created_at: connection.created_at,
            warnings: None,
        }
    }
}

/// Whether what is due of it may be a refresh. Of what is paused, or what nothing renews, it is a warning.
fn is_refreshed(connection: &Connection) -> bool {
    connection.state.is_refreshed()
        && connection.grant.as_ref().is_some_and(|grant| grant.renewal != Renewal::None)
}
