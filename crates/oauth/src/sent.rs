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
    let query = request.uri().query().unwrap_or_default();
    let fields = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .chain(fields)
        .filter(|(name, _)| !PUBLIC.contains(&name.as_str()))
        .map(|(_, value)| SecretString::from(value));
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let proof = header.and_then(|header| header.split_once(' ')).map_or("", |(_, proof)| proof);
    Redactor::knowing(fields.chain([proof.into()]).chain(client_secret(proof)))
}

/// The client secret of an HTTP Basic proof (RFC 6749 §2.3.1). Without a password, it may be the user name.
fn client_secret(proof: &str) -> Option<SecretString> {
    let pair = BASE64_STANDARD.decode(proof).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let secret = match &pair[colon + 1..] {
        b"" => &pair[..colon],
        secret => secret,
    };
    let secret = [b"=", secret].concat();
    form_urlencoded::parse(&secret).next().map(|(_, secret)| secret.into_owned().into())
}

#[cfg(test)]
mod tests {
    use vestal_core::client::ClientAuth;
    use vestal_core::provider::{Encoding, Fact, HeaderCredentials, RequestFacts};

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
            for encoding in [Encoding::Form, Encoding::Json, Encoding::Query] {
                let encoding = Some(Fact { value: encoding, source: None, unverified: true, note: None });
                let requests = RequestFacts { encoding, ..RequestFacts::default() };
                let token = "wanderer".into();
                let request =
                    token_request(&endpoint, &credentials, &token, endpoint.as_str(), &[], &requests)
                        .unwrap();
                assert_eq!(redactor(&request).redact(said), kept, "{auth}");
            }
        }
    }

    #[test]
    fn a_secret_is_known_wherever_it_stands_in_the_header() {
        let auth = ClientAuth::ClientSecretBasic;
        let credentials = Credentials::new("shop".into(), auth, Some("sk_live_7".into())).unwrap();
        let endpoint = "https://as.example/token".parse().unwrap();
        for header in [HeaderCredentials::BasicSecret, HeaderCredentials::BearerSecret] {
            let header = Some(Fact { value: header, source: None, unverified: true, note: None });
            let requests = RequestFacts { credentials: header, ..RequestFacts::default() };
            let token = "wanderer".into();
            let request =
                token_request(&endpoint, &credentials, &token, endpoint.as_str(), &[], &requests).unwrap();
            assert_eq!(redactor(&request).redact("no sk_live_7 of shop"), "no [redacted] of shop");
        }
    }
}
