//! Nango's connections, by its API.
//!
//! `GET /connections` lists them, and `GET /connections/{id}?provider_config_key=&refresh_token=true` gives one with its
//! credentials; Nango refreshes those first that are about to end, so that what it gives is what it has. Shapes read in
//! packages/server/lib/controllers/connection and packages/server/lib/formatters/connection.ts
//! (<https://github.com/NangoHQ/nango>), 2026-11-29.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use vestal_api::{Code, ConnectionRecord};
use vestal_core::clock::Clock as _;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::site::Site;
use vestal_core::token::Renewal;
use vestal_oauth::http::{BODY_MAX_BYTES, BodyEnd, BodyMax, Exchange, Http};
use vestal_oauth::http_date::retry_after;

use super::found::{Bad, Found};
use crate::clock::SystemClock;
use crate::failure::Failure;

/// Where Nango's own service is.
pub(crate) const CLOUD: &str = "https://api.nango.dev";

/// How long it may take to answer; it asks a provider meanwhile.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// How long it is waited for where it asks for patience, and how often.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const TRIES: usize = 5;

/// The longest list of connections: some 80,000 of them.
const LIST_MAX_BYTES: usize = 32 * 1024 * 1024;

/// Nango cuts a longer list without a word.
pub(crate) const LISTED_MOST: usize = 10_000;

/// Where Nango is, and the key to it.
pub(crate) struct Nango {
    pub(crate) base: Url,
    pub(crate) key: SecretString,
    /// Only the connections of this integration.
    pub(crate) integration: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    connections: Vec<Entry>,
}

/// One connection of the list.
#[derive(Clone, Deserialize)]
pub(crate) struct Entry {
    connection_id: String,
    provider_config_key: String,
}

/// One connection with its credentials.
#[derive(Deserialize)]
struct Full {
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    created_at: Option<Value>,
    #[serde(default)]
    connection_config: Option<Map<String, Value>>,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "type")]
    kind: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_at: Option<Value>,
    #[serde(default)]
    raw: Option<Map<String, Value>>,
}

impl Nango {
    /// All connections that there are.
    pub(crate) async fn list(&self, http: &dyn Http) -> Result<Vec<Entry>, Failure> {
        let mut url = self.url(&["connections"]);
        if let Some(integration) = &self.integration {
            url.query_pairs_mut().append_pair("integrationId", integration);
        }
        let body = self.get(http, &url, LIST_MAX_BYTES).await.map_err(|bad| {
            Failure::new(Code::Failed, "Nango did not list its connections")
                .why(bad.why)
                .next(bad.next.unwrap_or_else(|| "check --nango-url and the secret key".to_owned()))
        })?;
        let listed: Listed = serde_json::from_slice(&body).map_err(|_| {
            Failure::failed("Nango's list of connections cannot be read")
                .why("it is not what its API promises")
        })?;
        Ok(listed.connections)
    }

    /// One of them, with its credentials.
    pub(crate) async fn found(&self, http: &dyn Http, entry: &Entry, line: u64, now: Timestamp) -> Found {
        let mut url = self.url(&["connections", &entry.connection_id]);
        url.query_pairs_mut()
            .append_pair("provider_config_key", &entry.provider_config_key)
            .append_pair("refresh_token", "true");
        let read = match self.get(http, &url, BODY_MAX_BYTES).await {
            Ok(body) => record(entry, &body, now),
            Err(bad) => Err(bad),
        };
        let (record, config) = match read {
            Ok((record, config)) => (Ok(record), Some(config)),
            Err(bad) => (Err(Bad { name: Some(name(entry)), ..bad }), None),
        };
        // Its API does not tell the client's id, which has to be a client of that name here.
        Found { config, is_all: true, ..Found::line(line, record) }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn get(&self, http: &dyn Http, url: &Url, most: usize) -> Result<Bytes, Bad> {
        let mut tries = 1;
        loop {
            let request = http::Request::get(url.as_str())
                .header("accept", "application/json")
                .header("authorization", format!("Bearer {}", self.key.expose_secret()))
                .extension(BodyMax(most))
                .body(Bytes::new())
                .map_err(|_| {
                    Bad::new("the secret key cannot be sent").next("check that it is one line of ASCII")
                })?;
            let answer = match http.send(request, ANSWERS_WITHIN).await {
                Exchange::Answered(answer) => answer,
                Exchange::NotSent { detail }
                | Exchange::ClientUnfit { detail }
                | Exchange::NoAnswer { detail } => return Err(Bad::new(detail)),
            };
            match (answer.status, answer.end) {
                (200, BodyEnd::Complete) => return Ok(answer.body),
                (200, BodyEnd::TooLarge) => {
                    return Err(Bad::new("its answer is too long")
                        .next("import one integration at a time: --nango-integration"));
                }
                (200, _) => return Err(Bad::new("its answer was cut")),
                (429, _) if tries < TRIES => {
                    tries += 1;
                    let asked = retry_after(&answer.headers, SystemClock.now());
                    SystemClock.sleep(asked.unwrap_or(Duration::from_secs(5)).min(LONGEST_WAIT)).await;
                }
                (401 | 403, _) => {
                    return Err(Bad::new(format!("Nango answered {}", answer.status))
                        .next("check the secret key: it must be allowed to read credentials"));
                }
                (status, _) => return Err(Bad::new(format!("Nango answered {status}"))),
            }
        }
    }
}

/// What a connection of Nango's is called here: it has no names, and identifiers that are unique within an integration.
fn name(entry: &Entry) -> String {
    format!("{}/{}", entry.provider_config_key, entry.connection_id)
}

/// A connection, and what Nango knows of where its tokens come from.
fn record(entry: &Entry, body: &[u8], now: Timestamp) -> Result<(ConnectionRecord, Site), Bad> {
    let full: Full =
        serde_json::from_slice(body).map_err(|_| Bad::new("what Nango has of it cannot be read"))?;
    let Credentials { kind, access_token, refresh_token, expires_at, raw } = full.credentials;
    let kind = kind.unwrap_or_default();
    let renewal = match kind.as_str() {
        // Without a refresh token it is as its provider does it.
        "OAUTH2" => None,
        "OAUTH2_CC" => Some(Renewal::ClientCredentials),
        _ => return Err(Bad::new("Nango has no OAuth 2.0 tokens for it").next("it is nothing for Vestal")),
    };
    // Read as a line of ours is: times and scopes come in many shapes.
    let mut raw = raw.unwrap_or_default();
    let mut line = Map::from_iter([("name".to_owned(), name(entry).into())]);
    for (field, value) in [
        ("expires_at", expires_at.unwrap_or_default()),
        ("consented_at", full.created_at.unwrap_or_default()),
        ("scope", raw.remove("scope").unwrap_or_default()),
        ("token_type", raw.remove("token_type").unwrap_or_default()),
        ("id_token", raw.remove("id_token").unwrap_or_default()),
    ] {
        line.insert(field.to_owned(), value);
    }
    let read = ConnectionRecord::from_json(&Value::Object(line).to_string(), now).map_err(Bad::new)?;
    for field in ["access_token", "refresh_token", "expires_in", "expires_at"] {
        raw.remove(field);
    }
    let texts = full.connection_config.unwrap_or_default().into_iter();
    let config = texts.filter_map(|(field, value)| Some((field, value.as_str()?.to_owned()))).collect();
    let record = ConnectionRecord {
        client: Some(entry.provider_config_key.clone()),
        external_id: Some(entry.connection_id.clone()),
        tags: full.tags.unwrap_or_default(),
        renewal,
        refresh_token,
        access_token,
        extra: raw,
        ..read
    };
    Ok((record, config))
}
