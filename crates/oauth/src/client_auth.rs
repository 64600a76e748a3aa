//! How the client proves itself (RFC 6749 §2.3).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;
use vestal_core::client::ClientAuth;

/// A client's identifier and what proves it.
pub struct Credentials {
    client_id: String,
    proof: Proof,
}

enum Proof {
    Basic(SecretString),
    Post(SecretString),
    None,
}

/// The method needs a client secret, and there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{method} needs a client secret, and none is stored")]
pub struct MissingSecret {
    method: ClientAuth,
}

impl Credentials {
    /// The credentials of a client. A public client's secret, should there be one, is not used.
    ///
    /// # Errors
    /// Where `auth` needs a secret and there is none.
    pub fn new(
        client_id: String,
        auth: ClientAuth,
        secret: Option<SecretString>,
    ) -> Result<Self, MissingSecret> {
        let needed = || secret.ok_or(MissingSecret { method: auth });
        let proof = match auth {
            ClientAuth::ClientSecretBasic => Proof::Basic(needed()?),
            ClientAuth::ClientSecretPost => Proof::Post(needed()?),
            ClientAuth::None => Proof::None,
        };
        Ok(Self { client_id, proof })
    }

    /// The value of the `Authorization` header, if there is to be one.
    pub(crate) fn header(&self) -> Option<Zeroizing<String>> {
        let Proof::Basic(secret) = &self.proof else { return None };
        // Both are form-encoded before they are joined (RFC 6749 §2.3.1), so that neither can hold a colon.
        let pair: Zeroizing<String> = Zeroizing::new(
            byte_serialize(self.client_id.as_bytes())
                .chain([":"])
                .chain(byte_serialize(secret.expose_secret().as_bytes()))
                .collect(),
        );
        Some(Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&*pair))))
    }

    /// What to add to the body.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        match &self.proof {
            Proof::Basic(_) => vec![],
            Proof::Post(secret) => {
                vec![("client_id", &self.client_id), ("client_secret", secret.expose_secret())]
            }
            Proof::None => vec![("client_id", &self.client_id)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(auth: ClientAuth, id: &str, secret: &str) -> Credentials {
        Credentials::new(id.to_owned(), auth, Some(secret.into())).unwrap()
    }

    #[test]
    fn basic_form_encodes_first() {
        // RFC 6749 §2.3.1's own example, then Appendix B's characters.
        for (id, secret, encoded) in [
            ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"),
            ("a:b", " %&+£€", "a%3Ab:+%25%26%2B%C2%A3%E2%82%AC"),
            ("id", "", "id:"),
        ] {
            let basic = credentials(ClientAuth::ClientSecretBasic, id, secret);
            let header = basic.header().unwrap();
            let sent = BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(String::from_utf8(sent).unwrap(), encoded);
            assert!(basic.fields().is_empty(), "one method at a time (RFC 6749 §2.3)");
        }
    }

    #[test]
    fn post_and_none_speak_in_the_body() {
        let post = credentials(ClientAuth::ClientSecretPost, "id", "secret");
        assert!(post.header().is_none());
        assert_eq!(post.fields(), [("client_id", "id"), ("client_secret", "secret")]);
        let none = credentials(ClientAuth::None, "id", "secret");
        assert!(none.header().is_none());
        assert_eq!(none.fields(), [("client_id", "id")]);
    }

    #[test]
    fn a_missing_secret_is_an_error_where_one_is_needed() {
        for auth in [ClientAuth::ClientSecretBasic, ClientAuth::ClientSecretPost] {
            assert!(Credentials::new("id".into(), auth, None).is_err());
        }
        assert!(Credentials::new("id".into(), ClientAuth::None, None).is_ok());
    }
}
