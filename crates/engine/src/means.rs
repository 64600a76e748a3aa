//! What renewing a grant needs besides its tokens and its client: sealed as one value, for the grant and where it is sent.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::{ConnectionId, GrantId};
use vestal_core::seal::{Field, OpenError, Place, Sealed};
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::token::Grant;
use vestal_oauth::jwt::{SigningKey, generate_p256};

use crate::{Error, Inner};

/// What a grant's renewal needs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Means {
    /// The key that its tokens are bound to (RFC 9449).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof_key: Option<PrivateKey>,
    /// What the client signs, and with what (RFC 7523 §2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer: Option<Signs>,
    /// What is exchanged, and for what (RFC 8693).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<Exchanged>,
}

/// What [`Means`] consists of.
const PARTS: [&str; 3] = ["proof_key", "bearer", "exchange"];

/// A private key, as [`SigningKey::read`] takes it.
#[derive(Clone)]
pub(crate) struct PrivateKey(pub(crate) SecretString);

/// What the client signs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Signs {
    pub(crate) key: PrivateKey,
    pub(crate) key_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) scopes: Vec<String>,
}

/// What is exchanged.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Exchanged {
    /// The connection whose access token it is.
    pub(crate) from: ConnectionId,
    pub(crate) audiences: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

impl Means {
    fn is_empty(&self) -> bool {
        self.proof_key.is_none() && self.bearer.is_none() && self.exchange.is_none()
    }

    /// The key that the tokens are bound to, ready to sign.
    pub(crate) fn signing_key(&self) -> Option<SigningKey> {
        // What could not be read would not have been sealed.
        self.proof_key.as_ref().and_then(|key| SigningKey::read(&key.0).ok())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl Serialize for PrivateKey {
    /// Into what is sealed at once, and nowhere else.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for PrivateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|jwk| Self(jwk.into()))
    }
}

impl Inner {
    /// A key for the tokens of a new grant, where the client's are to be bound to one.
    pub(crate) fn new_proof_key(&self, client: &Client) -> Option<PrivateKey> {
        client.endpoints.dpop.then(|| PrivateKey(generate_p256(&*self.entropy)))
    }

    /// What a grant needs, as it goes to another store, where connections have other identifiers: the one that is exchanged is
    /// named. `None`: that one is gone.
    pub(crate) async fn exported_means(&self, means: &Means) -> Result<Option<Map<String, Value>>, Error> {
        let Ok(Value::Object(mut json)) = serde_json::to_value(means) else { return Ok(None) };
        if let Some(exchange) = &means.exchange {
            let Some(from) = self.store.connection(exchange.from).await? else { return Ok(None) };
            if let Some(exchange) = json.get_mut("exchange") {
                exchange["from"] = json!(from.name);
            }
        }
        Ok(Some(json))
    }

    /// The same, read again for the connection `name`; or what is wrong with it, without what may be a secret.
    pub(crate) async fn portable_means(
        &self,
        name: &ConnectionName,
        given: &Map<String, Value>,
    ) -> Result<Result<Means, String>, Error> {
        if given.is_empty() {
            return Ok(Ok(Means::default()));
        }
        let mut json = given.clone();
        json.retain(|_, value| !value.is_null());
        if let Some(exchange) = json.get_mut("exchange").and_then(Value::as_object_mut) {
            let from = exchange.get("from").and_then(Value::as_str).and_then(|from| from.parse().ok());
            let Some(from) = from else { return Ok(Err("does not say what is exchanged".to_owned())) };
            let Some(from) = self.store.connection_named(&from).await? else {
                return Ok(Err(format!(
                    "is the token of {from:?}, which is not there: import that one first"
                )));
            };
            self.refuse_circle(name, &from).await?;
            exchange.insert("from".to_owned(), json!(from.id));
        }
        let means = match serde_json::from_value::<Means>(Value::Object(json.clone())) {
            Ok(means) if json.keys().all(|part| PARTS.contains(&part.as_str())) => means,
            _ => return Ok(Err("cannot be read: it is not as vestal export writes it".to_owned())),
        };
        let keys = means.proof_key.iter().chain(means.bearer.iter().map(|signs| &signs.key));
        for key in keys {
            if let Err(error) = SigningKey::read(&key.0) {
                return Ok(Err(format!("is a key that cannot be used: {error}")));
            }
        }
        Ok(Ok(means))
    }

    /// Seals what a grant needs; nothing, where it needs nothing.
    pub(crate) fn seal_means(
        &self,
        means: &Means,
        connection: ConnectionId,
        grant: GrantId,
        client: &Client,
    ) -> Option<Sealed> {
        if means.is_empty() {
            return None;
        }
        // Texts and identifiers only: there is nothing in it that JSON could not say.
        let json: SecretString = serde_json::to_string(means).unwrap_or_default().into();
        let binding = client.binding();
        let place = place(connection, grant, &binding);
        Some(self.vault.seal(&place, json.expose_secret().as_bytes(), &*self.entropy))
    }

    /// What the current grant needs.
    pub(crate) fn means(
        &self,
        connection: &Connection,
        grant: &Grant,
        client: &Client,
    ) -> Result<Means, Error> {
        let Some(sealed) = &grant.means else { return Ok(Means::default()) };
        let binding = client.binding();
        let what = || format!("what renewing {:?} needs", connection.name);
        let json = self.open_text(&place(connection.id, grant.id, &binding), sealed, what)?;
        serde_json::from_str(json.expose_secret())
            .map_err(|_| Error::Sealed { what: what(), source: OpenError::Corrupt })
    }
}

fn place(connection: ConnectionId, grant: GrantId, binding: &str) -> Place<'_> {
    Place {
        owner: connection.as_uuid(),
        field: Field::GrantMeans,
        grant: Some(grant),
        generation: 0,
        bound: binding,
    }
}
