use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;
use crate::client_auth::Sevens;

/// RFC 8037 appendix A.1.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn object(value: &str) -> Map<String, Value> {
    serde_json::from_str(value).unwrap()
}

fn pem(label: &str, der: &[u8]) -> SecretString {
    let body: Vec<_> = BASE64_STANDARD.encode(der).into_bytes();
    let lines = body.chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect::<String>();
    format!("A comment.\n-----BEGIN {label}-----\n{lines}-----END {label}-----\n").into()
}

fn verifies(key: &PublicKey, algorithm: Algorithm, token: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    key.verifies(algorithm, message.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap())
}

#[test]
fn ed25519_signs_as_rfc_8037_has_it() {
    let key = SigningKey::read(&ED25519.into()).unwrap();
    assert_eq!(key.public().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "appendix A.3");
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6\
         dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(verifies(key.public(), Algorithm::EdDsa, token), "appendix A.4");
    assert!(!verifies(key.public(), Algorithm::Rs256, token));
    assert!(!verifies(key.public(), Algorithm::EdDsa, &token.replace("eyJh", "eyJi")));
}

#[test]
fn an_rsa_key_is_called_and_verifies_as_the_rfcs_have_it() {
    let public = PublicKey::from_jwk(&object(
        r#"{"kty":"RSA","e":"AQAB","alg":"RS256","kid":"2011-04-29","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#,
    ))
    .unwrap();
    assert_eq!(public.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "RFC 7638 §3.1");
}

#[test]
fn an_ec_key_verifies_as_rfc_7515_appendix_a_3_has_it() {
    let key = SigningKey::read(
        &r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#
            .into(),
    )
    .unwrap();
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ij\
         p0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(verifies(key.public(), Algorithm::Es256, token));
}

#[test]
fn a_shared_secret_signs_by_hs256() {
    let secret = "a secret of at least 256 bits, as is due";
    let token = sign_with_secret(&secret.into(), &[("typ", "JWT".into())], &object(r#"{"iss":"joe"}"#));
    // The same by openssl: printf %s "$input" | openssl dgst -sha256 -hmac "$secret" -binary
    assert_eq!(
        token.expose_secret(),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJqb2UifQ.Db3OmSGjOeDr7XH3fvFN4ERqHz3Ibzz4Wn0F4BQdfSs"
    );
}

#[test]
fn keys_are_read_in_each_of_their_forms_and_what_they_sign_is_verified() {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let rsa = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let ec = |curve: Curve| EcdsaKeyPair::generate(curve.signing()).unwrap();
    let pkcs8 = |curve: Curve| pem("PRIVATE KEY", ec(curve).to_pkcs8v1().unwrap().as_ref());
    let sec1 =
        AsDer::<aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_>>::as_der(&ec(Curve::P256).private_key())
            .unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    for (form, text, algorithm) in [
        ("PKCS #8, P-256", pkcs8(Curve::P256), Algorithm::Es256),
        ("PKCS #8, P-384", pkcs8(Curve::P384), Algorithm::Es384),
        ("PKCS #8, P-521", pkcs8(Curve::P521), Algorithm::Es512),
        ("SEC 1", pem("EC PRIVATE KEY", sec1.as_ref()), Algorithm::Es256),
        ("PKCS #8, RSA", pem("PRIVATE KEY", rsa.as_ref()), Algorithm::Rs256),
        // What is in a PKCS #8 document of this length, behind its algorithm.
        ("PKCS #1", pem("RSA PRIVATE KEY", &rsa.as_ref()[26..]), Algorithm::Rs256),
        ("PKCS #8, Ed25519", pem("PRIVATE KEY", ed25519.to_pkcs8v1().unwrap().as_ref()), Algorithm::EdDsa),
        ("JWK, Ed25519", ED25519.into(), Algorithm::EdDsa),
        ("JWK, made here", generate_p256(&Sevens), Algorithm::Es256),
    ] {
        let key = SigningKey::read(&text).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(key.algorithm(), algorithm, "{form}");
        assert_eq!(key.kid(), key.public().thumbprint(), "{form}");
        let claims = object(r#"{"iss":"shop","jti":"1"}"#);
        let token = key.sign(&[("kid", key.kid().into())], &claims).unwrap();
        let token = token.expose_secret();
        assert_eq!(super::claims(token), Some(claims), "{form}");
        let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&header).unwrap(),
            json!({ "alg": algorithm.name(), "kid": key.kid() }),
            "{form}"
        );
        let registered = key.registration();
        assert!(
            ["d", "p", "q", "dp", "dq", "qi"].iter().all(|secret| !registered.contains_key(*secret)),
            "{form}"
        );
        let public = PublicKey::from_jwk(&registered).unwrap();
        assert_eq!(&public, key.public(), "{form}");
        assert!(verifies(&public, algorithm, token), "{form}");
        let others = Algorithm::ALL.into_iter().filter(|other| *other != algorithm);
        assert!(others.into_iter().all(|other| !verifies(&public, other, token)), "{form}");
    }
}

#[test]
fn a_jwk_says_by_which_algorithm_it_signs_and_what_it_is_called() {
    let rsa = include_str!("tests/rsa.jwk");
    for (alg, algorithm) in [("", Algorithm::Rs256), (r#""alg":"PS256","kid":"k1","#, Algorithm::Ps256)] {
        let key = SigningKey::read(&rsa.replacen('{', &format!("{{{alg}"), 1).into()).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.kid() == "k1", !alg.is_empty());
        let token = key.sign(&[], &Map::new()).unwrap();
        assert!(verifies(key.public(), algorithm, token.expose_secret()));
    }
    for (alg, named) in [("ES256", "ES256"), ("HS256", "HS256"), ("none", "another")] {
        let text = rsa.replacen('{', &format!(r#"{{"alg":"{alg}","#), 1);
        assert_eq!(
            SigningKey::read(&text.into()).unwrap_err(),
            KeyError::WrongAlgorithm { algorithm: named }
        );
    }
}

#[test]
fn what_is_no_key_says_why_and_repeats_nothing() {
    let secret = "9dKq2mVb7Xw1PzL49dKq2mVb7Xw1PzL4";
    for (text, error) in [
        (String::new(), KeyError::NoKey),
        (secret.to_owned(), KeyError::NoKey),
        (format!(r#"{{"keys":["{secret}"]}}"#), KeyError::NoKey),
        (format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"), KeyError::Unusable),
        (
            format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{secret}\n-----END ENCRYPTED PRIVATE KEY-----"),
            KeyError::Encrypted,
        ),
        (
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{secret}\n-----END RSA PRIVATE KEY-----"
            ),
            KeyError::Encrypted,
        ),
        (format!("-----BEGIN PUBLIC KEY-----\n{secret}\n-----END PUBLIC KEY-----"), KeyError::Public),
        (ED25519.replace("\"d\"", "\"e\""), KeyError::Public),
        (ED25519.replace("nWGx", "nWGy"), KeyError::Unusable),
        (ED25519.replace("Ed25519", "X25519"), KeyError::Unusable),
        (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), KeyError::Unusable),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#.to_owned(), KeyError::Unusable),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#.to_owned(), KeyError::Unusable),
    ] {
        let refused = SigningKey::read(&text.clone().into()).unwrap_err();
        assert_eq!(refused, error, "{text}");
        assert!(!refused.to_string().contains(secret));
    }
}

#[test]
fn a_key_does_not_print_itself() {
    let key = SigningKey::read(&ED25519.into()).unwrap();
    assert_eq!(
        format!("{key:?}"),
        "SigningKey { algorithm: EdDsa, kid: \"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\", .. }"
    );
}
