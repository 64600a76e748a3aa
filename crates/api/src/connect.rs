use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;
use vestal_core::connection::ConnectionName;

/// A person is asked for consent.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentView {
    /// The connection that is to get the grant.
    pub name: ConnectionName,
    /// To be opened in a browser (RFC 6749 §4.1.1).
    pub authorization_url: Url,
    /// Where the browser is sent afterwards.
    pub redirect_uri: Url,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// After this, the consent is not accepted any more.
    pub expires_at: Timestamp,
}

/// A person is asked for consent on another device (names of RFC 8628 §3.2).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceConsentView {
    /// The connection that is to get the grant.
    pub name: ConnectionName,
    /// To be typed in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it; `null` where the provider has none.
    pub verification_uri_complete: Option<Url>,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// After this, the consent is not accepted any more.
    pub expires_at: Timestamp,
}

/// A connection has a new grant.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectedView {
    /// The connection.
    pub name: ConnectionName,
    /// The number of its token set.
    pub generation: u64,
    /// The scopes granted, separated by spaces; `null` where the provider did not say.
    pub scope: Option<String>,
    /// When the access token ends; `null` where the provider did not say.
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub refresh_token: bool,
    /// When it is refreshed next; `null` where it is not.
    pub next_refresh_at: Option<Timestamp>,
    /// What to do, where the access token cannot be renewed; `null` where it can.
    pub advice: Option<String>,
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
}

/// A connection was taken apart.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisconnectedView {
    /// The connection that was.
    pub name: ConnectionName,
    /// What became of the grant at the provider.
    pub revocation: Revocation,
    /// The other connections whose grants were found to have ended with it.
    #[serde(default)]
    pub also_ended: Vec<ConnectionName>,
}

/// What became of a grant at the provider.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// It was revoked.
    Revoked,
    /// Its access token was revoked, and no way is known to revoke its refresh token: the grant lives on there.
    AccessTokenRevoked,
    /// The provider offers no revocation, none that is known, or only one that takes a token that works, and there is none any
    /// more: the grant may live on there.
    NotOffered,
    /// There was nothing to revoke.
    NothingToRevoke,
    /// Somebody wanted it kept.
    Kept,
}
