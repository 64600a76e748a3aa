//! The API for opt-in forms: who may, how often, and what is said to whom.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::*;
use crate::{ApiErrorShape, Contact, ContactsApi, Endpoint, Trouble};

const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";
const OTHER: &str = "3f7d5a10-91c4-4f0e-b1a5-08c0a3b7e602";

fn world() -> World {
    World::new(|settings| settings.contacts = Some(ContactsApi::new([LIST, OTHER])))
}

impl World {
    /// An access token with this scope.
    fn token_for(&mut self, scope: &str) -> String {
        let asked = self.authorize(&[("scope", Some(scope))]);
        let code = parameter(&asked, "code").unwrap();
        Tokens::of(&self.exchange(&code)).access
    }

    fn sign_up(&mut self, token: &str, body: &Value) -> (StatusCode, Value) {
        let mut request = request(Method::POST, "/v3/contacts/sign_up_form", None, &body.to_string());
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        read(&self.send(&request))
    }

    fn stored(&self) -> Vec<&Contact> {
        self.sandbox.contacts().collect()
    }
}

fn ada() -> Value {
    json!({"email_address": "ada@example.com", "first_name": "Ada", "list_memberships": [LIST]})
}

#[test]
fn contacts_are_created_and_updated_by_their_address() {
    let mut world = world();
    let token = world.token_for("contact_data offline_access");
    let (status, body) = world.sign_up(&token, &ada());
    assert_eq!((status, &body["action"]), (StatusCode::CREATED, &json!("created")));
    let id = body["contact_id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");

    world.wait(1_000);
    let again =
        json!({"email_address": "ADA@example.com", "last_name": "Lovelace", "list_memberships": [OTHER]});
    let (status, body) = world.sign_up(&token, &again);
    assert_eq!((status, body), (StatusCode::OK, json!({"contact_id": id, "action": "updated"})));
    let stored = world.stored();
    assert_eq!(stored.len(), 1);
    let (first, last) = (stored[0].first_name.as_deref(), stored[0].last_name.as_deref());
    assert_eq!((first, last), (Some("Ada"), Some("Lovelace")), "what is not told stays");
    assert_eq!(stored[0].lists, [LIST, OTHER], "lists are added to");
}

#[test]
fn what_is_wrong_is_told_in_the_shape_of_who_tells_it() {
    let mut world = world();
    let good = world.token_for("contact_data");
    let narrow = world.token_for("campaign_data");
    let without = |field: &str| {
        let mut body = ada();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let with = |field: &str, value: Value| {
        let mut body = ada();
        body[field] = value;
        body
    };
    for (token, body, status, key) in [
        ("no token", ada(), 401, "unauthorized"),
        (&narrow, ada(), 403, "forbidden"),
        (&good, without("email_address"), 400, "contacts.api.validation.error"),
        (&good, with("email_address", json!("ada")), 400, "contacts.api.validation.error"),
        (
            &good,
            with("email_address", json!(format!("{}@example.com", "a".repeat(40)))),
            400,
            "contacts.api.validation.error",
        ),
        (&good, with("first_name", json!(7)), 400, "contacts.api.validation.error"),
        (&good, without("list_memberships"), 400, "contacts.api.validation.error"),
        (&good, with("list_memberships", json!(["elsewhere"])), 404, "contacts.api.not_found"),
        (&good, json!([]), 400, "contacts.api.validation.error"),
    ] {
        world.wait(1_000);
        let (answered, error) = world.sign_up(token, &body);
        let told = if error.is_array() { &error[0] } else { &error };
        assert_eq!((answered.as_u16(), &told["error_key"]), (status, &json!(key)), "{body}");
        assert_eq!(error.is_array(), key.starts_with("contacts."), "{error}");
        assert!(told["error_message"].is_string());
    }
    assert_eq!(world.stored().len(), 0);
    assert_eq!(world.get("/v3/contacts/sign_up_form").status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(World::new(|_| {}).get("/v3/contacts/sign_up_form").status(), StatusCode::NOT_FOUND);
}

#[test]
fn a_contact_is_not_written_twice_at_once() {
    let mut world = world();
    let token = world.token_for("contact_data");
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::CREATED);
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::CONFLICT);
    world.wait(100);
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::OK);
}

#[test]
fn an_application_is_throttled_within_a_second_and_stopped_until_midnight() {
    let mut world = world();
    world.sandbox.settings_mut().contacts.as_mut().unwrap().per_day = 6;
    let token = world.token_for("contact_data");
    let nobody = json!({});
    let keys: Vec<Value> =
        (0..6).map(|_| world.sign_up(&token, &nobody).1).map(|body| body["error_key"].clone()).collect();
    assert_eq!(keys[4..], ["throttled", "throttled"], "{keys:?}");
    world.wait(1_000);
    let answers: Vec<_> = (0..3).map(|_| world.sign_up(&token, &nobody)).collect();
    assert_eq!(answers[1].0, StatusCode::BAD_REQUEST);
    assert_eq!(
        (answers[2].0, &answers[2].1["error_key"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("quota_exceeded"))
    );
    // The limits are the application's: another grant of it does not help, another day does.
    let other = world.token_for("contact_data");
    assert_eq!(world.sign_up(&other, &ada()).1["error_key"], "quota_exceeded");
    world.now_ms = (world.now_ms / 86_400_000 + 1) * 86_400_000;
    let token = world.token_for("contact_data");
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::CREATED);
}

#[test]
fn an_application_that_is_deactivated_is_forbidden() {
    let mut world = world();
    let token = world.token_for("contact_data");
    world.sandbox.settings_mut().contacts.as_mut().unwrap().deactivated.push("app".into());
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::FORBIDDEN);
}

#[test]
fn it_fails_in_every_shape_when_asked_to() {
    let mut world = world();
    let token = world.token_for("contact_data");
    for (shape, expected) in [
        (ApiErrorShape::Array, json!([{"error_key": "k", "error_message": "Service Unavailable"}])),
        (ApiErrorShape::Object, json!({"error_key": "k", "error_message": "Service Unavailable"})),
        (ApiErrorShape::Message, json!({"message": "Service Unavailable"})),
    ] {
        let error = ContactsApi::error(StatusCode::SERVICE_UNAVAILABLE, shape, "k");
        world.fault(Fault::at(Endpoint::SignUpForm, Trouble::AnswerUnprocessed(error)));
        assert_eq!(world.sign_up(&token, &ada()), (StatusCode::SERVICE_UNAVAILABLE, expected));
    }
    assert_eq!(world.sign_up(&token, &ada()).0, StatusCode::CREATED);
}
