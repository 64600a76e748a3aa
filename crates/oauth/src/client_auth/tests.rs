use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::jwt::{self, Algorithm, PublicKey};

fn credentials(auth: ClientAuth, id: &str, secret: &str) -> Credentials {
    Credentials::new(id.to_owned(), auth, Some(secret.into())).unwrap()
}

const PLAIN: HeaderCredentials = HeaderCredentials::Basic;

#[test]
fn basic_form_encodes_first() {
    // RFC 6749 §2.3.1's own example, then Appendix B's characters.
    for (id, secret, encoded) in [
        ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw", "s6BhdRkqt3:7Fjfp0ZBr1KtDRbnfVdmIw"),
        ("a:b", " %&+£€", "a%3Ab:+%25%26%2B%C2%A3%E2%82%AC"),
        ("id", "", "id:"),
    ] {
        let basic = credentials(ClientAuth::ClientSecretBasic, id, secret);
        assert_eq!(decoded(&basic, PLAIN), encoded);
        assert!(basic.fields(PLAIN).is_empty(), "one method at a time (RFC 6749 §2.3)");
    }
}

/// What HTTP Basic credentials decode to.
fn decoded(credentials: &Credentials, wanted: HeaderCredentials) -> String {
    let header = credentials.header(wanted).unwrap();
    let sent = BASE64_STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    String::from_utf8(sent).unwrap()
}

#[test]
fn post_and_none_speak_in_the_body() {
    let post = credentials(ClientAuth::ClientSecretPost, "id", "secret");
    let none = credentials(ClientAuth::None, "id", "secret");
    for wanted in [PLAIN, HeaderCredentials::BasicSecret, HeaderCredentials::BearerSecret] {
        assert!(post.header(wanted).is_none() && none.header(wanted).is_none());
        assert_eq!(post.fields(wanted), [("client_id", "id"), ("client_secret", "secret")]);
        assert_eq!(none.fields(wanted), [("client_id", "id")]);
    }
}

#[test]
fn some_want_something_else_in_the_header() {
    let none = credentials(ClientAuth::None, "id", "secret");
    assert_eq!(decoded(&none, HeaderCredentials::BasicAlways), "id:");
    assert!(none.fields(HeaderCredentials::BasicAlways).is_empty());
    let basic = credentials(ClientAuth::ClientSecretBasic, "id", "s cret");
    assert_eq!(decoded(&basic, HeaderCredentials::BasicAlways), "id:s+cret");
    assert_eq!(decoded(&basic, HeaderCredentials::BasicSecret), "s+cret:");
    assert_eq!(&**basic.header(HeaderCredentials::BearerSecret).unwrap(), "Bearer s cret");
}

/// The header and the claims of the assertion that is sent.
fn assertion(credentials: &Credentials) -> (Value, Map<String, Value>, String) {
    assert!(credentials.header(PLAIN).is_none() && credentials.certificate().is_none());
    let fields = credentials.fields(PLAIN);
    let [("client_id", "shop"), ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", token)] =
        fields[..]
    else {
        panic!("{fields:?}")
    };
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    (serde_json::from_slice(&header).unwrap(), jwt::claims(token).unwrap(), token.to_owned())
}

#[test]
fn an_assertion_says_who_for_whom_and_for_how_long() {
    let secret = "a secret of at least 256 bits, as is due";
    let (header, claims, token) = assertion(&credentials(ClientAuth::ClientSecretJwt, "shop", secret));
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT"}));
    let expected = json!({
        "iss": "shop", "sub": "shop", "aud": "https://as.example", "iat": 0, "exp": 60, "jti": "BwcHBwcHBwcHBwcHBwcHBw",
    });
    assert_eq!(Value::Object(claims.clone()), expected);
    assert_eq!(token, sign_with_secret(&secret.into(), &[("typ", "JWT".into())], &claims).expose_secret());

    let rsa = include_str!("../jwt/tests/rsa.jwk");
    let named = rsa.replacen('{', r#"{"kid":"spring","#, 1);
    let (header, claims, token) = assertion(&credentials(ClientAuth::PrivateKeyJwt, "shop", &named));
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "spring"}));
    assert_eq!(Value::Object(claims), expected);
    let public = PublicKey::from_jwk(&serde_json::from_str(rsa).unwrap()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(public.verifies(Algorithm::Rs256, message.as_bytes(), &signature));
}

/// Entropy that never repeats itself.
struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

#[test]
fn a_request_that_is_sent_again_asserts_anew_and_is_otherwise_the_same() {
    use vestal_core::provider::{Encoding, Fact, RequestFacts};

    let (entropy, now) = (Counting(0.into()), Timestamp::UNIX_EPOCH);
    let endpoint = "https://as.example/token".parse().unwrap();
    for auth in [ClientAuth::ClientSecretJwt, ClientAuth::PrivateKeyJwt, ClientAuth::ClientSecretPost] {
        let key = match auth {
            ClientAuth::PrivateKeyJwt => jwt::generate_p256(&Sevens),
            _ => "a secret".into(),
        };
        let prover = Prover::new("shop".into(), auth, Some(key), "as".into()).unwrap();
        for encoding in [Encoding::Form, Encoding::Json, Encoding::Query] {
            let encoding = Some(Fact { value: encoding, source: None, unverified: true, note: None });
            let requests = RequestFacts { encoding, ..RequestFacts::default() };
            let credentials = prover.credentials(now, &entropy).unwrap();
            let fields = [("refresh_token", "a.b.c")];
            let first = crate::form::post(&endpoint, &credentials, &fields, &requests).unwrap();
            let asserted = |request: &Request<Bytes>| {
                request.extensions().get::<Assertion>().map(|it| it.text.expose_secret().to_owned())
            };
            let mut again = first.clone();
            assert_anew(&mut again, now, &entropy).unwrap();
            let (Some(old), Some(new)) = (asserted(&first), asserted(&again)) else {
                assert_eq!((auth, again.body()), (ClientAuth::ClientSecretPost, first.body()));
                continue;
            };
            assert_ne!(jwt::claims(&old).unwrap()["jti"], jwt::claims(&new).unwrap()["jti"]);
            let text = |request: &Request<Bytes>| {
                format!("{}\n{}", request.uri(), str::from_utf8(request.body()).unwrap())
            };
            assert!(text(&first).contains(&old) && !text(&again).contains(&old));
            assert_eq!(text(&again), text(&first).replace(&old, &new));
        }
    }
}

#[test]
fn each_assertion_is_another_one() {
    let entropy = Counting(0.into());
    let prover =
        Prover::new("shop".into(), ClientAuth::ClientSecretJwt, Some("secret".into()), "as".into()).unwrap();
    let made =
        || assertion(&prover.credentials(Timestamp::UNIX_EPOCH, &entropy).unwrap()).1.remove("jti").unwrap();
    assert_ne!(made(), made());
}

#[test]
fn a_key_that_comes_with_its_certificate_names_it() {
    let key = jwt::generate_p256(&Sevens);
    // A JWK has no place for one.
    let (header, ..) = assertion(&credentials(ClientAuth::PrivateKeyJwt, "shop", key.expose_secret()));
    assert!(header.get("x5t#S256").is_none());
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{}",
        include_str!("tests/ed25519.pem")
    );
    let (header, ..) = assertion(&credentials(ClientAuth::PrivateKeyJwt, "shop", &pem));
    assert_eq!(header["x5t#S256"], *thumbprint(&pem.into()).unwrap());
    assert_eq!(header["alg"], "EdDSA");
}

#[test]
fn a_certificate_goes_with_the_request_and_the_identifier_into_the_body() {
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n{}",
        include_str!("tests/ed25519.pem")
    );
    for auth in [ClientAuth::TlsClientAuth, ClientAuth::SelfSignedTlsClientAuth] {
        let shown = credentials(auth, "shop", &pem);
        assert_eq!(shown.fields(PLAIN), [("client_id", "shop")]);
        assert!(shown.header(PLAIN).is_none());
        assert_eq!(shown.certificate().unwrap().pem().expose_secret(), pem);
    }
}

#[test]
fn what_is_needed_must_be_there_and_fit() {
    for auth in [ClientAuth::ClientSecretBasic, ClientAuth::ClientSecretPost, ClientAuth::PrivateKeyJwt] {
        let missing = Credentials::new("id".into(), auth, None).err();
        assert_eq!(missing, Some(UnfitProof::Missing { method: auth }));
    }
    let unfit = |auth| Credentials::new("id".into(), auth, Some("a secret".into())).err();
    assert_eq!(unfit(ClientAuth::PrivateKeyJwt), Some(KeyError::NoKey.into()));
    assert_eq!(unfit(ClientAuth::TlsClientAuth), Some(CertificateError::NoCertificate.into()));
    assert!(Credentials::new("id".into(), ClientAuth::None, None).is_ok());
}
