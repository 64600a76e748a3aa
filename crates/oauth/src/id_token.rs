//! Id tokens: whether one may be believed, and who it speaks of (OpenID Connect Core §2, §3.1.3.7).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::issuer::TENANT;
use crate::jwks::Jwks;
use crate::jwt::{self, Algorithm};
use crate::words::shown;

/// How far a provider's clock may be from ours.
const SKEW_S: i64 = 300;

/// An account at a provider: stable, and unique together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The issuer.
    pub iss: String,
    /// The account, at that issuer.
    pub sub: String,
}

/// The account that an id token speaks of; `None` where it does not say.
///
/// The signature is not looked at: the token came straight from the token endpoint over TLS (OpenID Connect
/// Core §3.1.3.7), and is only compared with an earlier one.
pub fn subject(id_token: &str) -> Option<Subject> {
    let claims = jwt::claims(id_token)?;
    let text = |name: &str| Some(claims.get(name)?.as_str()?.to_owned());
    Some(Subject { iss: text("iss")?, sub: text("sub")? })
}

/// What an id token has to say to be believed.
pub struct Expected<'a> {
    /// The issuer; `None` where the provider has none.
    pub issuer: Option<&'a str>,
    /// The client that asked for it.
    pub client_id: &'a str,
    /// What was sent along, which it repeats; `None` where nothing was.
    pub nonce: Option<&'a str>,
    /// The provider's keys; `None` where it publishes none. Then that it came over TLS, straight from the token endpoint,
    /// stands for the signature (OpenID Connect Core §3.1.3.7, 6).
    pub keys: Option<&'a Jwks>,
    /// The client's secret, if it has one: some providers sign with that.
    pub secret: Option<&'a SecretString>,
    /// The time.
    pub now: Timestamp,
}

/// Why an id token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is no signed JWT.
    #[error("it is no signed JWT")]
    NotAJwt,
    /// It is signed in a way that is not known here, or not at all.
    #[error("it is signed by {algorithm}, which cannot be verified here")]
    Algorithm {
        /// What it names.
        algorithm: String,
    },
    /// The key that it names is not among the provider's. They may have changed a moment ago.
    #[error("the key that it is signed with is not among those that the provider publishes")]
    UnknownKey,
    /// The signature is not the provider's.
    #[error("its signature is not by a key of the provider")]
    Signature,
    /// It says something else than was expected.
    #[error("its {claim} is {found}, where {expected} was expected")]
    Claim {
        /// The claim.
        claim: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// It belongs to another request.
    #[error("its nonce is not the one that was sent: it was made for another request")]
    Nonce,
    /// It is not of now.
    #[error("it {how}: check the clock of this machine")]
    Time {
        /// `has ended` or `is from the future`.
        how: &'static str,
    },
}

/// Whether an id token is the provider's answer to our request, just now.
///
/// # Errors
/// Where it is not, or that cannot be known.
pub fn verify(id_token: &str, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let claims = jwt::claims(id_token).ok_or(IdTokenError::NotAJwt)?;
    if let Some(keys) = expected.keys {
        verify_signature(id_token, keys, expected.secret)?;
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let says = |claim, found: Option<&str>, expected: &str| IdTokenError::Claim {
        claim,
        found: found.map_or_else(|| "missing".to_owned(), shown),
        expected: expected.to_owned(),
    };
    if let Some(issuer) = expected.issuer
        && !text("iss").is_some_and(|found| is_issuer(found, issuer, &claims))
    {
        return Err(says("iss", text("iss"), issuer));
    }
    let is_us = |value: &Value| value.as_str() == Some(expected.client_id);
    let (ours, others) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_us), all.len() > 1),
        Some(one) => (is_us(one), false),
        None => (false, false),
    };
    if !ours {
        let found = claims.get("aud").map(Value::to_string);
        return Err(says("aud", found.as_deref(), expected.client_id));
    }
    // To which of several it was issued is said by azp (OpenID Connect Core §3.1.3.7, 4 and 5).
    if (others || text("azp").is_some()) && text("azp") != Some(expected.client_id) {
        return Err(says("azp", text("azp"), expected.client_id));
    }
    let now = expected.now.as_second();
    let seconds = |name: &str| {
        let value = claims.get(name)?;
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    };
    match seconds("exp") {
        Some(end) if end.saturating_add(SKEW_S) > now => {}
        Some(_) => return Err(IdTokenError::Time { how: "has ended" }),
        None => return Err(says("exp", None, "a time")),
    }
    if seconds("iat").is_some_and(|made| made > now.saturating_add(SKEW_S)) {
        return Err(IdTokenError::Time { how: "is from the future" });
    }
    match expected.nonce {
        Some(sent) if text("nonce") != Some(sent) => Err(IdTokenError::Nonce),
        _ => Ok(()),
    }
}

/// Compared as text (OpenID Connect Core §3.1.3.7, 2), but for what two of the largest providers do: Google's may lack its
/// scheme, and Microsoft's metadata for several tenants has a place for the one that signed.
fn is_issuer(found: &str, expected: &str, claims: &Map<String, Value>) -> bool {
    let tenant = claims.get("tid").and_then(Value::as_str);
    found == expected
        || expected.strip_prefix("https://accounts.google.com") == found.strip_prefix("accounts.google.com")
            && found.starts_with("accounts.google.com")
        || tenant.is_some_and(|tenant| expected.contains(TENANT) && expected.replace(TENANT, tenant) == found)
}

fn verify_signature(id_token: &str, keys: &Jwks, secret: Option<&SecretString>) -> Result<(), IdTokenError> {
    let (message, signature) = id_token.rsplit_once('.').ok_or(IdTokenError::NotAJwt)?;
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let signature = decode(signature).ok_or(IdTokenError::NotAJwt)?;
    let header = message.split('.').next().and_then(decode);
    let header: Map<String, Value> =
        header.and_then(|header| serde_json::from_slice(&header).ok()).ok_or(IdTokenError::NotAJwt)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let named = text("alg").unwrap_or("nothing");
    let unknown = || IdTokenError::Algorithm { algorithm: shown(named) };
    let verified = match Algorithm::named(named).ok_or_else(unknown)? {
        // With no key of theirs: only a secret that both know is a key for this (OpenID Connect Core §10.1).
        Algorithm::Hs256 => {
            let secret = secret.ok_or_else(unknown)?;
            jwt::is_signed_with_secret(secret.expose_secret(), message, &signature)
        }
        algorithm => keys
            .verify(text("kid"), algorithm, message.as_bytes(), &signature)
            .ok_or(IdTokenError::UnknownKey)?,
    };
    if verified { Ok(()) } else { Err(IdTokenError::Signature) }
}

#[cfg(test)]
mod tests;
