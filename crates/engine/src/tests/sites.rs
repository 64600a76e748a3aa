//! A provider that is at many places: each connection's secrets go to its own, and nowhere else.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::Value;
use url::Url;
use vestal_core::client::ClientAuth;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::secret::ExposeSecret;
use vestal_core::site::{Site, UnfitSite};
use vestal_core::state::State;
use vestal_sandbox::{Endpoint, Fault, Trouble};

use super::importing::new;
use super::wire::Sickness;
use super::world::{Behaviour, DAY, World, client};
use crate::{
    Account, BeginConnect, Connected, Engine, Error, Holders, Imported, NewClient, NewConnection, Want,
};

/// Shops, of which the redirect names the one that was asked; and servers, of which it names the one to go on at.
const SITES: &str = r#"
[site.shop]
is = ["*"]
what = "which shop it is"
redirect = "shop"
unverified = true
[site.server]
is = ["eu.servers.example", "us.servers.example"]
what = "which server it is"
default = "us.servers.example"
redirect = "accounts-server"
unverified = true
"#;

const TEMPLATE: &str = "https://{shop}.shops.example/token";

fn world() -> World {
    World::new(&Behaviour::strict()).with_profile(|profile| {
        profile.replace("[endpoints]\n            token = { is = \"https://sandbox.example/token\"", &format!(
            "identity = {{ is = \"redirect.realmId\", unverified = true }}\n[endpoints]\nauthorization = {{ is = \"https://{{server}}/authorize\", unverified = true }}\ntoken = {{ is = {TEMPLATE:?}"
        ))
        .replace("[authorization]\n", "[authorization]\nkept_parameters = { is = [\"realmId\"], unverified = true }\n") + SITES
    })
}

async fn node(world: &World) -> Engine {
    with_token_endpoint(world, TEMPLATE).await
}

async fn with_token_endpoint(world: &World, token: &str) -> Engine {
    let engine = world.node();
    let mut new: NewClient = client();
    new.endpoints.token = token.parse().unwrap();
    engine.add_client(new).await.unwrap();
    engine
}

fn begin(name: &str, site: &[(&str, &str)]) -> BeginConnect {
    let site: Site = site.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    BeginConnect {
        name: name.parse().unwrap(),
        client: "sandbox".into(),
        scopes: None,
        site,
        parameters: BTreeMap::new(),
    }
}

/// Somebody consents, and the redirect has these parameters besides.
async fn consent(
    world: &World,
    engine: &Engine,
    begin: BeginConnect,
    besides: &[(&str, &str)],
    account: Account,
) -> Result<Connected, Error> {
    let asked = engine.begin_connect(begin).await?;
    let mut redirected: Url = world.browse(&asked.url);
    redirected.query_pairs_mut().extend_pairs(besides);
    engine.finish_connect(&redirected, account).await
}

async fn shops(world: &World, engine: &Engine, names: &[&str]) {
    for name in names {
        consent(world, engine, begin(name, &[("shop", name)]), &[], Account::AsBefore).await.unwrap();
    }
}

fn site(shop: &str) -> Site {
    Site::from([("shop".to_owned(), shop.to_owned())])
}

fn named(name: &str) -> ConnectionName {
    name.parse().unwrap()
}

/// Writes into the store what `change` makes of a connection, as whoever can write there might.
async fn forge(world: &World, name: &str, change: impl FnOnce(&mut Connection)) {
    let mut forged = world.named(name).await;
    change(&mut forged);
    forged.revision = 1;
    world.store.remove_connection(forged.id).await.unwrap();
    world.store.add_connection(&forged, &[]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_shop_is_asked_at_its_own_host() {
    let world = world();
    let engine = node(&world).await;
    shops(&world, &engine, &["acme", "bravo"]).await;
    for host in ["acme.shops.example", "bravo.shops.example"] {
        assert_eq!(world.sent_to(host), 1, "{host}: its code");
    }
    engine.refresh(&named("acme")).await.unwrap();
    assert_eq!((world.sent_to("acme.shops.example"), world.sent_to("bravo.shops.example")), (2, 1));
    assert_eq!(world.named("acme").await.grant.unwrap().about.site, site("acme"));
    // A new consent goes where the one before went.
    let again = begin("acme", &[]);
    consent(&world, &engine, again, &[], Account::Vouched).await.unwrap();
    assert_eq!(world.sent_to("acme.shops.example"), 3);
    engine.disconnect(&named("bravo"), false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shop_that_is_down_holds_up_no_other() {
    let world = world();
    let engine = node(&world).await;
    let shops_: Vec<String> = (0..12).map(|number| format!("shop-{number}")).collect();
    shops(&world, &engine, &shops_.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for down in &shops_[..6] {
        world.wire.sick.lock().unwrap().insert(format!("{down}.shops.example"), Sickness::Down);
    }
    world.serve(&engine, 3 * DAY).await;
    for (number, shop) in shops_.iter().enumerate() {
        let refreshed = world.named(shop).await.generation() > 2;
        assert_eq!(refreshed, number >= 6, "{shop}");
    }
    world.wire.sick.lock().unwrap().clear();
    world.serve(&engine, DAY).await;
    for shop in &shops_ {
        let connection = world.named(shop).await;
        assert_eq!(connection.state, State::Active, "{shop}");
        assert!(connection.generation() > 1, "{shop}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_who_writes_to_the_store_has_a_secret_sent_elsewhere() {
    let world = world();
    let engine = node(&world).await;
    shops(&world, &engine, &["acme"]).await;
    let sent = || world.wire.hosts().len();
    let before = sent();

    // Another shop is allowed, and this refresh token is not for it.
    forge(&world, "acme", |forged| forged.grant.as_mut().unwrap().about.site = site("evil")).await;
    let error = engine.refresh(&named("acme")).await.unwrap_err();
    assert!(matches!(error, Error::Sealed { .. }), "{error:?}");
    // This is nobody's shop.
    forge(&world, "acme", |forged| forged.grant.as_mut().unwrap().about.site = site("evil.example/")).await;
    let error = engine.refresh(&named("acme")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Site { why, .. } if matches!(**why, UnfitSite::NotAllowed { .. })),
        "{error:?}"
    );
    forge(&world, "acme", |forged| forged.grant.as_mut().unwrap().about.site.clear()).await;
    let error = engine.refresh(&named("acme")).await.unwrap_err();
    assert!(
        matches!(&error, Error::Site { why, .. } if matches!(**why, UnfitSite::Missing { .. })),
        "{error:?}"
    );
    world.serve(&engine, 2 * DAY).await;
    assert_eq!(sent(), before, "nothing was sent");
    // Its access token serves for as long as it lives.
    forge(&world, "acme", |forged| forged.grant.as_mut().unwrap().about.site = site("acme")).await;
    engine.refresh(&named("acme")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_redirect_for_another_shop_is_refused_before_anything_is_sent() {
    let world = world();
    let engine = node(&world).await;
    for (besides, said) in [
        (&[("shop", "evil.shops.example")][..], "was asked for"),
        (&[("shop", "evil.example")], "has to look like"),
        (&[("shop", "acme.shops.example"), ("shop", "evil")], "twice"),
        (&[("realmId", "1"), ("realmId", "2")], "twice"),
    ] {
        let refused =
            consent(&world, &engine, begin("acme", &[("shop", "acme")]), besides, Account::AsBefore).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(world.wire.hosts().is_empty(), "no code was sent");
    let fits = [("shop", "acme.shops.example")];
    consent(&world, &engine, begin("acme", &[("shop", "acme")]), &fits, Account::AsBefore).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_place_makes_nothing() {
    let world = world();
    let engine = node(&world).await;
    let missing = engine.begin_connect(begin("acme", &[])).await.unwrap_err();
    assert!(
        matches!(&missing, Error::Site { why, .. } if matches!(**why, UnfitSite::Missing { .. })),
        "{missing:?}"
    );
    let evil = engine.begin_connect(begin("acme", &[("shop", "evil.example/")])).await.unwrap_err();
    assert!(
        matches!(&evil, Error::Site { why, .. } if matches!(**why, UnfitSite::NotAllowed { .. })),
        "{evil:?}"
    );
    assert_eq!(world.store.connection_named(&named("acme")).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_provider_may_go_on_at_another_of_its_servers() {
    let world = world();
    let engine = with_token_endpoint(&world, "https://{server}/token").await;
    let besides = [("accounts-server", "https://eu.servers.example")];
    consent(&world, &engine, begin("crm", &[]), &besides, Account::AsBefore).await.unwrap();
    assert_eq!(world.sent_to("eu.servers.example"), 1);
    engine.refresh(&named("crm")).await.unwrap();
    assert_eq!((world.sent_to("eu.servers.example"), world.sent_to("us.servers.example")), (2, 0));

    let evil = [("accounts-server", "https://evil.example")];
    let refused = consent(&world, &engine, begin("other", &[]), &evil, Account::AsBefore).await.unwrap_err();
    assert!(refused.to_string().contains("eu.servers.example or us.servers.example"), "{refused}");
    assert_eq!(world.sent_to("evil.example"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_is_for_a_place_too() {
    let world = world();
    let engine = node(&world).await;
    shops(&world, &engine, &["acme"]).await;
    let client = engine.client_named("sandbox").await.unwrap();
    let token = engine.export(&world.named("acme").await, &client).await.unwrap().refresh_token.unwrap();
    engine.disconnect(&named("acme"), true).await.unwrap();

    let import = async |site: &str| {
        let shop = Site::from([("shop".to_owned(), site.to_owned())]);
        let new = NewConnection { site: shop, ..new("acme", token.clone()) };
        engine.import(vec![new], false, &Holders::default()).await.unwrap().remove(0)
    };
    let error = import("evil.example/").await.unwrap_err();
    assert!(
        matches!(&error, Error::Site { why, .. } if matches!(**why, UnfitSite::NotAllowed { .. })),
        "{error:?}"
    );
    assert_eq!(import("acme.shops.example").await.unwrap(), Imported::Added);
    assert_eq!(world.named("acme").await.grant.unwrap().about.site, site("acme"));
    engine.refresh(&named("acme")).await.unwrap();
    assert_eq!(world.sent_to("acme.shops.example"), 2, "its code, and its refresh");
}

#[tokio::test(start_paused = true)]
async fn no_default_stands_for_where_a_token_comes_from() {
    let world = world();
    let engine = with_token_endpoint(&world, "https://{server}/token").await;
    let import = async |said: &[(&str, &str)]| {
        let site = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        engine
            .import(vec![NewConnection { site, ..new("crm", "rt") }], false, &Holders::default())
            .await
            .unwrap()
            .remove(0)
    };
    let refused = import(&[]).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Site { why, .. } if matches!(**why, UnfitSite::Missing { .. })),
        "{refused:?}"
    );
    assert_eq!(import(&[("server", "https://eu.servers.example/")]).await.unwrap(), Imported::Added);
    let site = world.named("crm").await.grant.unwrap().about.site;
    assert_eq!(site["server"], "eu.servers.example");
}

#[tokio::test(start_paused = true)]
async fn what_proves_a_client_is_made_for_where_it_is_sent() {
    let world = world();
    let engine = world.node();
    let mut new: NewClient = client();
    new.auth = ClientAuth::ClientSecretJwt;
    new.secret = Some("a secret that is long enough for a key".into());
    new.endpoints.issuer = None;
    new.endpoints.token = TEMPLATE.parse().unwrap();
    engine.add_client(new).await.unwrap();
    let granted = || {
        let body = r#"{"access_token":"at","token_type":"Bearer","expires_in":3600}"#;
        let answer = Trouble::answer(StatusCode::OK, "application/json", body.to_owned());
        let fault = Fault::at(Endpoint::Token, Trouble::AnswerUnprocessed(answer));
        world.wire.sandbox.lock().unwrap().add_fault(fault);
    };
    granted();
    engine.connect_client_credentials(&named("acme"), "sandbox", &site("acme")).await.unwrap();
    granted();
    engine.refresh(&named("acme")).await.unwrap();

    let audience = |form: &HashMap<String, String>| {
        let claims = form["client_assertion"].split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        claims["aud"].clone()
    };
    let audiences: Vec<Value> = world.wire.forms_sent().iter().map(audience).collect();
    assert_eq!(audiences, ["https://acme.shops.example/token", "https://acme.shops.example/token"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_redirect_brings_is_kept_and_tells_accounts_apart() {
    let world = world();
    let engine = node(&world).await;
    let again = |realm: &'static str, account| {
        let (world, engine) = (&world, &engine);
        async move {
            consent(world, engine, begin("acme", &[("shop", "acme")]), &[("realmId", realm)], account).await
        }
    };
    again("42", Account::AsBefore).await.unwrap();
    let stored = world.named("acme").await.grant.unwrap().about;
    assert_eq!(stored.redirect, BTreeMap::from([("realmId".to_owned(), "42".to_owned())]));
    assert!(!stored.account.unwrap().hash.contains("42"), "whose it is, is not told");
    engine.refresh(&named("acme")).await.unwrap();
    let want = Want { extra: true, ..Want::default() };
    assert_eq!(engine.issue_token(&named("acme"), want).await.unwrap().extra["realmId"], "42");

    let before = world.named("acme").await;
    for account in [Account::AsBefore, Account::Vouched] {
        let error = again("43", account).await.unwrap_err();
        assert!(matches!(error, Error::AnotherAccount { .. }), "{error:?}");
    }
    let silent = consent(&world, &engine, begin("acme", &[]), &[], Account::AsBefore).await.unwrap_err();
    assert!(matches!(silent, Error::UnknownAccount { .. }), "{silent:?}");
    assert_eq!(world.named("acme").await, before, "nothing was touched");
    again("42", Account::AsBefore).await.unwrap();
    again("43", Account::Any).await.unwrap();
    assert!(engine.knows_account(&named("acme")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_said_once_is_kept_by_those_that_do_not_repeat_it() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    for (token, besides) in
        [("1", r#","api_domain":"https://a.example","n":1"#), ("2", ""), ("3", r#","n":3,"api_domain":null"#)]
    {
        let body = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":86400,"refresh_token":"rt"{besides}}}"#
        );
        let answer = Trouble::answer(StatusCode::OK, "application/json", body);
        let fault = Fault::at(Endpoint::Token, Trouble::AnswerUnprocessed(answer));
        world.wire.sandbox.lock().unwrap().add_fault(fault);
        engine.refresh(&super::world::shop()).await.unwrap();
    }
    let want = Want { extra: true, min_ttl: Some(Duration::ZERO) };
    let issued = engine.issue_token(&super::world::shop(), want).await.unwrap();
    assert_eq!(issued.access_token.expose_secret(), "3");
    assert_eq!((&issued.extra["api_domain"], &issued.extra["n"]), (&"https://a.example".into(), &3.into()));
}

#[tokio::test(start_paused = true)]
async fn the_patience_that_one_place_asks_for_is_not_asked_for_by_another() {
    let world = world();
    let engine = node(&world).await;
    shops(&world, &engine, &["acme", "bolt"]).await;
    for name in ["acme-2", "acme-3"] {
        consent(&world, &engine, begin(name, &[("shop", "acme")]), &[], Account::Any).await.unwrap();
    }
    for name in ["acme", "acme-2"] {
        let mut throttled = Trouble::html_page(StatusCode::TOO_MANY_REQUESTS);
        throttled.headers_mut().insert("retry-after", 3600.into());
        let fault = Fault::on_refresh(Trouble::AnswerUnprocessed(throttled));
        world.wire.sandbox.lock().unwrap().add_fault(fault);
        engine.refresh(&named(name)).await.unwrap_err();
    }
    let client = engine.client_named("sandbox").await.unwrap().id;
    let left = |host: &str| engine.inner.holds.patience_left(client, host, engine.inner.clock.uptime());
    assert!(left("acme.shops.example").is_some());
    assert_eq!(left("bolt.shops.example"), None);
}
