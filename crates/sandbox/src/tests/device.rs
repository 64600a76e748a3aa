//! The device authorization grant (RFC 8628).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::Consent;

impl World {
    /// A device's code, and the one for a person.
    fn device(&mut self) -> (String, String) {
        let asked = request(Method::POST, "/device_authorization", Some(BASIC), "scope=read+offline_access");
        let (status, body) = read(&self.send(&asked));
        assert_eq!(
            (status, &body["interval"], &body["expires_in"]),
            (StatusCode::OK, &json!(5), &json!(600))
        );
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert!(text("verification_uri_complete").ends_with(&text("user_code")));
        (text("device_code"), text("user_code"))
    }

    /// What a poll is answered: the error, or nothing.
    fn poll(&mut self, device_code: &str) -> (Option<String>, Value) {
        let grant = crate::device::GRANT_TYPE;
        let (_, body) = self.token(&[("grant_type", grant), ("device_code", device_code)]);
        (body["error"].as_str().map(str::to_owned), body)
    }

    #[track_caller]
    fn poll_says(&mut self, device_code: &str, error: &str) {
        assert_eq!(self.poll(device_code).0.as_deref(), Some(error));
    }
}

#[test]
fn a_person_consents_while_the_device_polls() {
    let mut world = World::new(|_| {});
    let (device_code, user_code) = world.device();
    world.poll_says(&device_code, "authorization_pending");
    assert!(!world.sandbox.answer_device("XXXX-XXXX", Consent::Given));
    assert!(world.sandbox.answer_device(&user_code, Consent::Given));
    world.wait(5_000);
    let (error, body) = world.poll(&device_code);
    assert_eq!((error, &body["scope"]), (None, &json!("read offline_access")));
    let refresh_token = body["refresh_token"].as_str().unwrap().to_owned();
    world.refreshed(&refresh_token);
    world.poll_says(&device_code, "invalid_grant");
    assert_eq!(world.sandbox.stats().device_grants, 1);
}

#[test]
fn who_polls_too_fast_has_to_slow_down_for_good() {
    let mut world = World::new(|_| {});
    let (device_code, _) = world.device();
    world.poll_says(&device_code, "authorization_pending");
    world.wait(4_999);
    world.poll_says(&device_code, "slow_down");
    world.wait(9_999);
    world.poll_says(&device_code, "slow_down");
    world.wait(15_000);
    world.poll_says(&device_code, "authorization_pending");
}

#[test]
fn a_no_and_a_late_yes_bring_nothing() {
    let mut world = World::new(|_| {});
    let (device_code, user_code) = world.device();
    assert!(world.sandbox.answer_device(&user_code, Consent::Denied));
    world.poll_says(&device_code, "access_denied");
    let (device_code, user_code) = world.device();
    assert!(world.sandbox.answer_device(&user_code, Consent::Given));
    world.wait(600_000);
    world.poll_says(&device_code, "expired_token");
    world.poll_says("nobody's", "invalid_grant");
}
