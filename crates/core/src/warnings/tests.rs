//! What is told, and what is not.

use super::*;
use crate::client::{ClientAuth, ClientNotes, Endpoints};
use crate::id::ClientId;
use crate::testing::{DAY, HOUR, builtin, connection, later, start};
use crate::token::{AccountHash, RefreshEnd};

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

fn told(id: &str, client: &Client, connections: &[Connection]) -> Vec<Warning> {
    let known = Known { client, connections, living: living(connections), fit: None, now: start() };
    warnings(&builtin(id), &known)
}

/// How many refresh tokens of theirs live, as a store counts them.
fn living(connections: &[Connection]) -> LivingTokens {
    let mut of_accounts = std::collections::BTreeMap::<_, u64>::new();
    let lives = |it: &&Connection| !matches!(it.state, State::NeedsReauth { .. });
    for grant in connections.iter().filter(lives).filter_map(|it| it.grant.as_ref()) {
        *of_accounts.entry(grant.about.account.as_ref().map(|it| &it.hash)).or_default() += 1;
    }
    let of_nobody_known = of_accounts.remove(&None).unwrap_or_default();
    LivingTokens {
        all: of_accounts.values().sum::<u64>() + of_nobody_known,
        of_nobody_known,
        of_one_account: of_accounts.into_values().max().unwrap_or_default(),
    }
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
    assert_eq!(sign(&told("google", &drive, std::slice::from_ref(&fresh))), Some(Sign::NotRuledOut));
    let said = connection(Some(HOUR)).ends(RefreshEnd::Said(later(DAY * 7)));
    assert_eq!(sign(&told("google", &drive, &[said])), Some(Sign::Said));
    let dead = [died(DAY * 7 + HOUR), died(DAY * 7 + HOUR * 20)];
    assert_eq!(sign(&told("google", &drive, &dead)), Some(Sign::Died(2)));
    assert!(!told("google", &drive, &dead).iter().any(|it| matches!(it, Warning::HiddenEnd { .. })));
    // One that was refreshed after more than a week shows that it is not so.
    let old = connection(Some(HOUR)).refreshed(later(DAY * 9));
    assert_eq!(sign(&told("google", &drive, &[fresh.clone(), old])), None);
    // Nor is it where no more is asked for than who somebody is.
    assert_eq!(sign(&told("google", &client(&["openid", "email"], GOOGLE), &[fresh])), None);
}

#[test]
fn grants_that_die_at_the_same_age_have_a_hidden_end() {
    let box_ = client(&[], "https://api.box.com/oauth2/token");
    let hidden = |connections: &[Connection]| {
        told("box", &box_, connections).into_iter().find_map(|warning| match warning {
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
    assert_eq!(told("linkedin", &linkedin, &[died(DAY * 365), died(DAY * 365)]), []);
}

/// So many connections of this account, if it is known.
fn of_account(account: Option<&str>, count: usize) -> Vec<Connection> {
    let account = account.map(|hash| AccountHash { by: "id_token.sub".to_owned(), hash: hash.to_owned() });
    let one = connection(Some(HOUR)).with(|it| it.grant.as_mut().unwrap().about.account = account);
    vec![one; count]
}

#[test]
fn a_cap_is_told_before_it_evicts() {
    let google = client(&["openid"], GOOGLE);
    let cap = |connections: &[Connection]| {
        told("google", &google, connections).into_iter().find_map(|it| match it {
            Warning::Cap { connections, same_account, .. } => Some((connections, same_account)),
            _ => None,
        })
    };
    // Nobody knows whose they are: they may be one account's, until more live than one account may have.
    assert_eq!(cap(&of_account(None, 79)), None);
    assert_eq!(cap(&of_account(None, 80)), Some((80, false)));
    assert_eq!(cap(&of_account(None, 101)), None);
    // Each has its own, or one has too many.
    let strangers: Vec<_> = (0..200).flat_map(|number| of_account(Some(&number.to_string()), 1)).collect();
    assert_eq!(cap(&strangers), None);
    assert_eq!(cap(&[strangers, of_account(Some("7"), 90)].concat()), Some((91, true)));
    // What has no refresh token, or a dead one, takes no place.
    let pending =
        of_account(None, 90).into_iter().map(|it| it.with(|it| it.grant = None).state(State::Pending));
    assert_eq!(cap(&pending.collect::<Vec<_>>()), None);
    assert_eq!(cap(&vec![died(DAY * 3); 90]), None);
    let zoom = client(&[], "https://zoom.us/oauth/token");
    assert_eq!(told("zoom", &zoom, &of_account(None, 200)), []);
}

#[test]
fn grants_that_are_about_to_end_are_told_of() {
    let linkedin = client(&[], "https://www.linkedin.com/oauth/v2/accessToken");
    let consented = |name: &str, ago: Duration| {
        connection(Some(DAY * 60)).with(|it| {
            it.name = name.parse().unwrap();
            it.grant.as_mut().unwrap().consented_at = start() - ago;
        })
    };
    let ends = |connections: &[Connection]| {
        told("linkedin", &linkedin, connections)
            .into_iter()
            .find(|it| matches!(it, Warning::GrantEnds { .. }))
    };
    let (young, old, older) =
        (consented("young", DAY * 300), consented("old", DAY * 336), consented("older", DAY * 360));
    assert_eq!(ends(std::slice::from_ref(&young)), None);
    let dead = older.clone().state(died(DAY).state);
    let first = "older".parse().unwrap();
    let provider = builtin("linkedin");
    let counted = [&young, &old, &older, &dead].map(|it| is_counted(it, &provider, start()));
    assert_eq!(counted, [false, true, true, true]);
    assert_eq!(
        ends(&[young, old.clone(), older]),
        Some(Warning::GrantEnds { first, at: later(DAY * 5), grants: 2 })
    );
    let first = "old".parse().unwrap();
    assert_eq!(ends(&[old, dead]), Some(Warning::GrantEnds { first, at: later(DAY * 29), grants: 1 }));
}

#[test]
fn what_ends_is_told_of_the_clients_own_endpoints() {
    let of = |token: &str| told("hubspot", &client(&[], token), &[]);
    let [Warning::Endpoint { ended: false, on, .. }] = &of("https://api.hubapi.com/oauth/v1/token")[..]
    else {
        panic!("{:?}", of("https://api.hubapi.com/oauth/v1/token"));
    };
    assert_eq!(on.to_string(), "2027-02-16");
    assert_eq!(of("https://api.hubapi.com/oauth/2026-03/token"), []);
    let old = client(&[], "https://idfed.constantcontact.com/as/token.oauth2");
    // Whatever somebody calls the provider.
    for id in ["constant-contact", "custom"] {
        let told = told(id, &old, &[]);
        let [Warning::Endpoint { ended: true, by, .. }] = &told[..] else { panic!("{id}: {told:?}") };
        assert_eq!(by, "Constant Contact");
    }
}

#[test]
fn a_quota_that_the_fleet_does_not_fit_is_told() {
    let client = client(&[], "https://authz.constantcontact.com/oauth2/default/v1/token");
    let fit = |stretch| {
        let fit = Some(Fit { stretch, room_a_day: 5_000.0 });
        let living = LivingTokens::default();
        let known = Known { client: &client, connections: &[], living, fit, now: start() };
        warnings(&builtin("constant-contact"), &known)
    };
    assert_eq!(fit(1.0), []);
    assert_eq!(fit(1.5), [Warning::Quota { stretch: 1.5, room_a_day: 5_000.0 }]);
}
