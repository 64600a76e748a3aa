//! Keeping a connection alive, and what is served meanwhile.

use std::time::Duration;

use vestal_core::event::What;
use vestal_core::secret::ExposeSecret;
use vestal_core::state::{Cause, Reason, State};
use vestal_core::store::Held;
use vestal_core::token::{Renewal, WhyCandidate};
use vestal_sandbox::{Fault, Trouble};

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::change::update_to;
use crate::consent::has_living_consent;
use crate::{Account, Error, Revocation, Want};

const HOUR: Duration = Duration::from_secs(3600);

async fn events(world: &World) -> Vec<What> {
    let id = world.shop().await.id;
    let events = world.store.events(Some(id), 0, 1000).await.unwrap();
    events.into_iter().map(|stored| stored.event.what).collect()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_month_passes_and_the_connection_lives() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.serve(&engine, 30 * DAY).await;
    let token = engine.issue_token(&shop(), Want::default()).await.unwrap();
    let now_ms = world.wire.now_ms();
    assert!(world.wire.sandbox.lock().unwrap().is_active(token.access_token.expose_secret(), now_ms));
    // Every 12 hours less at most a tenth: between 60 and 67 times.
    assert!((60..=67).contains(&world.wire.refreshes_sent()), "{}", world.wire.refreshes_sent());
    assert_eq!(world.families(), (1, 0));
    assert!(world.wire.refresh_tokens_sent().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_costs_no_request() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    for _ in 0..100 {
        let token =
            engine.issue_token(&shop(), Want { min_ttl: Some(HOUR), ..Want::default() }).await.unwrap();
        assert_eq!(token.generation, 1);
    }
    assert_eq!(world.wire.refreshes_sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_an_expired_token_gets_a_new_one() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.pass(3 * DAY).await;
    let token = engine.issue_token(&shop(), Want::default()).await.unwrap();
    assert_eq!((token.generation, token.short), (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_short_token_is_not_refreshed_on_each_read() {
    let behaviour = Behaviour { access_token_life: Duration::from_secs(10), ..Behaviour::strict() };
    let world = World::new(&behaviour);
    let engine = world.connected().await;
    for _ in 0..600 {
        let token =
            engine.issue_token(&shop(), Want { min_ttl: Some(HOUR), ..Want::default() }).await.unwrap();
        assert_eq!(token.min_ttl.cut_from, Some(HOUR));
        world.pass(Duration::from_millis(100)).await;
    }
    assert!(world.wire.refreshes_sent() <= 14, "{} in a minute", world.wire.refreshes_sent());
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_is_served_while_the_provider_is_down() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let down =
        Fault::on_refresh(Trouble::AnswerUnprocessed(Trouble::empty(http::StatusCode::SERVICE_UNAVAILABLE)))
            .times(1_000);
    world.wire.sandbox.lock().unwrap().add_fault(down);
    world.serve(&engine, 20 * HOUR).await;
    let failing = world.shop().await;
    assert!(
        matches!(&failing.state, State::Failing(f) if matches!(f.cause, Cause::Transient { .. })),
        "{failing:?}"
    );
    assert_eq!(engine.issue_token(&shop(), Want::default()).await.unwrap().generation, 1);

    world.serve(&engine, 5 * HOUR).await;
    let error = engine.issue_token(&shop(), Want::default()).await.unwrap_err();
    assert!(matches!(error, Error::Failing { .. }), "{error:?}");

    // Down for ten more days, the connection is not given up; when the provider is back, so is it.
    world.serve(&engine, 10 * DAY).await;
    world.wire.sandbox.lock().unwrap().clear_faults();
    world.serve(&engine, 2 * HOUR).await;
    assert_eq!(world.shop().await.state, State::Active);
    assert_eq!(world.families(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_grant_needs_a_person_and_says_why() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let grant = world.wire.sandbox.lock().unwrap().grants(world.wire.now_ms())[0].id;
    world.wire.sandbox.lock().unwrap().revoke_by_user(grant, world.wire.now_ms());
    world.serve(&engine, 13 * HOUR).await;
    let shop_ = world.shop().await;
    assert!(
        matches!(&shop_.state, State::NeedsReauth { reason: Reason::InvalidGrant { .. }, .. }),
        "{:?}",
        shop_.state
    );
    assert!(shop_.grant.is_some(), "nothing is deleted because of what a provider answered");
    assert!(engine.issue_token(&shop(), Want::default()).await.is_ok(), "what is still valid is served");
    world.pass(DAY).await;
    let error = engine.issue_token(&shop(), Want::default()).await.unwrap_err();
    assert!(matches!(error, Error::NeedsReauth { .. }), "{error:?}");
    let sent = world.wire.refreshes_sent();
    world.serve(&engine, 5 * DAY).await;
    assert_eq!(world.wire.refreshes_sent(), sent, "a dead grant is not asked for again and again");

    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    assert_eq!(world.shop().await.state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_inside_a_grace_is_asked_for_again() {
    let world = World::new(&Behaviour::graceful());
    let engine = world.connected().await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    world.serve(&engine, 13 * HOUR).await;
    let shop_ = world.shop().await;
    assert_eq!((shop_.state, shop_.grant.unwrap().tokens.generation), (State::Active, 2));
    assert_eq!(world.families(), (1, 0));
    let again = world.wire.refresh_tokens_sent().values().max().copied();
    assert_eq!(again, Some(2), "the same refresh token, once more");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_that_cannot_hurt_is_asked_for_again_while_a_reader_waits() {
    let world = World::new(&Behaviour::lasting());
    let engine = world.connected().await;
    world.pass(25 * HOUR).await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    assert_eq!(engine.issue_token(&shop(), Want::default()).await.unwrap().generation, 2);
    assert_eq!(world.wire.refreshes_sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_without_grace_is_held_and_told_honestly() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::LoseResponse));
    world.serve(&engine, 13 * HOUR).await;
    let held = world.shop().await;
    let State::Failing(failing) = &held.state else { panic!("{:?}", held.state) };
    assert!(matches!(failing.cause, Cause::OutcomeUnknown { .. }), "{failing:?}");
    assert_eq!(world.wire.refreshes_sent(), 1, "a second try could kill the access token that still serves");
    assert_eq!(engine.issue_token(&shop(), Want::default()).await.unwrap().generation, 1);

    // Just before the access token ends it is tried: the provider punishes, and the reason says what really happened.
    world.serve(&engine, 11 * HOUR).await;
    let dead = world.shop().await;
    assert!(
        matches!(&dead.state, State::NeedsReauth { reason: Reason::OutcomeUnknown { .. }, .. }),
        "{:?}",
        dead.state
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_kept() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::CutBody(40)));
    world.serve(&engine, 13 * HOUR).await;
    let id = world.shop().await.id;
    let kept = world.store.candidates(id, 10).await.unwrap();
    assert_eq!(kept.len(), 1, "{:?}", events(&world).await);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_harms_nothing() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    engine.set_client_secret("sandbox", &"wrong".into(), false).await.unwrap();
    world.serve(&engine, 13 * HOUR).await;
    let failing = world.shop().await;
    assert!(
        matches!(&failing.state, State::Failing(f) if matches!(f.cause, Cause::Client { .. })),
        "{failing:?}"
    );
    engine.set_client_secret("sandbox", &"the client's secret".into(), false).await.unwrap();
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "somebody who asks need not wait");
    assert_eq!(world.families(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn disconnecting_revokes_the_newest_refresh_token() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let refreshing = start_refresh(&engine);
    world.pass(Duration::from_secs(1)).await;
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!(gone.revocation, Revocation::Revoked);
    assert_eq!(world.families(), (0, 1));
    assert_eq!(world.reuses(), 0);
    let _ = refreshing.await.unwrap();
    let error = engine.issue_token(&shop(), Want::default()).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchConnection { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_consent_without_refresh_token_does_not_replace_a_living_one() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let error = world.consent(&engine, &["contacts"]).await.unwrap_err();
    assert!(matches!(&error, Error::WorseConsent { advice: Some(_), .. }), "{error:?}");
    assert_eq!(world.shop().await.generation(), 1);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_token_does_not_replace_a_living_consent() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let sent = world.wire.forms_sent().len();
    let alone = engine.connect_client_credentials(&shop(), "sandbox", &Default::default()).await;
    let error = alone.unwrap_err();
    assert!(matches!(&error, Error::LivingConsent { .. }), "{error:?}");
    assert_eq!(world.wire.forms_sent().len(), sent, "nothing is asked for in vain");
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);
}

#[tokio::test(start_paused = true)]
async fn a_persons_consent_is_told_from_what_nobody_consented_to() {
    let world = World::new(&Behaviour::strict());
    world.connected().await;
    let mut connection = world.shop().await;
    for (renewal, is_one) in [
        (Renewal::RefreshToken, true),
        (Renewal::Exchange, true),
        (Renewal::None, false),
        (Renewal::ClientCredentials, false),
        (Renewal::JwtBearer, false),
        (Renewal::TokenExchange, false),
    ] {
        connection.grant.as_mut().unwrap().renewal = renewal;
        assert_eq!(has_living_consent(&connection), is_one, "{renewal:?}");
    }
    connection.grant.as_mut().unwrap().renewal = Renewal::RefreshToken;
    let paused = |prior| State::Paused { prior: Box::new(prior) };
    let dead = State::NeedsReauth { reason: Reason::NothingToRenewWith, since: world.now() };
    for (state, is_one) in [(paused(State::Active), true), (dead.clone(), false), (paused(dead), false)] {
        connection.state = state;
        assert_eq!(has_living_consent(&connection), is_one, "{:?}", connection.state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_taken_once() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    let begin = crate::BeginConnect {
        name: shop(),
        client: "sandbox".into(),
        scopes: None,
        site: std::collections::BTreeMap::new(),
        parameters: std::collections::BTreeMap::new(),
    };
    let asked = engine.begin_connect(begin).await.unwrap();
    assert_eq!(world.shop().await.state, State::Pending);
    let redirected = world.browse(&asked.url);
    engine.finish_connect(&redirected, Account::AsBefore).await.unwrap();
    let error = engine.finish_connect(&redirected, Account::AsBefore).await.unwrap_err();
    assert!(matches!(error, Error::Consent { .. }), "{error:?}");
    assert_eq!(world.families(), (1, 0), "the code was not sent a second time");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_overtaken_is_written_anew() {
    let behaviour = Behaviour { access_token_life: HOUR, ..Behaviour::strict() };
    let world = World::new(&behaviour);
    let engine = world.connected().await;
    engine.issue_token(&shop(), Want::default()).await.unwrap();
    // Planned while the token was being read; when that time comes, a week has passed since.
    world.serve(&engine, 8 * DAY).await;
    for _ in 0..48 {
        world.serve(&engine, HOUR / 2).await;
        let due = world.store.due(world.now(), 10, &Held::default()).await.unwrap();
        assert!(due.is_empty(), "nothing stays due that is not to be done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_cannot_be_renewed_says_so_when_it_ends() {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    world.consent(&engine, &["contacts"]).await.unwrap();
    world.serve(&engine, 23 * HOUR).await;
    assert_eq!(world.shop().await.state, State::Active);
    world.serve(&engine, 2 * HOUR).await;
    let ended = world.shop().await;
    let told = matches!(&ended.state, State::NeedsReauth { reason: Reason::NothingToRenewWith, .. });
    assert!(told, "{:?}", ended.state);
    assert!(events(&world).await.iter().any(|what| matches!(what, What::NeedsReauth { .. })));
    assert_eq!(ended.plan.due_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_token_opens_for_its_own_client_and_endpoints_only() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let (inner, shop) = (&engine.inner, world.shop().await);
    let grant = shop.grant.as_ref().unwrap();
    let client = inner.client_of(&shop).await.unwrap();
    assert!(inner.refresh_token(&shop, grant, &client).is_ok());
    let elsewhere: url::Url = "https://elsewhere.example/token".parse().unwrap();
    let mut forged = [client.clone(), client.clone(), client];
    forged[0].endpoints.token = elsewhere.clone();
    forged[1].endpoints.revocation = Some(elsewhere);
    forged[2].auth = vestal_core::client::ClientAuth::None;
    for client in forged {
        assert!(matches!(inner.refresh_token(&shop, grant, &client), Err(Error::Sealed { .. })));
        assert!(
            client.secret.is_none()
                || inner.prover(&client, &vestal_core::provider::ClientFacts::default()).is_err()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_connection_neither_spins_nor_holds_up_the_others() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    let mut damaged = world.shop().await;
    let other = vestal_core::seal::Sealed::from_bytes(b"damaged".to_vec());
    damaged.grant.as_mut().unwrap().tokens.refresh_token.as_mut().unwrap().sealed = other;
    damaged.grant.as_mut().unwrap().tokens.generation += 1;
    let grant = damaged.grant.take();
    let update = vestal_core::store::Update { grant, ..update_to(&damaged, vec![]) };
    world.store.update_connection(&update).await.unwrap();
    world.pass(DAY).await;
    for _ in 0..10 {
        world.serve(&engine, Duration::from_secs(600)).await;
    }
    assert_eq!(world.wire.refreshes_sent(), 0);
    assert!(engine.inner.ailing.waits(damaged.id, engine.inner.clock.uptime()), "it waits its turn");
}

#[tokio::test(start_paused = true)]
async fn a_new_refresh_token_in_a_refusal_is_proof_that_the_old_one_is_used_up() {
    for (status, body) in [
        (http::StatusCode::SERVICE_UNAVAILABLE, r#"{"access_token":"at","refresh_token":"new"}"#),
        (http::StatusCode::BAD_REQUEST, r#"[{"access_token":"at","refresh_token":"new"}]"#),
        (http::StatusCode::TOO_MANY_REQUESTS, r#"{"error":"temporarily_unavailable","refresh_token":"new"}"#),
    ] {
        let world = World::new(&Behaviour::strict());
        let engine = world.connected().await;
        let answer = Trouble::answer(status, "application/json", body);
        world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(Trouble::AnswerProcessed(answer)));
        let error = engine.refresh(&shop()).await.unwrap_err();
        assert!(matches!(error, Error::Failing { cause: Cause::OutcomeUnknown(_), .. }), "{error:?}");
        let kept = world.store.candidates(world.shop().await.id, 10).await.unwrap();
        assert_eq!(kept[0].why, WhyCandidate::HoldsTokens);
        // The access token serves for a day; until then nothing is sent.
        world.serve(&engine, 22 * HOUR).await;
        assert_eq!((world.wire.refreshes_sent(), world.families()), (1, (1, 0)), "{body}");
        world.serve(&engine, 3 * HOUR).await;
        let state = world.shop().await.state;
        assert!(
            matches!(&state, State::NeedsReauth { reason: Reason::OutcomeUnknown { .. }, .. }),
            "{state:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_a_year_does_no_harm() {
    const YEAR_S: i64 = 365 * 86_400;
    for jumps in [[YEAR_S, -YEAR_S], [-YEAR_S, YEAR_S]] {
        let world = World::new(&Behaviour::strict());
        let engine = world.connected().await;
        for jump in jumps {
            let serving = async {
                world.pass(5 * HOUR).await;
                world.set_clock_by(jump);
                world.pass(3 * DAY).await;
            };
            engine.serve(serving).await;
            let token = engine.issue_token(&shop(), Want::default()).await.unwrap();
            let now_ms = world.wire.now_ms();
            let active =
                world.wire.sandbox.lock().unwrap().is_active(token.access_token.expose_secret(), now_ms);
            assert!(active, "after {jump}");
        }
        assert_eq!((world.shop().await.state, world.families()), (State::Active, (1, 0)));
        let refreshes = world.wire.refreshes_sent();
        assert!((12..=20).contains(&refreshes), "kept to the schedule in the new time: {refreshes}");
    }
}
