//! Assertions and exchanges.

use http::Method;
use serde_json::json;

use super::*;
use crate::ServiceAccount;
use crate::assertion::{JWT_BEARER, TOKEN_EXCHANGE};

/// The example of RFC 7515 appendix A.2: its key, and a JWT that is signed by RS256 and says `{"iss":"joe", …}`.
const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn account(modulus: &str, key_id: &str) -> ServiceAccount {
    ServiceAccount {
        id: "joe".to_owned(),
        key_id: key_id.to_owned(),
        modulus: modulus.to_owned(),
        exponent: "AQAB".to_owned(),
        may_speak_for: vec![],
    }
}

#[test]
fn what_is_signed_is_verified_before_it_is_believed() {
    let other = MODULUS.replacen("ofg", "pfg", 1);
    let forged = SIGNED.replacen(".cC4", ".dC4", 1);
    for (account, assertion, why) in [
        // Its signature is right, and it says nothing of whom it is for.
        (account(MODULUS, ""), SIGNED, "for somebody else"),
        (account(&other, ""), SIGNED, "signature"),
        (account(MODULUS, ""), &forged, "signature"),
        (account(MODULUS, "k1"), SIGNED, "no such key"),
        (ServiceAccount { id: "ann".to_owned(), ..account(MODULUS, "") }, SIGNED, "unknown"),
        (account(MODULUS, ""), "a.b.c", "read"),
        (account(MODULUS, ""), "a", "no JWT"),
    ] {
        let mut world = World::new(|settings| settings.service_accounts.push(account));
        let form = encode(&[("grant_type", JWT_BEARER), ("assertion", assertion)]);
        let (_, body) = read(&world.send(&request(Method::POST, "/token", None, &form)));
        assert_eq!(body["error"], "invalid_grant", "{body}");
        assert!(body["error_description"].as_str().unwrap().contains(why), "{why}: {body}");
    }
}

#[test]
fn a_token_is_exchanged_while_it_is_valid() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    let exchange = |world: &mut World, kind: &str| {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let subject = ("subject_token", tokens.access.as_str());
        let kind = ("subject_token_type", kind.as_str());
        world.token(&[("grant_type", TOKEN_EXCHANGE), subject, kind, ("scope", "a")]).1
    };
    assert_eq!(exchange(&mut world, "access_token")["scope"], json!("a"));
    assert_eq!(exchange(&mut world, "refresh_token")["error"], "invalid_request");
    world.wait(3_600_000);
    assert_eq!(exchange(&mut world, "access_token")["error"], "invalid_request");
}
