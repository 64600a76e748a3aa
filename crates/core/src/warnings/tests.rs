//! What is told, and what is not.

use super::*;
use crate::client::{ClientAuth, ClientNotes, Endpoints};
use crate::id::ClientId;
use crate::testing::{DAY, HOUR, builtin, connection, later, start};
use crate::token::RefreshEnd;

fn client(scopes: &[&str], token: &str) -> Client {
    let url = |text: &str| text.parse::<Url>().unwrap();
    Client {
        id: ClientId::from_uuid(uuid::Uuid::nil()),
        revision: 1,
        name: "a".to_owned(),
        provider: "x".to_owned(),
        client_id: "id".to_owned(),
        auth: ClientAuth::None,
        secret: None,
        second_secret: None,
        redirect_uri: url("http://localhost:8724/callback"),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        endpoints: Endpoints::at(url(token)),
        created_at: start(),
        notes: ClientNotes::default(),
    }
}

fn told(id: &str, client: &Client, connections: &[Connection], count: u64) -> Vec<Warning> {
    let known = Known { client, connections, count, fit: None, now: start() };
    warnings(&builtin(id), &known)
}

/// A connection whose grant died at this age.
fn died(age: Duration) -> Connection {
    let reason = Reason::InvalidGrant { detail: "expired".to_owned() };
    connection(Some(HOUR)).state(State::NeedsReauth { reason, since: later(age) })
}

const GOOGLE: &str = "https://oauth2.googleapis.com/token";

fn sign(warnings: &[Warning]) -> Option<Sign> {
    warnings.iter().find_map(|warning| match warning {
        Warning::ShorterLife { sign, .. } => Some(*sign),
        _ => None,
    })
}

#[test]
fn googles_testing_mode_is_told_by_what_speaks_for_it() {
    let drive = client(&["https://www.googleapis.com/auth/drive"], GOOGLE);
    let fresh = connection(Some(HOUR));
    assert_eq!(sign(&told("google", &drive, std::slice::from_ref(&fresh), 1)), Some(Sign::NotRuledOut));
    let said = connection(Some(HOUR)).ends(RefreshEnd::Said(later(DAY * 7)));
    assert_eq!(sign(&told("google", &drive, &[said], 1)), Some(Sign::Said));
    let dead = [died(DAY * 7 + HOUR), died(DAY * 7 + HOUR * 20)];
    assert_eq!(sign(&told("google", &drive, &dead, 2)), Some(Sign::Died(2)));
    assert!(!told("google", &drive, &dead, 2).iter().any(|it| matches!(it, Warning::HiddenEnd { .. })));
    // One that was refreshed after more than a week shows that it is not so.
    let old = connection(Some(HOUR)).refreshed(later(DAY * 9));
    assert_eq!(sign(&told("google", &drive, &[fresh.clone(), old], 2)), None);
    // Nor is it where no more is asked for than who somebody is.
    assert_eq!(sign(&told("google", &client(&["openid", "email"], GOOGLE), &[fresh], 1)), None);
}

#[test]
fn grants_that_die_at_the_same_age_have_a_hidden_end() {
    let box_ = client(&[], "https://api.box.com/oauth2/token");
    let hidden = |connections: &[Connection]| {
        told("box", &box_, connections, 2).into_iter().find_map(|warning| match warning {
            Warning::HiddenEnd { age, grants } => Some((age, grants)),
            _ => None,
        })
    };
    assert_eq!(hidden(&[died(DAY * 30)]), None, "one may have been revoked");
    assert_eq!(hidden(&[died(DAY * 30), died(DAY * 50)]), None);
    assert_eq!(hidden(&[died(DAY * 30), died(DAY * 90), died(DAY * 31)]).map(|it| it.1), Some(2));
    assert_eq!(hidden(&[died(HOUR), died(HOUR)]), None, "too young");
    // An end that the file tells of is not hidden.
    let linkedin = client(&[], "https://www.linkedin.com/oauth/v2/accessToken");
    assert_eq!(told("linkedin", &linkedin, &[died(DAY * 365), died(DAY * 365)], 2), []);
}

#[test]
fn a_cap_is_told_before_it_evicts() {
    let google = client(&["openid"], GOOGLE);
    let cap = |count| told("google", &google, &[], count).iter().any(|it| matches!(it, Warning::Cap { .. }));
    assert!(!cap(79) && cap(80) && cap(200));
    let zoom = client(&[], "https://zoom.us/oauth/token");
    assert_eq!(told("zoom", &zoom, &[], 1_000_000), []);
}

#[test]
fn what_ends_is_told_of_the_clients_own_endpoints() {
    let of = |token: &str| told("hubspot", &client(&[], token), &[], 1);
    let [Warning::Endpoint { ended: false, on, .. }] = &of("https://api.hubapi.com/oauth/v1/token")[..]
    else {
        panic!("{:?}", of("https://api.hubapi.com/oauth/v1/token"));
    };
    assert_eq!(on.to_string(), "2027-02-16");
    assert_eq!(of("https://api.hubapi.com/oauth/2026-03/token"), []);
    let old = client(&[], "https://idfed.constantcontact.com/as/token.oauth2");
    assert!(matches!(&told("constant-contact", &old, &[], 1)[..], [Warning::Endpoint { ended: true, .. }]));
}

#[test]
fn a_quota_that_the_fleet_does_not_fit_is_told() {
    let client = client(&[], "https://authz.constantcontact.com/oauth2/default/v1/token");
    let fit = |stretch| {
        let fit = Some(Fit { stretch, room_a_day: 5_000.0 });
        let known = Known { client: &client, connections: &[], count: 1, fit, now: start() };
        warnings(&builtin("constant-contact"), &known)
    };
    assert_eq!(fit(1.0), []);
    assert_eq!(fit(1.5), [Warning::Quota { stretch: 1.5, room_a_day: 5_000.0 }]);
}
