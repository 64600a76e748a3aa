//! What a request carried that nobody may read.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use url::form_urlencoded;
use vestal_core::secret::{Redactor, SecretString};

/// Parameters that are no secret. What is not named here is taken for one.
const PUBLIC: [&str; 10] = [
    "grant_type",
    "client_id",
    "client_assertion_type",
    "redirect_uri",
    "resource",
    "response_type",
    "code_challenge_method",
    "scope",
    "prompt",
    "token_type_hint",
];

/// Removes from an answer's words every secret of its request: tokens, codes and the client's proof.
pub fn redactor(request: &Request<Bytes>) -> Redactor {
    let fields = match serde_json::from_slice::<BTreeMap<String, String>>(request.body()) {
        Ok(object) => object.into_iter().collect(),
        Err(_) => form_urlencoded::parse(request.body()).into_owned().collect::<Vec<_>>(),
    };
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !PUBLIC.contains(&name.as_str()))
        .map(|(_, value)| SecretString::from(value));
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let proof = header.and_then(|header| header.split_once(' ')).map_or("", |(_, proof)| proof);
    Redactor::knowing(fields.chain([proof.into()]).chain(client_secret(proof)))
}

/// The client secret of an HTTP Basic proof (RFC 6749 §2.3.1).
fn client_secret(proof: &str) -> Option<SecretString> {
    let pair = BASE64_STANDARD.decode(proof).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let secret = [b"=", &pair[colon + 1..]].concat();
    form_urlencoded::parse(&secret).next().map(|(_, secret)| secret.into_owned().into())
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;
    use vestal_core::provider::{Encoding, Fact, RequestFacts};

    use super::*;
    use crate::client_auth::Credentials;
    use crate::refresh_token::token_request;

    #[test]
    fn everything_secret_that_is_sent_is_known() {
        let said = "shop sent wanderer with open: sesame&co, in basic c2hvcDpvcGVuJTNBK3Nlc2FtZSUyNmNv \
                    or open%3A+sesame%26co, for grant_type refresh_token";
        for (auth, kept) in [
            (
                ClientAuth::ClientSecretBasic,
                "shop sent [redacted] with [redacted], in basic [redacted] or [redacted], for grant_type refresh_token",
            ),
            (
                ClientAuth::ClientSecretPost,
                "shop sent [redacted] with [redacted], in basic [redacted] or [redacted], for grant_type refresh_token",
            ),
            (
                ClientAuth::None,
                "shop sent [redacted] with open: sesame&co, in basic [redacted] or [redacted], for grant_type refresh_token",
            ),
        ] {
            let credentials = Credentials::new("shop".into(), auth, Some("open: sesame&co".into())).unwrap();
            let endpoint = "https://as.example/token".parse().unwrap();
            for encoding in [Encoding::Form, Encoding::Json] {
                let encoding = Some(Fact { value: encoding, source: None, unverified: true, note: None });
                let requests = RequestFacts { encoding, ..RequestFacts::default() };
                let request =
                    token_request(&endpoint, &credentials, &"wanderer".into(), &[], &requests).unwrap();
                assert_eq!(redactor(&request).redact(said), kept, "{auth}");
            }
        }
    }
}
