use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An access token to use (names of RFC 6749 §5.1). This holds the secret that was asked for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// The access token.
    pub access_token: String,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// When it ends; `null` where that is unknown.
    pub expires_at: Option<Timestamp>,
    /// How many whole seconds it still lives; `null` where that is unknown.
    pub expires_in: Option<u64>,
    /// The scopes granted, separated by spaces; `null` where the provider did not say.
    pub scope: Option<String>,
    /// Its number.
    pub generation: u64,
    /// What else came with it and with the consent, such as `instance_url` or `realmId`. May hold secrets.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Of how many that the token is good for what its API said in `extra` is one: 1 where it is the only one, 0 where it was said
    /// before the last consent. Left out where no API was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_among: Option<u32>,
    /// A proof for one request with it (RFC 9449); `null` where none was asked for.
    #[serde(default)]
    pub dpop: Option<String>,
}

impl TokenView {
    /// How many whole seconds there are from `now` to `expires_at`.
    pub fn expires_in(expires_at: Timestamp, now: Timestamp) -> u64 {
        Duration::try_from(expires_at.duration_since(now)).map_or(0, |left| left.as_secs())
    }
}

impl fmt::Debug for TokenView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenView")
            .field("generation", &self.generation)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_in_the_json_and_nowhere_else() {
        let view = TokenView {
            access_token: "planted-secret".into(),
            token_type: "Bearer".into(),
            expires_at: None,
            expires_in: None,
            scope: None,
            generation: 3,
            extra: serde_json::Map::new(),
            found_among: None,
            dpop: None,
        };
        assert!(!format!("{view:?}").contains("planted-secret"));
        let json = serde_json::to_value(&view).unwrap();
        let expected = serde_json::json!({
            "access_token": "planted-secret", "token_type": "Bearer", "expires_at": null, "expires_in": null,
            "scope": null, "generation": 3, "dpop": null,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn what_has_ended_lives_for_no_second() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(TokenView::expires_in(at(100), at(40)), 60);
        assert_eq!(TokenView::expires_in(at(100), at(140)), 0);
    }
}
