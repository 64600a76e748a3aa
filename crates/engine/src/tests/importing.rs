//! Taking over what another keeper had.

use std::collections::BTreeMap;
use std::time::Duration;

use vestal_core::connection::{Connection, Policy};
use vestal_core::event::What;
use vestal_core::provider::ExchangeStep;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::state::State;
use vestal_core::token::Renewal;
use vestal_sandbox::{Fault, Trouble};

use super::world::{Behaviour, DAY, World, client, shop, start_refresh};
use crate::{Engine, Error, Holders, Imported, NewConnection, Refreshed, Rejection, Want};

mod again;
mod means;
mod twins;

const HOUR: Duration = Duration::from_secs(3600);

/// What another keeper had: a refresh token that is good.
async fn elsewhere(world: &World, engine: &Engine) -> SecretString {
    world.consent(engine, &["contacts", "offline_access"]).await.unwrap();
    let client = engine.client_named("sandbox").await.unwrap();
    let token = engine.export(&world.shop().await, &client).await.unwrap().refresh_token.unwrap();
    engine.disconnect(&shop(), true).await.unwrap();
    token
}

async fn world() -> (World, Engine) {
    let world = World::new(&Behaviour::strict());
    let engine = world.node();
    engine.add_client(client()).await.unwrap();
    (world, engine)
}

pub(super) fn new(name: &str, refresh_token: impl Into<SecretString>) -> NewConnection {
    NewConnection {
        name: name.parse().unwrap(),
        client: "sandbox".to_owned(),
        external_id: None,
        tags: BTreeMap::new(),
        policy: None,
        site: vestal_core::site::Site::new(),
        redirect: BTreeMap::new(),
        renewal: Renewal::RefreshToken,
        means: serde_json::Map::new(),
        refresh_token: Some(refresh_token.into()),
        refresh_token_expires_at: None,
        access_token: None,
        token_type: "Bearer".to_owned(),
        expires_at: None,
        scope: None,
        id_token: None,
        extra: serde_json::Map::new(),
        issued_at: None,
        consented_at: None,
        paused: false,
        position: 0,
    }
}

async fn import(engine: &Engine, new: NewConnection, replace: bool) -> Result<Imported, Error> {
    engine.import(vec![new], replace, &Holders::default()).await.unwrap().remove(0)
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_token_finds_out_whether_an_import_works() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    assert_eq!(import(&engine, new("shop", token), false).await.unwrap(), Imported::Added);
    let imported = world.shop().await;
    assert!(matches!(imported.state, State::Unverified { .. }), "{:?}", imported.state);
    assert_eq!((imported.generation(), imported.plan.due_at), (1, Some(world.now())));
    let issued = engine.issue_token(&shop(), Want::default()).await.unwrap();
    assert_eq!((issued.generation, world.shop().await.state), (2, State::Active));
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_while_a_refresh_is_under_way_is_refreshed_in_turn() {
    for paused in [false, true] {
        let (world, engine) = world().await;
        let token = elsewhere(&world, &engine).await;
        world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
        *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
        let refresh = start_refresh(&engine);
        world.pass(Duration::from_secs(1)).await;
        let new = NewConnection { paused, ..new("shop", token) };
        assert_eq!(import(&engine, new, true).await.unwrap(), Imported::Replaced);
        let refreshed = refresh.await.unwrap();
        let after = world.shop().await;
        assert_eq!(
            world.store.candidates(after.id, 9).await.unwrap().len(),
            1,
            "the answer came for another"
        );
        match paused {
            false => {
                assert_eq!((refreshed.unwrap().generation, after.generation()), (3, 3));
                assert_eq!(after.state, State::Active);
            }
            true => {
                assert!(matches!(refreshed, Err(Error::Paused { .. })), "{refreshed:?}");
                assert_eq!(after.generation(), 2);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_was_rejected_is_given_what_an_import_can_be_refreshed_to() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    import(&engine, new("shop", token), true).await.unwrap();
    let rejection = engine.reject(&shop(), 1).await.unwrap();
    assert!(matches!(rejection, Rejection::Newer(Refreshed { generation: 3, .. })), "{rejection:?}");
}

#[tokio::test(start_paused = true)]
async fn however_often_an_old_token_is_rejected_what_fails_is_held_back() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    import(&engine, new("shop", token), true).await.unwrap();
    let down = Trouble::AnswerUnprocessed(Trouble::html_page(http::StatusCode::SERVICE_UNAVAILABLE));
    world.wire.sandbox.lock().unwrap().add_fault(Fault::on_refresh(down).times(100));
    let requests = || world.wire.sandbox.lock().unwrap().stats().requests.values().sum::<u64>();
    let before = requests();
    for _ in 0..5 {
        assert!(engine.reject(&shop(), 1).await.is_err());
    }
    assert_eq!(requests() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dead_is_told_as_such() {
    let (world, engine) = world().await;
    import(&engine, new("shop", "a token that is good nowhere"), false).await.unwrap();
    world.serve(&engine, HOUR).await;
    assert!(matches!(world.shop().await.state, State::NeedsReauth { .. }), "{:?}", world.shop().await.state);
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_paused_is_left_alone_until_it_is_resumed() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    import(&engine, NewConnection { paused: true, ..new("shop", token) }, false).await.unwrap();
    let sent = world.wire.refreshes_sent();
    world.serve(&engine, 2 * DAY).await;
    let refused = engine.issue_token(&shop(), Want::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Paused { .. }), "{refused:?}");
    assert_eq!(world.wire.refreshes_sent(), sent, "two refreshers on one rotating token would kill it");

    assert!(!engine.pause(world.shop().await).await.unwrap(), "it is paused");
    assert!(engine.resume(world.shop().await, 0).await.unwrap());
    assert!(!engine.resume(world.shop().await, 0).await.unwrap());
    world.serve(&engine, HOUR).await;
    assert_eq!(world.shop().await.state, State::Active);
    assert!(engine.pause(world.shop().await).await.unwrap());
    world.serve(&engine, 2 * DAY).await;
    assert_eq!(world.shop().await.generation(), 2);
    let events = world.store.events(Some(world.shop().await.id), 0, 100).await.unwrap();
    let told = |what: &What| events.iter().filter(|stored| stored.event.what == *what).count();
    assert_eq!((told(&What::Paused), told(&What::Resumed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_access_token_that_still_lives_is_served_and_one_of_unknown_age_is_not() {
    let (world, engine) = world().await;
    let known = NewConnection {
        access_token: Some("at".into()),
        expires_at: Some(world.now() + HOUR),
        paused: true,
        ..new("known", "rt")
    };
    import(&engine, known, false).await.unwrap();
    let issued = engine.issue_token(&"known".parse().unwrap(), Want::default()).await.unwrap();
    assert_eq!(issued.access_token.expose_secret(), "at");

    // Google's live an hour, and nobody knows when this one was issued.
    let mut google = client();
    (google.name, google.provider) = ("google".into(), "google".into());
    engine.add_client(google).await.unwrap();
    let unknown = NewConnection {
        client: "google".to_owned(),
        access_token: Some("at".into()),
        ..new("unknown", "rt-2")
    };
    import(&engine, unknown, false).await.unwrap();
    assert_eq!(world.named("unknown").await.grant.unwrap().tokens.access_token, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_another_connection_is_refused() {
    let (_world, engine) = world().await;
    let other = crate::NewClient { name: "other".into(), ..client() };
    engine.add_client(other).await.unwrap();
    let with_id = |name, id: &str| NewConnection { external_id: Some(id.to_owned()), ..new(name, "rt") };
    import(&engine, with_id("a", "1"), false).await.unwrap();
    import(&engine, new("b", "rt-b"), false).await.unwrap();
    assert_eq!(import(&engine, with_id("new name", "1"), false).await.unwrap(), Imported::AlreadyThere);
    for refused in [
        with_id("b", "1"),
        with_id("a", "2"),
        NewConnection { client: "other".to_owned(), ..new("a", "rt") },
        NewConnection { refresh_token: None, ..new("c", "") },
        NewConnection { tags: [(String::new(), String::new())].into(), ..new("c", "rt-c") },
        with_id("c", "a\nb"),
        with_id("c", "\u{202e}1"),
        new("c\u{2067}", "rt-c"),
        // As no answer of a provider's is taken either: they would end a header early.
        new("c", "rt\r\n"),
        NewConnection { access_token: Some("at\r\nX-Evil: 1".into()), ..new("c", "rt-c") },
        NewConnection { token_type: "Bea\r\nrer".to_owned(), ..new("c", "rt-c") },
        // Nor could a header hold them.
        NewConnection { access_token: Some("täst".into()), ..new("c", "rt-c") },
        NewConnection { token_type: "Beärer".to_owned(), ..new("c", "rt-c") },
        NewConnection { scope: Some("\u{202e}".to_owned()), ..new("c", "rt-c") },
        NewConnection { redirect: [("realm".to_owned(), "\u{7}".to_owned())].into(), ..new("c", "rt-c") },
    ] {
        let told = import(&engine, refused, true).await.unwrap_err();
        assert!(matches!(told, Error::Unimportable { .. }), "{told:?}");
    }
    let nowhere = import(&engine, NewConnection { client: "nobody".into(), ..new("c", "rt") }, false).await;
    assert!(matches!(nowhere, Err(Error::NoSuchClient { .. })), "{nowhere:?}");
}

#[tokio::test(start_paused = true)]
async fn those_that_are_imported_together_take_turns() {
    const TOGETHER: u64 = 3_000;
    let (world, engine) = world().await;
    let batch = (0..TOGETHER).map(|position| NewConnection {
        position,
        ..new(&format!("shop-{position}"), format!("token {position}"))
    });
    let outcomes = engine.import(batch.collect(), false, &Holders::default()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Imported::Added))));
    let mut busiest = 0;
    for _ in 0..300 {
        let before = world.wire.refreshes_sent();
        world.serve(&engine, Duration::from_secs(1)).await;
        busiest = busiest.max(world.wire.refreshes_sent() - before);
    }
    assert!(busiest <= 25, "{busiest} requests in a second");
    assert!(world.wire.refreshes_sent() as u64 >= TOGETHER - 50, "{}", world.wire.refreshes_sent());
}

#[tokio::test(start_paused = true)]
async fn what_an_import_says_of_a_connection_is_written_with_its_token() {
    let (world, engine) = world().await;
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labelled = |id: Option<&str>, token: &str| NewConnection {
        external_id: id.map(str::to_owned),
        tags: [tag("batch", "7")].into(),
        policy: Some(Policy::Always),
        paused: true,
        ..new("shop", token)
    };
    let begin = crate::BeginConnect {
        name: shop(),
        client: "sandbox".to_owned(),
        scopes: None,
        site: Default::default(),
        parameters: Default::default(),
    };
    engine.begin_connect(begin).await.unwrap();
    assert_eq!(world.shop().await.state, State::Pending);
    assert_eq!(import(&engine, labelled(Some("42"), "rt"), false).await.unwrap(), Imported::Added);
    let imported = world.shop().await;
    assert!(matches!(imported.state, State::Paused { .. }), "{:?}", imported.state);
    let of = |connection: &Connection| {
        (connection.external_id.clone(), connection.tags.clone(), connection.policy)
    };
    assert_eq!(of(&imported), (Some("42".to_owned()), [tag("batch", "7")].into(), Policy::Always));

    // Neither does a newer token drop what is said here.
    let newer = NewConnection { tags: [tag("org", "x")].into(), ..new("shop", "rt-2") };
    assert_eq!(import(&engine, newer, true).await.unwrap(), Imported::Replaced);
    let both = [tag("batch", "7"), tag("org", "x")].into();
    assert_eq!(of(&world.shop().await), (Some("42".to_owned()), both, Policy::Always));
    let renamed = NewConnection { external_id: Some("42".to_owned()), ..new("renamed", "rt-3") };
    assert_eq!(import(&engine, renamed, false).await.unwrap(), Imported::HasAnother);
}

#[tokio::test(start_paused = true)]
async fn a_long_lived_token_with_little_left_is_not_taken_for_a_short_lived_one() {
    let (world, engine) = world().await;
    let mut instagram = client();
    (instagram.name, instagram.provider) = ("instagram".into(), "instagram".into());
    engine.add_client(instagram).await.unwrap();
    let provider = engine.catalogue().get("instagram").unwrap();
    for (name, left, step) in [
        ("near-its-end", 20 * DAY, ExchangeStep::Renew),
        ("new", 60 * DAY, ExchangeStep::Renew),
        ("short-lived", HOUR / 2, ExchangeStep::Lengthen),
    ] {
        let new = NewConnection {
            client: "instagram".to_owned(),
            renewal: Renewal::Exchange,
            refresh_token: None,
            access_token: Some(name.into()),
            expires_at: Some(world.now() + left),
            ..new(name, "")
        };
        assert_eq!(import(&engine, new, false).await.unwrap(), Imported::Added);
        let grant = world.named(name).await.grant.unwrap();
        assert_eq!(provider.exchange_step(&grant), Some(step), "{name}");
    }
}
