//! How the client proves itself (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2).

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;
use vestal_core::client::ClientAuth;
use vestal_core::clock::Entropy;
use vestal_core::provider::HeaderCredentials;

use crate::certificate::{CertificateError, ClientCertificate, thumbprint};
use crate::jwt::{self, KeyError, SigningError, SigningKey, sign_with_secret};

/// A client assertion is of use for so long: as much as the strictest of providers take, and more than a request needs.
const ASSERTION_LIFE_S: i64 = 60;

/// `client_assertion_type` (RFC 7523 §2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client proves itself with, opened.
#[derive(Clone)]
pub struct Prover {
    client_id: String,
    /// Whom its assertions are for.
    audience: String,
    means: Means,
}

#[derive(Clone)]
enum Means {
    Basic(SecretString),
    Post(SecretString),
    SecretJwt(SecretString),
    KeyJwt(Arc<SigningKey>, Option<String>),
    Certificate(ClientCertificate),
    Nothing,
}

/// What is stored does not do for the client's method. It repeats nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitProof {
    /// There is nothing.
    #[error("{method} needs {needed}, and none is stored", needed = method.proof())]
    Missing {
        /// The method.
        method: ClientAuth,
    },
    /// It is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is no certificate with its key.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Prover {
    /// What `secret` is depends on `auth`: a client secret, a private key ([`SigningKey::read`]) or a certificate and its
    /// key ([`ClientCertificate::read`]). A public client's secret, should there be one, is not used. `audience` is whom
    /// assertions are for.
    ///
    /// # Errors
    /// Where `auth` needs something that `secret` is not.
    pub fn new(
        client_id: String,
        auth: ClientAuth,
        secret: Option<SecretString>,
        audience: String,
    ) -> Result<Self, UnfitProof> {
        let needed = || secret.ok_or(UnfitProof::Missing { method: auth });
        let means = match auth {
            ClientAuth::ClientSecretBasic => Means::Basic(needed()?),
            ClientAuth::ClientSecretPost => Means::Post(needed()?),
            ClientAuth::ClientSecretJwt => Means::SecretJwt(needed()?),
            ClientAuth::PrivateKeyJwt => {
                let key = needed()?;
                // Some providers know a key by the certificate that it was registered with.
                Means::KeyJwt(Arc::new(SigningKey::read(&key)?), thumbprint(&key))
            }
            ClientAuth::TlsClientAuth | ClientAuth::SelfSignedTlsClientAuth => {
                Means::Certificate(ClientCertificate::read(needed()?)?)
            }
            ClientAuth::None => Means::Nothing,
        };
        Ok(Self { client_id, audience, means })
    }

    /// The public key to register with the provider, where the client signs with a private one.
    pub fn public_jwk(&self) -> Option<Map<String, Value>> {
        match &self.means {
            Means::KeyJwt(key, _) => Some(key.registration()),
            _ => None,
        }
    }

    /// The secret that the provider knows too, if there is one.
    pub fn shared_secret(&self) -> Option<&SecretString> {
        match &self.means {
            Means::Basic(secret) | Means::Post(secret) | Means::SecretJwt(secret) => Some(secret),
            Means::KeyJwt(..) | Means::Certificate(_) | Means::Nothing => None,
        }
    }

    /// What goes into one request. An assertion is made for it, which a provider may take once only.
    ///
    /// # Errors
    /// Where an assertion cannot be signed.
    pub fn credentials(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<Credentials, SigningError> {
        let proof = match &self.means {
            Means::Basic(secret) => Proof::Basic(secret.clone()),
            Means::Post(secret) => Proof::Post(secret.clone()),
            Means::Certificate(certificate) => Proof::Certificate(certificate.clone()),
            Means::Nothing => Proof::None,
            Means::SecretJwt(_) | Means::KeyJwt(..) => match self.assertion(now, entropy)? {
                Some(text) => Proof::Assertion(Assertion { text, prover: self.clone() }),
                None => Proof::None,
            },
        };
        Ok(Credentials { client_id: self.client_id.clone(), proof })
    }

    /// A new assertion, where the client proves itself by one.
    fn assertion(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<Option<SecretString>, SigningError> {
        let typ = ("typ", "JWT".into());
        match &self.means {
            Means::SecretJwt(secret) => {
                Ok(Some(sign_with_secret(secret, &[typ], &self.claims(now, entropy))))
            }
            Means::KeyJwt(key, certificate) => {
                let certificate =
                    certificate.as_ref().map(|thumbprint| ("x5t#S256", thumbprint.clone().into()));
                let header: Vec<_> =
                    [typ, ("kid", key.kid().into())].into_iter().chain(certificate).collect();
                key.sign(&header, &self.claims(now, entropy)).map(Some)
            }
            Means::Basic(_) | Means::Post(_) | Means::Certificate(_) | Means::Nothing => Ok(None),
        }
    }

    /// The claims of RFC 7523 §3.
    fn claims(&self, now: Timestamp, entropy: &dyn Entropy) -> Map<String, Value> {
        let now = now.as_second();
        [
            ("iss", self.client_id.as_str().into()),
            ("sub", self.client_id.as_str().into()),
            ("aud", self.audience.as_str().into()),
            ("jti", jwt::unique_id(entropy)),
            ("iat", now.into()),
            ("exp", now.saturating_add(ASSERTION_LIFE_S).into()),
        ]
        .into_iter()
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .collect()
    }
}

/// A client's identifier and what proves it in one request.
pub struct Credentials {
    client_id: String,
    proof: Proof,
}

enum Proof {
    Basic(SecretString),
    Post(SecretString),
    Assertion(Assertion),
    Certificate(ClientCertificate),
    None,
    /// Not even an identifier.
    Unnamed,
}

impl Credentials {
    /// Those of nobody: for a request in which something else says who asks.
    pub(crate) fn unnamed() -> Self {
        Self { client_id: String::new(), proof: Proof::Unnamed }
    }

    /// Those of a client that shows its secret in HTTP Basic, however it proves itself elsewhere.
    pub(crate) fn by_secret(client_id: &str, secret: &SecretString) -> Self {
        Self { client_id: client_id.to_owned(), proof: Proof::Basic(secret.clone()) }
    }

    /// The client's identifier.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The value of the `Authorization` header, if there is to be one, as the provider wants it.
    pub(crate) fn header(&self, wanted: HeaderCredentials) -> Option<Zeroizing<String>> {
        match (&self.proof, wanted) {
            (Proof::Basic(secret), HeaderCredentials::Basic | HeaderCredentials::BasicAlways) => {
                Some(basic(&self.client_id, secret.expose_secret()))
            }
            (Proof::Basic(secret), HeaderCredentials::BasicSecret) => Some(basic(secret.expose_secret(), "")),
            (Proof::Basic(secret), HeaderCredentials::BearerSecret) => {
                Some(Zeroizing::new(format!("Bearer {}", secret.expose_secret())))
            }
            (Proof::None, HeaderCredentials::BasicAlways) => Some(basic(&self.client_id, "")),
            (
                Proof::Post(_) | Proof::Assertion(_) | Proof::Certificate(_) | Proof::None | Proof::Unnamed,
                _,
            ) => None,
        }
    }

    /// What to add to the parameters.
    pub(crate) fn fields(&self, wanted: HeaderCredentials) -> Vec<(&str, &str)> {
        let client_id = ("client_id", self.client_id.as_str());
        match &self.proof {
            Proof::Basic(_) | Proof::Unnamed => vec![],
            Proof::Post(secret) => vec![client_id, ("client_secret", secret.expose_secret())],
            Proof::Assertion(assertion) => vec![
                client_id,
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", assertion.text.expose_secret()),
            ],
            Proof::None if wanted == HeaderCredentials::BasicAlways => vec![],
            Proof::Certificate(_) | Proof::None => vec![client_id],
        }
    }

    /// The certificate to show, if there is one.
    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        match &self.proof {
            Proof::Certificate(certificate) => Some(certificate),
            Proof::Basic(_) | Proof::Post(_) | Proof::Assertion(_) | Proof::None | Proof::Unnamed => None,
        }
    }

    /// The assertion, if there is one.
    pub(crate) fn assertion(&self) -> Option<&Assertion> {
        match &self.proof {
            Proof::Assertion(assertion) => Some(assertion),
            Proof::Basic(_) | Proof::Post(_) | Proof::Certificate(_) | Proof::None | Proof::Unnamed => None,
        }
    }

    /// Those of a client at some time, for tests of what they go into.
    #[cfg(test)]
    pub(crate) fn new(
        client_id: String,
        auth: ClientAuth,
        secret: Option<SecretString>,
    ) -> Result<Self, UnfitProof> {
        let prover = Prover::new(client_id, auth, secret, "https://as.example".to_owned())?;
        Ok(prover.credentials(Timestamp::UNIX_EPOCH, &Sevens).unwrap())
    }
}

/// What a client asserts in one request, and what makes another assertion. It travels in the request's extensions.
#[derive(Clone)]
pub(crate) struct Assertion {
    text: SecretString,
    prover: Prover,
}

/// Puts a new assertion into a request that was sent before: a provider may take each once only (RFC 7523 §3, `jti`).
/// A request without one stays as it is.
///
/// # Errors
/// Where it cannot be signed.
pub fn assert_anew(
    request: &mut Request<Bytes>,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), SigningError> {
    let Some(Assertion { text: old, prover }) = request.extensions().get::<Assertion>().cloned() else {
        return Ok(());
    };
    let (Some(new), Ok(body)) = (prover.assertion(now, entropy)?, std::str::from_utf8(request.body())) else {
        return Ok(());
    };
    // A compact JWT is written alike in a form, in JSON and in a query: it holds nothing that any of them escapes.
    let anew = |text: &str| text.replacen(old.expose_secret(), new.expose_secret(), 1);
    let (body, uri) = (anew(body), anew(&request.uri().to_string()));
    *request.body_mut() = Bytes::from(body);
    // What was a URI is one still.
    if let Ok(uri) = uri.parse() {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(Assertion { text: new, prover });
    Ok(())
}

/// HTTP Basic. Both are form-encoded before they are joined (RFC 6749 §2.3.1), so that neither can hold a colon.
fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair: Zeroizing<String> = Zeroizing::new(
        byte_serialize(user.as_bytes()).chain([":"]).chain(byte_serialize(password.as_bytes())).collect(),
    );
    Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&*pair)))
}

/// Entropy for tests.
#[cfg(test)]
pub(crate) struct Sevens;

#[cfg(test)]
impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[cfg(test)]
mod tests;
