//! Who an id token speaks of (OpenID Connect Core §2).

use crate::jwt;

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

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn iss_and_sub_are_read_and_all_else_is_nobody() {
        let alice = subject(&token(r#"{"iss":"https://as.example","sub":"alice","exp":1}"#)).unwrap();
        assert_eq!((alice.iss.as_str(), alice.sub.as_str()), ("https://as.example", "alice"));
        for nobody in [token(r#"{"sub":"alice"}"#), token("[]"), token("{"), "opaque".into(), "a.!.c".into()]
        {
            assert_eq!(subject(&nobody), None, "{nobody}");
        }
    }
}
