//! A connection as a line of JSON: what `export` writes and `import` reads.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use vestal_core::connection::{ConnectionName, Policy};
use vestal_core::secret::redact;
use vestal_core::token::{Renewal, saturating_add};

mod fields;

use fields::{Fields, wrong};

/// A connection as it goes from one store to another. Where its tokens are in it, it holds these secrets; without them it
/// holds none.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Serialize)]
pub struct ConnectionRecord {
    /// Its name.
    pub name: ConnectionName,
    /// The name of the client that its tokens were issued to; `null` where whoever imports it says that.
    pub client: Option<String>,
    /// The user's own identifier, unique per client; `null` where there is none.
    pub external_id: Option<String>,
    /// The user's own labels.
    pub tags: BTreeMap<String, String>,
    /// When it is refreshed: `auto`, `always` or `on-demand`; `null` for the default.
    pub policy: Option<Policy>,
    /// What stands for the variables of the provider's endpoints.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub site: BTreeMap<String, String>,
    /// What the redirect of its consent brought, that its API needs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redirect: BTreeMap<String, String>,
    /// Whether its refreshes wait until it is resumed.
    pub paused: bool,
    /// How its access token is renewed; `null` for `refresh_token`.
    pub renewal: Option<Renewal>,
    /// The scopes granted, separated by spaces; `null` where nobody said.
    pub scope: Option<String>,
    /// When a person consented; `null` where nobody knows.
    pub consented_at: Option<Timestamp>,
    /// When the tokens were issued; `null` where nobody knows.
    pub issued_at: Option<Timestamp>,
    /// When the access token ends; `null` where nobody knows.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token ends, if it was said; `null` otherwise.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// `Bearer`, mostly; `null` for that.
    pub token_type: Option<String>,
    /// The refresh token: a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The access token: a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// The id token: a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What renewing it needs besides: secrets, such as the key that its tokens are bound to.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub means: Map<String, Value>,
    /// Further fields of the token answer, which may be secrets.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl fmt::Debug for ConnectionRecord {
    /// Without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionRecord").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a text is no connection. Tells nothing of what is in it but the names of its fields: all else may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another kind.
    #[error("it is no JSON object")]
    NotAnObject,
    /// It has a field that means nothing.
    #[error("it has a field that means nothing: {}", shown(.0))]
    Unknown(String),
    /// A field holds something else.
    #[error("`{field}` must be {must_be}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What it must be.
        must_be: &'static str,
    },
    /// A field that is needed is not there.
    #[error("it has no `{0}`")]
    Missing(&'static str),
}

/// What a line may hold.
pub const RECORD_FIELDS: [&str; 21] = [
    "name",
    "client",
    "external_id",
    "refresh_token",
    "access_token",
    "expires_at",
    "expires_in",
    "scope",
    "tags",
    "policy",
    "site",
    "redirect",
    "paused",
    "extra",
    "means",
    "id_token",
    "token_type",
    "renewal",
    "refresh_token_expires_at",
    "issued_at",
    "consented_at",
];

impl ConnectionRecord {
    /// One of which nothing is known but its name.
    pub fn named(name: ConnectionName) -> Self {
        Self {
            name,
            client: None,
            external_id: None,
            tags: BTreeMap::new(),
            policy: None,
            site: BTreeMap::new(),
            redirect: BTreeMap::new(),
            paused: false,
            renewal: None,
            scope: None,
            consented_at: None,
            issued_at: None,
            expires_at: None,
            refresh_token_expires_at: None,
            token_type: None,
            refresh_token: None,
            access_token: None,
            id_token: None,
            means: Map::new(),
            extra: Map::new(),
        }
    }

    /// Reads a line. `expires_in`, in seconds, counts from `issued_at` or else from `now`; times are RFC 3339 or seconds since
    /// 1970; scopes may be a list.
    ///
    /// # Errors
    ///
    /// [`BadRecord`].
    pub fn from_json(line: &str, now: Timestamp) -> Result<Self, BadRecord> {
        // What serde_json says of JSON that is none tells where and what was expected, and nothing of what is there.
        let value: Value = serde_json::from_str(line.trim_end()).map_err(|error| {
            // Which line of a file this one is, whoever reads that knows.
            BadRecord::NotJson(error.to_string().replace("at line 1 column", "at column"))
        })?;
        let Value::Object(mut fields) = value else { return Err(BadRecord::NotAnObject) };
        fields.retain(|_, value| !value.is_null());
        if let Some(unknown) = fields.keys().find(|field| !RECORD_FIELDS.contains(&field.as_str())) {
            return Err(BadRecord::Unknown(unknown.clone()));
        }
        let mut fields = Fields(fields);
        let name = fields.text("name")?.ok_or(BadRecord::Missing("name"))?;
        let name = ConnectionName::try_from(name)
            .map_err(|_| wrong("name", "a text of 1 to 255 bytes without control characters"))?;
        let issued_at = fields.time("issued_at")?;
        let life = fields.whole("expires_in")?.map(Duration::from_secs);
        let ends = life.map(|life| saturating_add(issued_at.unwrap_or(now), life));
        Ok(Self {
            client: fields.text("client")?,
            external_id: fields.identifier("external_id")?,
            tags: fields.texts("tags")?,
            site: fields.texts("site")?,
            redirect: fields.texts("redirect")?,
            policy: fields.word("policy", "auto, always or on-demand")?,
            paused: fields.truth("paused")?,
            renewal: fields.word(
                "renewal",
                "refresh_token, client_credentials, exchange, jwt_bearer, token_exchange or none",
            )?,
            scope: fields.scope()?,
            consented_at: fields.time("consented_at")?,
            issued_at,
            expires_at: fields.time("expires_at")?.or(ends),
            refresh_token_expires_at: fields.time("refresh_token_expires_at")?,
            token_type: fields.text("token_type")?,
            refresh_token: fields.text("refresh_token")?,
            access_token: fields.text("access_token")?,
            id_token: fields.text("id_token")?,
            means: fields.object("means")?,
            extra: fields.object("extra")?,
            ..Self::named(name)
        })
    }
}

/// A field's name, which may be what somebody put there by mistake.
fn shown(field: &str) -> String {
    let harmless =
        field.len() <= 40 && field.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c));
    match harmless {
        true if redact(field) == field => format!("`{field}`"),
        true => "its name looks like a token, and is not told".to_owned(),
        false => "its name is odd".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().unwrap()
    }

    fn read(line: &str) -> Result<ConnectionRecord, BadRecord> {
        ConnectionRecord::from_json(line, now())
    }

    #[test]
    fn a_line_is_read_as_others_write_it() {
        let read = read(
            r#"{"name":"shop","client":"acme","external_id":42,"refresh_token":"rt","access_token":"at",
                "expires_in":"3600","scope":["a","b"],"tags":{"batch":7,"org":"x"},"policy":"always",
                "consented_at":1764417600,"id_token":null,"paused":true,"extra":{"realmId":"1"}}"#,
        )
        .unwrap();
        let expected = ConnectionRecord {
            client: Some("acme".into()),
            external_id: Some("42".into()),
            refresh_token: Some("rt".into()),
            access_token: Some("at".into()),
            expires_at: Some("2026-11-29T13:00:00Z".parse().unwrap()),
            scope: Some("a b".into()),
            tags: [("batch".into(), "7".into()), ("org".into(), "x".into())].into(),
            policy: Some(Policy::Always),
            consented_at: Some("2025-11-29T12:00:00Z".parse().unwrap()),
            paused: true,
            extra: Map::from_iter([("realmId".to_owned(), "1".into())]),
            ..ConnectionRecord::named("shop".parse().unwrap())
        };
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::to_value(&expected).unwrap());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let record = ConnectionRecord {
            client: Some("acme".into()),
            tags: [("batch".into(), String::new())].into(),
            policy: Some(Policy::OnDemand),
            site: [("shop".into(), "acme".into())].into(),
            redirect: [("realmId".into(), "42".into())].into(),
            renewal: Some(Renewal::ClientCredentials),
            issued_at: Some(now()),
            refresh_token_expires_at: Some(now()),
            token_type: Some("bearer".into()),
            access_token: Some("at".into()),
            means: Map::from_iter([("proof_key".to_owned(), "key".into())]),
            ..ConnectionRecord::named("متجر 🏪".parse().unwrap())
        };
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains('\n') && !line.contains("refresh_token\""), "{line}");
        assert!(read(&line).unwrap() == record);
    }

    #[test]
    fn what_is_wrong_is_told_and_nothing_of_what_is_there() {
        for (line, told) in [
            ("", "it is not JSON: EOF while parsing a value at column 0"),
            (r#"["planted-secret"]"#, "it is no JSON object"),
            (
                r#"{"name":"a","refreshToken":"planted-secret"}"#,
                "it has a field that means nothing: `refreshToken`",
            ),
            (r#"{"planted/secret==":1}"#, "it has a field that means nothing: its name is odd"),
            (
                r#"{"gho_16c7planted9a2b":1}"#,
                "it has a field that means nothing: its name looks like a token, and is not told",
            ),
            (r#"{"refresh_token":"planted-secret"}"#, "it has no `name`"),
            (
                r#"{"name":"a\nplanted-secret"}"#,
                "`name` must be a text of 1 to 255 bytes without control characters",
            ),
            (r#"{"name":"a","refresh_token":["planted-secret"]}"#, "`refresh_token` must be a text"),
            (
                r#"{"name":"a","expires_at":"planted-secret"}"#,
                "`expires_at` must be a time in RFC 3339, or in seconds since 1970",
            ),
            (r#"{"name":"a","expires_in":-1}"#, "`expires_in` must be a whole number of seconds"),
            (r#"{"name":"a","policy":"planted-secret"}"#, "`policy` must be auto, always or on-demand"),
            (r#"{"name":"a","tags":{"x":["planted-secret"]}}"#, "`tags` must be an object of texts"),
            (r#"{"name":"a","scope":[1]}"#, "`scope` must be a text, or a list of texts"),
            (
                r#"{"name":"a","expires_at":1e300}"#,
                "`expires_at` must be a time in RFC 3339, or in seconds since 1970",
            ),
        ] {
            let bad = read(line).unwrap_err().to_string();
            assert_eq!(bad, told);
            assert!(!bad.contains("planted"));
        }
        let unfinished = read(r#"{"name":"a","refresh_token":"planted-secret"#).unwrap_err().to_string();
        assert!(
            unfinished.starts_with("it is not JSON: ") && !unfinished.contains("planted"),
            "{unfinished}"
        );
    }
}
