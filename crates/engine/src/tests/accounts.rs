//! Whose tokens a connection gets: a connection is one account's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use vestal_core::connection::ConnectionName;
use vestal_core::secret::ExposeSecret;
use vestal_core::state::Cause;
use vestal_core::token::{Candidate, CandidateAnswer, WhyCandidate};
use vestal_sandbox::{Endpoint, Fault, Trouble};

use super::world::{Behaviour, World, client, shop};
use crate::{Account, BeginConnect, Error, Want};

/// The next answer of the token endpoint: a token set of this account, or of nobody in particular.
fn answer(world: &World, access_token: &str, account: Option<&str>) {
    let id_token = account.map_or_else(String::new, |account| {
        let claims = format!(r#"{{"iss":"https://sandbox.example","sub":"{account}"}}"#);
        format!(r#","id_token":"e30.{}.c2ln""#, BASE64_URL_SAFE_NO_PAD.encode(claims))
    });
    let body = format!(
        r#"{{"access_token":"{access_token}","token_type":"Bearer","expires_in":86400,"refresh_token":"rt"{id_token}}}"#
    );
    let answer = Trouble::answer(StatusCode::OK, "application/json", body);
    let fault = Fault::at(Endpoint::Token, Trouble::AnswerUnprocessed(answer));
    world.wire.sandbox.lock().unwrap().add_fault(fault);
}

/// Why what is kept aside is, newest first. All of it holds both tokens, sealed.
async fn kept_aside(world: &World) -> Vec<WhyCandidate> {
    let kept = world.store.candidates(world.shop().await.id, 10).await.unwrap();
    for Candidate { answer, sealed_for, .. } in &kept {
        assert!(sealed_for.is_some());
        assert!(
            matches!(answer, CandidateAnswer::Tokens(it) if it.access_token.is_some() && it.refresh_token.is_some())
        );
    }
    kept.iter().map(|kept| kept.why).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_for_another_account_is_quarantined() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    for (access_token, account) in [("alice-1", "alice"), ("alice-2", "alice"), ("bob-1", "bob")] {
        answer(&world, access_token, Some(account));
    }
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 3);
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Failing { cause: Cause::Refused { .. }, .. }), "{error:?}");
    let token = engine.issue_token(&shop(), Want::default()).await.unwrap();
    assert_eq!(token.access_token.expose_secret(), "alice-2");
    assert_eq!(kept_aside(&world).await, [WhyCandidate::AnotherAccount]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_nobody_in_particular_is_followed_by_one_of_the_same_account() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    for (access_token, account) in [("1", Some("alice")), ("2", None), ("3", None), ("4", Some("bob"))] {
        answer(&world, access_token, account);
    }
    for generation in 2..=4 {
        assert_eq!(engine.refresh(&shop()).await.unwrap().generation, generation);
    }
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Failing { cause: Cause::Refused { .. }, .. }), "{error:?}");
    assert_eq!(world.shop().await.generation(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_consent_of_another_account_is_taken_only_where_that_is_wanted() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    answer(&world, "alice-1", Some("alice"));
    world.consent(&engine, &["contacts"]).await.unwrap();
    let before = world.shop().await;

    answer(&world, "bob-1", Some("bob"));
    let error = world.consent(&engine, &["contacts"]).await.unwrap_err();
    assert!(matches!(error, Error::AnotherAccount { .. }), "{error:?}");
    assert_eq!(world.shop().await, before, "nothing was touched");
    assert_eq!(kept_aside(&world).await, [WhyCandidate::AnotherAccount]);

    answer(&world, "alice-2", Some("alice"));
    world.consent(&engine, &["contacts"]).await.unwrap();

    answer(&world, "bob-2", Some("bob"));
    let begin = BeginConnect {
        name: shop(),
        client: "sandbox".into(),
        scopes: None,
        site: BTreeMap::new(),
        parameters: BTreeMap::new(),
    };
    let asked = engine.begin_connect(begin).await.unwrap();
    engine.finish_connect(&world.browse(&asked.url), Account::Any).await.unwrap();
    let token = engine.issue_token(&shop(), Want::default()).await.unwrap();
    assert_eq!(token.access_token.expose_secret(), "bob-2");
}

/// Some servers leave out the id token that `openid` asks for.
#[tokio::test(start_paused = true)]
async fn where_no_id_token_comes_the_userinfo_endpoint_is_asked_whose_a_consent_is() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    let mut new = client();
    new.endpoints.userinfo = Some("https://sandbox.example/api/me".parse().unwrap());
    engine.add_client(new).await.unwrap();
    let consent = async |scopes: &[&str]| {
        let begin = BeginConnect {
            name: shop(),
            client: "sandbox".into(),
            scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
            site: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let asked = engine.begin_connect(begin).await.unwrap();
        engine.finish_connect(&world.browse(&asked.url), Account::AsBefore).await
    };
    consent(&["openid", "offline_access"]).await.unwrap();
    consent(&["openid", "offline_access"]).await.expect("it is the same account");
    // One that names no scope has granted what was asked for. Its token is unknown to the API, which says so.
    answer(&world, "unknown", None);
    let error = consent(&["openid", "offline_access"]).await.unwrap_err();
    assert!(matches!(error, Error::UnknownAccount { .. }), "{error:?}");
    answer(&world, "unknown", None);
    let alice = Trouble::answer(StatusCode::OK, "application/json", r#"{"sub":"alice"}"#.to_owned());
    world
        .wire
        .sandbox
        .lock()
        .unwrap()
        .add_fault(Fault::at(Endpoint::Resource, Trouble::AnswerUnprocessed(alice)));
    let error = consent(&["openid", "offline_access"]).await.unwrap_err();
    assert!(matches!(error, Error::AnotherAccount { .. }), "it was asked: {error:?}");
    let bob = Trouble::answer(StatusCode::OK, "application/json", r#"{"sub":"bob"}"#.to_owned());
    let fault = Fault::at(Endpoint::Resource, Trouble::AnswerUnprocessed(bob));
    world.wire.sandbox.lock().unwrap().add_fault(fault);
    let error = consent(&["openid", "offline_access"]).await.unwrap_err();
    assert!(matches!(error, Error::AnotherAccount { .. }), "{error:?}");
    // The endpoint is not for those who did not ask for openid.
    let error = consent(&["contacts", "offline_access"]).await.unwrap_err();
    assert!(matches!(error, Error::UnknownAccount { .. }), "{error:?}");
    let (another, unknown) = (WhyCandidate::AnotherAccount, WhyCandidate::RefusedConsent);
    assert_eq!(kept_aside(&world).await, [unknown, another, another, unknown]);
}

/// LinkedIn's id tokens lack the nonce that was sent.
#[tokio::test(start_paused = true)]
async fn a_nonce_is_expected_only_where_it_comes_back() {
    for (repeats, taken) in [(true, false), (false, true)] {
        let world = whose_nonce(repeats);
        let engine = world.node();
        engine.add_client(client()).await.unwrap();
        answer_with_id_token(&world, Endpoint::Token, r#""iss":"https://sandbox.example""#);
        let consented = world.consent(&engine, &["openid", "offline_access"]).await;
        assert_eq!(consented.is_ok(), taken, "{consented:?}");
    }
}

/// Whether the nonce of a request comes back in its id token.
fn whose_nonce(repeats: bool) -> World {
    World::new(&Behaviour::strict()).with_profile(|profile| {
        let fact = format!("[authorization]\nnonce = {{ is = {repeats}, unverified = true }}");
        profile.replace("[authorization]", &fact)
    })
}

/// The next answer there: a token set with an id token that is unsigned, without a nonce, and says this of its issuer.
fn answer_with_id_token(world: &World, at: Endpoint, issuer: &str) {
    let exp = world.now().as_second() + 600;
    let claims = format!(r#"{{{issuer},"aud":"vestal","sub":"ada","exp":{exp}}}"#);
    let id_token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
    let body = format!(
        r#"{{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","id_token":"{id_token}"}}"#
    );
    let answer = Trouble::answer(StatusCode::OK, "application/json", body);
    world.wire.sandbox.lock().unwrap().add_fault(Fault::at(at, Trouble::AnswerUnprocessed(answer)));
}

/// Entra's issuer leaves open which tenant it is, and a token endpoint of one tenant says it.
#[tokio::test(start_paused = true)]
async fn where_one_tenant_is_named_no_other_ones_id_token_is_believed() {
    const OURS: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for (named, tenant, taken) in [(OURS, OURS, true), (OURS, OTHER, false), ("common", OTHER, true)] {
        let world = whose_nonce(false);
        let engine = world.node();
        let mut new = client();
        new.endpoints.issuer = Some("https://sandbox.example/{tenantid}/v2.0".into());
        new.endpoints.token = format!("https://sandbox.example/{named}/token").parse().unwrap();
        new.endpoints.sends_iss = false;
        engine.add_client(new).await.unwrap();
        let issuer = format!(r#""iss":"https://sandbox.example/{tenant}/v2.0","tid":"{tenant}""#);
        answer_with_id_token(&world, Endpoint::Unknown, &issuer);
        let begin = BeginConnect {
            name: shop(),
            client: "sandbox".into(),
            scopes: Some(vec!["openid".into(), "offline_access".into()]),
            site: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let asked = engine.begin_connect(begin).await.unwrap();
        let mut redirected = world.browse(&asked.url);
        let all: Vec<_> = redirected.query_pairs().into_owned().collect();
        redirected.query_pairs_mut().clear().extend_pairs(all.iter().filter(|(name, _)| name != "iss"));
        let consented = engine.finish_connect(&redirected, Account::AsBefore).await;
        assert_eq!(consented.is_ok(), taken, "{named} {tenant}: {consented:?}");
        let kept = kept_aside(&world).await;
        assert_eq!(kept, [WhyCandidate::UnbelievableIdToken][usize::from(taken)..]);
    }
}

/// Connections of which nobody knows whose they are may end with any other one of their client.
#[tokio::test(start_paused = true)]
async fn what_may_end_with_a_connection_is_what_is_not_known_to_be_anothers() {
    let ends_all = "revocation_ends = { is = \"account\", unverified = true }";
    let world = World::new(&Behaviour::strict()).with_profile(|profile| format!("{profile}\n{ends_all}"));
    let engine = world.node();
    engine.add_client(client()).await.unwrap();
    let people = [
        ("one", Some("alice")),
        ("two", Some("alice")),
        ("three", Some("bob")),
        ("four", None),
        ("five", None),
    ];
    for (name, account) in people {
        answer(&world, name, account);
        world.consent_to(&engine, name.parse().unwrap(), "sandbox", &["contacts"]).await.unwrap();
    }
    for (name, same, unknown) in [
        ("one", &["two"][..], &["five", "four"][..]),
        ("three", &[], &["five", "four"]),
        ("four", &[], &["five", "one", "three", "two"]),
    ] {
        let siblings = engine.siblings(&name.parse().unwrap()).await.unwrap();
        let names = |names: Vec<ConnectionName>| {
            let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
            names.sort();
            names
        };
        assert_eq!((names(siblings.same), names(siblings.unknown)), (owned(same), owned(unknown)), "{name}");
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
