//! The keys that a provider signs with (RFC 7517 §5).

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use url::Url;
use vestal_core::secret::Redactor;

use crate::document::{NoDocument, object};
use crate::form::{Unsendable, get};
use crate::http::Exchange;
use crate::jwt::{Algorithm, PublicKey};

/// No provider publishes as many; what comes after is not looked at.
const KEYS_MAX: usize = 100;

/// A provider's keys, as far as they are for signatures and of a kind that is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jwks {
    keys: Vec<NamedKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedKey {
    kid: Option<String>,
    key: PublicKey,
}

/// The request.
///
/// # Errors
/// Where the URL cannot be put into a request.
pub fn request(at: &Url) -> Result<Request<Bytes>, Unsendable> {
    get(at)
}

/// Reads what came back. Keys that cannot be used are passed over: others may be among them for other purposes.
///
/// # Errors
/// Where it is no set of keys.
pub fn read(exchange: Exchange) -> Result<Jwks, NoDocument> {
    let document = object(exchange, &Redactor::default())?;
    let Some(Value::Array(keys)) = document.get("keys") else {
        let detail = "answered with an object that holds no keys".to_owned();
        return Err(NoDocument { detail, transient: false });
    };
    let keys = keys.iter().take(KEYS_MAX).filter_map(|jwk| {
        let jwk = jwk.as_object()?;
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        Some(NamedKey { kid: text("kid").map(str::to_owned), key: PublicKey::from_jwk(jwk)? })
    });
    Ok(Jwks { keys: keys.collect() })
}

impl Jwks {
    /// Whether one of the keys that may be meant has signed a message; `None` where none of them may be meant. Without a
    /// name, all may.
    pub(crate) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let is_meant = |key: &&NamedKey| match (kid, &key.kid) {
            (Some(wanted), Some(found)) => wanted == found,
            (None, _) | (_, None) => true,
        };
        let mut meant = self.keys.iter().filter(is_meant).peekable();
        meant.peek()?;
        Some(meant.any(|named| named.key.verifies(algorithm, message, signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::answered;

    #[test]
    fn what_is_no_key_for_signatures_is_passed_over() {
        let ed25519 = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let body = format!(
            r#"{{"keys":[{ed25519},"kid":"a","use":"sig"}},{ed25519},"use":"enc"}},{{"kty":"oct"}},7,{ed25519}}}]}}"#
        );
        let jwks = read(answered(200, &body)).unwrap();
        let kids: Vec<_> = jwks.keys.iter().map(|key| key.kid.as_deref()).collect();
        assert_eq!(kids, [Some("a"), None]);
        assert!(read(answered(200, "{}")).is_err() && read(answered(200, r#"{"keys":{}}"#)).is_err());
        assert!(read(answered(503, "")).unwrap_err().transient);
    }
}
