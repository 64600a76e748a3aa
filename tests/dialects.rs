//! Requests as some providers want them and answers as they give them, where that is not as RFC 6749 has them.

use serde_json::{Value, json};
use vestal_sandbox::{Dialect, ExpiresIn, HeaderCredentials, TokenExchange};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Kind, Provider, Secret};

#[test]
fn each_provider_hears_its_own_dialect() {
    let plain = Dialect::default;
    for (profile, dialect) in [
        ("notion", Dialect { json: true, ..plain() }),
        ("square", Dialect { json: true, refuses_pkce: true, ..plain() }),
        ("tiktok", Dialect { client_id: "client_key", refuses_pkce: true, ..plain() }),
        ("pipedrive", Dialect { refuses_pkce: true, ..plain() }),
        ("gitlab", Dialect { repeats_redirect_uri: true, ..plain() }),
        (
            "reddit",
            Dialect {
                credentials: HeaderCredentials::BasicAlways,
                user_agent: "linux:app:v1",
                refuses_pkce: true,
                ..plain()
            },
        ),
        (
            "stripe-apps",
            Dialect { credentials: HeaderCredentials::BasicSecret, refuses_pkce: true, ..plain() },
        ),
        (
            "stripe-connect",
            Dialect { credentials: HeaderCredentials::BearerSecret, refuses_pkce: true, ..plain() },
        ),
        ("slack", Dialect { success: Some(("ok", json!(true))), ..plain() }),
        (
            "slack-user",
            Dialect {
                scope: "user_scope",
                exchange_place: Some("authed_user"),
                success: Some(("ok", json!(true))),
                ..plain()
            },
        ),
    ] {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| settings.dialect = dialect);
        // Named, since some take it only in their sandboxes.
        let redirect_uri = ["--redirect-uri", "http://localhost:8724/callback"];
        home.connect_with("shop", &[&["--provider", profile], &redirect_uri[..]].concat(), &provider);
        home.vestal(&["refresh", "shop"]).ok();
        assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()), "{profile}");
        home.vestal(&["disconnect", "shop", "--yes"]).ok();
        let stats = provider.sandbox().stats().clone();
        let counted = (stats.exchanges, stats.refreshes, stats.revocations, stats.refusals);
        assert_eq!(counted, (1, 1, 1, 0), "{profile}: {stats:?}");
    }
}

/// Instagram's access tokens are exchanged themselves; in the URL, where they must not be seen.
#[test]
fn an_access_token_is_exchanged_for_a_long_lived_one_right_after_the_consent() {
    let home = Home::new();
    let (day_ms, hour_ms) = (86_400_000, 3_600_000);
    let exchange = TokenExchange {
        lengthen: "ig_exchange_token",
        renew: Some("ig_refresh_token"),
        token: "access_token",
        long_life_ms: 60 * day_ms,
        minimum_age_ms: day_ms,
    };
    let provider = Provider::start(home.record(), |settings| {
        settings.access_token_life_ms = hour_ms;
        let refuses_pkce = true;
        settings.dialect = Dialect { exchange: Some(exchange), refuses_pkce, ..Dialect::default() };
    });
    home.connect_with("insta", &["--provider", "instagram"], &provider);
    let first = home.vestal(&["token", "insta"]).ok().stdout.trim().to_owned();
    assert!(provider.accepts(&first));
    let shown: Value = home.vestal(&["explain", "insta", "--json"]).ok().json();
    assert_eq!((&shown["why"], &shown["generation"]), (&json!("exchange"), &json!(2)), "{shown}");
    let told = home.vestal(&["explain", "insta"]).ok().stdout;
    assert!(told.contains("it is exchanged for a newer one while it lives"), "{told}");

    // It is too young, which is told; and then it is not.
    let refused = home.vestal(&["refresh", "insta"]).code(4);
    assert!(refused.stderr.contains("too young"), "{}", refused.stderr);
    assert_eq!(provider.sandbox().stats().too_early, 1);
    provider.sandbox().settings_mut().dialect.exchange =
        Some(TokenExchange { minimum_age_ms: 0, ..exchange });
    home.vestal(&["refresh", "insta"]).ok();
    let second = home.vestal(&["token", "insta"]).ok().stdout.trim().to_owned();
    assert!(second != first && provider.accepts(&second) && provider.accepts(&first), "both stay valid");
    home.vestal(&["status", "insta"]).ok();
    home.vestal(&["events", "insta"]).ok();
    // The record searches everything that was said for them.
    home.record().add_secret(Secret::new(Kind::AccessToken, second));
    assert_eq!(provider.sandbox().stats().refreshes, 2);
}

/// Facebook's are exchanged once: then a person has to consent again.
#[test]
fn a_long_lived_access_token_that_is_not_renewed_says_when_it_ends() {
    let home = Home::new();
    let exchange = TokenExchange {
        lengthen: "fb_exchange_token",
        renew: None,
        token: "fb_exchange_token",
        long_life_ms: 60 * 86_400_000,
        minimum_age_ms: 0,
    };
    let provider = Provider::start(home.record(), |settings| {
        settings.dialect = Dialect { exchange: Some(exchange), ..Dialect::default() };
    });
    home.connect_with("page", &["--provider", "facebook"], &provider);
    assert!(provider.accepts(home.vestal(&["token", "page"]).ok().stdout.trim()));
    let shown: Value = home.vestal(&["explain", "page", "--json"]).ok().json();
    assert_eq!(shown["why"], "nothing_to_renew_with", "{shown}");
    assert_eq!(shown["absolute_end"]["warnings"].as_array().map(Vec::len), Some(5), "{shown}");
    home.vestal(&["refresh", "page"]).code(3);
    assert_eq!(provider.sandbox().stats().refreshes, 1, "{CLIENT_ID} asked once");
}

/// Mailchimp's access tokens have no end, of which nobody has to be warned; those that nobody knows the end of may have one.
#[test]
fn what_has_no_end_is_not_said_to_end() {
    for (profile, expires_in, ends) in [
        ("mailchimp", ExpiresIn::Zero, false),
        ("custom", ExpiresIn::Absent, true),
        ("custom", ExpiresIn::Number, true),
    ] {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| {
            settings.expires_in = expires_in;
            settings.refresh_tokens.only_with_scope = Some("which nobody asks for".to_owned());
            settings.dialect = Dialect { refuses_pkce: profile == "mailchimp", ..Dialect::default() };
        });
        // By its endpoints alone, since introspection would tell the life.
        let (page, token) = (format!("{}/authorize", provider.issuer), format!("{}/token", provider.issuer));
        let at = ["--provider", profile, "--authorization-endpoint", &page, "--token-endpoint", &token];
        let client = ["--client-id", CLIENT_ID, "--client-secret-stdin"];
        let connected = home.consent("shop", &[&at[..], &client].concat(), CLIENT_SECRET).ok();
        assert!(connected.stdout.contains("there is NO refresh token"), "{connected}");
        assert_eq!(connected.stdout.contains("the access token has no end"), !ends, "{connected}");
        assert_eq!(connected.stderr.contains("ends with its access token"), ends, "{connected}");
    }
}
