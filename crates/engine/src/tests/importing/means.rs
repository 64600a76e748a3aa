//! What is renewed by something else than a refresh token alone.

use vestal_core::client::ClientAuth;

use super::*;

#[tokio::test(start_paused = true)]
async fn tokens_that_are_bound_to_a_key_take_it_along() {
    let (world, engine) = world().await;
    let mut bound = client();
    (bound.name, bound.endpoints.dpop) = ("bound".into(), true);
    engine.add_client(bound).await.unwrap();
    let credentials = || NewConnection {
        client: "bound".to_owned(),
        renewal: Renewal::ClientCredentials,
        refresh_token: None,
        access_token: Some("at".into()),
        token_type: "DPoP".to_owned(),
        expires_at: Some(world.now() + HOUR),
        ..new("job", "")
    };
    let client = engine.client_named("bound").await.unwrap();
    // The client proves itself: a key can be made, but none that the old access token is bound to.
    import(&engine, credentials(), false).await.unwrap();
    let secrets = engine.export(&world.named("job").await, &client).await.unwrap();
    assert!(secrets.means.contains_key("proof_key") && secrets.access_token.is_none(), "{:?}", secrets.means);

    engine.disconnect(&"job".parse().unwrap(), true).await.unwrap();
    let with_key = NewConnection { means: secrets.means.clone(), ..credentials() };
    import(&engine, with_key, false).await.unwrap();
    let again = engine.export(&world.named("job").await, &client).await.unwrap();
    assert_eq!(again.means, secrets.means);
    assert_eq!(again.access_token.unwrap().expose_secret(), "at");

    let mut public = super::super::world::client();
    (public.name, public.endpoints.dpop) = ("public".into(), true);
    (public.auth, public.secret) = (ClientAuth::None, None);
    engine.add_client(public).await.unwrap();
    let without_key = NewConnection { client: "public".to_owned(), ..new("lost", "rt") };
    let refused = import(&engine, without_key.clone(), false).await.unwrap_err();
    assert!(refused.to_string().contains("bound to a key"), "{refused}");
    import(&engine, NewConnection { means: secrets.means.clone(), ..without_key.clone() }, false)
        .await
        .unwrap();
    for (field, value) in [("proof_key", "no key".into()), ("prof_key", secrets.means["proof_key"].clone())] {
        let means = [(field.to_owned(), value)].into_iter().collect();
        let refused = import(&engine, NewConnection { means, ..without_key.clone() }, true).await;
        assert!(refused.unwrap_err().to_string().contains("what renewing it needs"), "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_exchanged_or_signed_is_imported_again() {
    let (world, engine) = world().await;
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    let name = |name: &str| name.parse().unwrap();
    let exchange = crate::ExchangeFrom {
        from: shop(),
        audiences: vec!["reports".to_owned()],
        resources: vec![],
        scopes: None,
    };
    let nowhere = Default::default();
    engine.connect_token_exchange(&name("reports"), "sandbox", &nowhere, exchange).await.unwrap();
    let client = engine.client_named("sandbox").await.unwrap();
    let of_shop = engine.export(&world.shop().await, &client).await.unwrap();
    let of_reports = engine.export(&world.named("reports").await, &client).await.unwrap();
    assert_eq!(of_reports.means["exchange"]["from"], "shop");
    engine.disconnect(&shop(), true).await.unwrap();
    let stranded = engine.export(&world.named("reports").await, &client).await.unwrap();
    assert!(stranded.is_stranded && stranded.means.is_empty());
    engine.disconnect(&name("reports"), true).await.unwrap();

    let reports = || NewConnection {
        renewal: Renewal::TokenExchange,
        refresh_token: None,
        means: of_reports.means.clone(),
        ..new("reports", "")
    };
    let refused = import(&engine, reports(), false).await.unwrap_err();
    assert!(refused.to_string().contains("\"shop\", which is not there"), "{refused}");
    import(&engine, new("shop", of_shop.refresh_token.unwrap()), false).await.unwrap();
    assert_eq!(import(&engine, reports(), false).await.unwrap(), Imported::Added);
    engine.refresh(&name("reports")).await.unwrap();
    assert_eq!(import(&engine, reports(), false).await.unwrap(), Imported::AlreadyThere);

    for renewal in [Renewal::JwtBearer, Renewal::TokenExchange] {
        let bare = NewConnection { renewal, refresh_token: None, ..new("bare", "") };
        let refused = import(&engine, bare, false).await.unwrap_err();
        assert!(matches!(refused, Error::Unimportable { .. }), "{refused:?}");
    }
}
