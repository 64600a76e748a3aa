//! Misbehaviour, as the pure part reports it.

use http::{Method, StatusCode};

use super::*;
use crate::{Delivery, Endpoint, GrantType, Trouble};

/// A refresh as it arrives at the server, and what it answers.
fn refresh(world: &mut World, refresh_token: &str) -> Reply {
    let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
    world.reply(&request(Method::POST, "/token", Some(BASIC), &body))
}

#[test]
fn each_trouble_does_what_it_says() {
    let outage = || Trouble::answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "down");
    let ok = StatusCode::OK;
    // The trouble, then whether the refresh was processed, how the answer travels, and its status and body.
    for (trouble, processed, delivery, status, body) in [
        (Trouble::LoseRequest, false, Delivery::DropConnection, None, None),
        (Trouble::LoseResponse, true, Delivery::DropConnection, None, None),
        (Trouble::Delay(7), true, Delivery::DelayMs(7), Some(ok), None),
        (Trouble::Truncate(9), true, Delivery::Truncate(9), Some(ok), None),
        (Trouble::CutBody(2), true, Delivery::Deliver, Some(ok), Some("{\"")),
        (
            Trouble::AnswerUnprocessed(outage()),
            false,
            Delivery::Deliver,
            Some(StatusCode::SERVICE_UNAVAILABLE),
            Some("down"),
        ),
        (Trouble::AnswerProcessed(Trouble::empty(ok)), true, Delivery::Deliver, Some(ok), Some("")),
        (
            Trouble::AnswerProcessed(Trouble::empty(StatusCode::INTERNAL_SERVER_ERROR)),
            true,
            Delivery::Deliver,
            Some(StatusCode::INTERNAL_SERVER_ERROR),
            Some(""),
        ),
    ] {
        let mut world = World::new(|_| {});
        let tokens = world.connect();
        world.fault(Fault::on_refresh(trouble.clone()));
        let reply = refresh(&mut world, &tokens.refresh);
        assert_eq!(world.sandbox.stats().refreshes, u64::from(processed), "{trouble:?}");
        assert_eq!(world.active(&tokens.refresh), !processed, "{trouble:?}");
        assert_eq!(reply.delivery, delivery, "{trouble:?}");
        if let Some(status) = status {
            assert_eq!(reply.response.status(), status, "{trouble:?}");
        }
        if let Some(body) = body {
            assert_eq!(reply.response.body(), body, "{trouble:?}");
        }
        assert_eq!(world.sandbox.stats().faults, 1);
    }
}

#[test]
fn a_captive_portal_answers_200_in_html() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    world.fault(Fault::on_refresh(Trouble::AnswerUnprocessed(Trouble::html_page(StatusCode::OK))));
    let response = refresh(&mut world, &tokens.refresh).response;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, "content-type"), Some("text/html; charset=utf-8"));
    assert!(response.body().starts_with(b"<!doctype html>"));
    world.refreshed(&tokens.refresh);
}

#[test]
fn a_held_request_is_told_once_and_may_be_lost_besides() {
    let mut world = World::new(|_| {});
    let tokens = world.connect();
    let body = encode(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]);
    let arriving = request(Method::POST, "/token", Some(BASIC), &body);
    world.fault(Fault::on_refresh(Trouble::Hold(500)));
    world.fault(Fault::on_refresh(Trouble::LoseResponse));
    assert_eq!(world.sandbox.hold_ms(&arriving), 500);
    assert_eq!(world.reply(&arriving).delivery, Delivery::DropConnection);
    assert_eq!(world.sandbox.hold_ms(&arriving), 0);
    assert_eq!(world.sandbox.stats().faults, 2);
}

#[test]
fn faults_strike_whom_and_when_they_should() {
    let mut world = World::new(|_| {});
    let outage = || Trouble::AnswerUnprocessed(Trouble::empty(StatusCode::BAD_GATEWAY));
    world.fault(Fault::on_refresh(outage()).after(1).times(2));
    world.fault(Fault {
        grant_type: Some(GrantType::ClientCredentials),
        ..Fault::at(Endpoint::Token, outage())
    });
    world.fault(Fault::at(Endpoint::Metadata, outage()).times(0));
    let mut token = world.connect().refresh;
    for expected in [200, 502, 502, 200] {
        let (status, body) = world.refresh(&token);
        assert_eq!(status, expected);
        token = body["refresh_token"].as_str().unwrap_or(&token).to_owned();
    }
    for expected in [502, 200] {
        assert_eq!(world.token(&[("grant_type", "client_credentials")]).0, expected);
    }
    assert_eq!(world.get("/.well-known/openid-configuration").status(), 200);

    world.fault(Fault::at(Endpoint::Token, outage()).times(u32::MAX));
    world.refresh(&token);
    world.sandbox.clear_faults();
    world.refreshed(&token);
}
