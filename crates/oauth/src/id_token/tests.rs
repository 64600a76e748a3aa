use serde_json::json;

use super::*;
use crate::client_auth::Sevens;
use crate::document::answered;
use crate::jwks;
use crate::jwt::{SigningKey, sign_with_secret};

fn token(claims: &str) -> String {
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn iss_and_sub_are_read_and_all_else_is_nobody() {
    let alice = subject(&token(r#"{"iss":"https://as.example","sub":"alice","exp":1}"#)).unwrap();
    assert_eq!((alice.iss.as_str(), alice.sub.as_str()), ("https://as.example", "alice"));
    for nobody in [token(r#"{"sub":"alice"}"#), token("[]"), token("{"), "opaque".into(), "a.!.c".into()] {
        assert_eq!(subject(&nobody), None, "{nobody}");
    }
}

const NOW: i64 = 1_000_000;
const ISSUER: &str = "https://as.example";

fn key() -> SigningKey {
    let rsa = include_str!("../jwt/tests/rsa.jwk").replacen('{', r#"{"kid":"k1","#, 1);
    SigningKey::read(&rsa.into()).unwrap()
}

fn keys_of(key: &SigningKey) -> Jwks {
    jwks::read(answered(200, &json!({"keys": [key.registration()]}).to_string())).unwrap()
}

fn claims(changed: &Value) -> Map<String, Value> {
    let usual = json!({
        "iss": ISSUER, "sub": "alice", "aud": "shop", "nonce": "n", "iat": NOW - 1, "exp": NOW + 3600,
    });
    let (Value::Object(mut claims), Value::Object(changed)) = (usual, changed.clone()) else {
        unreachable!()
    };
    claims.extend(changed);
    claims.retain(|_, value| !value.is_null());
    claims
}

fn signed(changed: &Value) -> String {
    let token = key().sign(&[("kid", "k1".into())], &claims(changed)).unwrap();
    token.expose_secret().to_owned()
}

fn expected(keys: Option<&Jwks>) -> Expected<'_> {
    Expected {
        issuer: Some(ISSUER),
        client_id: "shop",
        nonce: Some("n"),
        keys,
        secret: None,
        now: Timestamp::from_second(NOW).unwrap(),
    }
}

#[test]
fn what_it_says_must_be_said_to_us_now_and_by_the_one_who_was_asked() {
    let keys = keys_of(&key());
    let says = |claim, found: &str, wanted: &str| {
        Err(IdTokenError::Claim { claim, found: found.into(), expected: wanted.into() })
    };
    let time = |how| Err(IdTokenError::Time { how });
    for (changed, result) in [
        (json!({}), Ok(())),
        (json!({"aud": ["shop"]}), Ok(())),
        (json!({"aud": ["shop", "other"], "azp": "shop"}), Ok(())),
        (json!({"azp": "shop"}), Ok(())),
        (json!({"exp": NOW - SKEW_S + 1}), Ok(())),
        (json!({"iat": NOW + SKEW_S}), Ok(())),
        (json!({"iat": null}), Ok(())),
        (json!({"iss": "https://as.example/"}), says("iss", "https://as.example/", ISSUER)),
        (json!({"iss": null}), says("iss", "missing", ISSUER)),
        (json!({"aud": "other"}), says("aud", "\"other\"", "shop")),
        (json!({"aud": null}), says("aud", "missing", "shop")),
        (json!({"aud": []}), says("aud", "[]", "shop")),
        (json!({"aud": ["shop", "other"]}), says("azp", "missing", "shop")),
        (json!({"azp": "other"}), says("azp", "other", "shop")),
        (json!({"exp": NOW - SKEW_S}), time("has ended")),
        (json!({"exp": null}), says("exp", "missing", "a time")),
        (json!({"iat": NOW + SKEW_S + 1}), time("is from the future")),
        (json!({"nonce": "m"}), Err(IdTokenError::Nonce)),
        (json!({"nonce": null}), Err(IdTokenError::Nonce)),
    ] {
        let token = signed(&changed);
        for keys in [Some(&keys), None] {
            assert_eq!(verify(&token, &expected(keys)), result, "{changed}");
        }
    }
}

#[test]
fn the_signature_must_be_the_providers_where_its_keys_are_known() {
    let (token, keys) = (signed(&json!({})), keys_of(&key()));
    let other = keys_of(&SigningKey::read(&jwt::generate_p256(&Sevens)).unwrap());
    assert_eq!(verify(&token, &expected(Some(&other))), Err(IdTokenError::UnknownKey));
    assert_eq!(verify(&token, &expected(Some(&Jwks::default()))), Err(IdTokenError::UnknownKey));

    let (head, rest) = token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let forged = BASE64_URL_SAFE_NO_PAD.encode(Value::Object(claims(&json!({"sub": "mallory"}))).to_string());
    let header = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let algorithm = |name: &str| Err(IdTokenError::Algorithm { algorithm: name.into() });
    for (token, result) in [
        (format!("{head}.{forged}.{signature}"), Err(IdTokenError::Signature)),
        (format!("{head}.{body}."), Err(IdTokenError::Signature)),
        (format!("{}.{body}.", header(r#"{"alg":"none"}"#)), algorithm("none")),
        (format!("{}.{body}.{signature}", header(r#"{"alg":"HS256"}"#)), algorithm("HS256")),
        (format!("{}.{body}.{signature}", header("{}")), algorithm("nothing")),
        (format!("{}.{body}.{signature}", header(r#"{"alg":"RS256"}"#)), Err(IdTokenError::Signature)),
        (
            format!("{}.{body}.{signature}", header(r#"{"alg":"PS256","kid":"k1"}"#)),
            Err(IdTokenError::Signature),
        ),
        (format!("!.{body}.{signature}"), Err(IdTokenError::NotAJwt)),
        ("opaque".to_owned(), Err(IdTokenError::NotAJwt)),
    ] {
        assert_eq!(verify(&token, &expected(Some(&keys))), result, "{token}");
    }
    let unasked = Expected { nonce: None, ..expected(Some(&keys)) };
    assert_eq!(verify(&signed(&json!({"nonce": null})), &unasked), Ok(()), "none was sent");
    // A provider that names its key in the token and not in its set.
    let nameless = jwks::read(answered(200, &json!({"keys": [key().public().jwk()]}).to_string())).unwrap();
    assert_eq!(verify(&token, &expected(Some(&nameless))), Ok(()));
}

#[test]
fn a_secret_that_both_know_is_a_key_too_but_a_public_key_is_no_secret() {
    let secret = SecretString::from("a secret of at least 256 bits, as is due");
    let token = sign_with_secret(&secret, &[], &claims(&json!({})));
    let keys = keys_of(&key());
    let other = SecretString::from("another");
    let with = |secret| Expected { secret, ..expected(Some(&keys)) };
    assert_eq!(verify(token.expose_secret(), &with(Some(&secret))), Ok(()));
    assert_eq!(verify(token.expose_secret(), &with(Some(&other))), Err(IdTokenError::Signature));
    assert!(verify(token.expose_secret(), &with(None)).is_err());
}

#[test]
fn two_large_providers_name_their_issuer_in_ways_of_their_own() {
    let believed = |issuer: &str, changed: &Value| {
        let expected = Expected { issuer: Some(issuer), ..expected(None) };
        verify(&signed(changed), &expected).is_ok()
    };
    let google = "https://accounts.google.com";
    assert!(
        believed(google, &json!({"iss": "accounts.google.com"})) && believed(google, &json!({"iss": google}))
    );
    assert!(!believed(google, &json!({"iss": "accounts.google.com.evil.example"})));
    assert!(!believed("https://as.example", &json!({"iss": "as.example"})));
    let tenants = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let ours = "https://login.microsoftonline.com/72f9/v2.0";
    assert!(believed(tenants, &json!({"iss": ours, "tid": "72f9"})));
    assert!(
        !believed(tenants, &json!({"iss": ours, "tid": "other"}))
            && !believed(tenants, &json!({"iss": ours}))
    );
}
