//! A client: our registration with a provider.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::evidence::Evidence;
use crate::id::{ClientId, ConnectionId};
use crate::seal::{Field, Place, Sealed};

mod endpoints;

pub use endpoints::Endpoints;

/// A registration with a provider, as it is stored. Its secret is sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Never changes.
    pub id: ClientId,
    /// Counts the writes to this row, like a connection's.
    pub revision: u64,
    /// Chosen by the user; unique. The provider's name unless they said otherwise.
    pub name: String,
    /// The provider's identifier: which file of facts applies.
    pub provider: String,
    /// The `client_id` (RFC 6749 §2.2).
    pub client_id: String,
    /// How it proves itself at the token endpoint.
    pub auth: ClientAuth,
    /// What it proves itself with: a secret, a private key, or a certificate with its key. None for a public client.
    pub secret: Option<Sealed>,
    /// Another one that may be the right one, while secrets are being exchanged (RFC 7591 knows one; most providers
    /// accept two for a while).
    pub second_secret: Option<Sealed>,
    /// The redirect URI, exactly as it is registered.
    pub redirect_uri: Url,
    /// The scopes to ask for, unless told otherwise.
    pub scopes: Vec<String>,
    /// Where the provider is.
    pub endpoints: Endpoints,
    /// When it was added.
    pub created_at: Timestamp,
    /// What was learned of it.
    pub notes: ClientNotes,
}

/// What was learned of a client and its provider from answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientNotes {
    /// The provider does not accept the client, and has not since.
    pub trouble: Option<Trouble>,
    /// How its tokens were seen to live.
    pub evidence: Evidence,
}

/// A provider does not accept a client (`invalid_client`, RFC 6749 §5.2).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ClientTrouble"))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What the provider said, redacted.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
    /// The connection that heard it first: it goes on trying, for all.
    pub canary: ConnectionId,
    /// A second connection heard the same, or there is but one: it is the client, and the others wait.
    pub agreed: bool,
}

impl Client {
    /// What stands for the redirect URI in requests.
    pub fn sent_redirect_uri(&self) -> &str {
        self.endpoints.sent_redirect_uri(&self.redirect_uri)
    }

    /// Where the secret is sealed for; `binding` is [`Client::binding`].
    pub fn secret_place(id: ClientId, binding: &str) -> Place<'_> {
        Place { owner: id.as_uuid(), field: Field::ClientSecret, grant: None, generation: 0, bound: binding }
    }

    /// Everything that decides where secrets are sent and how. The client's secret and its connections' refresh tokens
    /// are sealed for exactly this, so that whoever can write to the database cannot have them sent elsewhere.
    pub fn binding(&self) -> String {
        let Endpoints { token, refresh, revocation, device_authorization, .. } = &self.endpoints;
        let revocation = revocation.as_ref().map_or("", Url::as_str);
        let mut binding = format!("{}\n{}\n{}\n{token}\n{revocation}", self.id, self.client_id, self.auth);
        if let Some(refresh) = refresh {
            binding.extend(["\n", refresh.as_str()]);
        }
        // Named, since each of them may be missing: what was sealed before there were any stays as it was.
        let Endpoints { lengthen, pushed_authorization, introspection, userinfo, jwks, .. } = &self.endpoints;
        for (name, url) in [
            ("lengthen", lengthen),
            ("device_authorization", device_authorization),
            ("pushed_authorization", pushed_authorization),
            ("introspection", introspection),
            ("userinfo", userinfo),
            ("jwks", jwks),
        ] {
            if let Some(url) = url {
                binding.extend(["\n", name, " ", url.as_str()]);
            }
        }
        if self.endpoints.dpop {
            binding.push_str("\ndpop");
        }
        binding
    }
}

/// How a client proves itself at the token endpoint (RFC 6749 §2.3; names of RFC 7591 §2 and RFC 8705 §2).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Identifier and secret, form-encoded, in the `Authorization` header.
    ClientSecretBasic,
    /// Identifier and secret in the body.
    ClientSecretPost,
    /// A JWT that is signed with the secret (RFC 7523 §2.2).
    ClientSecretJwt,
    /// A JWT that is signed with a private key (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// A TLS certificate that an authority has issued (RFC 8705 §2.1).
    TlsClientAuth,
    /// A TLS certificate that is registered itself (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
    /// The identifier alone: a public client.
    None,
}

/// What a client proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A secret that the provider knows too.
    Secret,
    /// A private key.
    Key,
    /// A TLS certificate and its private key.
    Certificate,
    /// Nothing: a public client.
    Nothing,
}

impl ClientAuth {
    const ALL: [Self; 7] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::ClientSecretJwt,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
        Self::None,
    ];

    /// What it needs.
    pub fn proof(self) -> Proof {
        match self {
            Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt => Proof::Secret,
            Self::PrivateKeyJwt => Proof::Key,
            Self::TlsClientAuth | Self::SelfSignedTlsClientAuth => Proof::Certificate,
            Self::None => Proof::Nothing,
        }
    }

    /// Whether it needs anything that has to be kept.
    pub fn needs_secret(self) -> bool {
        self.proof() != Proof::Nothing
    }

    fn name(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "a client secret",
            Self::Key => "a private key",
            Self::Certificate => "a certificate and its private key",
            Self::Nothing => "nothing",
        })
    }
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no client authentication method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no client authentication; there are {all}", all = ClientAuth::ALL.map(ClientAuth::name).join(", "))]
pub struct UnknownAuth(String);

impl FromStr for ClientAuth {
    type Err = UnknownAuth;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|auth| auth.name() == text).ok_or_else(|| UnknownAuth(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ExchangeStep;

    #[test]
    fn secrets_are_bound_to_everything_that_they_are_sent_to() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let client = Client {
            id: ClientId::from_uuid(uuid::Uuid::nil()),
            revision: 1,
            name: "a".to_owned(),
            provider: "custom".to_owned(),
            client_id: "id".to_owned(),
            auth: ClientAuth::ClientSecretBasic,
            secret: None,
            second_secret: None,
            redirect_uri: url("http://localhost:8724/callback"),
            scopes: vec![],
            endpoints: Endpoints::at(url("https://as.example/token")),
            created_at: Timestamp::UNIX_EPOCH,
            notes: ClientNotes::default(),
        };
        assert_eq!(client.endpoints.for_refreshes().as_str(), "https://as.example/token");
        let mut bindings = vec![client.binding()];
        let mut other = client.clone();
        other.endpoints.refresh = Some(url("https://as.example/refresh"));
        assert_eq!(other.endpoints.for_refreshes().as_str(), "https://as.example/refresh");
        bindings.push(other.binding());
        other.endpoints.refresh = Some(url("https://elsewhere.example/refresh"));
        bindings.push(other.binding());
        other = client.clone();
        other.endpoints.lengthen = Some(url("https://as.example/refresh"));
        assert_eq!(other.endpoints.for_exchanges(ExchangeStep::Lengthen).path(), "/refresh");
        assert_eq!(other.endpoints.for_exchanges(ExchangeStep::Renew).path(), "/token");
        bindings.push(other.binding());
        other = client.clone();
        other.endpoints.revocation = Some(url("https://as.example/refresh"));
        bindings.push(other.binding());
        other = client.clone();
        other.endpoints.device_authorization = Some(url("https://as.example/refresh"));
        bindings.push(other.binding());
        other = client.clone();
        other.endpoints.dpop = true;
        bindings.push(other.binding());
        other = client.clone();
        other.endpoints.token = url("https://elsewhere.example/token");
        bindings.push(other.binding());
        other = client.clone();
        other.auth = ClientAuth::None;
        bindings.push(other.binding());
        for set in [
            |endpoints: &mut Endpoints, url| endpoints.pushed_authorization = Some(url),
            |endpoints: &mut Endpoints, url| endpoints.introspection = Some(url),
            |endpoints: &mut Endpoints, url| endpoints.userinfo = Some(url),
            |endpoints: &mut Endpoints, url| endpoints.jwks = Some(url),
        ] {
            let mut other = client.clone();
            set(&mut other.endpoints, url("https://as.example/refresh"));
            bindings.push(other.binding());
        }
        let all = bindings.len();
        bindings.sort();
        bindings.dedup();
        assert_eq!(bindings.len(), all, "{bindings:#?}");
    }

    #[test]
    fn each_way_to_prove_oneself_is_called_as_in_json() {
        for auth in ClientAuth::ALL {
            assert_eq!(serde_json::to_value(auth).unwrap(), auth.to_string());
            assert_eq!(auth.to_string().parse(), Ok(auth));
        }
        assert!(
            "secret".parse::<ClientAuth>().unwrap_err().to_string().contains("self_signed_tls_client_auth")
        );
    }
}
